-- One clock for every process: the database's. The sandbox may move it forward; production leaves the shift at zero,
-- and a service that is told to use the system's clock refuses to start on a shifted one.
CREATE TABLE clock.shift (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    ahead    interval NOT NULL DEFAULT '0'
);
INSERT INTO clock.shift DEFAULT VALUES;

CREATE FUNCTION clock.now() RETURNS timestamptz
    LANGUAGE sql VOLATILE PARALLEL SAFE
    RETURN clock_timestamp() + (SELECT ahead FROM clock.shift);

COMMENT ON TABLE clock.shift IS 'How far the sandbox has moved the clock ahead; zero in production.';
COMMENT ON FUNCTION clock.now() IS 'The instant at which the service acts. Statement time is of no use: decisions are taken between statements.';

GRANT SELECT ON clock.shift TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
