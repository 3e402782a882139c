-- Views in editions. Each build of a read model has tables of its own (edition.<table>_<number>); view.<table> shows the
-- live ones to the service, read.<view> shows them to other programs. Another edition is built beside the live one, and
-- shown in its place by one transaction. What the tables hold is defined beside the code that fills them.
CREATE SCHEMA edition;
COMMENT ON SCHEMA edition IS 'Tables of the views, one set for each edition. Read them through the schemas view and read.';
GRANT USAGE ON SCHEMA edition TO vignettes_projector;

CREATE TABLE view.editions (
    id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    view         text        NOT NULL,
    version      integer     NOT NULL,
    state        text        NOT NULL DEFAULT 'building' CHECK (state IN ('building', 'live', 'retired')),
    tables       text[]      NOT NULL DEFAULT '{}',
    shown        text[]      NOT NULL DEFAULT '{}',
    reading      text        NOT NULL DEFAULT '',
    handover     text        NOT NULL DEFAULT '',
    position     bigint      NOT NULL DEFAULT 0,
    scan_until   bigint,
    scanned      uuid,
    scan_orders  bigint      NOT NULL DEFAULT 0,
    term         bigint      NOT NULL DEFAULT 0,
    holder       text,
    heartbeat_at timestamptz,
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    begun_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    switched_at  timestamptz
);
CREATE UNIQUE INDEX editions_one_live ON view.editions (view) WHERE state = 'live';
CREATE UNIQUE INDEX editions_one_building ON view.editions (view) WHERE state = 'building';
COMMENT ON TABLE view.editions IS 'Every build of every follower of the log: how far it is, who writes it, and whether it is the one that is read.';
COMMENT ON COLUMN view.editions.version IS 'Of the tables and of what their rows mean; code of another version does not write them.';
COMMENT ON COLUMN view.editions.state IS 'building: beside the live one; live: read by everybody; retired: kept until it is dropped.';
COMMENT ON COLUMN view.editions.tables IS 'Names of its tables, less the number of the edition. A follower without tables (publishing) has none.';
COMMENT ON COLUMN view.editions.shown IS 'Names of what it shows in the schema read, the first of the same name as the view.';
COMMENT ON COLUMN view.editions.reading IS 'SQL that shows its tables in the schema read.';
COMMENT ON COLUMN view.editions.handover IS 'SQL that calls for what the edition before it, $2 at position $1, has not called for yet.';
COMMENT ON COLUMN view.editions.position IS 'Position in the log of the last event taken in; moved in the transaction of the rows.';
COMMENT ON COLUMN view.editions.scan_until IS 'While it is built order by order: the position up to which events are taken in.';
COMMENT ON COLUMN view.editions.scanned IS 'The last order that was taken in by that.';
COMMENT ON COLUMN view.editions.scan_orders IS 'How many were.';
COMMENT ON COLUMN view.editions.term IS 'Grows with every change of hands: who holds an older one can write nothing.';
COMMENT ON COLUMN view.editions.holder IS 'The process that writes it.';
COMMENT ON COLUMN view.editions.heartbeat_at IS 'When the holder was last heard of, by the real clock.';

CREATE TABLE view.parked (
    edition   integer     NOT NULL REFERENCES view.editions ON DELETE CASCADE,
    order_id  uuid        NOT NULL,
    position  bigint      NOT NULL,
    version   bigint      NOT NULL,
    topic     text        NOT NULL,
    error     text        NOT NULL,
    attempts  integer     NOT NULL DEFAULT 1,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    wanted    boolean     NOT NULL DEFAULT false,
    PRIMARY KEY (edition, order_id)
);
CREATE INDEX parked_wanted ON view.parked (edition) WHERE wanted;
COMMENT ON TABLE view.parked IS 'Orders with an event that a view can not digest. Their later events wait behind it; other orders go on.';
COMMENT ON COLUMN view.parked.position IS 'Of the first event that waits.';
COMMENT ON COLUMN view.parked.error IS 'What went wrong and where in the code, without a word from the event.';
COMMENT ON COLUMN view.parked.wanted IS 'Somebody asked to try again.';

CREATE TABLE view.drift (
    edition  integer     NOT NULL REFERENCES view.editions ON DELETE CASCADE,
    order_id uuid        NOT NULL,
    "table"  text        NOT NULL,
    columns  text[]      NOT NULL,
    position bigint      NOT NULL,
    found_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (edition, order_id, "table")
);
COMMENT ON TABLE view.drift IS 'Orders whose rows were not what the log says, as the checker found them; gone when found right again.';
COMMENT ON COLUMN view.drift.columns IS 'Which columns differ; * stands for a row that is missing, or one too many.';
COMMENT ON COLUMN view.drift.position IS 'How much of the log the view knew then.';

CREATE TABLE view.checks (
    edition    integer PRIMARY KEY REFERENCES view.editions ON DELETE CASCADE,
    orders     bigint      NOT NULL DEFAULT 0,
    checked_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE view.checks IS 'How many orders of each edition were compared with the log, and when the last time.';

-- The publisher goes on where it was.
INSERT INTO view.editions (view, version, state, position, switched_at)
    SELECT view, 1, 'live', position, clock_timestamp() FROM view.positions WHERE view = 'published';

-- Mails to be sent are a list of their own: a view that is built anew calls for none of them again.
ALTER TABLE effect.mails ADD kind text NOT NULL DEFAULT '', ADD position bigint NOT NULL DEFAULT 0,
    ADD called_at timestamptz NOT NULL DEFAULT clock_timestamp();
INSERT INTO effect.mails (message_id, order_id, kind, position, called_at)
    SELECT message_id, order_id, kind, position, called_at FROM view.emails
    ON CONFLICT (message_id) DO UPDATE SET kind = excluded.kind, position = excluded.position, called_at = excluded.called_at;
ALTER TABLE effect.mails ALTER kind DROP DEFAULT, ALTER position DROP DEFAULT, ALTER called_at DROP DEFAULT;
CREATE INDEX mails_waiting ON effect.mails (position, message_id) WHERE sent_at IS NULL;
COMMENT ON TABLE effect.mails IS 'Mails that were called for: to be sent, tried, or handed to the mail server. retry_at is by the real clock.';
COMMENT ON COLUMN effect.mails.position IS 'Position in the log of the event that called for it.';
COMMENT ON COLUMN effect.mails.called_at IS 'When that was recorded.';

-- Views that are filled stay readable as editions of an earlier version, until those of this code are built beside them.
DO $$
DECLARE
    was    record;
    number integer;
BEGIN
    FOR was IN SELECT p.view, p.position, to_regclass('read.' || p.view) IS NOT NULL AS is_read
               FROM view.positions p WHERE p.view IN ('order_status', 'emails', 'deadlines', 'lookup') AND p.position > 0
    LOOP
        INSERT INTO view.editions (view, version, state, tables, shown, position, switched_at)
        VALUES (was.view, 0, 'live', ARRAY[was.view], CASE WHEN was.is_read THEN ARRAY[was.view] ELSE '{}' END,
                was.position, clock_timestamp())
        RETURNING id INTO number;
        EXECUTE format('ALTER TABLE view.%I SET SCHEMA edition', was.view);
        EXECUTE format('ALTER TABLE edition.%I RENAME TO %I', was.view, was.view || '_' || number);
        EXECUTE format('CREATE VIEW view.%I AS SELECT * FROM edition.%I', was.view, was.view || '_' || number);
        EXECUTE format('GRANT SELECT ON view.%I TO vignettes_writer', was.view);
        EXECUTE format('GRANT SELECT, UPDATE ON view.%I TO vignettes_projector', was.view);
    END LOOP;
    -- What was never filled is made anew.
    FOR was IN SELECT c.relname FROM pg_class c
               WHERE c.relnamespace = 'view'::regnamespace AND c.relkind = 'r'
                 AND c.relname IN ('order_status', 'emails', 'deadlines', 'lookup')
    LOOP
        EXECUTE format('DROP VIEW IF EXISTS read.%I', was.relname);
        EXECUTE format('DROP TABLE view.%I', was.relname);
    END LOOP;
END $$;
DROP VIEW read.projection_lag;
DROP TABLE view.positions;

-- Shows an edition in place of the live one. Whoever reads sees the one or the other, whole; nobody waits longer than this
-- transaction takes. By this function only: the processes that fill the tables need not own them.
CREATE FUNCTION view.switch(edition_id integer) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    next_ view.editions;
    live  view.editions;
    name_ text;
BEGIN
    SELECT * INTO next_ FROM view.editions WHERE id = edition_id AND state = 'building' FOR UPDATE;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'edition % is not being built', edition_id USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    -- The follower of the live edition moves it under this lock only: it stands still from here on.
    SELECT * INTO live FROM view.editions WHERE view = next_.view AND state = 'live' FOR UPDATE;
    IF next_.scan_until IS NOT NULL OR next_.position < live.position THEN
        RETURN greatest(live.position, next_.scan_until) - next_.position;
    END IF;
    IF next_.position > (SELECT coalesce(max(notification_id), 0) FROM log.events) THEN
        RAISE EXCEPTION 'edition % claims more than there is', edition_id
            USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
    BEGIN
        PERFORM view.show(next_);
    EXCEPTION WHEN invalid_table_definition THEN
        -- Columns went or changed their type: ours are made anew within this transaction. Views of others that rely on
        -- them are not thrown away: they make this fail, and are told.
        FOR place IN REVERSE cardinality(live.shown) .. 1 LOOP
            EXECUTE format('DROP VIEW read.%I', live.shown[place]);
        END LOOP;
        FOREACH name_ IN ARRAY live.tables LOOP
            EXECUTE format('DROP VIEW view.%I', name_);
        END LOOP;
        PERFORM view.show(next_);
    END;
    IF next_.handover <> '' AND live.id IS NOT NULL THEN
        EXECUTE next_.handover USING live.position, live.id;
    END IF;
    UPDATE view.editions SET state = 'retired', holder = NULL WHERE id = live.id;
    UPDATE view.editions SET state = 'live', switched_at = clock_timestamp() WHERE id = next_.id;
    RETURN 0;
END $$;
COMMENT ON FUNCTION view.switch IS 'Show a finished edition in place of the live one; returns 0, or how many positions it still lacks.';

CREATE FUNCTION view.show(shown view.editions) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name_ text;
    from_ regclass;
    to_   regclass;
    column_ record;
BEGIN
    FOREACH name_ IN ARRAY shown.tables LOOP
        EXECUTE format('CREATE OR REPLACE VIEW view.%I AS SELECT * FROM edition.%I', name_, name_ || '_' || shown.id);
        EXECUTE format('GRANT SELECT ON view.%I TO vignettes_writer', name_);
        EXECUTE format('GRANT SELECT, UPDATE ON view.%I TO vignettes_projector', name_);
    END LOOP;
    IF shown.reading <> '' THEN
        EXECUTE shown.reading;
        -- What a column means is said once, beside its table; \d+ of the view says it too, and what it means now.
        from_ := format('edition.%I', shown.tables[1] || '_' || shown.id)::regclass;
        to_ := format('read.%I', shown.view)::regclass;
        FOR column_ IN
            SELECT b.attname, col_description(from_, a.attnum) AS meaning
            FROM pg_attribute b JOIN pg_attribute a ON a.attrelid = from_ AND a.attname = b.attname
            WHERE b.attrelid = to_ AND b.attnum > 0 AND col_description(from_, a.attnum) IS NOT NULL
        LOOP
            EXECUTE format('COMMENT ON COLUMN read.%I.%I IS %L', shown.view, column_.attname, column_.meaning);
        END LOOP;
        EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA read TO '
                       'vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor');
    END IF;
END $$;
COMMENT ON FUNCTION view.show IS 'Let the views of the schemas view and read show this edition.';

REVOKE ALL ON FUNCTION view.switch, view.show FROM PUBLIC;
GRANT EXECUTE ON FUNCTION view.switch TO vignettes_projector;
GRANT SELECT ON view.editions, view.parked, view.drift, view.checks TO vignettes_writer, vignettes_projector;
-- A process that fills views moves them on, and says when one is complete; what they are made of is the owner's.
GRANT UPDATE (position, scan_until, scanned, scan_orders, term, holder, heartbeat_at, updated_at)
    ON view.editions TO vignettes_projector;
GRANT INSERT, UPDATE, DELETE ON view.parked, view.drift, view.checks TO vignettes_projector;

CREATE FUNCTION view.recorded_at(state bytea) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (convert_from(state, 'UTF8')::jsonb ->> 'at')::timestamptz;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;  -- what nobody can read must not hide how far everybody is
END $$;
COMMENT ON FUNCTION view.recorded_at IS 'When an event was recorded; null when its bytes can not be read.';

CREATE VIEW read.projection_lag AS
    SELECT e.view, e.version, e.position, h.head, greatest(h.head - e.position, 0) AS events_behind,
           coalesce(greatest(extract(epoch FROM clock.now() - (
               SELECT view.recorded_at(n.state) FROM log.events n
               WHERE n.notification_id > e.position ORDER BY n.notification_id LIMIT 1)), 0), 0)::float8 AS seconds_behind,
           (SELECT count(*) FROM view.parked p WHERE p.edition = e.id) AS orders_parked,
           (SELECT count(*) FROM view.drift d WHERE d.edition = e.id) AS orders_drifted,
           e.holder, e.heartbeat_at, e.updated_at
    FROM view.editions e, (SELECT coalesce(max(notification_id), 0) AS head FROM log.events) h
    WHERE e.state = 'live';
COMMENT ON VIEW read.projection_lag IS 'How far each follower of the log is behind it.';
COMMENT ON COLUMN read.projection_lag.view IS 'Name of the view; published is the stream of events for other services.';
COMMENT ON COLUMN read.projection_lag.version IS 'Version of its tables and of what its rows mean.';
COMMENT ON COLUMN read.projection_lag.position IS 'Position in the log of the last event taken in.';
COMMENT ON COLUMN read.projection_lag.head IS 'Position of the last event of the log.';
COMMENT ON COLUMN read.projection_lag.events_behind IS 'Positions between the two.';
COMMENT ON COLUMN read.projection_lag.seconds_behind IS 'Age of the oldest event not taken in, by the service''s clock; 0 when there is none.';
COMMENT ON COLUMN read.projection_lag.orders_parked IS 'Orders that wait because of an event which this view can not digest (read.parked_events).';
COMMENT ON COLUMN read.projection_lag.orders_drifted IS 'Orders whose rows were found not to be what the log says.';
COMMENT ON COLUMN read.projection_lag.holder IS 'The process that writes it.';
COMMENT ON COLUMN read.projection_lag.heartbeat_at IS 'When that process was last heard of, by the real clock.';
COMMENT ON COLUMN read.projection_lag.updated_at IS 'When the position moved last, by the real clock.';

CREATE VIEW read.mails_waiting AS
    SELECT count(*) AS mails, min(m.called_at) AS oldest_called_at, coalesce(max(m.attempts), 0) AS most_attempts
    FROM effect.mails m JOIN personal.keys k USING (order_id) WHERE m.sent_at IS NULL AND k.contact_view IS NOT NULL;
COMMENT ON VIEW read.mails_waiting IS 'Mails that are still to be sent, counted; those that nobody is left to get are none.';
COMMENT ON COLUMN read.mails_waiting.mails IS 'How many.';
COMMENT ON COLUMN read.mails_waiting.oldest_called_at IS 'When the event was recorded that called for the oldest of them.';
COMMENT ON COLUMN read.mails_waiting.most_attempts IS 'How often one of them was tried in vain.';

CREATE VIEW read.parked_events AS
    SELECT e.view, p.order_id, p.position, p.version, p.topic, p.error, p.attempts, p.parked_at, p.tried_at,
           (SELECT count(*) FROM log.events l
            WHERE l.originator_id = p.order_id AND l.originator_version >= p.version) AS events_waiting
    FROM view.parked p JOIN view.editions e ON e.id = p.edition WHERE e.state = 'live';
COMMENT ON VIEW read.parked_events IS 'Orders with an event that a live view can not digest; their later events wait behind it.';
COMMENT ON COLUMN read.parked_events.view IS 'The view that can not digest it.';
COMMENT ON COLUMN read.parked_events.order_id IS 'The order that waits.';
COMMENT ON COLUMN read.parked_events.position IS 'Position in the log of the first event that waits.';
COMMENT ON COLUMN read.parked_events.version IS 'The order''s version after that event.';
COMMENT ON COLUMN read.parked_events.topic IS 'Name and form of that event.';
COMMENT ON COLUMN read.parked_events.error IS 'What went wrong and where in the code, without a word from the event.';
COMMENT ON COLUMN read.parked_events.attempts IS 'How often it was tried.';
COMMENT ON COLUMN read.parked_events.parked_at IS 'When it was parked, by the real clock.';
COMMENT ON COLUMN read.parked_events.tried_at IS 'When it was tried last.';
COMMENT ON COLUMN read.parked_events.events_waiting IS 'How many events of this order wait, this one included.';
GRANT SELECT ON read.projection_lag, read.mails_waiting, read.parked_events
    TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
