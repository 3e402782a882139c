CREATE TABLE {promises} (
    order_id   uuid NOT NULL,
    promise    smallint NOT NULL,
    occasion   integer NOT NULL,
    rule       text NOT NULL,
    began_at   timestamptz NOT NULL,
    due_at     timestamptz NOT NULL,
    limit_at   timestamptz,
    ended_at   timestamptz,
    outcome    text CHECK (outcome IN ('done', 'lapsed', 'violated')),
    message_id text,
    position   bigint NOT NULL,
    PRIMARY KEY (order_id, promise, occasion, rule)
);
CREATE INDEX ON {promises} (promise, due_at);
COMMENT ON TABLE {promises} IS 'What each order was promised, until when, and when it was done. Promises 11 and 12 leave no trace in the events of an order, and have no rows.';
COMMENT ON COLUMN {promises}.order_id IS 'The order that was given the promise.';
COMMENT ON COLUMN {promises}.promise IS 'Its number: 1 start at the mark, 2 within five minutes of the money, 3 at once, 4 not before the money, 6 the mail that confirms it, 7 corrections until the start, 8 the address corrected, 9 a lost link mailed, 10 money back.';
COMMENT ON COLUMN {promises}.occasion IS 'Which time: the generation of the deadline (1 to 3), else the version of the order with the event that began it.';
COMMENT ON COLUMN {promises}.rule IS 'The rule of the start (1 to 4), the kind of mail (6, 8, 9), whether it was before_start or after_start (7), or why money goes back: before_start, rejected or expired (10).';
COMMENT ON COLUMN {promises}.began_at IS 'When the event that began it was recorded.';
COMMENT ON COLUMN {promises}.due_at IS 'When it was to be done. 1 to 3: the deadline; 6, 8, 9: a minute after it began; 10: a day after; 4: the moment of the start; 7: that of the correction, or of the start that came before it.';
COMMENT ON COLUMN {promises}.limit_at IS 'The last instant at which it counts as kept. 1: due_at + 5 min; 2: 5 min after the money, a correction or a release, the last of them; 3: due_at + 1 min; 6, 8, 9: an hour, 10: 14 days after it began; null where it is no matter of time.';
COMMENT ON COLUMN {promises}.ended_at IS 'When it was done, violated, or no longer needed; null while it stands. Of a mail: when the mail server took it.';
COMMENT ON COLUMN {promises}.outcome IS 'done; violated: what was promised not to happen did; lapsed: another plan, a hold or a refund took its place, or nobody is left to write to; null while it stands.';
COMMENT ON COLUMN {promises}.message_id IS 'Which mail must have left; null for what is proven by the log alone.';
COMMENT ON COLUMN {promises}.position IS 'Position in the log of the last event that changed this row.';
