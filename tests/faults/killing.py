"""Kills with -9, one after the other and some at once: any role, PostgreSQL, NATS. And how soon all goes on."""

import asyncio
import time
from collections import Counter

from faults.probing import all_the_way

_SERVERS = 2
#: So many of the kills are of a server; each of them stops everybody.
_SHARE_OF_SERVERS = 0.15
#: How long a house is given, on cores that are full, until an order goes all the way again.
_LIMIT_SECONDS = 300.0
#: So many kills may wait for their recovery at a time: more of them, and nothing recovers in between.
_AT_ONCE = 6


class Kills:
    """Kills whoever chance names, and measures each time how long it took until an order went all the way again."""

    def __init__(self, house, chance):
        self._house = house
        self._chance = chance
        self._open = asyncio.Semaphore(_AT_ONCE)
        self.met = Counter()
        self.seconds = []
        #: How many came while an earlier one was not over.
        self.overlapping = 0
        self._under_way = 0

    async def run(self, times, every):
        """Kill so often, so many seconds apart on average."""
        async with asyncio.TaskGroup() as recovering:
            for _ in range(times):
                await self._open.acquire()
                await asyncio.sleep(self._chance.uniform(0, 2 * every))
                look_for = self._strike()
                recovering.create_task(self._recovered(look_for))

    def _strike(self):
        self.overlapping += self._under_way > 0
        self._under_way += 1
        servers = [each for each in self._house.servers if each.running]
        if servers and self._chance.random() < _SHARE_OF_SERVERS:
            server = self._chance.choice(servers)
            self._house.kill_server(server)
            self.met[server.name] += 1
            return None
        # One that died a moment ago may still be waiting for its successor.
        member = self._chance.choice([each for each in self._house.members if self._house.lives(each)])
        self._house.kill(member.pid)
        self.met.update(member.roles)
        return member

    async def _recovered(self, member):
        """Wait until whoever was killed has a successor at work, and an order goes all the way."""
        began = time.monotonic()
        try:
            if member is not None:
                await self._house.answers(member, began, _LIMIT_SECONDS)
            await all_the_way(self._house.service.client, _LIMIT_SECONDS)
            self.seconds.append(time.monotonic() - began)
        finally:
            self._under_way -= 1
            self._open.release()
