-- Append what a group of commands decided: one statement, one transaction, one lock, one notification, one fsync.
-- `unit` numbers the orders of the group. When a command of a unit was answered by another process meanwhile, or its
-- order or its payment changed hands, the whole unit is left out and told to be stale; all other units go in.
-- Returns one row per command, in its place. A function, because each statement in it sees what was committed before
-- the lock was given: decided by what is true then, and not when the caller began to wait.
CREATE FUNCTION log.append(
    command_units int[], command_ids uuid[], hashes bytea[], order_ids uuid[], order_versions bigint[],
    replies text[], recorded_at timestamptz[],
    event_units int[], ids uuid[], versions bigint[], topics text[], states bytea[],
    payment_units int[], payment_ids text[], payment_orders uuid[],
    key_units int[], key_ids uuid[], masters text[], contacts bytea[], vehicles bytea[], contact_views bytea[],
    vehicle_views bytea[],
    erased_units int[], erased_ids uuid[], erased_contacts bool[], erased_vehicles bool[]
) RETURNS TABLE (place bigint, is_stale bool, at_position bigint) LANGUAGE plpgsql AS $$
DECLARE
    stale int[];
BEGIN
    PERFORM pg_advisory_xact_lock(1986619246);  -- every writer's: positions become visible in order
    IF cardinality(ids) > 0 THEN
        NOTIFY log;
    END IF;

    -- Subqueries for each row, not joins: looked up by index, however small the planner believes the table to be.
    stale := ARRAY(
        SELECT a.unit FROM unnest(command_units, command_ids) AS a (unit, command_id)
        WHERE (SELECT true FROM log.commands c WHERE c.command_id = a.command_id)
        UNION
        -- The first new event of each order follows the last one on record, or its unit has lost touch with the log.
        SELECT f.unit FROM (
            SELECT DISTINCT ON (t.id) t.unit, t.id, t.version
            FROM unnest(event_units, ids, versions) AS t (unit, id, version) ORDER BY t.id, t.version
        ) AS f
        WHERE f.version - 1 <> coalesce((
            SELECT e.originator_version FROM log.events e
            WHERE e.originator_id = f.id ORDER BY e.originator_version DESC LIMIT 1
        ), 0)
        UNION
        SELECT p.unit FROM unnest(payment_units, payment_ids) AS p (unit, payment_id)
        WHERE (SELECT true FROM log.payments l WHERE l.payment_id = p.payment_id)
    );

    IF cardinality(key_ids) > 0 THEN
        INSERT INTO personal.keys (order_id, master, contact, vehicle, contact_view, vehicle_view)
        SELECT k.order_id, k.master, k.contact, k.vehicle, k.contact_view, k.vehicle_view
        FROM unnest(key_units, key_ids, masters, contacts, vehicles, contact_views, vehicle_views)
             AS k (unit, order_id, master, contact, vehicle, contact_view, vehicle_view)
        WHERE k.unit <> ALL (stale);
    END IF;
    IF cardinality(payment_ids) > 0 THEN
        INSERT INTO log.payments (payment_id, order_id)
        SELECT p.payment_id, p.order_id
        FROM unnest(payment_units, payment_ids, payment_orders) AS p (unit, payment_id, order_id)
        WHERE p.unit <> ALL (stale);
    END IF;

    RETURN QUERY
    WITH appended AS (
        INSERT INTO log.events (originator_id, originator_version, topic, state)
        SELECT t.id, t.version, t.topic, t.state
        FROM unnest(event_units, ids, versions, topics, states)
             WITH ORDINALITY AS t (unit, id, version, topic, state, place)
        WHERE t.unit <> ALL (stale) ORDER BY t.place
        RETURNING originator_id, originator_version, notification_id
    ), placed AS MATERIALIZED (
        SELECT a.*, a.unit = ANY (stale) AS stale,
               CASE WHEN a.unit <> ALL (stale) THEN coalesce(
                   n.notification_id,
                   (SELECT e.notification_id FROM log.events e
                    WHERE e.originator_id = a.order_id AND e.originator_version = a.order_version)
               ) END AS position
        FROM unnest(command_units, command_ids, hashes, order_ids, order_versions, replies, recorded_at)
             WITH ORDINALITY AS a (unit, command_id, payload_hash, order_id, order_version, reply, recorded_at, place)
        LEFT JOIN appended n ON n.originator_id = a.order_id AND n.originator_version = a.order_version
    ), answered AS (
        INSERT INTO log.commands (command_id, payload_hash, order_id, position, reply, recorded_at)
        SELECT p.command_id, p.payload_hash, p.order_id, p.position, p.reply::json, p.recorded_at
        FROM placed p WHERE NOT p.stale
    )
    SELECT p.place, p.stale, p.position FROM placed p ORDER BY p.place;

    -- With the event that says so, or not at all.
    IF cardinality(erased_ids) > 0 THEN
        UPDATE personal.keys k
        SET contact = CASE WHEN g.contact THEN NULL ELSE k.contact END,
            contact_view = CASE WHEN g.contact THEN NULL ELSE k.contact_view END,
            vehicle = CASE WHEN g.vehicle THEN NULL ELSE k.vehicle END,
            vehicle_view = CASE WHEN g.vehicle THEN NULL ELSE k.vehicle_view END
        FROM unnest(erased_units, erased_ids, erased_contacts, erased_vehicles) AS g (unit, order_id, contact, vehicle)
        WHERE k.order_id = g.order_id AND g.unit <> ALL (stale);
    END IF;
END $$;
COMMENT ON FUNCTION log.append IS 'Append the events and answers of a group of commands, and the keys and payments that go with them.';
REVOKE ALL ON FUNCTION log.append FROM PUBLIC;
GRANT EXECUTE ON FUNCTION log.append TO vignettes_writer;
