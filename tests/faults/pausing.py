"""Processes that stop for a while and go on as if nothing had been, many at a time: from outside they are dead."""

import asyncio
import math
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime

SHORTEST_SECONDS = 1.0
#: How long a process may need, on cores that are full, until it answers again.
_LIMIT_SECONDS = 300.0
_LOOK_AGAIN_SECONDS = 0.05
#: The sandbox is the world around us, whose authority would be down as long; that is another test.
_OF_THE_WORLD = "sandbox"
#: Who has to be there for a start: its event, the view of what is due, its trigger, and who takes that.
_TO_START = ("ordering", "projecting", "deadlines", "registration")


class Pauses:
    """Stops whoever chance names, by SIGSTOP, for as long as chance says: short pauses are as likely as long ones."""

    def __init__(self, house, chance, longest, shortest=SHORTEST_SECONDS):
        self._house = house
        self._chance = chance
        self._bounds = math.log(shortest), math.log(longest)
        self._stopped = set()
        self.lengths = []
        #: After how many seconds each answered again, or its successor did.
        self.seconds = []
        self.most_at_once = 0
        #: By place: from when until when whoever is there stood still, by the real clock.
        self._still = []

    async def run(self, times, within):
        """Stop processes so often, the last of them after so many seconds."""
        began, moments = time.monotonic(), sorted(self._chance.uniform(0, within) for _ in range(times))
        async with asyncio.TaskGroup() as pausing:
            for moment in moments:
                await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
                member = await self._one_that_goes()
                length = math.exp(self._chance.uniform(*self._bounds))
                pausing.create_task(self._pause(member, member.pid, length))

    async def _one_that_goes(self):
        while True:
            going = [
                place
                for place, member in enumerate(self._house.members)
                if member.pid is not None and place not in self._stopped and _OF_THE_WORLD not in member.roles
            ]
            if going:
                place = self._chance.choice(going)
                self._stopped.add(place)
                self.most_at_once = max(self.most_at_once, len(self._stopped))
                return self._house.members[place]
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _pause(self, member, pid, length):
        self._house.note(*member.roles)
        place, begun = self._house.members.index(member), datetime.now(UTC)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        self.lengths.append(length)
        await asyncio.sleep(length)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
        again = time.monotonic()
        await self._house.answers(member, again, _LIMIT_SECONDS)
        self.seconds.append(time.monotonic() - again)
        self._still.append((place, begun, datetime.now(UTC)))
        self._stopped.remove(place)

    def absences(self, ahead):
        """Return when nobody could start a registration, as a case says it: by the service's clock, so far ahead."""
        roles = [member.roles for member in self._house.members]
        return [
            {"from": (begun + ahead).isoformat(), "until": (until + ahead).isoformat()}
            for begun, until in absent(roles, self._still)
        ]


def absent(roles, still):
    """Return the times at which all who have a role that a start needs stood still.

    `roles`: of each place; `still`: place, from, until. Times may overlap.
    """
    found = []
    for role in _TO_START:
        places = {place for place, known in enumerate(roles) if role in known}
        changes = sorted(
            (at, change, place)
            for place, begun, until in still
            if place in places
            for at, change in ((begun, 1), (until, -1))
        )
        standing, since = 0, None
        for at, change, _ in changes:
            standing += change
            if standing == len(places):
                since = at
            elif since is not None:
                found.append((since, at))
                since = None
    return found
