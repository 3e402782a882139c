CREATE TABLE {support_cases} (
    case_id      uuid PRIMARY KEY,
    case_number  text NOT NULL,
    state        text NOT NULL CHECK (state IN ('open', 'answered', 'closed')),
    topic        text NOT NULL,
    channel      text NOT NULL,
    order_id     uuid,
    order_number text,
    typed_number bytea,
    email        bytea,
    country      text,
    plate        bytea,
    ordered_on   date,
    language     text NOT NULL,
    message      bytea,
    messages     integer NOT NULL,
    answers      integer NOT NULL,
    opened_at    timestamptz NOT NULL,
    open_since   timestamptz,
    closed_at    timestamptz,
    erased       text[] NOT NULL,
    updated_at   timestamptz NOT NULL,
    version      bigint NOT NULL,
    position     bigint NOT NULL,
    returned     text
);
CREATE INDEX ON {support_cases} (case_number);
CREATE INDEX ON {support_cases} (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX ON {support_cases} (open_since) WHERE state = 'open';
CREATE INDEX ON {support_cases} (updated_at) WHERE state <> 'open' AND order_id IS NULL AND cardinality(erased) < 2;
CREATE INDEX ON {support_cases} (position);
COMMENT ON TABLE {support_cases} IS 'Cases of support, one row per case.';
COMMENT ON COLUMN {support_cases}.case_id IS 'Derived from the command that opened it.';
COMMENT ON COLUMN {support_cases}.case_number IS 'To be read aloud: C, eight digits, and one of check.';
COMMENT ON COLUMN {support_cases}.state IS 'open (ours to answer), answered, closed.';
COMMENT ON COLUMN {support_cases}.topic IS 'question; mail_returned, complaint (somebody called a mail of ours spam) or debt: opened by the service itself.';
COMMENT ON COLUMN {support_cases}.channel IS 'By which way it came: page, form, mail, service (nobody has asked), operations.';
COMMENT ON COLUMN {support_cases}.order_id IS 'The order that it is about, where it is known.';
COMMENT ON COLUMN {support_cases}.order_number IS 'The number of that order.';
COMMENT ON COLUMN {support_cases}.typed_number IS 'What was given as an order''s number, and is none of ours. Sealed with the key for contact data.';
COMMENT ON COLUMN {support_cases}.email IS 'As the customer gave it. Sealed with the key for contact data.';
COMMENT ON COLUMN {support_cases}.country IS 'Of the vehicle, ISO 3166; null where none was understood.';
COMMENT ON COLUMN {support_cases}.plate IS 'As typed. Sealed with the key for the vehicle.';
COMMENT ON COLUMN {support_cases}.ordered_on IS 'When the customer says that it was ordered.';
COMMENT ON COLUMN {support_cases}.language IS 'Of the customer, ISO 639.';
COMMENT ON COLUMN {support_cases}.message IS 'What the customer wrote first. Sealed with the key for contact data.';
COMMENT ON COLUMN {support_cases}.messages IS 'How often was asked or written, its opening included.';
COMMENT ON COLUMN {support_cases}.answers IS 'How often we have.';
COMMENT ON COLUMN {support_cases}.opened_at IS 'When it was opened.';
COMMENT ON COLUMN {support_cases}.open_since IS 'Since when somebody waits for us; null unless open.';
COMMENT ON COLUMN {support_cases}.closed_at IS 'When it was closed; null where it was opened again.';
COMMENT ON COLUMN {support_cases}.erased IS 'What of it was erased: contact, vehicle.';
COMMENT ON COLUMN {support_cases}.updated_at IS 'When it changed last.';
COMMENT ON COLUMN {support_cases}.version IS 'Version of the case.';
COMMENT ON COLUMN {support_cases}.position IS 'Position of its last event in the log.';
COMMENT ON COLUMN {support_cases}.returned IS 'Why the mail that we wrote last came back: permanent, complaint (somebody called it spam); null where it did not.';

CREATE TABLE {support_messages} (
    case_id    uuid NOT NULL,
    number     integer NOT NULL,
    channel    text,
    text       bytea,
    written_at timestamptz NOT NULL,
    PRIMARY KEY (case_id, number)
);
COMMENT ON TABLE {support_messages} IS 'What was written in each case, both ways.';
COMMENT ON COLUMN {support_messages}.case_id IS 'The case.';
COMMENT ON COLUMN {support_messages}.number IS 'From 1, in order.';
COMMENT ON COLUMN {support_messages}.channel IS 'By which way the customer wrote it; null for an answer of ours.';
COMMENT ON COLUMN {support_messages}.text IS 'What was written; null where nothing was, and once erased. Sealed with the key for contact data.';
COMMENT ON COLUMN {support_messages}.written_at IS 'When.';
