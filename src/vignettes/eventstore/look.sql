-- All that deciding a group of commands needs to see, in one statement; `kind` says what a row is.
SELECT 'now' AS kind, clock.now() AS at, NULL::uuid AS id, NULL::uuid AS other_id, NULL::bigint AS number,
       NULL::text AS text, NULL::bytea AS one, NULL::bytea AS two, NULL::bytea AS three, NULL::bytea AS four
UNION ALL
SELECT 'known', NULL, command_id, order_id, position, reply::text, payload_hash, NULL, NULL, NULL
FROM log.commands WHERE command_id = ANY (%(command_ids)b::uuid[])
UNION ALL
SELECT 'newer', NULL, e.originator_id, NULL, e.originator_version, e.topic, e.state, NULL, NULL, NULL
FROM unnest(%(order_ids)b::uuid[], %(versions)b::bigint[]) AS known (id, version)
CROSS JOIN LATERAL (
    SELECT * FROM log.events
    WHERE originator_id = known.id AND originator_version > known.version
    ORDER BY originator_version OFFSET 0
) AS e
UNION ALL
SELECT 'keys', NULL, order_id, NULL, NULL, master, contact, vehicle, contact_view, vehicle_view
FROM personal.keys WHERE order_id = ANY (%(without_keys)b::uuid[])
UNION ALL
SELECT 'owner', NULL, order_id, NULL, NULL, payment_id, NULL, NULL, NULL, NULL
FROM log.payments WHERE payment_id = ANY (%(payment_ids)b::text[])
UNION ALL
SELECT DISTINCT 'clear', NULL::timestamptz, originator_id, NULL::uuid, NULL::bigint, NULL, NULL::bytea, NULL::bytea, NULL::bytea, NULL::bytea
FROM log.events WHERE originator_id = ANY (%(erasing)b::uuid[]) AND topic = ANY (%(clear_topics)b::text[])
UNION ALL
SELECT 'serial', NULL, NULL, NULL, nextval('log.order_serial'), NULL, NULL, NULL, NULL, NULL
FROM generate_series(1, %(serials)b::int)
UNION ALL
-- Looked at for the latest hundred of a vehicle at most: a warning is worth no more, and everybody's commands wait.
SELECT 'cover', NULL, NULL, NULL, asked.place, NULL, NULL, NULL, NULL, NULL
FROM unnest(%(vehicles)b::bytea[], %(countries)b::text[], %(begins)b::timestamptz[], %(ends)b::timestamptz[])
     WITH ORDINALITY AS asked (vehicle, country, begins, ends, place)
CROSS JOIN LATERAL (
    SELECT true FROM (
        SELECT order_id FROM view.lookup WHERE digest = asked.vehicle AND kind = 'plate' LIMIT 100
    ) AS l
    CROSS JOIN LATERAL (
        SELECT true FROM view.order_status
        WHERE order_id = l.order_id AND status IN ('scheduled', 'on_hold', 'registering', 'issued')
          AND country = asked.country AND starts_at <= asked.ends AND ends_at >= asked.begins OFFSET 0
    ) AS o
    LIMIT 1
) AS found
