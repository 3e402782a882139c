-- Which bank files were taken in, and what became of each as a whole; what their entries led to is in the log.
CREATE TABLE effect.bank_files (
    digest      text        PRIMARY KEY CHECK (digest ~ '^[0-9a-f]{64}$'),
    name        text        NOT NULL,
    format      text        NOT NULL,
    state       text        NOT NULL DEFAULT 'importing' CHECK (state IN ('importing', 'imported', 'set_aside')),
    reason      text        CHECK ((reason IS NOT NULL) = (state = 'set_aside')),
    entries     bigint      NOT NULL DEFAULT 0,
    imported_by text        NOT NULL,
    begun_at    timestamptz NOT NULL DEFAULT clock.now(),
    ended_at    timestamptz CHECK ((ended_at IS NULL) = (state = 'importing'))
);
CREATE INDEX bank_files_begun ON effect.bank_files (begun_at);
COMMENT ON TABLE effect.bank_files IS 'Bank files that were taken in or set aside, one row per content: renamed, it is the same file.';
COMMENT ON COLUMN effect.bank_files.digest IS 'SHA-256 of its bytes, in hexadecimal digits.';
COMMENT ON COLUMN effect.bank_files.name IS 'What it was called when it first came.';
COMMENT ON COLUMN effect.bank_files.format IS 'camt, mt940, abo or csv, by its content; unknown for one that is none of them.';
COMMENT ON COLUMN effect.bank_files.state IS 'importing: begun, and to be gone on with; imported: every entry is on record; set_aside: none of it counts.';
COMMENT ON COLUMN effect.bank_files.reason IS 'Why it was set aside, and the place that broke.';
COMMENT ON COLUMN effect.bank_files.entries IS 'How many entries it has; 0 until that is known.';
COMMENT ON COLUMN effect.bank_files.imported_by IS 'Who brought it first.';
COMMENT ON COLUMN effect.bank_files.begun_at IS 'When it first came, by the service''s clock.';
COMMENT ON COLUMN effect.bank_files.ended_at IS 'When it was imported or set aside, by the service''s clock.';

CREATE VIEW read.bank_files AS
    SELECT digest, name, format, state, reason, entries, imported_by, begun_at, ended_at FROM effect.bank_files;
COMMENT ON VIEW read.bank_files IS 'Bank files that were taken in or set aside.';

GRANT SELECT, INSERT, UPDATE ON effect.bank_files TO vignettes_projector;
GRANT SELECT ON read.bank_files TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
