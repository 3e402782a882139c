"""SIGSTOP of registration processes at work on orders, until others have taken these over: never two registrations."""

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from shutil import copytree, ignore_patterns

import pytest

import vignettes
from authorities import impatient
from eventstore_helpers import ask
from faults.stopping import Moment, Registrar, Trap
from service import PATIENCE_SECONDS, running_service, until
from vignettes.domain.order import Order
from vignettes.services.authorities import files
from vignettes.services.registering.ledger import lease_seconds

#: Short leases: what an attempt takes at most, and what the authority may take to be done with a lost call.
LIMITS = """
[limits]
timeout_seconds = 0.5
settled_after_seconds = 0.5
rate_per_minute = 60000
burst = 2000
"""
#: None here: what goes wrong is our doing.
PATIENT = "[breaker]\nfailures = 1000"
#: Python processes that start together, on cores that are full.
_STARTS_WITHIN_SECONDS = 60
#: After which a process that is not held back is stopped: an attempt takes about as long.
_LONGEST_DELAY = 0.004


class Phase(StrEnum):
    """What was on record, and on the wire, when a process was stopped."""

    NOT_LEASED = "not leased to it"
    LEASED = "leased"
    ABOUT_TO_SEND = "about to send"
    HEAD_SENT = "head sent"
    SENT = "all sent"
    ANSWERED = "answered"


#: Between the lease on record and the bytes on the wire.
BETWEEN = {Phase.LEASED, Phase.ABOUT_TO_SEND}


@dataclass(frozen=True)
class Size:
    """How many processes, all but one of which are stopped in each round; how often between, and how often at most."""

    processes: int
    wanted: int = 0
    most: int = 0


SHORT = Size(processes=3)
LONG = Size(processes=4, wanted=50, most=200)
#: Those before sending twice: they are what it is about.
MOMENTS = [
    *(Moment.TAKES_UP, Moment.LEASED, Moment.ASKS, Moment.ASKED, Moment.SAYS, Moment.SAID),
    *(Moment.LEASED, Moment.ASKS, Moment.ASKED, Moment.SAYS, Moment.SAID),
    *(Moment.SENDS, Moment.SENT, Moment.ANSWERED),
]


@dataclass(frozen=True)
class Stop:
    """One process that was stopped at work on one order, and what the work list said of that then."""

    registrar: Registrar
    order_id: str
    at: float
    state: str | None

    @property
    def sent(self):
        """Return how often it has sent a request for this order."""
        return self.registrar.by_order[self.order_id][Moment.SENT]

    @property
    def phase(self):
        """Return how far it had come. It is stopped: what has not come through its lines by now never left it."""
        came_to = self.registrar.by_order[self.order_id]
        if self.order_id in self.registrar.answered:
            return Phase.ANSWERED
        if came_to[Moment.SENT]:
            return Phase.SENT
        if came_to[Moment.SENDS]:
            return Phase.HEAD_SENT
        return {"waiting": Phase.LEASED, "sending": Phase.ABOUT_TO_SEND}.get(self.state, Phase.NOT_LEASED)


class Rounds:
    """Stops all processes but one, each at work on an order of its own, and lets that one do what they did not."""

    def __init__(self, service, registrars, trap):
        self._service = service
        self._registrars = registrars
        self._trap = trap
        self._lease_seconds = lease_seconds(files.read(service.settings.authorities_dir)["*"].capabilities)
        self.phases = Counter()
        self.orders = []

    @property
    def between(self):
        return sum(self.phases[each] for each in BETWEEN)

    async def all_at_work(self):
        """Wait until each process looks for work (again)."""
        looked = [(each, each.came_to[Moment.TAKES_UP]) for each in self._registrars]

        async def look():
            for each in self._registrars:
                each.replace_if_it_ended()
            return all(each.came_to[Moment.TAKES_UP] > before for each, before in looked)

        await until(look, _STARTS_WITHIN_SECONDS)

    async def round(self, snares):
        """Stop a process in each of these ways, wait until its order is issued and its lease over, and let it go on."""
        stops = [await self._stopped(*snare) for snare in snares]
        for stop in stops:
            await self._service.status(stop.order_id, "issued")
        await asyncio.sleep(max(stops[-1].at + self._lease_seconds - time.monotonic(), 0))
        seen = [(stop, stop.phase, stop.sent) for stop in stops]
        for stop in stops:
            stop.registrar.go_on()
        await self.all_at_work()
        for stop, phase, sent in seen:
            assert stop.sent == sent, f"stopped when {phase}, it has sent too late"
            self.phases[phase] += 1

    async def _stopped(self, moment, later):
        placed = await self._service.place()
        await self._service.pay(placed)
        order_id = placed["order_id"]
        self.orders.append(order_id)
        sprung = self._trap.laid(moment, later)
        await self._service.command("start_registration", order_id=order_id)
        registrar = await asyncio.wait_for(sprung, PATIENCE_SECONDS)
        at = time.monotonic()
        await registrar.has_said_all()
        return Stop(registrar, order_id, at, self._state(registrar, order_id))

    def _state(self, registrar, order_id):
        """Return the state of what is leased to this process."""
        query = "SELECT leased_by, state FROM effect.registrations WHERE order_id = %s"
        rows = ask(self._service.settings.database_url, query, order_id)
        return next((state for lease, state in rows if lease in registrar.leases), None)


@asynccontextmanager
async def at_work(database, nats_url, folder, size, path=None):
    """Run the roles that answer here, and as many registration processes as there should be."""
    authorities = impatient(folder / "authorities", LIMITS, PATIENT)
    roles = ("ordering", "projecting", "sandbox")
    trap, data = Trap(), folder / "data"
    async with AsyncExitStack() as stack:
        running = running_service(
            database, nats_url, data, roles, authorities_dir=authorities, log_format="json"
        )
        service = await stack.enter_async_context(running)
        registrars = [
            Registrar(service.settings, folder, f"registrar-{n}", trap, path) for n in range(size.processes)
        ]
        for each in registrars:
            for line in each.lines:
                await stack.enter_async_context(line)
            stack.callback(each.kill)
            each.start()
        rounds = Rounds(service, registrars, trap)
        await rounds.all_at_work()
        yield service, registrars, rounds


def drawn(chance, size):
    """Return how to stop: at which moments, held back there or let go for so long."""
    return [
        (chance.choice(MOMENTS), chance.choice([None, chance.uniform(0, _LONGEST_DELAY)]))
        for _ in range(size.processes - 1)
    ]


async def every_order_has_one_registration(service, orders):
    """Compare the authority's register and the log; each request that reached the authority was the only one."""
    register = await service.registrations()
    assert sorted(row["order_id"] for row in register) == sorted(orders)
    assert {row["requests"] for row in register} == {1}
    issued = ask(
        service.settings.database_url,
        "SELECT originator_id::text FROM log.events WHERE topic = %s",
        Order.VignetteIssued.TOPIC,
    )
    assert sorted(issued) == sorted(orders)


def refused_at_the_wire(registrars, orders):
    """Return how often it was too late to send for one of these orders."""
    said = [line for each in registrars for line in each.said() if line.get("order_id") in orders]
    return sum(line.get("why") == "too late" for line in said)


async def ended(registrars):
    """Let all processes end as they should: no attempt is under way any more."""
    for each in registrars:
        each.told_to_end()
    for each in registrars:
        await each.has_ended()


@pytest.mark.thorough
async def test_stopped_between_lease_and_sending_it_sends_nothing_more(database, nats_server, tmp_path):
    """One has its lease, the other has said that it is about to send; a third registers what they did not."""
    async with at_work(database, nats_server.url, tmp_path, SHORT) as (service, registrars, rounds):
        await rounds.round([(Moment.LEASED, None), (Moment.SAID, None)])
        assert rounds.phases == {Phase.LEASED: 1, Phase.ABOUT_TO_SEND: 1}
        await ended(registrars)
        await every_order_has_one_registration(service, rounds.orders)
        assert [refused_at_the_wire(registrars, [order]) for order in rounds.orders] == [0, 1]


@pytest.mark.faults
@pytest.mark.timeout(1800)
async def test_stopped_at_any_moment_it_never_registers_twice(database, nats_server, tmp_path, seed, tell):
    """Fifty times between the lease on record and the bytes on the wire, and at all other moments (I4)."""
    chance = random.Random(seed)
    async with at_work(database, nats_server.url, tmp_path, LONG) as (service, registrars, rounds):
        while rounds.between < LONG.wanted and len(rounds.orders) < LONG.most:
            await rounds.round(drawn(chance, LONG))
        await ended(registrars)
        tell(
            **{phase: rounds.phases[phase] for phase in Phase},
            stops=len(rounds.orders),
            refused_at_the_wire=refused_at_the_wire(registrars, rounds.orders),
            ended_rather_than_late=sum(each.fenced for each in registrars),
            refused_by_the_work_list=sum(each.came_to[Moment.REFUSED] for each in registrars),
            found_by_asking=sum(each.came_to[Moment.FOUND] for each in registrars),
        )
        await every_order_has_one_registration(service, rounds.orders)
        assert rounds.between >= LONG.wanted


@pytest.mark.faults
async def test_without_the_guard_at_the_wire_it_would_register_twice(database, nats_server, tmp_path):
    """What the tests above look for can be seen: the same processes, but for one word that lets them send any time."""
    unguarded = tmp_path / "unguarded"
    copytree(Path(vignettes.__file__).parent, unguarded / "vignettes", ignore=ignore_patterns("__pycache__"))
    wire = unguarded / "vignettes" / "services" / "authorities" / "wire.py"
    guarded = wire.read_text()
    wire.write_text(guarded.replace("Guard(until, ", "Guard(None, "))
    assert wire.read_text() != guarded
    async with at_work(database, nats_server.url, tmp_path, SHORT, unguarded) as (service, _, rounds):
        with pytest.raises(AssertionError, match="it has sent too late"):
            await rounds.round([(Moment.SAID, None)])

        async def registered_twice():
            return [row["order_id"] for row in await service.registrations()] == rounds.orders * 2

        await until(registered_twice)
