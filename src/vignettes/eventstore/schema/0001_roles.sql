-- The roles of the service (reliability: least privilege). Logins are the operator's; they are granted one of these.
DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'vignettes_owner', 'vignettes_writer', 'vignettes_projector', 'vignettes_reader', 'vignettes_auditor'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to the whole server: another database was migrated at the same moment
            END;
        END IF;
    END LOOP;
END $$;

CREATE SCHEMA log;
CREATE SCHEMA clock;
CREATE SCHEMA view;
CREATE SCHEMA effect;
CREATE SCHEMA read;

COMMENT ON SCHEMA log IS 'What happened, for ever, in order. Nobody may update, delete or truncate it.';
COMMENT ON SCHEMA clock IS 'The one clock of the service.';
COMMENT ON SCHEMA view IS 'Tables of the projections: all of it can be rebuilt from the log.';
COMMENT ON SCHEMA effect IS 'What was done to the outside because of the log; remembered apart, so that a rebuilt view repeats nothing.';
COMMENT ON SCHEMA read IS 'The views that other programs may rely on.';

GRANT USAGE ON SCHEMA log TO vignettes_writer, vignettes_projector, vignettes_auditor;
GRANT USAGE ON SCHEMA clock TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
GRANT USAGE ON SCHEMA view TO vignettes_writer, vignettes_projector;
GRANT USAGE ON SCHEMA effect TO vignettes_projector;
GRANT USAGE ON SCHEMA read TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
