CREATE OR REPLACE VIEW read.deadlines AS
    SELECT d.order_id, d.purpose, d.generation, d.country, d.due_at, d.rule, d.zone, d.starts_at, d.mark_at, d.opens_at,
           d.money_arrived_at, d.planned_at, d.ended_at, d.outcome, d.position, t.fired_at, t.fired_at - d.due_at AS fired_late,
           CASE WHEN d.outcome = 'started' THEN greatest(d.ended_at - d.due_at, '0') END AS started_late,
           -- Views of others rely on this one, and it can only be added to: what is new comes last.
           d.lead, d.grace, d.unmoved_at, d.outage_id, d.outage_begins_at, d.outage_ends_at
    FROM view.deadlines d LEFT JOIN effect.triggers t USING (order_id, purpose, generation);
COMMENT ON VIEW read.deadlines IS 'The ledger of deadlines: why each order is due when, when that fired, and how late.';
COMMENT ON COLUMN read.deadlines.fired_at IS 'When the trigger was first acknowledged by the stream.';
COMMENT ON COLUMN read.deadlines.fired_late IS 'How long after due_at that was.';
COMMENT ON COLUMN read.deadlines.started_late IS 'How long after due_at registration started; null unless it did by this deadline or before.';
