CREATE TABLE {case_calls} (
    order_id   uuid NOT NULL,
    topic      text NOT NULL,
    command_id uuid NOT NULL,
    case_id    uuid NOT NULL,
    position   bigint NOT NULL,
    PRIMARY KEY (order_id, topic)
);
CREATE INDEX ON {case_calls} (position);
COMMENT ON TABLE {case_calls} IS 'Cases that the log calls for without anybody having asked; whether they are open is support_cases.';
COMMENT ON COLUMN {case_calls}.order_id IS 'The order that it is about.';
COMMENT ON COLUMN {case_calls}.topic IS 'mail_returned, complaint or debt.';
COMMENT ON COLUMN {case_calls}.command_id IS 'Of the command that opens it: derived from the order, the topic and the address, and so the same whoever asks.';
COMMENT ON COLUMN {case_calls}.case_id IS 'The case that it opens.';
COMMENT ON COLUMN {case_calls}.position IS 'Position in the log of the event that called for it.';
