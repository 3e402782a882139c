CREATE TABLE {order_status} (
    order_id          uuid PRIMARY KEY,
    order_number      text NOT NULL UNIQUE,
    status            text NOT NULL,
    country           text NOT NULL,
    zone              text NOT NULL,
    product           text NOT NULL,
    vehicle_country   text NOT NULL,
    plate             bytea,
    valid_from        text NOT NULL,
    starts_at         timestamptz NOT NULL,
    ends_at           timestamptz NOT NULL,
    email             bytea,
    language          text NOT NULL,
    link_generation   integer NOT NULL,
    currency          text NOT NULL,
    price_official    bigint NOT NULL,
    price_fee         bigint NOT NULL,
    price_total       bigint NOT NULL,
    received          bigint NOT NULL,
    outstanding       bigint NOT NULL,
    surplus           bigint NOT NULL,
    refund            bigint,
    paid_at           timestamptz,
    due_at            timestamptz,
    due_rule          text,
    generation        integer NOT NULL,
    start_wished      boolean NOT NULL,
    consented_at      timestamptz,
    hold_reason       text,
    started_at        timestamptz,
    started_rule      text,
    rejection_reason  bytea,
    vignette_number   text,
    vignette_reference text,
    vignette_valid_from  timestamptz,
    vignette_valid_until timestamptz,
    can_be_corrected  boolean NOT NULL,
    can_be_refunded   boolean NOT NULL,
    placed_at         timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    version           bigint NOT NULL,
    position          bigint NOT NULL,
    consent_text_version text,
    consent_language  text,
    twin_accepted     boolean NOT NULL,
    held_because_of   uuid,
    person_called_at  timestamptz,
    act_by            timestamptz,
    rejection_code    text,
    authorisation_code bytea,
    owed              bigint NOT NULL,
    email_fails       boolean NOT NULL,
    has_document      boolean NOT NULL,
    issued_at         timestamptz,
    withdrawn_at      timestamptz
);
CREATE INDEX ON {order_status} (starts_at) WHERE status = 'registering';
CREATE INDEX ON {order_status} (status, updated_at);
CREATE INDEX ON {order_status} (currency, outstanding, placed_at) WHERE status IN ('awaiting_payment', 'partially_paid');
CREATE INDEX ON {order_status} (position) WHERE email IS NULL OR plate IS NULL;
CREATE INDEX ON {order_status} (currency) WHERE owed > 0;
COMMENT ON TABLE {order_status} IS 'One row per order: where it stands. Amounts in minor units of currency, times as instants.';
COMMENT ON COLUMN {order_status}.order_id IS 'The order; follows from its number.';
COMMENT ON COLUMN {order_status}.order_number IS 'The number that customers are told, with check digits.';
COMMENT ON COLUMN {order_status}.status IS 'awaiting_payment, partially_paid, scheduled, on_hold, registering, issued, action_needed, refund_pending, refunded or expired.';
COMMENT ON COLUMN {order_status}.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN {order_status}.zone IS 'The authority''s time zone, by its IANA name.';
COMMENT ON COLUMN {order_status}.product IS 'Code in the catalogue, such as CZ-10D.';
COMMENT ON COLUMN {order_status}.vehicle_country IS 'Country of the vehicle''s registration, ISO 3166.';
COMMENT ON COLUMN {order_status}.plate IS 'As typed; null once erased. Sealed in the table.';
COMMENT ON COLUMN {order_status}.valid_from IS 'The wished start as the customer gave it: a date, or a time with offset.';
COMMENT ON COLUMN {order_status}.starts_at IS 'Computed start of validity, to inform; vignette_valid_from wins.';
COMMENT ON COLUMN {order_status}.ends_at IS 'Computed last second of validity, to inform; vignette_valid_until wins.';
COMMENT ON COLUMN {order_status}.email IS 'Where mails go now; null once erased. Sealed in the table.';
COMMENT ON COLUMN {order_status}.language IS 'Of the mails and the page, ISO 639.';
COMMENT ON COLUMN {order_status}.link_generation IS 'Which management link is valid: each correction of the address renews it.';
COMMENT ON COLUMN {order_status}.currency IS 'ISO 4217, of all amounts of this row.';
COMMENT ON COLUMN {order_status}.price_official IS 'What the authority takes.';
COMMENT ON COLUMN {order_status}.price_fee IS 'What the service takes.';
COMMENT ON COLUMN {order_status}.price_total IS 'Both together.';
COMMENT ON COLUMN {order_status}.received IS 'All money that was booked for this order.';
COMMENT ON COLUMN {order_status}.outstanding IS 'Still to be paid; 0 once the order has ended, unless its money was taken back after the start.';
COMMENT ON COLUMN {order_status}.surplus IS 'Paid beyond the price and not yet returned.';
COMMENT ON COLUMN {order_status}.refund IS 'What is or was to go back; null unless a refund was granted.';
COMMENT ON COLUMN {order_status}.paid_at IS 'When the price was paid in full: arrival of the money that completed it.';
COMMENT ON COLUMN {order_status}.due_at IS 'When registration must start; null unless the order waits for just that.';
COMMENT ON COLUMN {order_status}.due_rule IS 'The rule that decided due_at: lead, grace, at_once, window, notice or outage.';
COMMENT ON COLUMN {order_status}.generation IS 'Which deadline counts: triggers of earlier generations are harmless.';
COMMENT ON COLUMN {order_status}.start_wished IS 'The customer asked for a start at once before the money was there.';
COMMENT ON COLUMN {order_status}.consented_at IS 'When the customer expressly asked for performance within the time of withdrawal; null if never.';
COMMENT ON COLUMN {order_status}.hold_reason IS 'Why the customer must be asked before registration: start_passed, too_late_for_authority or same_vehicle_and_period.';
COMMENT ON COLUMN {order_status}.started_at IS 'When registration started; null before, and after a rejection.';
COMMENT ON COLUMN {order_status}.started_rule IS 'The rule by which it started last.';
COMMENT ON COLUMN {order_status}.rejection_reason IS 'In the authority''s words, which may name the vehicle. Sealed in the table.';
COMMENT ON COLUMN {order_status}.vignette_number IS 'The authority''s number of the vignette.';
COMMENT ON COLUMN {order_status}.vignette_reference IS 'The authority''s reference of the registration.';
COMMENT ON COLUMN {order_status}.vignette_valid_from IS 'Start of validity as the authority confirmed it.';
COMMENT ON COLUMN {order_status}.vignette_valid_until IS 'Last second of validity as the authority confirmed it.';
COMMENT ON COLUMN {order_status}.can_be_corrected IS 'Plate, country, start and product can still be corrected (promise 7).';
COMMENT ON COLUMN {order_status}.can_be_refunded IS 'Money can still be asked back (promise 10).';
COMMENT ON COLUMN {order_status}.placed_at IS 'When the order was placed.';
COMMENT ON COLUMN {order_status}.updated_at IS 'When its last event was recorded.';
COMMENT ON COLUMN {order_status}.version IS 'How many events the order has had.';
COMMENT ON COLUMN {order_status}.position IS 'Position in the log of the last event in this row.';
COMMENT ON COLUMN {order_status}.consent_text_version IS 'The version of the text that the customer agreed to by it.';
COMMENT ON COLUMN {order_status}.consent_language IS 'The language of that text, ISO 639.';
COMMENT ON COLUMN {order_status}.held_because_of IS 'The order that this one is held for, as same_vehicle_and_period.';
COMMENT ON COLUMN {order_status}.twin_accepted IS 'Another order for the same vehicle and period is meant to be there.';
COMMENT ON COLUMN {order_status}.person_called_at IS 'When a person was called for this registration; null unless the authority kept us waiting.';
COMMENT ON COLUMN {order_status}.act_by IS 'Until when that person must have acted.';
COMMENT ON COLUMN {order_status}.rejection_code IS 'plate_not_accepted, already_covered, period_not_accepted, vehicle_not_accepted or other.';
COMMENT ON COLUMN {order_status}.authorisation_code IS 'With it the driver can turn to the authority itself. Sealed in the table.';
COMMENT ON COLUMN {order_status}.owed IS 'Owed to us: money that was taken back after it had been spent on a vignette, or had gone back to the payer; else 0.';
COMMENT ON COLUMN {order_status}.email_fails IS 'A mail to the address came back for good; until it is corrected.';
COMMENT ON COLUMN {order_status}.has_document IS 'The authority gave a document of its own with the vignette.';
COMMENT ON COLUMN {order_status}.issued_at IS 'When the authority''s confirmation was recorded.';
COMMENT ON COLUMN {order_status}.withdrawn_at IS 'When the customer withdrew from the contract.';
