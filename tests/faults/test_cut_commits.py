"""Fault 2: PostgreSQL is cut off around the COMMIT: what is answered is on record, once; the rest is settled."""

import asyncio
import itertools
import json
import random
from collections import Counter
from uuid import uuid4

import nats
import pytest

from eventstore_helpers import ask, changing, pay, writing_to
from faults.commits import Cutter, Moment
from faults.crew import Asking, Crew
from faults.orders import Shop
from faults.proxy import before_postgres, through
from faults.sizes import sizes
from service import BEGINNING, set_clock, settings_for
from vignettes.domain.errors import Unavailable
from vignettes.eventstore.deciding import Reply
from vignettes.runtime.keys import master_keys

LARGEST_GROUP = 5
#: More than anyone tries before it says that it does not know.
BLIND = 5
CASES = tuple(itertools.product(Moment, (False, True)))


def drawn(cuts, chance):
    """Return which cuts come, each kind equally often, in an order that chance decides."""
    cases = list(itertools.islice(itertools.cycle(CASES), cuts))
    chance.shuffle(cases)
    return cases


class Customers:
    """Groups of commands on new orders and on old ones; each command records exactly one event."""

    def __init__(self, shop, chance):
        self._shop = shop
        self._chance = chance
        self._unpaid = []
        self._orders = []
        self._wishes = 0

    def group(self):
        return [self._wish() for _ in range(self._chance.randint(1, LARGEST_GROUP))]

    def took(self, replies):
        for reply in replies:
            if reply.body["version"] == 1:
                self._orders.append(reply.order_id)
                self._unpaid.append(reply.order_id)

    def _wish(self):
        self._wishes += 1
        if not self._orders or self._chance.random() < 0.4:
            return self._shop.placing()
        if self._unpaid and self._chance.random() < 0.3:
            order_id = self._unpaid.pop(self._chance.randrange(len(self._unpaid)))
            payment_id = f"bank-{self._wishes}"
            return changing(
                order_id, lambda order, at: pay(order, at=at, payment_id=payment_id), payment_id=payment_id
            )
        return writing_to(self._chance.choice(self._orders), f"driver-{self._wishes}@example.com")


@sizes(16, 1_000)
@pytest.mark.fault(2)
async def test_a_group_whose_connection_is_cut_is_recorded_once(database, cuts, seed, record):
    """Told ok: on record once. Told unavailable: asked again under the same id, it is recorded once too (I1)."""
    chance, cutter, met, replies = random.Random(seed), Cutter(), Counter(), []
    async with before_postgres(database, cutter.judge) as proxy:
        shop = Shop(through(proxy, database))
        customers = Customers(shop, chance)
        for moment, blind in drawn(cuts, chance):
            group = customers.group()
            cutter.armed = moment
            proxy.refuse_after_cut = BLIND if blind else 0
            outcomes = await asyncio.to_thread(shop.appender.execute_all, group)
            proxy.refuse_no_more()
            assert cutter.armed is None, "it was not cut"
            met += _told(moment, outcomes)
            if blind:
                assert all(isinstance(outcome, Unavailable) for outcome in outcomes), outcomes
            if moment is not Moment.UNDER_WAY:
                recorded = moment is not Moment.BEFORE
                assert _on_record(database, group) == [len(group) * recorded]
                assert blind or all(isinstance(outcome, Reply) == recorded for outcome in outcomes), outcomes
            settled = await _asked_again(shop, group)
            assert [outcome for outcome in outcomes if isinstance(outcome, Reply)] in (settled, [])
            customers.took(settled)
            replies += settled
        await asyncio.to_thread(shop.appender.close)
    command_ids = [str(reply.command_id) for reply in replies]
    lost, doubled = _lost_and_doubled(database, command_ids)
    record(
        test=2,
        what="PostgreSQL cut around the COMMIT of a group of commands, every second time in the place of its answer",
        faults=proxy.cuts,
        lost=lost,
        doubled=doubled,
        refused_connections=proxy.refused,
        commands=len(replies),
        **met,
    )
    assert proxy.cuts == cuts
    assert set(met) >= {
        "answer lost: ok",
        "answer lost: unavailable",
        "end lost: unavailable",
        "before: unavailable",
    }
    _each_is_in_the_log_once(database, command_ids)


def _told(moment, outcomes):
    assert all(isinstance(outcome, (Reply, Unavailable)) for outcome in outcomes), outcomes
    told = ("ok" if isinstance(outcome, Reply) else "unavailable" for outcome in outcomes)
    return Counter(f"{moment}: {each}" for each in told)


async def _asked_again(shop, group):
    """Return the replies of a group once nothing breaks any more; asked once more elsewhere they are the same."""
    replies = await asyncio.to_thread(shop.appender.execute_all, group)
    assert [reply.refusal for reply in replies] == [None] * len(group)
    assert await asyncio.to_thread(shop.appender.execute_all, group) == replies
    return replies


def _on_record(database, group):
    ids = [command.command_id for command in group]
    return ask(database, "SELECT count(*) FROM log.commands WHERE command_id = ANY(%s)", ids)


_EVENTS_OF = "SELECT convert_from(state, 'UTF8')::json ->> 'cmd' FROM log.events"


def _lost_and_doubled(database, command_ids):
    """Return how many of these commands are not in the log, and how many more events than commands there are."""
    told = ask(database, _EVENTS_OF)
    return len(set(command_ids) - set(told)), len(told) - len(set(told))


def _each_is_in_the_log_once(database, command_ids):
    """Each of these commands has one answer and one event on record; there are no others, and no gaps."""
    answered = ask(database, "SELECT command_id::text FROM log.commands")
    told = ask(database, _EVENTS_OF)
    assert sorted(answered) == sorted(told) == sorted(command_ids)
    assert not ask(
        database,
        "SELECT originator_id FROM log.events GROUP BY originator_id HAVING max(originator_version) <> count(*)",
    )


@sizes(4, 64)
@pytest.mark.fault(2)
async def test_a_client_of_the_service_is_told_the_truth_when_its_database_is_cut_off(
    database, nats_server, tmp_path, cuts, seed, record
):
    """As a process, over NATS: `unavailable` or an answer; asked again, always the same answer, and one order."""
    chance, cutter = random.Random(seed), Cutter()
    set_clock(database, BEGINNING)
    async with before_postgres(database, cutter.judge) as proxy:
        settings = settings_for(through(proxy, database), nats_server.url, tmp_path, log_format="json")
        master_keys(settings)
        client = await nats.connect(settings.nats_url)
        with Crew(settings, tmp_path, 1) as crew:
            await crew.all_ready(client)
            asking, command_ids = Asking(client), []
            for moment, blind in drawn(cuts, chance):
                cutter.armed = moment
                proxy.refuse_after_cut = 1 if blind else 0
                wish = _order()
                answer = await asking.settled("orders.v1.place", wish)
                proxy.refuse_no_more()
                assert cutter.armed is None, "it was not cut"
                assert json.loads(answer)["ok"], answer
                assert await asking.settled("orders.v1.place", wish) == answer
                command_ids.append(wish["command_id"])
        await client.close()
    lost, doubled = _lost_and_doubled(database, command_ids)
    record(
        test=2,
        what="PostgreSQL cut around the COMMIT, as a client of the service sees it over NATS",
        faults=proxy.cuts,
        lost=lost,
        doubled=doubled,
        refused_connections=proxy.refused,
        **asking.met,
    )
    assert asking.met["unavailable"] >= cuts // 2
    _each_is_in_the_log_once(database, command_ids)


def _order():
    return {
        "command_id": str(uuid4()),
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": "2A2 2345"},
        "valid_from": "2027-03-17",
        "email": "driver@example.com",
        "language": "en",
    }
