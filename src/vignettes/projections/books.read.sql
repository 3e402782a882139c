CREATE OR REPLACE VIEW read.books AS
    SELECT day, currency,
           coalesce(sum(amount) FILTER (WHERE account = 'money_in'), 0) AS money_in,
           coalesce(sum(amount) FILTER (WHERE account = 'matched'), 0) AS matched,
           coalesce(sum(amount) FILTER (WHERE account = 'in_review'), 0) AS in_review,
           coalesce(sum(amount) FILTER (WHERE account = 'returned'), 0) AS returned
    FROM view.books GROUP BY day, currency;
COMMENT ON VIEW read.books IS 'Per day and currency, what came in, and what of all money became an order''s, came to wait for a person, or went back: money_in = matched + in_review + returned.';
COMMENT ON COLUMN read.books.money_in IS 'What came to us on that day.';
COMMENT ON COLUMN read.books.matched IS 'How much more is orders''. Less than nothing in all: an order gave back what others took back as well, and it is owed to us.';
COMMENT ON COLUMN read.books.in_review IS 'How much more waits for a person. Less than nothing in all: it was sent back, and taken back as well, and is owed to us.';
COMMENT ON COLUMN read.books.returned IS 'How much more went back to its payer, or was taken back.';
