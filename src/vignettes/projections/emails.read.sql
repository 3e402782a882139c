CREATE OR REPLACE VIEW read.emails AS
    SELECT e.order_id, e.version, e.kind, personal.opened(e.recipient, k.contact_view) AS recipient, e.language,
           personal.opened(m.subject, k.vehicle_view) AS subject, e.message_id,
           CASE WHEN m.returned_at IS NOT NULL THEN 'returned'
                WHEN m.again_at IS NOT NULL THEN 'retrying'
                WHEN m.sent_at IS NOT NULL THEN 'sent'
                WHEN e.recipient IS NULL OR (k.order_id IS NOT NULL AND k.contact_view IS NULL) THEN 'erased'
                WHEN m.message_id IS NULL THEN 'not_called'
                WHEN m.attempts > 0 THEN 'retrying' ELSE 'waiting' END AS state,
           e.called_at, m.sent_at, coalesce(m.attempts, 0) AS attempts, m.last_error, e.position,
           m.returned_at, m.return_kind, m.return_status
    FROM view.emails e LEFT JOIN effect.mails m USING (message_id) LEFT JOIN personal.keys k ON k.order_id = e.order_id;
COMMENT ON VIEW read.emails IS 'The mails that the log calls for, and what became of them.';
COMMENT ON COLUMN read.emails.subject IS 'As it was sent; null before, and once the vehicle was erased.';
COMMENT ON COLUMN read.emails.state IS 'waiting, retrying, sent, returned (it came back for good, or was called spam), erased (nobody is left to write to), or not_called: found by a later build of this view only, and not sent.';
COMMENT ON COLUMN read.emails.sent_at IS 'When the mail server took it, the first time.';
COMMENT ON COLUMN read.emails.attempts IS 'How often it was handed to the mail server.';
COMMENT ON COLUMN read.emails.last_error IS 'Why the last attempt failed, without the server''s own words.';
COMMENT ON COLUMN read.emails.returned_at IS 'When it came back for good, or was called spam.';
COMMENT ON COLUMN read.emails.return_kind IS 'permanent: nobody gets it. complaint: whoever got it calls it spam.';
COMMENT ON COLUMN read.emails.return_status IS 'The status that came with it (RFC 3463), such as 5.1.1.';
