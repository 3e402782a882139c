-- Who looked at what: every question of an auditor is itself on record, and nobody may take it back.
CREATE SCHEMA audit;
COMMENT ON SCHEMA audit IS 'What auditors have looked at. Only ever appended to.';

CREATE TABLE audit.looks (
    id        bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    looked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor     text        NOT NULL CHECK (actor <> '' AND length(actor) <= 200),
    what      text        NOT NULL CHECK (what ~ '^[a-z_]{1,40}$'),
    order_id  uuid,
    details   jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(details) = 'object')
);
CREATE INDEX looks_of_order ON audit.looks (order_id, id) WHERE order_id IS NOT NULL;
COMMENT ON TABLE audit.looks IS 'Every look: written before it is answered.';
COMMENT ON COLUMN audit.looks.looked_at IS 'By the real clock, whatever the sandbox has moved.';
COMMENT ON COLUMN audit.looks.actor IS 'Who looked, as the program that asked has told.';
COMMENT ON COLUMN audit.looks.what IS 'find, history, prove, export, heads, verify or looks.';
COMMENT ON COLUMN audit.looks.order_id IS 'Whose history it was about: an order''s, a bank payment''s or a case''s; null where it was about no single one.';
COMMENT ON COLUMN audit.looks.details IS 'What else was asked. Holds no personal data.';

CREATE TRIGGER looks_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON audit.looks
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
-- Also in sessions that claim to replicate, where ordinary triggers stay silent.
ALTER TABLE audit.looks ENABLE ALWAYS TRIGGER looks_are_for_ever;

-- The only thing that an auditor may write. A function, so that neither number nor time of a look can be chosen.
CREATE FUNCTION audit.note_look(actor text, what text, order_id uuid, details jsonb) RETURNS bigint
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
    BEGIN ATOMIC
        INSERT INTO audit.looks (actor, what, order_id, details)
        VALUES (note_look.actor, note_look.what, note_look.order_id, note_look.details) RETURNING id;
    END;
COMMENT ON FUNCTION audit.note_look IS 'Puts a look on record, and returns its number.';

CREATE VIEW read.looks AS
    SELECT id, looked_at, actor, what, order_id, details FROM audit.looks;
COMMENT ON VIEW read.looks IS 'What auditors have looked at, by whom and when.';
COMMENT ON COLUMN read.looks.looked_at IS 'By the real clock, whatever the sandbox has moved.';
COMMENT ON COLUMN read.looks.what IS 'find, history, prove, export, heads, verify or looks.';
COMMENT ON COLUMN read.looks.details IS 'What else was asked. Holds no personal data.';

REVOKE ALL ON FUNCTION audit.note_look FROM PUBLIC;
GRANT USAGE ON SCHEMA audit TO vignettes_auditor;
GRANT EXECUTE ON FUNCTION audit.note_look TO vignettes_auditor;
GRANT SELECT ON read.looks TO vignettes_auditor, vignettes_reader;
