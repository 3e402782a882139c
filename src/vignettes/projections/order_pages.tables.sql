CREATE TABLE {order_pages} (
    order_id uuid PRIMARY KEY,
    digest   bytea NOT NULL UNIQUE,
    position bigint NOT NULL
);
COMMENT ON TABLE {order_pages} IS 'Which order a management link opens. Tokens themselves are kept nowhere.';
COMMENT ON COLUMN {order_pages}.order_id IS 'The order that is shown.';
COMMENT ON COLUMN {order_pages}.digest IS 'SHA-256 of the token of the link that is valid now.';
COMMENT ON COLUMN {order_pages}.position IS 'Position in the log of the event that made the link valid.';
