CREATE OR REPLACE VIEW read.promises AS
    SELECT order_id, promise, occasion, rule,
           CASE WHEN outcome = 'violated' OR (NOT refused AND coalesce(ended_at, now) > limit_at) THEN 'broken'
                WHEN outcome = 'done' THEN 'kept'
                WHEN outcome = 'lapsed' THEN 'lapsed'
                WHEN now > due_at THEN 'at_risk' ELSE 'open' END AS state,
           began_at, due_at, limit_at, ended_at, outcome,
           greatest(coalesce(ended_at, now) - due_at, '0') AS late,
           CASE WHEN outcome IS DISTINCT FROM 'violated' THEN limit_at - coalesce(ended_at, now) END AS margin,
           message_id, position
    FROM (SELECT p.order_id, p.promise, p.occasion, p.rule, p.began_at, p.due_at, p.limit_at,
                 coalesce(m.sent_at, p.ended_at, m.returned_at) AS ended_at,
                 CASE WHEN m.sent_at IS NOT NULL THEN 'done'
                      ELSE coalesce(p.outcome, CASE WHEN m.returned_at IS NOT NULL THEN 'lapsed' END) END AS outcome,
                 m.returned_at IS NOT NULL AND m.sent_at IS NULL AS refused,
                 p.message_id, p.position
          FROM view.promises p LEFT JOIN effect.mails m USING (message_id)) AS given,
         -- Asked once: without OFFSET it would be asked again for every row.
         (SELECT clock.now() AS now OFFSET 0) AS clock;
COMMENT ON VIEW read.promises IS 'What each order was promised, and whether it was kept: kept, at risk, broken, open, and by how much, as of clock.now(). Promises 11 and 12 leave no trace in the events of an order, and have no rows.';
COMMENT ON COLUMN read.promises.state IS 'kept: done by limit_at. broken: done after it, not done and past it (also when it was given up by then), or violated. lapsed: no longer needed in time, or a mail that was refused for good before it left. at_risk: past due_at, but not past limit_at. open: not due yet.';
COMMENT ON COLUMN read.promises.late IS 'How long after due_at it ended, or how long it has been due; never below 0.';
COMMENT ON COLUMN read.promises.margin IS 'What was or is left until limit_at; below 0 when that was missed. Null where it is no matter of time.';
CREATE OR REPLACE VIEW read.promise_days AS
    SELECT (due_at AT TIME ZONE 'UTC')::date AS day, promise,
           count(*) FILTER (WHERE state = 'kept') AS kept,
           count(*) FILTER (WHERE state = 'at_risk') AS at_risk,
           count(*) FILTER (WHERE state = 'broken') AS broken,
           count(*) FILTER (WHERE state = 'open') AS open,
           count(*) FILTER (WHERE state = 'lapsed') AS lapsed,
           max(late) FILTER (WHERE state <> 'lapsed') AS worst_late
    FROM read.promises GROUP BY 1, 2;
COMMENT ON VIEW read.promise_days IS 'How the promises were kept: read.promises counted, day by day and promise by promise.';
COMMENT ON COLUMN read.promise_days.day IS 'On which it was to be done (due_at), in UTC; days to come are those of what is open.';
COMMENT ON COLUMN read.promise_days.promise IS 'Its number, as in read.promises.';
COMMENT ON COLUMN read.promise_days.kept IS 'How many were kept.';
COMMENT ON COLUMN read.promise_days.at_risk IS 'How many should have been done by now, and can still be kept.';
COMMENT ON COLUMN read.promise_days.broken IS 'How many were broken.';
COMMENT ON COLUMN read.promise_days.open IS 'How many are not due yet.';
COMMENT ON COLUMN read.promise_days.lapsed IS 'How many were no longer needed.';
COMMENT ON COLUMN read.promise_days.worst_late IS 'The longest time after due_at among all that did not lapse.';
