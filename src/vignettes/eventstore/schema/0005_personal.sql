-- Keys of personal data. They live outside the log: destroying one erases a person from a history that nobody may change.
CREATE SCHEMA personal;
COMMENT ON SCHEMA personal IS 'Keys of personal data, outside the log.';
GRANT USAGE ON SCHEMA personal TO vignettes_writer, vignettes_projector;

CREATE TABLE personal.keys (
    order_id     uuid PRIMARY KEY,
    master       text NOT NULL,
    contact      bytea,
    vehicle      bytea,
    contact_view bytea,
    vehicle_view bytea
);
COMMENT ON TABLE personal.keys IS 'One row per order, for ever; a class that was erased has no keys any more.';
COMMENT ON COLUMN personal.keys.master IS 'Which master key wraps the two data keys.';
COMMENT ON COLUMN personal.keys.contact IS 'Wrapped key of the address in the order''s events; null once erased.';
COMMENT ON COLUMN personal.keys.vehicle IS 'Wrapped key of the plate in the order''s events; null once erased.';
COMMENT ON COLUMN personal.keys.contact_view IS 'Key of the address in the tables of the views, in the clear: it hides nothing from who reads this database, it makes erasing final.';
COMMENT ON COLUMN personal.keys.vehicle_view IS 'The same for the plate.';

CREATE TABLE personal.secrets (
    name    text PRIMARY KEY,
    master  text  NOT NULL,
    wrapped bytea NOT NULL
);
COMMENT ON TABLE personal.secrets IS 'Secrets of the service (what links, hashes and the blind index are derived from), wrapped by the master key, so that it can be replaced.';

-- A text that a view sealed: 16 bytes of nonce, then the text XOR the SHA-256 of key, nonce and number of the block.
CREATE FUNCTION personal.opened(sealed bytea, key bytea) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    nonce  CONSTANT bytea := substr(sealed, 1, 16);
    text_  bytea := substr(sealed, 17);
    stream bytea;
BEGIN
    FOR place IN 0 .. length(text_) - 1 LOOP
        IF place % 32 = 0 THEN
            stream := sha256(key || nonce || int4send(place / 32));
        END IF;
        text_ := set_byte(text_, place, get_byte(text_, place) # get_byte(stream, place % 32));
    END LOOP;
    RETURN convert_from(text_, 'UTF8');
END $$;
COMMENT ON FUNCTION personal.opened IS 'The text, or null when it or its key is gone.';

-- What is personal in the views is sealed from here on. They are emptied, and filled again from the log.
DROP VIEW read.order_status, read.emails;
TRUNCATE view.order_status, view.emails, view.deadlines;
UPDATE view.positions SET position = 0 WHERE view IN ('order_status', 'emails', 'deadlines');

ALTER TABLE view.order_status
    ALTER plate TYPE bytea USING NULL,
    ALTER email TYPE bytea USING NULL,
    ALTER rejection_reason TYPE bytea USING NULL;
COMMENT ON COLUMN view.order_status.plate IS 'As typed; sealed.';
COMMENT ON COLUMN view.order_status.email IS 'Where mails go now; sealed.';
COMMENT ON COLUMN view.order_status.rejection_reason IS 'In the authority''s words, which may name the vehicle; sealed.';

ALTER TABLE view.emails ALTER recipient TYPE bytea USING NULL;
ALTER TABLE view.emails ADD contact bytea, ADD vehicle bytea;
COMMENT ON COLUMN view.emails.recipient IS 'Sealed; null once erased, and then it is not sent any more.';
COMMENT ON COLUMN view.emails.facts IS 'What the text says, as it was at that version, less what is personal.';
COMMENT ON COLUMN view.emails.contact IS 'More facts, as JSON: what tells the person. Sealed.';
COMMENT ON COLUMN view.emails.vehicle IS 'More facts, as JSON: what tells the vehicle. Sealed.';

ALTER TABLE effect.mails ALTER subject DROP NOT NULL, ALTER subject TYPE bytea USING NULL;
COMMENT ON COLUMN effect.mails.subject IS 'As it was sent: it names the plate, so it is sealed with the vehicle''s key.';

CREATE VIEW read.order_status AS
    SELECT o.order_id, o.order_number, o.status, o.country, o.product, o.vehicle_country,
           personal.opened(o.plate, k.vehicle_view) AS plate,
           o.valid_from, o.starts_at, o.ends_at,
           personal.opened(o.email, k.contact_view) AS email,
           o.language, o.currency, o.price_official, o.price_fee, o.price_total, o.received, o.outstanding,
           o.surplus, o.refund, o.paid_at, o.due_at, o.due_rule, o.generation, o.start_wished, o.hold_reason,
           o.started_at, o.started_rule,
           personal.opened(o.rejection_reason, k.vehicle_view) AS rejection_reason,
           o.vignette_number, o.vignette_reference, o.vignette_valid_from, o.vignette_valid_until,
           o.placed_at, o.updated_at, o.version, o.position
    FROM view.order_status o LEFT JOIN personal.keys k USING (order_id);

CREATE VIEW read.emails AS
    SELECT e.order_id, e.version, e.kind, personal.opened(e.recipient, k.contact_view) AS recipient, e.language,
           personal.opened(m.subject, k.vehicle_view) AS subject, e.message_id,
           CASE WHEN m.sent_at IS NOT NULL THEN 'sent'
                WHEN e.recipient IS NULL OR (k.order_id IS NOT NULL AND k.contact_view IS NULL) THEN 'erased'
                WHEN m.attempts > 0 THEN 'retrying' ELSE 'waiting' END AS state,
           e.called_at, m.sent_at, coalesce(m.attempts, 0) AS attempts, m.last_error, e.position
    FROM view.emails e LEFT JOIN effect.mails m USING (message_id) LEFT JOIN personal.keys k ON k.order_id = e.order_id;

-- The blind index: an order is found by what somebody knows of it, and nothing can be read from the index itself.
CREATE TABLE view.lookup (
    order_id uuid  NOT NULL,
    kind     text  NOT NULL CHECK (kind IN ('email', 'plate')),
    digest   bytea NOT NULL,
    position bigint NOT NULL,
    PRIMARY KEY (order_id, kind)
);
CREATE INDEX lookup_by_digest ON view.lookup (digest);
COMMENT ON TABLE view.lookup IS 'Orders by keyed hashes of what their customers know. Rows go when the data they stand for is erased.';
COMMENT ON COLUMN view.lookup.digest IS 'HMAC-SHA-256 of the address in small letters, or of country and plate in normal form.';

-- Money counts once: a payer's payment_id belongs to the order it was first named for.
CREATE TABLE log.payments (
    payment_id text PRIMARY KEY,
    order_id   uuid NOT NULL
);
INSERT INTO log.payments
    SELECT convert_from(state, 'UTF8')::jsonb #>> '{data,payment,payment_id}', originator_id FROM log.events
    WHERE topic IN ('order.payment-received.v1', 'order.payment-noticed.v1') ORDER BY notification_id
    ON CONFLICT DO NOTHING;
COMMENT ON TABLE log.payments IS 'Which order each payment_id counts for; written with the event that says so.';
CREATE TRIGGER payments_are_for_ever BEFORE UPDATE OR DELETE OR TRUNCATE ON log.payments
    FOR EACH STATEMENT EXECUTE FUNCTION log.refuse_change();
ALTER TABLE log.payments ENABLE ALWAYS TRIGGER payments_are_for_ever;
GRANT SELECT, INSERT ON log.payments TO vignettes_writer;
GRANT SELECT ON log.payments TO vignettes_auditor;

-- Kept as it was answered, field by field in that order: asked again, the answer is the same to the byte.
ALTER TABLE log.commands ALTER reply TYPE json USING reply::json;

GRANT SELECT, INSERT ON personal.keys TO vignettes_writer;
-- To erase. A writer that set anything else would have destroyed the key as well.
GRANT UPDATE (contact, vehicle, contact_view, vehicle_view) ON personal.keys TO vignettes_writer;
GRANT SELECT ON personal.keys TO vignettes_projector;
GRANT SELECT, INSERT ON personal.secrets TO vignettes_writer, vignettes_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA view TO vignettes_projector;
GRANT SELECT ON ALL TABLES IN SCHEMA view TO vignettes_writer;
GRANT SELECT ON read.order_status, read.emails TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
