CREATE TABLE {payouts} (
    source_id         uuid NOT NULL,
    payout_id         text NOT NULL,
    purpose           text NOT NULL CHECK (purpose IN ('refund', 'surplus', 'return')),
    state             text NOT NULL CHECK (state IN ('to_approve', 'approved', 'with_bank', 'paid_out', 'failed', 'withdrawn')),
    order_number      text,
    currency          text NOT NULL,
    amount            bigint NOT NULL CHECK (amount > 0),
    official          bigint,
    fee               bigint,
    account           bytea,
    name              bytea,
    file_id           text,
    since             timestamptz NOT NULL,
    approved_position bigint,
    ordered_at        timestamptz,
    ordered_position  bigint,
    version           bigint NOT NULL,
    position          bigint NOT NULL,
    PRIMARY KEY (source_id, payout_id, purpose),
    CHECK (official + fee = amount)
);
CREATE INDEX ON {payouts} (state, currency, approved_position) WHERE state IN ('to_approve', 'approved', 'with_bank');
CREATE INDEX ON {payouts} (currency, approved_position) WHERE approved_position IS NOT NULL;
CREATE INDEX ON {payouts} (file_id) WHERE file_id IS NOT NULL;
CREATE INDEX ON {payouts} (payout_id) WHERE payout_id <> '';
COMMENT ON TABLE {payouts} IS 'Money on its way back, one row per payout, and one for what of an order''s refund or surplus is in none yet. Amounts in minor units of currency.';
COMMENT ON COLUMN {payouts}.source_id IS 'The order, or the bank payment, whose money it is.';
COMMENT ON COLUMN {payouts}.payout_id IS 'Under which statements show it; empty, and null in read.payouts, until it is approved.';
COMMENT ON COLUMN {payouts}.purpose IS 'refund: the order''s own. surplus: came in too much. return: belongs to no order.';
COMMENT ON COLUMN {payouts}.state IS 'to_approve, approved, with_bank (in a file), paid_out; failed: it has reached nobody, and its money is open again. withdrawn: less is to go back than was approved, it is approved anew.';
COMMENT ON COLUMN {payouts}.order_number IS 'The number that customers are told; null for a return.';
COMMENT ON COLUMN {payouts}.currency IS 'ISO 4217.';
COMMENT ON COLUMN {payouts}.amount IS 'What goes back.';
COMMENT ON COLUMN {payouts}.official IS 'Of a refund what gives the authority''s price back: that comes first, as far as the amount goes.';
COMMENT ON COLUMN {payouts}.fee IS 'Of a refund what gives our fee back: the rest.';
COMMENT ON COLUMN {payouts}.account IS 'Where it goes, under the key for contact data; null until approved, and once erased.';
COMMENT ON COLUMN {payouts}.name IS 'Of a return the payer''s name, under the key for contact data.';
COMMENT ON COLUMN {payouts}.file_id IS 'The file for the bank that it is in.';
COMMENT ON COLUMN {payouts}.since IS 'Since when it is in this state; to_approve: since when it is so much.';
COMMENT ON COLUMN {payouts}.approved_position IS 'Position in the log of its approval.';
COMMENT ON COLUMN {payouts}.ordered_at IS 'When it was put into its file.';
COMMENT ON COLUMN {payouts}.ordered_position IS 'Position in the log of that.';
COMMENT ON COLUMN {payouts}.version IS 'Version of the order, or of the payment, with the last event that changed this row.';
COMMENT ON COLUMN {payouts}.position IS 'Position in the log of that event.';
