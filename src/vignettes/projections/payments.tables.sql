CREATE TABLE {payments} (
    order_id          uuid NOT NULL,
    purpose           text NOT NULL CHECK (purpose IN ('payment', 'correction', 'surplus', 'refund', 'reversal', 'taken_back')),
    entry_id          text NOT NULL,
    order_number      text NOT NULL,
    direction         text NOT NULL CHECK (direction IN ('in', 'out')),
    state             text NOT NULL CHECK (state IN ('noticed', 'booked', 'paid_out', 'came_back', 'reversed')),
    method            text,
    currency          text NOT NULL,
    amount            bigint NOT NULL,
    surplus_set_aside bigint NOT NULL,
    received_at       timestamptz,
    recorded_at       timestamptz NOT NULL,
    version           bigint NOT NULL,
    position          bigint NOT NULL,
    PRIMARY KEY (order_id, purpose, entry_id)
);
CREATE INDEX ON {payments} (recorded_at);
COMMENT ON TABLE {payments} IS 'What the money of each order did, one row per booking. Booked money in less reversed money out = counted + surplus_set_aside, in every sum. Amounts in minor units of currency.';
COMMENT ON COLUMN {payments}.order_id IS 'The order whose money it is.';
COMMENT ON COLUMN {payments}.purpose IS 'payment: came in. correction: no money moved, but a corrected product costs less, and what was paid for it is surplus now; or a payout has come back, and what was surplus is the order''s again. surplus, refund: went back, the first beyond the price. reversal: the bank or the payer has taken a payment back. taken_back: a payment was matched wrongly, and is for others.';
COMMENT ON COLUMN {payments}.entry_id IS 'The payer side''s id of the payment, also where it was taken back; the id of the payout; or correction- and the version.';
COMMENT ON COLUMN {payments}.order_number IS 'The number that customers are told.';
COMMENT ON COLUMN {payments}.direction IS 'in: to us; out: back to the payer, or to another order. A correction is an in of nothing.';
COMMENT ON COLUMN {payments}.state IS 'noticed: authorised, pending or a test, pays for nothing; booked: the money is here; paid_out: it left; came_back: it left, and reached nobody; reversed: it was taken away again.';
COMMENT ON COLUMN {payments}.method IS 'How it came in, such as card or bank_transfer; null for what did not.';
COMMENT ON COLUMN {payments}.currency IS 'ISO 4217.';
COMMENT ON COLUMN {payments}.amount IS 'What moved; 0 for a correction.';
COMMENT ON COLUMN {payments}.surplus_set_aside IS 'How much of it is not for the order, and is to go back. Of a correction: how much less the order costs, of money that came before. Of a reversal: how much more is set aside after it, so 0 or less.';
COMMENT ON COLUMN {payments}.received_at IS 'When it arrived, as the payer side says; null for what did not come in.';
COMMENT ON COLUMN {payments}.recorded_at IS 'When the event of the booking was recorded; for what was noticed before, that of the booking.';
COMMENT ON COLUMN {payments}.version IS 'Version of the order with that event.';
COMMENT ON COLUMN {payments}.position IS 'Position in the log of the last event that changed this row.';
