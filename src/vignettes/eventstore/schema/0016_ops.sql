-- What people on duty do beside the log: they let a mail be tried at once, or an order that waits in a view. Nothing of
-- that is an event of an order; who did it, and when, is kept here.
CREATE TABLE effect.interventions (
    command_id uuid        PRIMARY KEY,
    subject    text        NOT NULL,
    about      jsonb       NOT NULL,
    outcome    jsonb       NOT NULL,
    actor      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT clock.now()
);
CREATE INDEX interventions_at ON effect.interventions (at);
COMMENT ON TABLE effect.interventions IS 'Commands of people on duty that are no event of an order: asked again, each is answered as the first time.';
COMMENT ON COLUMN effect.interventions.subject IS 'The subject on which it was asked.';
COMMENT ON COLUMN effect.interventions.about IS 'What it asked for: orders and messages by their ids, nobody by name or address.';
COMMENT ON COLUMN effect.interventions.outcome IS 'What it was answered with.';
COMMENT ON COLUMN effect.interventions.actor IS 'Who asked.';
COMMENT ON COLUMN effect.interventions.at IS 'When, by the service''s clock.';
REVOKE ALL ON effect.interventions FROM vignettes_projector;
GRANT SELECT, INSERT ON effect.interventions TO vignettes_projector;

CREATE VIEW read.interventions AS SELECT command_id, subject, about, outcome, actor, at FROM effect.interventions;
COMMENT ON VIEW read.interventions IS 'What people on duty did that is no event of an order.';

-- The few mails that need somebody's eye are found without reading all that ever left.
CREATE INDEX mails_returned ON effect.mails (returned_at) WHERE returned_at IS NOT NULL;

CREATE VIEW read.mails_open AS
    SELECT m.message_id, m.order_id, m.kind, m.called_at, m.attempts, m.last_error, m.retry_at, m.position
    FROM effect.mails m JOIN personal.keys k USING (order_id)
    WHERE m.sent_at IS NULL AND m.returned_at IS NULL AND k.contact_view IS NOT NULL;
COMMENT ON VIEW read.mails_open IS 'Mails that are still to leave, one row per mail; those that nobody is left to get are none.';
COMMENT ON COLUMN read.mails_open.order_id IS 'The order, or the case of support, that it is about.';
COMMENT ON COLUMN read.mails_open.called_at IS 'When the event was recorded that called for it.';
COMMENT ON COLUMN read.mails_open.attempts IS 'How often it was handed to the mail server.';
COMMENT ON COLUMN read.mails_open.last_error IS 'Why the last attempt failed, without the server''s own words.';
COMMENT ON COLUMN read.mails_open.retry_at IS 'Not tried again before, by the real clock.';

CREATE VIEW read.mails_returned AS
    SELECT m.message_id, m.order_id, m.kind, m.called_at, m.sent_at, m.returned_at, m.return_kind, m.return_status
    FROM effect.mails m JOIN personal.keys k USING (order_id)
    WHERE m.returned_at IS NOT NULL AND k.contact_view IS NOT NULL;
COMMENT ON VIEW read.mails_returned IS 'Mails that came back for good, or were called spam, one row per mail.';
COMMENT ON COLUMN read.mails_returned.order_id IS 'The order, or the case of support, that it is about.';
COMMENT ON COLUMN read.mails_returned.return_kind IS 'permanent: nobody gets it. complaint: whoever got it calls it spam.';
COMMENT ON COLUMN read.mails_returned.return_status IS 'The status that came with it (RFC 3463), such as 5.1.1.';

GRANT SELECT ON read.interventions, read.mails_open, read.mails_returned
    TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
