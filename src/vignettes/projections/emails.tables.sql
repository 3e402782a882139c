CREATE TABLE {emails} (
    order_id   uuid NOT NULL,
    version    bigint NOT NULL,
    kind       text NOT NULL,
    message_id text NOT NULL UNIQUE,
    recipient  bytea,
    language   text NOT NULL,
    facts      jsonb NOT NULL,
    contact    bytea,
    vehicle    bytea,
    called_at  timestamptz NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (order_id, version, kind)
);
CREATE INDEX ON {emails} (position);
COMMENT ON TABLE {emails} IS 'The mails that the log calls for; whether they left is effect.mails.';
COMMENT ON COLUMN {emails}.order_id IS 'The order, or the case of support, that it is about.';
COMMENT ON COLUMN {emails}.version IS 'Version of it whose event called for the mail.';
COMMENT ON COLUMN {emails}.kind IS 'Which mail: placed, paid, underpaid, started, issued, ...';
COMMENT ON COLUMN {emails}.message_id IS 'The Message-ID: follows from order, version and kind.';
COMMENT ON COLUMN {emails}.recipient IS 'Where it goes; null once erased, and then it is not sent any more. Sealed in the table.';
COMMENT ON COLUMN {emails}.language IS 'Of the mail, ISO 639.';
COMMENT ON COLUMN {emails}.facts IS 'What the text says, as it was at that version, less what is personal.';
COMMENT ON COLUMN {emails}.contact IS 'More facts, as JSON: what tells the person. Sealed.';
COMMENT ON COLUMN {emails}.vehicle IS 'More facts, as JSON: what tells the vehicle. Sealed.';
COMMENT ON COLUMN {emails}.called_at IS 'When that event was recorded.';
COMMENT ON COLUMN {emails}.position IS 'Position of that event in the log.';
