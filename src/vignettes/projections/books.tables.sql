CREATE TABLE {books} (
    source_id uuid NOT NULL,
    version   bigint NOT NULL,
    place     integer NOT NULL,
    day       date NOT NULL,
    currency  text NOT NULL,
    account   text NOT NULL CHECK (account IN ('money_in', 'matched', 'in_review', 'returned')),
    amount    bigint NOT NULL,
    why       text NOT NULL,
    position  bigint NOT NULL,
    PRIMARY KEY (source_id, version, place)
);
CREATE INDEX ON {books} (day, currency);
COMMENT ON TABLE {books} IS 'Where money is, booking by booking: of each event, money_in = matched + in_review + returned, and so of every day, currency and sum. Amounts in minor units of currency.';
COMMENT ON COLUMN {books}.source_id IS 'The bank payment or the order whose event it is.';
COMMENT ON COLUMN {books}.version IS 'The event, as its version of that.';
COMMENT ON COLUMN {books}.place IS 'Which booking of the event.';
COMMENT ON COLUMN {books}.day IS 'The day on which it was recorded, UTC.';
COMMENT ON COLUMN {books}.currency IS 'ISO 4217.';
COMMENT ON COLUMN {books}.account IS 'money_in: came to us. matched: an order''s. in_review: nobody''s yet. returned: went back, or was taken back.';
COMMENT ON COLUMN {books}.amount IS 'How much more there is of it; negative when less.';
COMMENT ON COLUMN {books}.why IS 'The event''s name.';
COMMENT ON COLUMN {books}.position IS 'The event''s position in the log.';
