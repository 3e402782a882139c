"""What is around the service in that year: authorities that go down, a clock that is moved, processes that die."""

import asyncio
import json
import os
import signal
import time
from collections import Counter
from itertools import count

import httpx
import psycopg
from psycopg import AsyncConnection
from psycopg.rows import namedtuple_row

from faults.crew import Asking

SHARE = 0.3
_LOOK_AGAIN = 0.02
#: So many questions in a row without an answer are no chance.
_PROBES = 8
_PATIENCE = 30
_LATEST_DEATH = 0.4
_SERVERS = ("postgres", "nats")
_MOVE = "UPDATE clock.shift SET ahead = %s - clock_timestamp()"
_WAKE = "SELECT pg_notify('clock', '')"


class Eye:
    """Looks into the database, and connects again when that has died."""

    def __init__(self, database):
        self._database = database
        self._connection = None

    async def one(self, query, values=None):
        """Return the only row, however often the server dies meanwhile."""
        while True:
            try:
                if self._connection is None:
                    self._connection = await AsyncConnection.connect(
                        self._database, autocommit=True, row_factory=namedtuple_row
                    )
                return await (await self._connection.execute(query, values)).fetchone()
            except psycopg.OperationalError:
                await self.close()
                await asyncio.sleep(_LOOK_AGAIN)

    async def move_clock(self, to):
        """Let it be so late. Not by the sandbox, which may be dead."""
        await self.one(f"{_MOVE} WHERE ahead < %s - clock_timestamp() RETURNING ahead", (to, to))
        await self.one(_WAKE)

    async def close(self):
        if self._connection is not None:
            await self._connection.close()
            self._connection = None


class Authorities:
    """The sandbox's: each call fails by chance, and those of a country all fail while it is down."""

    def __init__(self, client, settings, seed):
        self._client = client
        self._asking = Asking(client)
        self._web = httpx.AsyncClient(base_url=settings.authority_url)
        self._seed = seed
        self._numbers = count(1)
        self._down = Counter()

    @property
    def down(self):
        """Which countries nobody answers for."""
        return sorted(country for country, outages in self._down.items() if outages)

    async def begin(self):
        """Let all of them fail by chance from now on; also after the sandbox was started anew."""
        await self._set({"mode": "flaky", "share": SHARE, "seed": self._seed}, "CZ", is_down=False)
        for country in self.down:
            await self._set({"country": country, "mode": "down"}, country, is_down=True)

    async def turn(self, turn):
        """Carry out what was planned for the world."""
        await getattr(self, f"_{turn.what}")(turn.outage)

    async def _announce(self, outage):
        told = {"begins_at": outage.begins_at.isoformat(), "ends_at": outage.ends_at.isoformat()}
        asked = {"command_id": str(outage.id), "actor": "year", "country": outage.country, **told}
        reply = json.loads(await self._asking.settled("outages.v1.announce", asked))
        assert "outage_id" in reply, reply

    async def _withdraw(self, outage):
        asked = {"command_id": str(outage.id), "actor": "year", "outage_id": str(outage.id)}
        reply = json.loads(await self._asking.settled("outages.v1.withdraw", asked))
        assert "outage_id" in reply, reply

    async def _begin(self, outage):
        self._down[outage.country] += 1
        await self._set({"country": outage.country, "mode": "down"}, outage.country, is_down=True)

    async def _end(self, outage):
        self._down[outage.country] -= 1
        if not self._down[outage.country]:
            mode = {"country": outage.country, "mode": "flaky", "share": SHARE, "seed": self._seed}
            await self._set(mode, outage.country, is_down=False)

    async def _set(self, mode, country, *, is_down):
        """Tell it until it is seen to do so. No answer is asked for: that would be the whole register."""
        end = time.monotonic() + _PATIENCE
        while True:
            await self._client.publish("sandbox.v1.authority", json.dumps(mode).encode())
            answered = await asyncio.gather(*(self._answers(country) for _ in range(_PROBES)))
            if None not in answered and any(answered) is not is_down:
                return
            assert time.monotonic() < end, f"{country} is not {mode['mode']}"
            await asyncio.sleep(_LOOK_AGAIN)

    async def _answers(self, country):
        question = {"country": country, "reference": f"probe-{next(self._numbers)}"}
        try:
            return (await self._web.get("/registrations", params=question)).is_success
        except httpx.HTTPError:
            return None

    async def close(self):
        await self._web.aclose()


class Deaths:
    """Kills with -9 whoever the plan names, and starts it again at once."""

    def __init__(self, running, authorities, chance):
        self._running = running
        self._authorities = authorities
        self._chance = chance
        self._under_way = set()
        self.met = Counter()

    def plan(self, victims):
        """Let them die within the next moments."""
        for victim in victims:
            task = asyncio.create_task(self._kill(victim, self._chance.uniform(0.0, _LATEST_DEATH)))
            self._under_way.add(task)

    async def all_over(self):
        """Wait until everybody lives again."""
        while self._under_way:
            await self._under_way.pop()

    async def _kill(self, victim, seconds):
        await asyncio.sleep(seconds)
        if victim == "sandbox" and self._authorities.down:
            victim = "registration"  # started anew, it would answer for a country that is down
        self.met[victim] += 1
        if victim in _SERVERS:
            _revive(self._running.servers[_SERVERS.index(victim)])
            return
        self._running.replace(victim)
        if victim == "sandbox":
            await self._authorities.begin()


def _revive(server):
    os.kill(server.pid, signal.SIGKILL)
    while server.running:
        time.sleep(0.001)
    server.start()
