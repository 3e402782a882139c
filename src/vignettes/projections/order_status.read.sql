CREATE OR REPLACE VIEW read.order_status AS
    SELECT o.order_id, o.order_number, o.status, o.country, o.zone, o.product, o.vehicle_country,
           personal.opened(o.plate, k.vehicle_view) AS plate,
           o.valid_from, o.starts_at, o.ends_at,
           personal.opened(o.email, k.contact_view) AS email,
           o.language, o.link_generation, o.currency, o.price_official, o.price_fee, o.price_total, o.received,
           o.outstanding, o.surplus, o.refund, o.paid_at, o.due_at, o.due_rule, o.generation, o.start_wished,
           o.consented_at, o.hold_reason, o.started_at, o.started_rule,
           personal.opened(o.rejection_reason, k.vehicle_view) AS rejection_reason,
           o.vignette_number, o.vignette_reference, o.vignette_valid_from, o.vignette_valid_until,
           o.can_be_corrected, o.can_be_refunded, o.placed_at, o.updated_at, o.version, o.position,
           -- Views of others rely on this one, and it can only be added to: what is new comes last.
           o.consent_text_version, o.consent_language, o.twin_accepted, o.held_because_of, o.person_called_at, o.act_by,
           o.rejection_code,
           personal.opened(o.authorisation_code, k.vehicle_view) AS authorisation_code, o.owed,
           o.email_fails, o.has_document, o.issued_at, o.withdrawn_at
    FROM view.order_status o LEFT JOIN personal.keys k USING (order_id);
COMMENT ON VIEW read.order_status IS 'One row per order: where it stands. Amounts in minor units of currency, times as instants.';
