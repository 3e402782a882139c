-- What the page for people on duty asks the views, part by part. Each list names how many there are in all, and shows
-- the most urgent: nothing of who ordered or for which vehicle, but numbers of orders. The time is given: asked of the
-- clock within a statement, it would be asked again for every row.

-- name: clock
-- The service's time, and up to where every view knows the log.
SELECT clock.now() AS now, (SELECT min(position) FROM read.projection_lag WHERE view <> 'published') AS position

-- name: states
SELECT status, count(*) AS orders FROM read.order_status WHERE status = ANY (%(standing)s) GROUP BY status

-- name: ended
SELECT status, count(*) AS orders FROM read.order_status WHERE status = ANY (%(ended)s) GROUP BY status

-- name: due
SELECT date_bin('30 minutes', due_at, 'epoch') AS begins_at, country, count(*) AS orders
FROM read.deadlines
WHERE purpose = 'registration' AND ended_at IS NULL AND due_at >= %(now)s::timestamptz AND due_at < %(now)s::timestamptz + interval '49 hours'
GROUP BY 1, 2 ORDER BY 1, 2

-- name: today
SELECT (due_at AT TIME ZONE 'UTC')::date AS day, promise, count(*) FILTER (WHERE state = 'kept') AS kept,
       count(*) FILTER (WHERE state = 'broken') AS broken, count(*) FILTER (WHERE state = 'at_risk') AS at_risk,
       count(*) FILTER (WHERE state = 'open') AS open
FROM read.promises
WHERE promise = ANY (%(promises)s)
  AND due_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') AND due_at < date_trunc('day', %(now)s::timestamptz, 'UTC') + interval '1 day'
GROUP BY 1, 2

-- name: month
SELECT (due_at AT TIME ZONE 'UTC')::date AS day, promise, count(*) FILTER (WHERE state = 'kept') AS kept,
       count(*) FILTER (WHERE state = 'broken') AS broken, count(*) FILTER (WHERE state = 'at_risk') AS at_risk,
       count(*) FILTER (WHERE state = 'open') AS open
FROM read.promises
WHERE promise = ANY (%(promises)s)
  AND due_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') - interval '29 days' AND due_at < date_trunc('day', %(now)s::timestamptz, 'UTC')
GROUP BY 1, 2

-- name: broken_today
-- Promise by promise: many late mails must not hide the one late registration.
SELECT p.promise, p.order_id, o.order_number, p.due_at, p.late, p.limit_at IS NULL AS is_no_matter_of_time
FROM (SELECT *, row_number() OVER (PARTITION BY promise ORDER BY due_at DESC) AS nth FROM read.promises
      WHERE promise = ANY (%(promises)s) AND state = 'broken'
        AND due_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') AND due_at < date_trunc('day', %(now)s::timestamptz, 'UTC') + interval '1 day') AS p
LEFT JOIN read.order_status o USING (order_id)
WHERE p.nth <= %(most)s ORDER BY p.due_at DESC

-- name: broken_month
SELECT p.promise, p.order_id, o.order_number, p.due_at, p.late, p.limit_at IS NULL AS is_no_matter_of_time
FROM (SELECT *, row_number() OVER (PARTITION BY promise ORDER BY due_at DESC) AS nth FROM read.promises
      WHERE promise = ANY (%(promises)s) AND state = 'broken'
        AND due_at >= date_trunc('day', %(now)s::timestamptz, 'UTC') - interval '29 days' AND due_at < date_trunc('day', %(now)s::timestamptz, 'UTC')) AS p
LEFT JOIN read.order_status o USING (order_id)
WHERE p.nth <= %(most)s ORDER BY p.due_at DESC

-- name: late
-- A trigger takes a moment: what is due this very second is not late.
SELECT d.order_id, o.order_number, d.country, d.generation, d.due_at, d.rule, d.fired_at, d.starts_at,
       (SELECT count(*) FROM read.deadlines
        WHERE purpose = 'registration' AND ended_at IS NULL AND due_at < %(now)s::timestamptz - interval '10 s') AS total
FROM read.deadlines d JOIN read.order_status o USING (order_id)
WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND d.due_at < %(now)s::timestamptz - interval '10 s'
ORDER BY d.due_at LIMIT %(most)s

-- name: stuck
SELECT o.order_id, o.order_number, o.country, o.generation, o.started_at, o.starts_at, o.person_called_at, o.act_by,
       r.state, r.attempts, r.unknown_since, r.last_outcome, count(*) OVER () AS total
FROM read.order_status o LEFT JOIN read.registrations r ON (r.order_id, r.started_at) = (o.order_id, o.started_at)
WHERE o.status = 'registering'
  AND (o.person_called_at IS NOT NULL OR r.state = 'unknown' OR o.started_at < %(now)s::timestamptz - interval '5 min')
ORDER BY o.starts_at LIMIT %(most)s

-- name: rejected
SELECT o.order_id, o.order_number, o.country, o.rejection_code, o.updated_at, d.due_at AS answer_by,
       count(*) OVER () AS total
FROM read.order_status o
LEFT JOIN read.deadlines d ON d.order_id = o.order_id AND d.purpose = 'answer' AND d.ended_at IS NULL
WHERE o.status = 'action_needed' ORDER BY d.due_at LIMIT %(most)s

-- name: held
SELECT o.order_id, o.order_number, o.country, o.hold_reason, o.starts_at, o.updated_at, other.order_number AS because_of,
       count(*) OVER () AS total
FROM read.order_status o LEFT JOIN read.order_status other ON other.order_id = o.held_because_of
WHERE o.status = 'on_hold' ORDER BY o.starts_at LIMIT %(most)s

-- name: parked
SELECT p.view, p.order_id, o.order_number, p.topic, p.error, p.attempts, p.parked_at, p.events_waiting, waiting.total
FROM (SELECT count(*) AS total FROM read.parked_events) AS waiting,
     read.parked_events p LEFT JOIN read.order_status o USING (order_id)
ORDER BY p.parked_at LIMIT %(most)s

-- name: money
-- With the orders that are suggested as they stand now: one may have been paid since.
SELECT p.payment_id, p.currency, p.unallocated, p.booked_on, p.source, p.reasons, p.suggestions,
       (SELECT jsonb_object_agg(o.order_id, jsonb_build_object(
            'number', o.order_number, 'status', o.status, 'outstanding', o.outstanding))
        FROM jsonb_array_elements(p.suggestions) AS suggested, jsonb_array_elements(suggested -> 'allocations') AS part
        JOIN read.order_status o ON o.order_id = (part ->> 'order_id')::uuid) AS orders,
       count(*) OVER () AS total
FROM read.bank_payments p WHERE p.status = 'in_review' ORDER BY p.booked_on, p.position LIMIT %(most)s

-- name: reversals
-- What each may have taken back: money of the same amount that came to the same account before it.
SELECT p.payment_id, p.currency, p.amount, p.booked_on, p.source, p.reasons,
       (SELECT jsonb_agg(jsonb_build_object('payment_id', c.payment_id, 'booked_on', c.booked_on, 'number', (
            SELECT o.order_number FROM read.order_status o WHERE o.order_id = (c.shares -> 0 ->> 'order_id')::uuid))
            ORDER BY c.booked_on DESC)
        FROM (SELECT payment_id, booked_on, shares FROM read.bank_payments
              WHERE source = p.source AND account = p.account AND currency = p.currency AND amount = p.amount
                AND booked_on <= p.booked_on AND arrived_at IS NOT NULL AND status IN ('matched', 'in_review')
              ORDER BY booked_on DESC LIMIT 2) AS c) AS candidates,
       count(*) OVER () AS total
FROM read.bank_payments p WHERE p.status = 'unplaced' ORDER BY p.booked_on, p.position LIMIT %(most)s

-- name: refunds
SELECT p.order_id, p.order_number, p.purpose, p.currency, p.amount, p.since, count(*) OVER () AS total
FROM read.payouts p WHERE p.state = 'to_approve' ORDER BY p.since LIMIT %(most)s

-- name: payouts
SELECT state, currency, count(*) AS payouts, sum(amount)::bigint AS amount, min(since) AS since
FROM read.payouts WHERE state IN ('approved', 'with_bank') GROUP BY state, currency ORDER BY state, currency

-- name: files
SELECT digest, name, format, reason, imported_by, begun_at, count(*) OVER () AS total
FROM read.bank_files WHERE state = 'set_aside' AND begun_at > %(now)s::timestamptz - interval '14 days'
ORDER BY begun_at DESC LIMIT %(most)s

-- name: mails
SELECT m.message_id, m.order_id, m.kind, m.called_at, m.attempts, m.last_error, o.order_number, c.case_number,
       count(*) OVER () AS total
FROM read.mails_open m LEFT JOIN read.order_status o USING (order_id) LEFT JOIN read.support_cases c ON c.case_id = m.order_id
WHERE m.called_at < %(now)s::timestamptz - interval '5 min' ORDER BY m.called_at LIMIT %(most)s

-- name: returned
-- Of orders that nobody can write to still: once the address is corrected, all current mails go there by themselves.
SELECT r.message_id, r.order_id, r.kind, r.returned_at, r.return_status, o.order_number, count(*) OVER () AS total
FROM read.mails_returned r JOIN read.order_status o USING (order_id)
WHERE r.returned_at > %(now)s::timestamptz - interval '30 days' AND r.return_kind = 'permanent' AND o.email_fails
ORDER BY r.returned_at DESC LIMIT %(most)s

-- name: cases
SELECT c.case_id, c.case_number, c.topic, c.channel, c.messages, c.answers, c.open_since, c.returned, c.order_id,
       o.order_number, count(*) OVER () AS total
FROM read.support_cases c LEFT JOIN read.order_status o ON o.order_id = c.order_id
WHERE c.state = 'open' ORDER BY c.open_since LIMIT %(most)s

-- name: done
SELECT subject, about, outcome, actor, at FROM read.interventions ORDER BY at DESC LIMIT 5
