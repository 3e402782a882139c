-- The one ordered log, and the answers that were given for it.
CREATE TABLE log.events (
    originator_id      uuid   NOT NULL,
    originator_version bigint NOT NULL CHECK (originator_version > 0),
    topic              text   NOT NULL,
    state              bytea  NOT NULL,
    notification_id    bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX events_position ON log.events (notification_id);

COMMENT ON TABLE log.events IS 'Every event of every order. Positions become visible in order: appends hold one advisory lock to their commit.';
COMMENT ON COLUMN log.events.originator_id IS 'The order.';
COMMENT ON COLUMN log.events.originator_version IS 'The order''s version after this event: 1..n without gap.';
COMMENT ON COLUMN log.events.topic IS 'The stable name of the event and the version of its form.';
COMMENT ON COLUMN log.events.state IS 'JSON in UTF-8: v (form of the envelope), at, by (actor), cmd, cor, data.';
COMMENT ON COLUMN log.events.notification_id IS 'The position in the log; grows, may have gaps.';

CREATE TABLE log.commands (
    command_id   uuid        PRIMARY KEY,
    payload_hash bytea       NOT NULL,
    order_id     uuid,
    position     bigint,
    reply        jsonb       NOT NULL,
    recorded_at  timestamptz NOT NULL
);

COMMENT ON TABLE log.commands IS 'Every command that was answered, so that asking again gives the same answer for ever. Holds no personal data.';
COMMENT ON COLUMN log.commands.payload_hash IS 'Keyed hash of the canonical body: another body under the same id is refused.';
COMMENT ON COLUMN log.commands.position IS 'Position of the order''s last event when the answer was given.';
COMMENT ON COLUMN log.commands.reply IS 'What was answered, beside what is derived from it (links).';

CREATE SEQUENCE log.order_serial;

CREATE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of %.% is forbidden: the log is only ever appended to', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER events_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON log.events
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER answers_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON log.commands
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();

-- Also in sessions that claim to replicate, where ordinary triggers stay silent.
ALTER TABLE log.events ENABLE ALWAYS TRIGGER events_are_for_ever;
ALTER TABLE log.commands ENABLE ALWAYS TRIGGER answers_are_for_ever;

GRANT SELECT ON log.events, log.commands TO vignettes_writer;
-- By column: a writer that could choose its position could write behind the readers' backs.
GRANT INSERT (originator_id, originator_version, topic, state) ON log.events TO vignettes_writer;
GRANT INSERT ON log.commands TO vignettes_writer;
GRANT USAGE ON SEQUENCE log.order_serial TO vignettes_writer;
GRANT SELECT ON log.events TO vignettes_projector;
GRANT SELECT ON log.events, log.commands TO vignettes_auditor;
