-- Announced outages of authorities: facts with an actor, that stay. A withdrawal is another fact.
CREATE TABLE log.outages (
    outage_id    uuid        PRIMARY KEY,
    country      text        NOT NULL CHECK (country ~ '^[A-Z]{2}$'),
    begins_at    timestamptz NOT NULL,
    ends_at      timestamptz NOT NULL CHECK (ends_at > begins_at),
    note         text,
    announced_by text        NOT NULL,
    announced_at timestamptz NOT NULL DEFAULT clock.now()
);
CREATE INDEX outages_ahead ON log.outages (ends_at);
COMMENT ON TABLE log.outages IS 'Outages that authorities have announced. Orders that one brings forward say so in their own events.';
COMMENT ON COLUMN log.outages.outage_id IS 'The id of the command that announced it: asked again, it is the same outage.';
COMMENT ON COLUMN log.outages.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN log.outages.begins_at IS 'The first instant at which the authority is not there.';
COMMENT ON COLUMN log.outages.ends_at IS 'The first instant at which it is there again.';
COMMENT ON COLUMN log.outages.note IS 'In the words of whoever announced it.';
COMMENT ON COLUMN log.outages.announced_by IS 'Who announced it.';
COMMENT ON COLUMN log.outages.announced_at IS 'When that was, by the service''s clock.';

CREATE TABLE log.outage_withdrawals (
    outage_id    uuid        PRIMARY KEY REFERENCES log.outages,
    command_id   uuid        NOT NULL UNIQUE,
    withdrawn_by text        NOT NULL,
    withdrawn_at timestamptz NOT NULL DEFAULT clock.now()
);
COMMENT ON TABLE log.outage_withdrawals IS 'Outages that will not take place after all, or were announced wrongly.';
COMMENT ON COLUMN log.outage_withdrawals.outage_id IS 'Which one.';
COMMENT ON COLUMN log.outage_withdrawals.command_id IS 'The command that withdrew it: it stands for no other outage.';
COMMENT ON COLUMN log.outage_withdrawals.withdrawn_by IS 'Who withdrew it.';
COMMENT ON COLUMN log.outage_withdrawals.withdrawn_at IS 'When that was, by the service''s clock.';

CREATE TRIGGER outages_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON log.outages
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER withdrawals_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON log.outage_withdrawals
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.outages ENABLE ALWAYS TRIGGER outages_are_for_ever;
ALTER TABLE log.outage_withdrawals ENABLE ALWAYS TRIGGER withdrawals_are_for_ever;

CREATE VIEW read.outages AS
    SELECT o.outage_id, o.country, o.begins_at, o.ends_at, o.note, o.announced_by, o.announced_at, w.withdrawn_by, w.withdrawn_at
    FROM log.outages o LEFT JOIN log.outage_withdrawals w USING (outage_id);
COMMENT ON VIEW read.outages IS 'Announced outages of authorities, the withdrawn ones included.';

-- Which plans of orders have been held against which outage; remembered apart from the views, which come and go.
CREATE TABLE effect.outages_told (
    outage_id  uuid    NOT NULL,
    order_id   uuid    NOT NULL,
    generation integer NOT NULL,
    withdrawn  boolean NOT NULL,
    PRIMARY KEY (outage_id, order_id, generation, withdrawn)
);
COMMENT ON TABLE effect.outages_told IS 'Orders that were told of an outage, or of its withdrawal: once for each of their plans.';
COMMENT ON COLUMN effect.outages_told.outage_id IS 'The outage.';
COMMENT ON COLUMN effect.outages_told.order_id IS 'The order that was told.';
COMMENT ON COLUMN effect.outages_told.generation IS 'Its plan at that time: a later one is told anew.';
COMMENT ON COLUMN effect.outages_told.withdrawn IS 'Whether it was told of the withdrawal.';

GRANT SELECT ON log.outages, log.outage_withdrawals TO vignettes_writer, vignettes_projector, vignettes_auditor;
GRANT INSERT (outage_id, country, begins_at, ends_at, note, announced_by) ON log.outages TO vignettes_writer;
GRANT INSERT (outage_id, command_id, withdrawn_by) ON log.outage_withdrawals TO vignettes_writer;
GRANT SELECT, INSERT, UPDATE, DELETE ON effect.outages_told TO vignettes_projector;
GRANT SELECT ON read.outages TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
