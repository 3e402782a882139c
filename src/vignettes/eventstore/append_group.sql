-- Append what a group of commands decided, under the append lock. `unit` numbers the orders of the group: when a command
-- of a unit was answered by another process meanwhile, or its order or its payment changed hands, the whole unit is left
-- out and told to be stale; all other units go in. Returns one row per command, in its place.
WITH asked AS MATERIALIZED (
    SELECT *
    FROM unnest(%(command_units)b::int[], %(command_ids)b::uuid[], %(hashes)b::bytea[], %(order_ids)b::uuid[],
                %(order_versions)b::bigint[], %(replies)b::text[], %(recorded_ats)b::timestamptz[])
         WITH ORDINALITY AS a (unit, command_id, payload_hash, order_id, order_version, reply, recorded_at, place)
), told AS MATERIALIZED (
    SELECT *
    FROM unnest(%(event_units)b::int[], %(ids)b::uuid[], %(versions)b::bigint[], %(topics)b::text[], %(states)b::bytea[])
         WITH ORDINALITY AS t (unit, id, version, topic, state, place)
), paid AS MATERIALIZED (
    SELECT *
    FROM unnest(%(payment_units)b::int[], %(payment_ids)b::text[], %(payment_orders)b::uuid[]) AS p (unit, payment_id, order_id)
), stale AS MATERIALIZED (
    -- Subqueries for each row, not joins: looked up by index, however small the planner believes the table to be.
    SELECT unit FROM asked a
    WHERE (SELECT true FROM log.commands c WHERE c.command_id = a.command_id)
    UNION
    SELECT unit FROM told t
    WHERE (SELECT true FROM log.events e WHERE e.originator_id = t.id AND e.originator_version = t.version)
    UNION
    SELECT unit FROM paid p
    WHERE (SELECT true FROM log.payments l WHERE l.payment_id = p.payment_id)
), appended AS (
    INSERT INTO log.events (originator_id, originator_version, topic, state)
    SELECT id, version, topic, state FROM told WHERE unit NOT IN (SELECT unit FROM stale) ORDER BY place
    RETURNING originator_id, originator_version, notification_id
), kept AS (
    INSERT INTO personal.keys (order_id, master, contact, vehicle, contact_view, vehicle_view)
    SELECT order_id, master, contact, vehicle, contact_view, vehicle_view
    FROM unnest(%(key_units)b::int[], %(key_ids)b::uuid[], %(masters)b::text[], %(contacts)b::bytea[],
                %(vehicles)b::bytea[], %(contact_views)b::bytea[], %(vehicle_views)b::bytea[])
         AS k (unit, order_id, master, contact, vehicle, contact_view, vehicle_view)
    WHERE unit NOT IN (SELECT unit FROM stale)
), counted AS (
    INSERT INTO log.payments (payment_id, order_id)
    SELECT payment_id, order_id FROM paid WHERE unit NOT IN (SELECT unit FROM stale)
), placed AS MATERIALIZED (
    SELECT a.*, coalesce(
        n.notification_id,
        (SELECT e.notification_id FROM log.events e
         WHERE e.originator_id = a.order_id AND e.originator_version = a.order_version)
    ) AS position
    FROM asked a
    LEFT JOIN appended n ON n.originator_id = a.order_id AND n.originator_version = a.order_version
    WHERE a.unit NOT IN (SELECT unit FROM stale)
), answered AS (
    INSERT INTO log.commands (command_id, payload_hash, order_id, position, reply, recorded_at)
    SELECT command_id, payload_hash, order_id, position, reply::json, recorded_at FROM placed
)
SELECT a.place, p.place IS NULL AS stale, p.position FROM asked a LEFT JOIN placed p USING (place) ORDER BY a.place
