-- What is counted as it happens, since counting it later would mean reading all there ever was.
CREATE TABLE effect.lateness (
    purpose  text,
    le       float8,
    triggers bigint NOT NULL,
    seconds  float8 NOT NULL,
    PRIMARY KEY (purpose, le)
);
COMMENT ON TABLE effect.lateness IS 'How late triggers have fired, the first time for each deadline: counted by purpose and in steps.';
COMMENT ON COLUMN effect.lateness.le IS 'A step: at most so many seconds late, and more than the step before.';
COMMENT ON COLUMN effect.lateness.triggers IS 'How many were.';
COMMENT ON COLUMN effect.lateness.seconds IS 'How late all of them were together.';

CREATE FUNCTION effect.late_steps() RETURNS SETOF float8 LANGUAGE sql IMMUTABLE
    RETURN unnest('{0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10,30,60,180,300,Infinity}'::float8[]);
COMMENT ON FUNCTION effect.late_steps IS 'The steps in which lateness is counted, in seconds; the last has no end.';

CREATE FUNCTION effect.note_lateness(of_purpose text, due timestamptz[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO effect.lateness AS l (purpose, le, triggers, seconds)
    SELECT of_purpose, step, count(*), sum(late)
    FROM (SELECT greatest(extract(epoch FROM clock.now() - due_at), 0)::float8 AS late FROM unnest(due) AS due_at
          OFFSET 0) AS fired,
         LATERAL (SELECT min(le) AS step FROM effect.late_steps() AS le WHERE le >= late) AS steps
    -- In one order, so that two processes never wait for each other.
    GROUP BY step ORDER BY step
    ON CONFLICT (purpose, le) DO UPDATE
    SET triggers = l.triggers + excluded.triggers, seconds = l.seconds + excluded.seconds
$$;
COMMENT ON FUNCTION effect.note_lateness IS 'Count deadlines that have fired just now, by how long they were due.';
REVOKE ALL ON FUNCTION effect.late_steps, effect.note_lateness FROM PUBLIC;
GRANT EXECUTE ON FUNCTION effect.note_lateness TO vignettes_projector;
-- A view calls functions as whoever reads it.
GRANT EXECUTE ON FUNCTION effect.late_steps
    TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
GRANT SELECT, INSERT, UPDATE ON effect.lateness TO vignettes_projector;

CREATE VIEW read.trigger_lateness AS
    SELECT purpose, le, coalesce(l.triggers, 0) AS triggers, coalesce(l.seconds, 0) AS seconds
    FROM unnest('{registration,expiry,answer}'::text[]) AS purpose
         CROSS JOIN effect.late_steps() AS le LEFT JOIN effect.lateness l USING (purpose, le);
COMMENT ON VIEW read.trigger_lateness IS 'How late triggers have fired, by purpose and in steps of seconds; each step without those before it.';
COMMENT ON COLUMN read.trigger_lateness.le IS 'A step: at most so many seconds late, and more than the step before.';
COMMENT ON COLUMN read.trigger_lateness.triggers IS 'How many were.';
COMMENT ON COLUMN read.trigger_lateness.seconds IS 'How late all of them were together.';

CREATE TABLE effect.published (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    messages bigint NOT NULL,
    position bigint NOT NULL
);
COMMENT ON TABLE effect.published IS 'How many events of orders the stream ORDERS has acknowledged, each counted once.';
COMMENT ON COLUMN effect.published.position IS 'Position in the log of the last of them.';
-- What can't be digested, and what follows it in its order, was not published yet: it is counted when it is.
INSERT INTO effect.published (messages, position)
    SELECT count(*), coalesce(max(e.notification_id), 0)
    FROM log.events e
         JOIN view.editions p ON p.view = 'published' AND p.state = 'live'
         LEFT JOIN view.parked k
         ON k.edition = p.id AND k.order_id = e.originator_id AND k.position <= e.notification_id
    WHERE e.notification_id <= p.position AND starts_with(e.topic, 'order.') AND k.order_id IS NULL;
GRANT SELECT, UPDATE ON effect.published TO vignettes_projector;

CREATE VIEW read.published AS SELECT messages, position FROM effect.published;
COMMENT ON VIEW read.published IS 'What was published of the log, and so must be in the stream ORDERS.';
COMMENT ON COLUMN read.published.messages IS 'How many events of orders the stream has acknowledged.';
COMMENT ON COLUMN read.published.position IS 'Position in the log of the last of them.';

CREATE VIEW read.ledger_lag AS
    SELECT coalesce(h.size, 0) AS size, coalesce(h.position, 0) AS position, h.at,
           greatest(l.head - coalesce(h.position, 0), 0) AS events_behind,
           coalesce(greatest(extract(epoch FROM clock.now() - (
               SELECT view.recorded_at(n.state) FROM log.events n
               WHERE n.notification_id > coalesce(h.position, 0) ORDER BY n.notification_id LIMIT 1)), 0), 0)::float8
               AS seconds_behind
    FROM (SELECT coalesce(max(notification_id), 0) AS head FROM log.events) AS l
         LEFT JOIN (SELECT size, position, at FROM ledger.heads ORDER BY size DESC LIMIT 1) AS h ON true;
COMMENT ON VIEW read.ledger_lag IS 'How much of the log no signed head covers yet.';
COMMENT ON COLUMN read.ledger_lag.size IS 'How many events the last head covers.';
COMMENT ON COLUMN read.ledger_lag.position IS 'Position in the log of the last of them.';
COMMENT ON COLUMN read.ledger_lag.at IS 'When the last head was signed; null when there is none.';
COMMENT ON COLUMN read.ledger_lag.events_behind IS 'Positions after it.';
COMMENT ON COLUMN read.ledger_lag.seconds_behind IS 'Age of the oldest event after it, by the service''s clock; 0 when there is none.';

GRANT SELECT ON read.trigger_lateness, read.published, read.ledger_lag
    TO vignettes_writer, vignettes_projector, vignettes_reader, vignettes_auditor;
