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
COMMENT ON COLUMN effect.bank_files.name IS 'What it was called when it first came: without folders, 80 characters at most.';
COMMENT ON COLUMN effect.bank_files.format IS 'camt, mt940, abo or csv, by its content; unknown for one that is none of them.';
COMMENT ON COLUMN effect.bank_files.state IS 'importing: begun, and to be gone on with; imported: every entry is on record; set_aside: none of it counts.';
COMMENT ON COLUMN effect.bank_files.reason IS 'Why it was set aside, and the place that broke; nothing that payers wrote.';
COMMENT ON COLUMN effect.bank_files.entries IS 'How many entries it has; 0 until that is known.';
COMMENT ON COLUMN effect.bank_files.imported_by IS 'Who brought it first.';
COMMENT ON COLUMN effect.bank_files.begun_at IS 'When it first came, by the service''s clock.';
COMMENT ON COLUMN effect.bank_files.ended_at IS 'When it was imported or set aside, by the service''s clock.';

CREATE VIEW read.bank_files AS
    SELECT digest, name, format, state, reason, entries, imported_by, begun_at, ended_at FROM effect.bank_files;
COMMENT ON VIEW read.bank_files IS 'Bank files that were taken in or set aside.';

GRANT SELECT, INSERT, UPDATE ON effect.bank_files TO vignettes_projector;
GRANT SELECT ON read.bank_files TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;

-- Which line of a statement is that of a payout. Another one of the same payout is more money than was ordered.
CREATE TABLE effect.payout_lines (
    payout_id  text        NOT NULL,
    direction  text        NOT NULL CHECK (direction IN ('out', 'back')),
    entry_id   text        NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT clock.now(),
    PRIMARY KEY (payout_id, direction)
);
COMMENT ON TABLE effect.payout_lines IS 'Lines of statements that show payouts, at most one per payout and direction.';
COMMENT ON COLUMN effect.payout_lines.payout_id IS 'The payout, as statements name it; never used for another one.';
COMMENT ON COLUMN effect.payout_lines.direction IS 'out: the money has left; back: it has come back, as it reached nobody.';
COMMENT ON COLUMN effect.payout_lines.entry_id IS 'The entry of the statement.';
COMMENT ON COLUMN effect.payout_lines.claimed_at IS 'When it was first read, by the service''s clock.';

GRANT SELECT, INSERT, DELETE ON effect.payout_lines TO vignettes_projector;
