-- What comes back of our mails: bounces and complaints, found by the address that each mail is sent from.
ALTER TABLE effect.mails ADD return_tag text UNIQUE, ADD failing_since timestamptz, ADD again_at timestamptz,
    ADD soft_returns integer NOT NULL DEFAULT 0, ADD returned_at timestamptz,
    ADD return_kind text CHECK (return_kind IN ('permanent', 'complaint')), ADD return_status text,
    ADD return_noted_at timestamptz,
    ADD CHECK ((returned_at IS NULL) = (return_kind IS NULL));
COMMENT ON COLUMN effect.mails.return_tag IS 'What tells this mail in the address that it is sent from; nobody can guess it.';
COMMENT ON COLUMN effect.mails.failing_since IS 'When the first of the attempts failed that have failed since, by the real clock.';
COMMENT ON COLUMN effect.mails.again_at IS 'When a mail that was returned for a while is sent once more, by the real clock.';
COMMENT ON COLUMN effect.mails.soft_returns IS 'How often it came back for a while.';
COMMENT ON COLUMN effect.mails.returned_at IS 'When it came back for good, or was called spam.';
COMMENT ON COLUMN effect.mails.return_kind IS 'permanent: nobody gets it. complaint: whoever got it calls it spam.';
COMMENT ON COLUMN effect.mails.return_status IS 'The status that came with it (RFC 3463), such as 5.1.1.';
COMMENT ON COLUMN effect.mails.return_noted_at IS 'When its order was told, by the real clock.';

DROP INDEX effect.mails_waiting;
CREATE INDEX mails_waiting ON effect.mails (position, message_id) WHERE sent_at IS NULL AND returned_at IS NULL;
CREATE INDEX mails_again ON effect.mails (again_at) WHERE again_at IS NOT NULL;
CREATE INDEX mails_to_note ON effect.mails (returned_at) WHERE returned_at IS NOT NULL AND return_noted_at IS NULL;

CREATE OR REPLACE VIEW read.mails_waiting AS
    SELECT count(*) AS mails, min(m.called_at) AS oldest_called_at, coalesce(max(m.attempts), 0) AS most_attempts
    FROM effect.mails m JOIN personal.keys k USING (order_id)
    WHERE m.sent_at IS NULL AND m.returned_at IS NULL AND k.contact_view IS NOT NULL;

CREATE TABLE effect.mail_reports (
    outcome text PRIMARY KEY,
    reports bigint NOT NULL
);
COMMENT ON TABLE effect.mail_reports IS 'What came to the return address, counted by what was made of it.';
GRANT SELECT, INSERT, UPDATE ON effect.mail_reports TO vignettes_projector;

CREATE VIEW read.mail_reports AS SELECT outcome, reports FROM effect.mail_reports;
COMMENT ON VIEW read.mail_reports IS 'What came to the return address, counted by what was made of it.';
COMMENT ON COLUMN read.mail_reports.outcome IS 'permanent, soft, complaint, ignored (out of office, delayed, delivered), or set_aside: not understood, and of no mail of ours.';
COMMENT ON COLUMN read.mail_reports.reports IS 'How many, ever.';
GRANT SELECT ON read.mail_reports TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
