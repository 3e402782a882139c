CREATE TABLE {bank_payments} (
    payment_id           uuid PRIMARY KEY,
    status               text NOT NULL,
    source               text NOT NULL,
    method               text NOT NULL,
    test                 boolean NOT NULL,
    account              text NOT NULL,
    currency             text NOT NULL,
    amount               bigint NOT NULL,
    unallocated          bigint NOT NULL,
    booked_on            date NOT NULL,
    arrived_at           timestamptz,
    variable_symbol      text,
    creditor_reference   text,
    end_to_end_id        text,
    bank_reference       text,
    remittance           bytea,
    counterparty         bytea,
    counterparty_account bytea,
    reasons              text[] NOT NULL,
    suggestions          jsonb NOT NULL,
    shares               jsonb NOT NULL,
    notice               uuid,
    reversal             text,
    payout_id            text,
    payout_file          text,
    payout_account       bytea,
    work                 text CHECK (work IN ('match', 'tell')),
    recorded_at          timestamptz NOT NULL,
    updated_at           timestamptz NOT NULL,
    version              bigint NOT NULL,
    position             bigint NOT NULL
);
CREATE INDEX ON {bank_payments} (work, position) WHERE work IS NOT NULL;
CREATE INDEX ON {bank_payments} (booked_on) WHERE status IN ('in_review', 'unplaced');
CREATE INDEX ON {bank_payments} (payout_id) WHERE payout_id IS NOT NULL;
CREATE INDEX ON {bank_payments} (end_to_end_id) WHERE end_to_end_id IS NOT NULL;
CREATE INDEX ON {bank_payments} (bank_reference) WHERE bank_reference IS NOT NULL;
CREATE INDEX ON {bank_payments} (variable_symbol) WHERE variable_symbol IS NOT NULL;
CREATE INDEX ON {bank_payments} (notice) WHERE notice IS NOT NULL;
CREATE INDEX ON {bank_payments} (reversal) WHERE reversal IS NOT NULL;
CREATE INDEX ON {bank_payments} (source, account, currency, amount, booked_on);
COMMENT ON TABLE {bank_payments} IS 'Money that came in by a bank or a payment provider, one row per payment. Amounts in minor units of currency.';
COMMENT ON COLUMN {bank_payments}.payment_id IS 'Derived from the entry: the same movement, read again, is the same payment.';
COMMENT ON COLUMN {bank_payments}.status IS 'announced (not booked, or a test), unplaced (a reversal of a payment that is not known), to_match, matched, in_review, reassigning, line_of_notice, dismissed (by a person), return_pending, returned, reversed.';
COMMENT ON COLUMN {bank_payments}.source IS 'statement, or notice: and the provider.';
COMMENT ON COLUMN {bank_payments}.method IS 'How it was paid, such as card or bank_transfer.';
COMMENT ON COLUMN {bank_payments}.test IS 'A provider''s test: pays for nothing.';
COMMENT ON COLUMN {bank_payments}.account IS 'Our account that it came to.';
COMMENT ON COLUMN {bank_payments}.currency IS 'ISO 4217.';
COMMENT ON COLUMN {bank_payments}.amount IS 'What came in.';
COMMENT ON COLUMN {bank_payments}.unallocated IS 'What of it is no order''s.';
COMMENT ON COLUMN {bank_payments}.booked_on IS 'The bank''s day.';
COMMENT ON COLUMN {bank_payments}.arrived_at IS 'Since when we know that it has arrived; null for what was announced only.';
COMMENT ON COLUMN {bank_payments}.variable_symbol IS 'As the payer gave it.';
COMMENT ON COLUMN {bank_payments}.creditor_reference IS 'As the payer gave it (ISO 11649).';
COMMENT ON COLUMN {bank_payments}.end_to_end_id IS 'The payer''s name for the transfer.';
COMMENT ON COLUMN {bank_payments}.bank_reference IS 'The bank''s, or the provider''s, name for it.';
COMMENT ON COLUMN {bank_payments}.remittance IS 'The payer''s words, under the key for contact data.';
COMMENT ON COLUMN {bank_payments}.counterparty IS 'The payer, under the key for contact data.';
COMMENT ON COLUMN {bank_payments}.counterparty_account IS 'The payer''s account, under the key for contact data.';
COMMENT ON COLUMN {bank_payments}.reasons IS 'Why it was matched, or is in review (docs/matching.md).';
COMMENT ON COLUMN {bank_payments}.suggestions IS 'For a person, the likeliest first: allocations and reasons.';
COMMENT ON COLUMN {bank_payments}.shares IS 'What of it is whose: share_id, order_id, amount, state (to_tell, counted, to_take_back, to_reverse, gone).';
COMMENT ON COLUMN {bank_payments}.notice IS 'The payment of the provider''s notice that this is the bank''s line of.';
COMMENT ON COLUMN {bank_payments}.reversal IS 'The entry that took it back.';
COMMENT ON COLUMN {bank_payments}.payout_id IS 'The payout that sends it back; on statements the end-to-end id.';
COMMENT ON COLUMN {bank_payments}.payout_file IS 'The file for the bank that the payout is in.';
COMMENT ON COLUMN {bank_payments}.payout_account IS 'Where it goes back to, under the key for contact data.';
COMMENT ON COLUMN {bank_payments}.work IS 'What is to be done next: match, or tell orders of their shares.';
COMMENT ON COLUMN {bank_payments}.recorded_at IS 'When we first knew of it.';
COMMENT ON COLUMN {bank_payments}.updated_at IS 'When it changed last.';
COMMENT ON COLUMN {bank_payments}.version IS 'Version of the payment.';
COMMENT ON COLUMN {bank_payments}.position IS 'Position of its last event in the log.';
