CREATE OR REPLACE VIEW read.payments AS
    SELECT order_id, order_number, direction, purpose, entry_id, state, method, currency, amount, surplus_set_aside,
           CASE state WHEN 'booked' THEN amount - surplus_set_aside
                      WHEN 'reversed' THEN -amount - surplus_set_aside ELSE 0 END AS counted,
           received_at, recorded_at, version, position
    FROM view.payments;
COMMENT ON VIEW read.payments IS 'What the money of each order did, one row per booking. Booked money in less reversed money out = counted + surplus_set_aside, in every sum. Amounts in minor units of currency.';
COMMENT ON COLUMN read.payments.counted IS 'What counts for the order: of booked money what was not set aside, so less than nothing for a correction, and for what was taken away again; 0 for what pays for nothing and for what we gave back.';
