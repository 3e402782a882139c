CREATE OR REPLACE VIEW read.support_cases AS
    SELECT c.case_id, c.case_number, c.state, c.topic, c.channel, c.order_id,
           coalesce(c.order_number, personal.opened(c.typed_number, k.contact_view)) AS order_number,
           personal.opened(c.email, k.contact_view) AS email, c.country,
           personal.opened(c.plate, k.vehicle_view) AS plate, c.ordered_on, c.language,
           personal.opened(c.message, k.contact_view) AS message, c.messages, c.answers, c.opened_at, c.open_since,
           c.closed_at, c.erased, c.updated_at, c.version, c.position, c.returned
    FROM view.support_cases c LEFT JOIN personal.keys k ON k.order_id = c.case_id;
COMMENT ON VIEW read.support_cases IS 'Cases of support, one row per case.';
COMMENT ON COLUMN read.support_cases.order_number IS 'The number of the order; without order_id what the customer gave as one, which is none of ours.';

CREATE OR REPLACE VIEW read.support_messages AS
    SELECT m.case_id, m.number, m.channel, personal.opened(m.text, k.contact_view) AS text, m.written_at
    FROM view.support_messages m LEFT JOIN personal.keys k ON k.order_id = m.case_id;
COMMENT ON VIEW read.support_messages IS 'What was written in each case, both ways.';
