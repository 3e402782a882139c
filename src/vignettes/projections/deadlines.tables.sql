CREATE TABLE {deadlines} (
    order_id         uuid NOT NULL,
    purpose          text NOT NULL CHECK (purpose IN ('registration', 'expiry', 'answer')),
    generation       integer NOT NULL,
    country          text NOT NULL,
    due_at           timestamptz NOT NULL,
    rule             text NOT NULL,
    zone             text NOT NULL,
    starts_at        timestamptz NOT NULL,
    mark_at          timestamptz NOT NULL,
    opens_at         timestamptz,
    money_arrived_at timestamptz,
    planned_at       timestamptz NOT NULL,
    ended_at         timestamptz,
    outcome          text CHECK (outcome IN ('started', 'superseded', 'cancelled', 'expired')),
    position         bigint NOT NULL,
    lead             interval,
    grace            interval,
    unmoved_at       timestamptz,
    outage_id        uuid,
    outage_begins_at timestamptz,
    outage_ends_at   timestamptz,
    PRIMARY KEY (order_id, purpose, generation)
);
CREATE INDEX ON {deadlines} (purpose, due_at) WHERE ended_at IS NULL;
CREATE INDEX ON {deadlines} (outage_id) WHERE ended_at IS NULL AND outage_id IS NOT NULL;
CREATE INDEX ON {deadlines} (position) WHERE ended_at IS NULL AND purpose = 'registration';
COMMENT ON TABLE {deadlines} IS 'The ledger of deadlines: why each order is due when, generation by generation.';
COMMENT ON COLUMN {deadlines}.order_id IS 'The order that is due.';
COMMENT ON COLUMN {deadlines}.purpose IS 'What for: registration, expiry of an order that nobody paid, or the answer to a rejection.';
COMMENT ON COLUMN {deadlines}.generation IS 'Counts the order''s plans: a correction makes a new one, and the old one harmless.';
COMMENT ON COLUMN {deadlines}.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN {deadlines}.due_at IS 'When it must start.';
COMMENT ON COLUMN {deadlines}.rule IS 'The rule that decided due_at: lead, grace, at_once, window, notice, outage; unpaid for an expiry, unanswered for an answer.';
COMMENT ON COLUMN {deadlines}.zone IS 'The zone in which the rule was applied, by its IANA name.';
COMMENT ON COLUMN {deadlines}.starts_at IS 'Start of validity that it was computed from; of the other purposes the instant itself.';
COMMENT ON COLUMN {deadlines}.mark_at IS 'Start of validity less the lead, before any other rule.';
COMMENT ON COLUMN {deadlines}.opens_at IS 'Opening of the authority''s purchase window; null where it always sells.';
COMMENT ON COLUMN {deadlines}.money_arrived_at IS 'When the order was paid in full, as the rule took it.';
COMMENT ON COLUMN {deadlines}.planned_at IS 'When the event that made this plan was recorded.';
COMMENT ON COLUMN {deadlines}.ended_at IS 'When it was over; null while it stands.';
COMMENT ON COLUMN {deadlines}.outcome IS 'started, superseded by a later generation, cancelled, or expired.';
COMMENT ON COLUMN {deadlines}.position IS 'Position in the log of the last event that changed this row.';
COMMENT ON COLUMN {deadlines}.lead IS 'The lead by which mark_at was reckoned: the country''s own, else the order''s. Null for the other purposes.';
COMMENT ON COLUMN {deadlines}.grace IS 'The last chance to correct after the money, where the mark had passed by then. Null for the other purposes.';
COMMENT ON COLUMN {deadlines}.unmoved_at IS 'When it would have been due without the outage; null unless one brought it forward.';
COMMENT ON COLUMN {deadlines}.outage_id IS 'The announced outage that brought it forward, see read.outages.';
COMMENT ON COLUMN {deadlines}.outage_begins_at IS 'Beginning of that outage, as it was announced when this was planned.';
COMMENT ON COLUMN {deadlines}.outage_ends_at IS 'Its end, likewise.';
