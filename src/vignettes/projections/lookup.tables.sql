CREATE TABLE {lookup} (
    order_id uuid  NOT NULL,
    kind     text  NOT NULL CHECK (kind IN ('email', 'plate')),
    digest   bytea NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (order_id, kind)
);
CREATE INDEX ON {lookup} (digest);
COMMENT ON TABLE {lookup} IS 'Orders by keyed hashes of what their customers know. Rows go when the data they stand for is erased.';
COMMENT ON COLUMN {lookup}.order_id IS 'The order that is found.';
COMMENT ON COLUMN {lookup}.kind IS 'By its address (email), or by country and plate.';
COMMENT ON COLUMN {lookup}.digest IS 'HMAC-SHA-256 of the address in small letters, or of country and plate in normal form.';
COMMENT ON COLUMN {lookup}.position IS 'Position in the log of the event that made it so.';
