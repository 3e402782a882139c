-- The ledger: a Merkle tree (RFC 9162) over the stored bytes of the log, and its signed heads. It is kept behind the log;
-- who appends to the log knows nothing of it.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'vignettes_ledger') THEN
        BEGIN
            CREATE ROLE vignettes_ledger NOLOGIN;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL;  -- roles belong to the whole server: another database was migrated at the same moment
        END;
    END IF;
END $$;

CREATE SCHEMA ledger;
COMMENT ON SCHEMA ledger IS 'A Merkle tree over the bytes of the log, and its signed heads. Only ever extended.';

CREATE TABLE ledger.tiles (
    level     smallint NOT NULL CHECK (level >= 0),
    number    bigint   NOT NULL CHECK (number >= 0),
    hashes    bytea    NOT NULL CHECK (octet_length(hashes) BETWEEN 32 AND 8192 AND octet_length(hashes) % 32 = 0),
    positions bigint[],
    PRIMARY KEY (level, number),
    CHECK (CASE WHEN level = 0 THEN coalesce(cardinality(positions), 0) = octet_length(hashes) / 32
                ELSE positions IS NULL END)
);
-- Hashes can't be compressed.
ALTER TABLE ledger.tiles ALTER hashes SET STORAGE EXTERNAL;
CREATE INDEX tiles_first_position ON ledger.tiles ((positions[1])) WHERE level = 0;
COMMENT ON TABLE ledger.tiles IS 'The tree in tiles of 256 hashes. The last tile of a level may be partial; what it holds never changes.';
COMMENT ON COLUMN ledger.tiles.level IS '0: hashes of leaves; above: roots of the full tiles of the level below.';
COMMENT ON COLUMN ledger.tiles.positions IS 'At level 0: the position in the log of each leaf.';

CREATE TABLE ledger.heads (
    size     bigint      PRIMARY KEY CHECK (size > 0),
    position bigint      NOT NULL,
    root     bytea       NOT NULL CHECK (octet_length(root) = 32),
    at       timestamptz NOT NULL,
    note     text        NOT NULL
);
COMMENT ON TABLE ledger.heads IS 'Every head that was signed. The same are kept outside of this database: what is here proves nothing alone.';
COMMENT ON COLUMN ledger.heads.size IS 'How many leaves the tree had.';
COMMENT ON COLUMN ledger.heads.position IS 'Position in the log of the last of them.';
COMMENT ON COLUMN ledger.heads.note IS 'The signed note (C2SP tlog-checkpoint).';

CREATE TABLE ledger.stamps (
    size       bigint      PRIMARY KEY REFERENCES ledger.heads,
    token      bytea       NOT NULL,
    stamped_at timestamptz NOT NULL
);
COMMENT ON TABLE ledger.stamps IS 'Time stamps (RFC 3161) of heads, over the bytes of their notes.';
COMMENT ON COLUMN ledger.stamps.token IS 'The time stamp response, DER.';

CREATE TABLE ledger.outlets (
    name text   PRIMARY KEY,
    size bigint NOT NULL
);
COMMENT ON TABLE ledger.outlets IS 'Up to which head each place outside has them all. The folder of heads tells that itself.';

CREATE FUNCTION ledger.refuse_rewriting() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.level = NEW.level AND OLD.number = NEW.number
       AND octet_length(NEW.hashes) >= octet_length(OLD.hashes)
       AND substring(NEW.hashes FOR octet_length(OLD.hashes)) = OLD.hashes
       AND (OLD.positions IS NULL OR NEW.positions[1:cardinality(OLD.positions)] = OLD.positions) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% of ledger.tiles is forbidden: a tile is only ever extended', TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER tiles_only_grow BEFORE UPDATE OR DELETE ON ledger.tiles
    FOR EACH ROW EXECUTE FUNCTION ledger.refuse_rewriting();
CREATE TRIGGER tiles_are_for_ever BEFORE TRUNCATE ON ledger.tiles
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER heads_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.heads
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
CREATE TRIGGER stamps_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.stamps
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE ledger.tiles ENABLE ALWAYS TRIGGER tiles_only_grow;
ALTER TABLE ledger.tiles ENABLE ALWAYS TRIGGER tiles_are_for_ever;
ALTER TABLE ledger.heads ENABLE ALWAYS TRIGGER heads_are_for_ever;
ALTER TABLE ledger.stamps ENABLE ALWAYS TRIGGER stamps_are_for_ever;

GRANT USAGE ON SCHEMA ledger TO vignettes_ledger, vignettes_auditor;
GRANT USAGE ON SCHEMA log, clock, read TO vignettes_ledger;
GRANT SELECT ON log.events TO vignettes_ledger;
GRANT SELECT ON clock.shift TO vignettes_ledger;
GRANT SELECT, INSERT ON ledger.tiles, ledger.heads, ledger.stamps, ledger.outlets TO vignettes_ledger;
GRANT UPDATE (hashes, positions) ON ledger.tiles TO vignettes_ledger;
GRANT UPDATE (size) ON ledger.outlets TO vignettes_ledger;
GRANT SELECT ON ledger.tiles, ledger.heads, ledger.stamps, ledger.outlets TO vignettes_auditor;

CREATE VIEW read.heads AS
    SELECT h.size, h.position, encode(h.root, 'base64') AS root, h.at, h.note, s.stamped_at
    FROM ledger.heads h LEFT JOIN ledger.stamps s USING (size);
COMMENT ON VIEW read.heads IS 'The signed heads of the ledger, and whether a time stamp authority has confirmed their time.';
GRANT SELECT ON read.heads TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor, vignettes_ledger;
