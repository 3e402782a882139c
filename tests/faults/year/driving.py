"""From instant to instant: what is planned, and what falls due in between. Nothing due is ever jumped over."""

import asyncio
import random
import time
from datetime import timedelta

from faults.year.customers import Customers
from faults.year.world import Authorities, Deaths, Eye

_LOOK_AGAIN = 0.04
#: By the real clock; a trigger that led to nothing is sent again after 130 s.
_PATIENCE = 240
#: How long a registration may be under way, and a mail wait, before the clock is moved on without it.
_REGISTERED_WITHIN, _MAILED_WITHIN = timedelta(minutes=4), timedelta(minutes=50)

_STANDING = """
SELECT clock.now() AS now,
       (SELECT max(notification_id) FROM log.events) > (SELECT min(position) FROM view.editions
                                                        WHERE state = 'live' AND tables <> '{}') AS behind,
       (SELECT min(due_at) FROM view.deadlines WHERE ended_at IS NULL) AS due_at,
       (SELECT min(started_at) FROM view.order_status
        WHERE status = 'registering' AND NOT country = ANY(%(down)s)) AS started_at,
       CASE WHEN %(mailed)s THEN (SELECT min(e.called_at) FROM effect.mails m JOIN view.emails e USING (message_id)
                                  WHERE m.sent_at IS NULL) END AS called_at,
       EXISTS (SELECT FROM view.order_status WHERE status = 'refund_pending') AS owes,
       EXISTS (SELECT FROM read.outages o JOIN view.deadlines d USING (country)
               WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND o.ends_at > clock.now()
                 AND o.withdrawn_at IS NULL AND d.outage_id IS DISTINCT FROM o.outage_id
                 AND d.due_at >= o.begins_at - interval '1 h' AND d.due_at < o.ends_at
                 AND NOT EXISTS (SELECT FROM effect.outages_told t
                                 WHERE (t.outage_id, t.order_id, t.generation, t.withdrawn)
                                     = (o.outage_id, d.order_id, d.generation, false)))
       OR EXISTS (SELECT FROM read.outages o JOIN view.deadlines d USING (country)
                  WHERE d.purpose = 'registration' AND d.ended_at IS NULL AND o.ends_at > clock.now()
                    AND o.withdrawn_at IS NOT NULL AND d.outage_id = o.outage_id
                    AND NOT EXISTS (SELECT FROM effect.outages_told t
                                    WHERE (t.outage_id, t.order_id, t.generation, t.withdrawn)
                                        = (o.outage_id, d.order_id, d.generation, true))) AS untold
"""
_OWED = """
SELECT json_agg(json_build_array(order_id, refund, currency)) FROM view.order_status WHERE status = 'refund_pending'
"""


class Year:
    """Drives the service through a plan."""

    def __init__(self, running, client, plan, seed):
        self.plan = plan
        self._running = running
        self._eye = Eye(running.settings.database_url)
        self.authorities = Authorities(client, running.settings, seed)
        self.customers = Customers(client, plan, seed)
        self.deaths = Deaths(running, self.authorities, random.Random(seed))
        #: Whether there is anybody whose mails are to be waited for.
        self._mailed = any("mailing" in each for each in running.roles)
        self.steps = 0

    async def pass_by(self, advanced=lambda *_: None):
        """Live through all of it, and on until nothing is open any more."""
        await self._eye.move_clock(self.plan.instants[0] - timedelta(hours=1))
        await self.authorities.begin()
        for at in self.plan.instants:
            await self._until(at)
            self.deaths.plan(self.plan.deaths.get(at, ()))
            for turn in self.plan.turns.get(at, ()):
                await self.authorities.turn(turn)
            acts = self.plan.acts.get(at, ())
            await self.customers.act(at, acts)
            advanced(sum(act.name == "place" for act in acts), at)
        await self._until(None)
        await self.deaths.all_over()
        await self._eye.close()
        await self.authorities.close()

    async def _until(self, at):
        """Move the clock from one due instant to the next, up to `at`; without one until nothing is open."""
        while (goal := await self._next(at)) is not None:
            await self.deaths.all_over()
            await self._eye.move_clock(goal)
            self.steps += 1

    async def _next(self, at):
        """Wait until the clock may be moved, and return where to; None where it stands at `at` already."""
        end = time.monotonic() + _PATIENCE
        while True:
            seen = await self._eye.one(_STANDING, {"down": self.authorities.down, "mailed": self._mailed})
            goal = min(filter(None, (at, seen.due_at)), default=None)
            if seen.owes:
                await self.customers.pay_back((await self._eye.one(_OWED))[0] or [])
            elif _is_settled(seen):
                if goal is None and seen.started_at is None and seen.called_at is None:
                    return None
                if goal is not None and goal <= seen.now:
                    return None
                if goal is not None and not _waits(seen, goal):
                    return goal
            self._running.all_live()
            assert time.monotonic() < end, f"it does not go on: {seen}"
            await asyncio.sleep(_LOOK_AGAIN)


def _is_settled(seen):
    """Tell whether all that was due has happened, and everybody knows of it."""
    return not seen.behind and not seen.untold and (seen.due_at is None or seen.due_at > seen.now)


def _waits(seen, goal):
    """Tell whether something is under way that would have been done by then."""
    return (seen.started_at is not None and seen.started_at + _REGISTERED_WITHIN < goal) or (
        seen.called_at is not None and seen.called_at + _MAILED_WITHIN < goal
    )
