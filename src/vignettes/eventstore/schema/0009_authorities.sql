-- What is known of each authority by all processes together: whether it may be called, and how often.
CREATE TABLE effect.authorities (
    country      text PRIMARY KEY,
    state        text        NOT NULL DEFAULT 'closed' CHECK (state IN ('closed', 'open', 'half_open')),
    failures     integer     NOT NULL DEFAULT 0,
    openings     integer     NOT NULL DEFAULT 0,
    opened_at    timestamptz,
    retry_at     timestamptz,
    tokens       float8      NOT NULL,
    refilled_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    calls        bigint      NOT NULL DEFAULT 0,
    calls_failed bigint      NOT NULL DEFAULT 0,
    call_seconds float8      NOT NULL DEFAULT 0,
    changed_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    last_error   text
);
COMMENT ON TABLE effect.authorities IS 'One row per country: the circuit breaker and the rate limit that all processes share. Times are by the real clock.';
COMMENT ON COLUMN effect.authorities.state IS 'closed: it is called. open: it is not. half_open: one call tries whether it is back.';
COMMENT ON COLUMN effect.authorities.failures IS 'Calls that failed one after the other, up to now.';
COMMENT ON COLUMN effect.authorities.openings IS 'How often it was opened since it last worked: each pause is twice the one before.';
COMMENT ON COLUMN effect.authorities.retry_at IS 'When one call may try again.';
COMMENT ON COLUMN effect.authorities.tokens IS 'Calls that may be made at once; below zero when attempts took more of them than one.';

ALTER TABLE effect.registrations
    ADD generation integer, ADD country text, ADD starts_at timestamptz, ADD vehicle bytea,
    ADD state text NOT NULL DEFAULT 'unknown' CHECK (state IN ('waiting', 'sending', 'unknown', 'recorded', 'ended')),
    ADD tries integer NOT NULL DEFAULT 0, ADD unknown_since timestamptz,
    ADD call_at timestamptz, ADD call_why text, ADD act_by timestamptz, ADD called_at timestamptz;
-- What was tried before there were states may have been sent: the authority is asked first.
UPDATE effect.registrations SET state = 'recorded' WHERE last_outcome = 'recorded';
ALTER TABLE effect.registrations ALTER state SET DEFAULT 'waiting';
CREATE INDEX registrations_open ON effect.registrations (country, starts_at) WHERE state IN ('waiting', 'sending', 'unknown');
CREATE INDEX registrations_again ON effect.registrations (greatest(leased_until, retry_at))
    WHERE state IN ('waiting', 'sending', 'unknown');
CREATE INDEX registrations_under_way ON effect.registrations (country, vehicle) WHERE leased_by IS NOT NULL;
CREATE INDEX registrations_to_be_told ON effect.registrations (call_at)
    WHERE called_at IS NULL AND (call_why IS NOT NULL OR state IN ('waiting', 'sending', 'unknown'));
COMMENT ON COLUMN effect.registrations.vehicle IS 'Its digest in view.lookup: no two calls for one vehicle are under way at the same time.';
COMMENT ON COLUMN effect.registrations.state IS 'waiting: the authority holds nothing. sending: it is being told, or whoever told it has died. unknown: it may hold it or not. recorded: its answer is in the log. ended: the order went another way.';
COMMENT ON COLUMN effect.registrations.tries IS 'Attempts in this state, one after the other.';
COMMENT ON COLUMN effect.registrations.unknown_since IS 'By the service''s clock.';
COMMENT ON COLUMN effect.registrations.call_at IS 'When a person is called unless an answer is on record by then, by the service''s clock.';
COMMENT ON COLUMN effect.registrations.call_why IS 'Why a person is called at once.';
COMMENT ON COLUMN effect.registrations.act_by IS 'By when that person must have acted.';
COMMENT ON COLUMN effect.registrations.called_at IS 'When the call was recorded.';

CREATE TABLE effect.documents (
    order_id   uuid        NOT NULL,
    digest     text        NOT NULL,
    media_type text        NOT NULL,
    size       integer     NOT NULL,
    sealed     bytea       NOT NULL,
    stored_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (order_id, digest)
);
ALTER TABLE effect.documents ALTER sealed SET STORAGE EXTERNAL;
COMMENT ON TABLE effect.documents IS 'The authorities'' documents, sealed under the vehicle''s key: destroying it erases them.';
COMMENT ON COLUMN effect.documents.digest IS 'SHA-256 of the sealed bytes, as the order''s event names it.';
COMMENT ON COLUMN effect.documents.size IS 'In bytes, before it was sealed.';

-- Notes what has started and is not known here yet: so many at a time, and how many there were. Tables that fill within a
-- minute have no statistics to plan by; what is asked of them here is always found by an index.
CREATE FUNCTION effect.note_started(most integer) RETURNS integer
    LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    started CONSTANT uuid[] := ARRAY(
        SELECT o.order_id FROM view.order_status o
        WHERE o.status = 'registering' AND o.plate IS NOT NULL
          AND NOT EXISTS (SELECT FROM effect.registrations k
                          WHERE (k.order_id, k.started_at) = (o.order_id, o.started_at) AND k.country IS NOT NULL)
        ORDER BY o.starts_at LIMIT most);
BEGIN
    INSERT INTO effect.registrations AS r (order_id, started_at, generation, country, starts_at, vehicle, call_at, act_by)
    SELECT o.order_id, o.started_at, o.generation, o.country, o.starts_at, l.digest, c.call_at, greatest(c.call_at, o.starts_at)
    FROM unnest(started) AS new (order_id) JOIN view.order_status o USING (order_id)
         LEFT JOIN view.lookup l ON l.order_id = o.order_id AND l.kind = 'plate',
         LATERAL (SELECT o.started_at + greatest('5 min', least('1 h', (o.starts_at - o.started_at) / 4)) AS call_at) c
    WHERE o.status = 'registering'
    ON CONFLICT (order_id, started_at) DO UPDATE
    SET generation = excluded.generation, country = excluded.country, starts_at = excluded.starts_at,
        vehicle = excluded.vehicle, call_at = excluded.call_at, act_by = excluded.act_by
    WHERE r.country IS NULL;
    RETURN cardinality(started);
END $$;
COMMENT ON FUNCTION effect.note_started IS 'Put the orders whose registration has started on the work list, earliest validity first; returns how many were new.';

-- Takes up what may be worked on now, and says so to nobody else until the lease is over. One call of the server, so that a
-- process which is stopped in its middle holds nothing back. `doors` are the authorities that are open at this hour:
-- country, rate (calls a minute), burst, concurrency, seconds (of a lease).
CREATE FUNCTION effect.take_up(lease uuid, doors jsonb) RETURNS SETOF effect.registrations
    LANGUAGE plpgsql SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
    SET plan_cache_mode = force_custom_plan AS $$
DECLARE
    door    record;
    here    effect.authorities;
    allowed integer;
    taken   integer;
BEGIN
    FOR door IN SELECT * FROM jsonb_to_recordset(doors)
                    AS d (country text, rate float8, burst integer, concurrency integer, seconds float8) ORDER BY d.country
    LOOP
        CONTINUE WHEN NOT EXISTS (SELECT FROM effect.registrations r
                                  WHERE r.country = door.country AND r.state IN ('waiting', 'sending', 'unknown')
                                    AND coalesce(r.leased_until < clock_timestamp(), true)
                                    AND coalesce(r.retry_at <= clock_timestamp(), true));
        -- Whoever holds this row decides alone for the country: each statement below sees what the one before it did.
        INSERT INTO effect.authorities AS a (country, tokens) VALUES (door.country, door.burst)
        ON CONFLICT (country) DO UPDATE
        SET tokens = least(door.burst, a.tokens + door.rate / 60
                           * greatest(extract(epoch FROM clock_timestamp() - a.refilled_at), 0)),
            refilled_at = clock_timestamp()
        RETURNING * INTO here;
        CONTINUE WHEN here.state <> 'closed' AND here.retry_at > clock_timestamp();
        SELECT least(floor(here.tokens), CASE WHEN here.state = 'closed' THEN door.concurrency - count(*) ELSE 1 END)
        INTO allowed FROM effect.registrations r
        WHERE r.country = door.country AND r.leased_by IS NOT NULL AND r.leased_until >= clock_timestamp();
        CONTINUE WHEN allowed < 1;

        RETURN QUERY
        WITH due AS (
            SELECT r.order_id, r.started_at, r.vehicle, r.starts_at,
                   coalesce(o.status = 'registering' AND o.started_at = r.started_at, false) AS wanted
            FROM effect.registrations r JOIN view.order_status o USING (order_id)
            WHERE r.country = door.country AND r.state IN ('waiting', 'sending', 'unknown')
              AND coalesce(r.leased_until < clock_timestamp(), true) AND coalesce(r.retry_at <= clock_timestamp(), true)
              AND NOT EXISTS (SELECT FROM effect.registrations other
                              WHERE other.country = r.country AND other.vehicle = r.vehicle
                                AND other.leased_by IS NOT NULL AND other.leased_until >= clock_timestamp())
            ORDER BY r.starts_at LIMIT allowed  -- and nothing after that: by the index, however many begin at one instant
        ), ended AS (
            UPDATE effect.registrations r SET state = 'ended', leased_by = NULL, leased_until = NULL
            FROM due WHERE (r.order_id, r.started_at) = (due.order_id, due.started_at) AND NOT due.wanted
        ), chosen AS (
            SELECT due.order_id, due.started_at,
                   row_number() OVER (PARTITION BY coalesce(due.vehicle, uuid_send(due.order_id)) ORDER BY due.starts_at) AS turn
            FROM due WHERE due.wanted
        )
        UPDATE effect.registrations r
        SET attempts = r.attempts + 1, tries = r.tries + 1, leased_by = lease,
            leased_until = clock_timestamp() + door.seconds * interval '1 s',
            unknown_since = CASE WHEN r.state <> 'waiting' THEN coalesce(r.unknown_since, clock.now()) END,
            state = CASE WHEN r.state = 'sending' THEN 'unknown' ELSE r.state END
        FROM chosen
        WHERE (r.order_id, r.started_at) = (chosen.order_id, chosen.started_at) AND chosen.turn = 1
        RETURNING r.*;
        GET DIAGNOSTICS taken = ROW_COUNT;

        UPDATE effect.authorities a
        SET tokens = a.tokens - taken,
            state = CASE WHEN a.state = 'closed' THEN 'closed' ELSE 'half_open' END,
            retry_at = CASE WHEN a.state <> 'closed' THEN clock_timestamp() + door.seconds * interval '1 s' END
        WHERE a.country = door.country AND taken > 0;
    END LOOP;
END $$;
COMMENT ON FUNCTION effect.take_up IS 'Lease the registrations that breaker, rate and concurrency of their country allow, earliest validity first, one per vehicle.';

-- What a process has seen of one country's authority since it last told.
CREATE FUNCTION effect.measured(of_country text, seen jsonb, breaker jsonb) RETURNS text
    LANGUAGE plpgsql AS $$
DECLARE
    now_     CONSTANT timestamptz := clock_timestamp();
    answered CONSTANT boolean := (seen ->> 'answered')::boolean;
    failed   CONSTANT integer := (seen ->> 'trailing')::integer;
    here     effect.authorities;
    next_    text;
BEGIN
    SELECT * INTO here FROM effect.authorities WHERE country = of_country FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    next_ := CASE
        WHEN (CASE WHEN answered THEN 0 ELSE here.failures END) + failed >= (breaker ->> 'failures')::integer
          OR (here.state = 'half_open' AND failed > 0) THEN 'open'
        WHEN answered THEN 'closed'
        ELSE here.state END;
    UPDATE effect.authorities a
    SET calls = a.calls + (seen ->> 'calls')::integer, calls_failed = a.calls_failed + (seen ->> 'failed')::integer,
        call_seconds = a.call_seconds + (seen ->> 'seconds')::float8, tokens = a.tokens - (seen ->> 'extra')::integer,
        failures = CASE WHEN answered THEN 0 ELSE a.failures END + failed,
        last_error = coalesce(seen ->> 'error', a.last_error)
    WHERE a.country = of_country;
    IF next_ <> here.state AND next_ = 'open' THEN
        UPDATE effect.authorities a
        SET state = 'open', openings = here.openings + 1, opened_at = now_, changed_at = now_,
            retry_at = now_ + (0.5 + random() / 2) * interval '1 s'
                     * least((breaker ->> 'longest_seconds')::float8,
                             (breaker ->> 'first_seconds')::float8 * 2 ^ least(here.openings, 30))
        WHERE a.country = of_country;
    ELSIF next_ <> here.state THEN
        UPDATE effect.authorities a
        SET state = 'closed', openings = 0, opened_at = NULL, retry_at = NULL, changed_at = now_
        WHERE a.country = of_country;
        -- It is back: what waited for a later hour need not wait any longer.
        UPDATE effect.registrations r SET retry_at = now_
        WHERE r.country = of_country AND r.state IN ('waiting', 'sending', 'unknown') AND r.leased_by IS NULL
          AND r.retry_at > now_;
    END IF;
    RETURN CASE WHEN next_ <> here.state THEN next_ END;
END $$;
COMMENT ON FUNCTION effect.measured IS 'Count calls, and open or close the breaker of a country by how they ended. Returns the state that this led to, if another.';

CREATE VIEW read.authorities AS
    SELECT country, state, failures, opened_at, retry_at, tokens, calls, calls_failed, call_seconds, changed_at, last_error
    FROM effect.authorities;
COMMENT ON VIEW read.authorities IS 'How the calls to each country''s authority fare.';
COMMENT ON COLUMN read.authorities.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN read.authorities.state IS 'closed: it is called. open: it is not, after too many failures. half_open: one call tries whether it is back.';
COMMENT ON COLUMN read.authorities.failures IS 'Calls that failed one after the other, up to now; a rejection is no failure.';
COMMENT ON COLUMN read.authorities.opened_at IS 'Since when it is not called, by the real clock.';
COMMENT ON COLUMN read.authorities.retry_at IS 'When one call may try again, by the real clock.';
COMMENT ON COLUMN read.authorities.tokens IS 'Calls that its rate limit allows at once, as of the last call; below zero means in debt.';
COMMENT ON COLUMN read.authorities.calls IS 'Calls there ever were, questions included.';
COMMENT ON COLUMN read.authorities.calls_failed IS 'Those of them that got no answer, or one that could not be read.';
COMMENT ON COLUMN read.authorities.call_seconds IS 'How long all of them took together.';
COMMENT ON COLUMN read.authorities.changed_at IS 'When the state changed last, by the real clock.';
COMMENT ON COLUMN read.authorities.last_error IS 'How the last call that failed did so.';

CREATE VIEW read.registrations AS
    SELECT order_id, started_at, generation, country, starts_at,
           CASE WHEN state = 'sending' AND leased_until < clock_timestamp() THEN 'unknown' ELSE state END AS state,
           attempts, unknown_since, call_at, act_by, called_at, retry_at, last_outcome
    FROM effect.registrations;
COMMENT ON VIEW read.registrations IS 'Each registration that was started, and how far it has come with the authority.';
COMMENT ON COLUMN read.registrations.order_id IS 'The order.';
COMMENT ON COLUMN read.registrations.started_at IS 'When its registration started; after a correction there may be another start.';
COMMENT ON COLUMN read.registrations.generation IS 'Of the deadline that the start belongs to.';
COMMENT ON COLUMN read.registrations.country IS 'The authority''s country, ISO 3166.';
COMMENT ON COLUMN read.registrations.starts_at IS 'Start of validity, as computed.';
COMMENT ON COLUMN read.registrations.state IS 'waiting: the authority holds nothing. sending: it is being told. unknown: it may hold it or not. recorded: its answer is in the log. ended: the order went another way.';
COMMENT ON COLUMN read.registrations.attempts IS 'How often it was taken up.';
COMMENT ON COLUMN read.registrations.unknown_since IS 'Since when nobody knows whether the authority holds it, by the service''s clock; null when it is known.';
COMMENT ON COLUMN read.registrations.call_at IS 'When a person is called unless an answer is on record by then, by the service''s clock.';
COMMENT ON COLUMN read.registrations.act_by IS 'By when that person must have acted: the start of validity, or at once where that has passed.';
COMMENT ON COLUMN read.registrations.called_at IS 'When a person was called, by the service''s clock.';
COMMENT ON COLUMN read.registrations.retry_at IS 'Not tried again before, by the real clock.';
COMMENT ON COLUMN read.registrations.last_outcome IS 'How the last attempt ended.';

REVOKE ALL ON FUNCTION effect.note_started, effect.take_up, effect.measured FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect.note_started, effect.take_up, effect.measured TO vignettes_projector;
GRANT SELECT, INSERT, UPDATE, DELETE ON effect.authorities, effect.documents TO vignettes_projector;
GRANT SELECT ON read.authorities, read.registrations TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
