CREATE OR REPLACE VIEW read.bank_payments AS
    SELECT p.payment_id, p.status, p.source, p.method, p.test, p.account, p.currency, p.amount, p.unallocated,
           p.booked_on, p.arrived_at, p.variable_symbol, p.creditor_reference, p.end_to_end_id, p.bank_reference,
           personal.opened(p.remittance, k.contact_view) AS remittance,
           personal.opened(p.counterparty, k.contact_view) AS counterparty,
           personal.opened(p.counterparty_account, k.contact_view) AS counterparty_account,
           p.reasons, p.suggestions, p.shares, p.notice, p.reversal, p.payout_id, p.payout_file,
           personal.opened(p.payout_account, k.contact_view) AS payout_account,
           p.recorded_at, p.updated_at, p.version, p.position
    FROM view.bank_payments p LEFT JOIN personal.keys k ON k.order_id = p.payment_id;
COMMENT ON VIEW read.bank_payments IS 'Money that came in by a bank or a payment provider, one row per payment. Amounts in minor units of currency.';

CREATE OR REPLACE VIEW read.review_queue AS
    SELECT payment_id, account, currency, amount, unallocated, booked_on, arrived_at, variable_symbol,
           creditor_reference, remittance, counterparty, counterparty_account, reasons, suggestions, source, method,
           recorded_at, version, position
    FROM read.bank_payments WHERE status IN ('in_review', 'unplaced');
COMMENT ON VIEW read.review_queue IS 'Money that waits for a person to say what it is for: why, and what is likely.';
