"""The same command a thousand times, over processes that are killed meanwhile: one event, one answer."""

import asyncio
import json
import random
from dataclasses import dataclass
from uuid import uuid4

import nats
import pytest

from eventstore_helpers import ask
from faults.crew import Asking, Crew
from service import BEGINNING, set_clock, settings_for
from vignettes.runtime.keys import master_keys

PLACED, PAID = "order.placed.v3", "order.payment-received.v1"


@dataclass(frozen=True)
class Size:
    """How much of it: processes, how often each command is sent, how often all of it is done, kills each time."""

    processes: int
    times: int
    rounds: int
    kills: int


SHORT = Size(processes=2, times=150, rounds=1, kills=1)
LONG = Size(processes=4, times=1000, rounds=10, kills=3)


class Round:
    """One burst of commands. Who is killed, and after how many answers, is drawn beforehand; mostly early."""

    def __init__(self, client, crew, size, chance):
        self._crew = crew
        self._deaths = sorted(
            (int(size.times * chance.random() ** 3), chance.randrange(size.processes))
            for _ in range(size.kills)
        )
        self._client = client
        self._asking = Asking(client, self._heard)
        self.met = self._asking.met

    async def send(self, subject, bodies):
        """Send all at once, and return their answers when everyone has one."""
        asked = [asyncio.create_task(self._asking.settled(subject, body)) for body in bodies]
        await asyncio.sleep(0)  # each has sent its request now
        await self._client.flush()
        self._heard(0)
        return await asyncio.gather(*asked)

    def _heard(self, answers):
        while self._deaths and self._deaths[0][0] <= answers:
            self._crew.replace(self._deaths.pop(0)[1])
            self.met["killed"] += 1


@pytest.fixture
def settings(database, nats_server, tmp_path):
    set_clock(database, BEGINNING)
    ours = settings_for(database, nats_server.url, tmp_path, log_format="json")
    master_keys(ours)
    return ours


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short", marks=pytest.mark.thorough),
        pytest.param(LONG, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
async def test_a_command_sent_a_thousand_times_is_done_once(database, settings, tmp_path, size, seed, tell):
    """Placing, a payment, and a payment told by a thousand commands of their own: recorded once, whoever dies (I1)."""
    chance, met = random.Random(seed), []
    client = await nats.connect(settings.nats_url)
    with Crew(settings, tmp_path, size.processes) as crew:
        await crew.all_ready(client)

        async def send(subject, bodies):
            one = Round(client, crew, size, chance)
            met.append(one.met)
            return await one.send(subject, bodies)

        for _ in range(size.rounds):
            placed = await _placed_once(database, send, size.times)
            await _paid_once(database, send, size.times, placed)
            other = json.loads(await Asking(client).settled(*_order()))
            await _money_counted_once(database, send, size.times, other)
            if size.rounds > 1:
                await crew.all_ready(client)
    await client.close()
    total = sum(met[1:], met[0])
    tell(commands=total["answered"], **{name: total[name] for name in sorted(total) if name != "answered"})
    assert total["killed"] == 3 * size.rounds * size.kills
    assert size.rounds == 1 or total["unanswered"] > 0, "nobody died with a command at hand"
    [orders] = ask(database, "SELECT count(DISTINCT originator_id) FROM log.events")
    assert orders == 2 * size.rounds


async def _placed_once(database, send, times):
    subject, body = _order()
    answer = _the_only(await send(subject, [body] * times))
    assert _topics(database, answer) == [PLACED]
    assert _commands(database, answer) == [1]
    return answer


async def _paid_once(database, send, times, placed):
    answer = _the_only(await send("orders.v1.receive_payment", [_payment(placed)] * times))
    assert _topics(database, answer) == [PLACED, PAID]
    assert _commands(database, answer) == [2]


async def _money_counted_once(database, send, times, placed):
    """Every command has an id of its own, and an answer of its own that says the same; the money came once."""
    payment = _payment(placed)
    bodies = [{**payment, "command_id": str(uuid4())} for _ in range(times)]
    answers = [json.loads(each) for each in await send("orders.v1.receive_payment", bodies)]
    assert [each.pop("command_id") for each in answers] == [each["command_id"] for each in bodies]
    assert all(each == answers[0] for each in answers)
    assert answers[0]["outstanding"]["amount"] == 0
    assert _topics(database, placed) == [PLACED, PAID]
    assert _commands(database, placed) == [1 + times]
    assert ask(
        database, "SELECT order_id::text FROM log.payments WHERE payment_id = %s", payment["payment_id"]
    ) == [placed["order_id"]]


def _order():
    body = {
        "command_id": str(uuid4()),
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": "2A2 2345"},
        "valid_from": "2027-03-17",
        "email": "driver@example.com",
        "language": "en",
    }
    return "orders.v1.place", body


def _payment(placed):
    return {
        "command_id": str(uuid4()),
        "order_id": placed["order_id"],
        "payment_id": str(uuid4()),
        "amount": placed["price"]["total"],
        "method": "card",
        "received_at": BEGINNING.isoformat(),
    }


def _the_only(answers):
    """Return what all of these answers say, to the byte."""
    [answer] = set(answers)
    told = json.loads(answer)
    assert told["ok"], told
    return told


def _topics(database, answer):
    query = "SELECT topic FROM log.events WHERE originator_id = %s ORDER BY originator_version"
    return ask(database, query, answer["order_id"])


def _commands(database, answer):
    return ask(database, "SELECT count(*) FROM log.commands WHERE order_id = %s", answer["order_id"])
