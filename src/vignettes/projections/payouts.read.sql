CREATE OR REPLACE VIEW read.payouts AS
    SELECT nullif(p.payout_id, '') AS payout_id, p.state, p.purpose,
           CASE WHEN p.purpose <> 'return' THEN p.source_id END AS order_id, p.order_number,
           CASE WHEN p.purpose = 'return' THEN p.source_id END AS payment_id,
           p.currency, p.amount, p.official, p.fee,
           personal.opened(p.account, k.contact_view) AS account,
           personal.opened(p.name, k.contact_view) AS name,
           p.file_id, p.since, p.approved_position, p.ordered_at, p.ordered_position, p.version, p.position
    FROM view.payouts p LEFT JOIN personal.keys k ON k.order_id = p.source_id;
COMMENT ON VIEW read.payouts IS 'Money on its way back, of orders and of bank payments that are no order''s. Amounts in minor units of currency.';
COMMENT ON COLUMN read.payouts.order_id IS 'The order whose money it is; null for a return.';
COMMENT ON COLUMN read.payouts.payment_id IS 'The bank payment that is returned; null for an order''s money.';
