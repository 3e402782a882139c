-- Roles and logins, once, as a superuser: psql -d vignettes -f logins.sql, and then \password for each login.
-- The roles hold the rights (the schema grants them); a login only says which of them a process may take.

DO $$
DECLARE role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY[
        'vignettes_owner', 'vignettes_writer', 'vignettes_projector', 'vignettes_reader', 'vignettes_auditor', 'vignettes_ledger'
    ] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
        END IF;
    END LOOP;
END $$;

-- Whoever upgrades: `vignettes migrate`, `vignettes keys rotate`, `vignettes projections rebuild`.
CREATE ROLE vignettes_run_operations LOGIN CONNECTION LIMIT 10
    IN ROLE vignettes_owner, vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;

-- The roles of the service.
CREATE ROLE vignettes_run_ordering LOGIN IN ROLE vignettes_writer, vignettes_reader;
CREATE ROLE vignettes_run_projecting LOGIN IN ROLE vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_deadlines LOGIN IN ROLE vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_registration LOGIN IN ROLE vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_payments LOGIN IN ROLE vignettes_writer, vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_support LOGIN IN ROLE vignettes_writer, vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_mailing LOGIN IN ROLE vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_publishing LOGIN IN ROLE vignettes_projector, vignettes_reader;
CREATE ROLE vignettes_run_auditing LOGIN IN ROLE vignettes_ledger, vignettes_auditor, vignettes_reader;
CREATE ROLE vignettes_run_web LOGIN IN ROLE vignettes_reader;

-- People: an auditor reads the log, the ledger and the views, and each look by `vignettes audit` is written down; an
-- analyst reads the views alone. Neither may change anything.
CREATE ROLE vignettes_an_auditor LOGIN CONNECTION LIMIT 5 IN ROLE vignettes_auditor;
CREATE ROLE vignettes_an_analyst LOGIN CONNECTION LIMIT 5 IN ROLE vignettes_reader;
ALTER ROLE vignettes_an_analyst SET default_transaction_read_only = on;

-- Standbys copy the whole server, and come into no database.
CREATE ROLE vignettes_a_standby LOGIN REPLICATION CONNECTION LIMIT 8;

-- Nobody comes in who is not named here.
DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format(
        'GRANT CONNECT ON DATABASE %I TO vignettes_owner, vignettes_writer, vignettes_projector, vignettes_reader, '
        'vignettes_auditor, vignettes_ledger', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO vignettes_owner', current_database());
END $$;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT CREATE, USAGE ON SCHEMA public TO vignettes_owner;
