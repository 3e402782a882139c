"""Fault 10: an authority that leaves thirty of a hundred calls without an answer, half of them after success."""

import asyncio
import itertools
import os
import signal
import time

import pytest

from authorities import impatient, without
from eventstore_helpers import INDEX, MASTER, a_vault, ask, changing, pay, start
from faults import apart
from faults.orders import Shop
from faults.sizes import sizes
from follower_helpers import following
from service import BEGINNING, running_service, set_clock, until
from vignettes.domain.order import Order
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.sandbox.authority import AuthorityRegister
from vignettes.sandbox.faults import Fault, Mode

SHARE = 0.3
LIMITS = """
[limits]
timeout_seconds = 2.0
settled_after_seconds = 0.5
rate_per_minute = 600000
burst = 20000
concurrency = 30
"""
#: Or three in ten of its calls would close a country that is to be called.
BREAKER = "[breaker]\nfailures = 100000"
WRITTEN_TOGETHER = 200
#: After which the long form gives up.
WITHIN_SECONDS = 900


@pytest.mark.usefixtures("quiet")
@sizes(30, int(os.environ.get("ORDERS") or 10_000), "orders")
@pytest.mark.fault(10)
async def test_every_order_has_one_live_registration(database, nats_server, tmp_path, orders, seed, record):
    """The registrar asks by our reference before it sends again, and asking may fail as well (I4)."""
    set_clock(database, BEGINNING)
    master_key_in(tmp_path)
    ids = await asyncio.to_thread(started, database, orders)
    authorities = impatient(tmp_path / "authorities", LIMITS, BREAKER, text=without("document"))
    fault = Fault(Mode.FLAKY, share=SHARE, seed=seed)
    async with running_service(
        database, nats_server.url, tmp_path, ["ordering", "sandbox"], authorities_dir=authorities
    ) as service:
        # It is told before the first call leaves.
        await service.ask("sandbox.v1.authority", mode="flaky", share=SHARE, seed=seed)
        began, vault = time.monotonic(), a_vault()
        views = following(database, vault, OrderStatusView(vault), LookupView(INDEX))
        async with views:
            with Registrar(service.settings, tmp_path) as registrar:
                await until(lambda: all_issued(database, ids, registrar), seconds=WITHIN_SECONDS)
        seconds = time.monotonic() - began
        # Its answer over NATS would be longer than one message may be.
        register = registered_at(service.settings.data_dir / "sandbox")
    met = [fault.for_submission(row["order_id"], n + 1) for row in register for n in range(row["requests"])]
    registered = [row["order_id"] for row in register]
    record(
        test=10,
        what=f"time-outs of an authority that registers {len(ids):,} orders, half of them after success",
        faults=len(met) - met.count(Mode.OK),
        lost=len(set(ids) - set(registered)),
        doubled=len(registered) - len(set(registered)),
        orders=len(ids),
        calls_to_register=len(met),
        after_success=met.count(Mode.TIMEOUT_AFTER_SUCCESS),
        orders_per_second=round(len(ids) / seconds),
        ended_rather_than_late=registrar.fenced,
    )
    assert sorted(registered) == sorted(ids)
    assert set(met) > {Mode.OK}, "nothing was lost"


def registered_at(sandbox):
    register = AuthorityRegister(sandbox / "authority.sqlite")
    try:
        return register.registrations()
    finally:
        register.close()


def master_key_in(data_dir):
    key = data_dir / "master.key"
    key.write_text(MASTER.hex())
    key.chmod(0o600)


def started(database, count):
    """Put orders on record, each for a vehicle of its own, whose customers have paid and pressed start."""
    shop, ids = Shop(database), []
    for numbers in batched(range(count), WRITTEN_TOGETHER):
        placed = shop.appender.execute_all([shop.placing(plate=f"2A{each:05}") for each in numbers])
        for act in (pay, start):
            acts = [
                changing(reply.order_id, lambda order, at, act=act: act(order, at=at)) for reply in placed
            ]
            assert not [each for each in shop.appender.execute_all(acts) if isinstance(each, Exception)]
        ids += [str(reply.order_id) for reply in placed]
    shop.appender.close()
    return ids


def batched(numbers, size):
    """Yield as many at a time (itertools has it from Python 3.12 on)."""
    left = iter(numbers)
    while some := list(itertools.islice(left, size)):
        yield some


class Registrar:
    """`vignettes serve registration`, started anew where it has ended rather than send too late."""

    def __init__(self, settings, folder):
        self._env = apart.given(settings)
        self._log = folder / "registration.log"
        self.fenced = 0

    def __enter__(self):
        self._start()
        return self

    def __exit__(self, *_):
        apart.kill(self._process)

    def _start(self):
        with self._log.open("a") as log:
            self._process = apart.start(
                ["vignettes", "serve", "registration"], self._env, stdout=log, stderr=log
            )

    def replace_if_it_ended(self):
        ended = self._process.poll()
        assert ended in {None, -signal.SIGALRM}, self._log.read_text()[-2000:]
        if ended is not None:
            self.fenced += 1
            self._start()


async def all_issued(database, ids, registrar):
    registrar.replace_if_it_ended()
    issued = "SELECT count(*), count(DISTINCT originator_id) FROM log.events WHERE topic = %s"
    return ask(database, issued, Order.VignetteIssued.TOPIC) == [(len(ids), len(ids))]
