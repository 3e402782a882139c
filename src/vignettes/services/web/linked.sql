-- One statement, so that an order and its mails are as they were at the position. Of the mails the last fifty.
SELECT clock.now() AS now, known.position, known.head, o.order_id, o.order_number, o.version, o.status, o.language,
       o.country, o.zone, o.product, o.vehicle_country, o.plate, o.valid_from, o.starts_at, o.ends_at,
       o.currency, o.price_official, o.price_fee, o.price_total, o.received, o.outstanding, o.surplus, o.refund, o.owed,
       o.paid_at, o.due_at, o.due_rule, o.start_wished, o.hold_reason, o.started_at, o.started_rule,
       o.rejection_code, o.rejection_reason, o.vignette_number, o.vignette_valid_from, o.vignette_valid_until,
       o.authorisation_code, o.has_document, o.issued_at, o.withdrawn_at, o.can_be_corrected, o.can_be_refunded,
       o.email, o.email_fails, o.placed_at,
       (SELECT max(d.due_at) FROM read.deadlines d
        WHERE d.order_id = o.order_id AND d.purpose = 'answer' AND d.ended_at IS NULL) AS answer_by,
       mails.told AS mails, mails.sign AS mails_sign
FROM (SELECT min(position) AS position, max(head) AS head FROM read.projection_lag
      WHERE view IN ('order_pages', 'order_status')) AS known
LEFT JOIN (
    read.order_pages p JOIN read.order_status o USING (order_id)
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_array(kind, state, called_at, sent_at) ORDER BY version, kind)
                        FILTER (WHERE age <= 50), '[]') AS told,
               concat_ws('.', count(*), count(sent_at), coalesce(sum(least(attempts, 1)), 0)) AS sign
        FROM (SELECT kind, version, CASE return_kind WHEN 'complaint' THEN 'sent' ELSE state END AS state,
                     called_at, sent_at, attempts,
                     row_number() OVER (ORDER BY version DESC) AS age
              FROM read.emails e WHERE e.order_id = p.order_id) AS each
    ) AS mails
) ON p.digest = %s
