"""Fault 2: a connection is cut in the place of an answer, to a command, to a call of an authority, to a notice."""

import asyncio
import json
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from uuid import uuid4

import httpx
import nats
import pytest
import pytest_asyncio
from nats.errors import Error as NatsError

from authorities import impatient, without
from eventstore_helpers import ask
from faults.answers import Answers, Posts
from faults.proxy import From, Proxy, before_http, before_nats
from faults.sizes import sizes
from notices import SECRET, encoded, notice, signature
from service import Service, running_service, until
from vignettes.domain.order import Order
from vignettes.runtime.embedded import EmbeddedNats, free_port

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("quiet")]

ROLES = ("ordering", "projecting", "payments", "registration", "sandbox", "web")
#: As long as an answer takes at most when nothing is cut; a client that waits longer learns no more.
PATIENCE_SECONDS = 0.25
LIMITS = """
[limits]
timeout_seconds = 2.0
settled_after_seconds = 0.2
rate_per_minute = 600000
burst = 20000
concurrency = 32
"""
#: The authority is not what is broken here.
BREAKER = "[breaker]\nfailures = 100000"
ORDERS_TOGETHER = 20


@dataclass
class Lines:
    """A service, and what decides on its lines: to NATS, to the authority, and from payment providers to it."""

    service: Service
    nats: Answers
    broker: Proxy
    web: Proxy
    #: What the lines to the authority, and to our web role, are cut by: drawn at the end of each POST.
    to_authority: list
    to_us: list


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lines(copied, tmp_path_factory):
    """Run the roles that answer, all by way of proxies."""
    folder = tmp_path_factory.mktemp("answers")
    (folder / "webhooks.toml").write_text(
        '[shop]\nscheme = "signed-json"\nsecrets = [{ env = "SHOP_SECRET" }]\n'
    )
    authorities = impatient(folder / "authorities", LIMITS, BREAKER, text=without("document"))
    answers = Answers()
    to_authority, to_us = [], []
    authority, web = free_port(), free_port()
    async with AsyncExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SHOP_SECRET", SECRET)
        server = EmbeddedNats(folder / "nats", 0)
        server.start()
        stack.callback(server.stop)
        proxies = (
            before_nats(server.url, answers.judge),
            before_http(authority, Posts(_next_of(to_authority)).judge),
            before_http(web, Posts(_next_of(to_us)).judge),
        )
        for each in proxies:
            await stack.enter_async_context(each)
        different = {
            "authority_url": f"http://127.0.0.1:{proxies[1].port}",
            "sandbox_authority_port": authority,
            "http_port": web,
            "webhooks_file": folder / "webhooks.toml",
            "authorities_dir": authorities,
        }
        url = f"nats://127.0.0.1:{proxies[0].port}"
        database = stack.enter_context(copied())
        running = running_service(database, url, folder / "data", ROLES, **different)
        service = await stack.enter_async_context(running)
        await until(lambda: _listens(web), seconds=60)
        yield Lines(service, answers, proxies[0], proxies[2], to_authority, to_us)


async def _listens(port):
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return (await http.get(f"http://127.0.0.1:{port}/healthz")).is_success
        except httpx.TransportError:
            return False


def _next_of(moments):
    return lambda: moments.pop() if moments else None


# --- a command


@sizes(4, 500)
@pytest.mark.fault(2)
async def test_a_command_whose_reply_is_lost_is_answered_the_same_when_it_is_asked_again(
    lines, cuts, seed, record
):
    """On the way from the service, or on the way to the client: one event, and one answer to the byte (I1)."""
    chance, database = random.Random(seed), lines.service.settings.database_url
    client = await nats.connect(
        f"nats://127.0.0.1:{lines.broker.port}", max_reconnect_attempts=-1, reconnect_time_wait=0.02
    )
    before, doubled, told_otherwise, placed = lines.nats.cut, 0, 0, []
    for _ in range(cuts):
        wish = _order(chance)
        lines.nats.arm(answer_to(wish["command_id"], chance.choice(list(From))))
        answer, lost = await _settled(client, wish)
        assert lost, "it was not cut"
        again, _ = await _settled(client, wish)
        told_otherwise += again != answer or not json.loads(answer)["ok"]
        recorded = ask(database, COMMANDS, wish["command_id"])
        doubled += recorded[0] > 1
        placed.append(recorded[0])
    await client.close()
    faults = lines.nats.cut - before
    record(
        test=2,
        what="NATS cut in the place of the reply to a command",
        faults=faults,
        lost=placed.count(0),
        doubled=doubled,
        broken=told_otherwise,
    )
    assert faults == cuts
    assert placed == [1] * cuts
    assert told_otherwise == 0


COMMANDS = "SELECT count(*) FROM log.events WHERE convert_from(state, 'UTF8')::json ->> 'cmd' = %s"


_TO_AN_INBOX = {From.CLIENT: (b"PUB _INBOX", b"HPUB _INBOX"), From.SERVER: (b"MSG _INBOX", b"HMSG _INBOX")}


def answer_to(command_id, side):
    """Return what knows the answer to this command, where it leaves the service or where it comes in."""
    sign = f'"command_id":"{command_id}"'.encode()

    def is_answer(sender, message):
        return sender is side and message.startswith(_TO_AN_INBOX[side]) and sign in message

    return is_answer


def _order(chance):
    return {
        "command_id": str(uuid4()),
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": f"{chance.randrange(10)}A{uuid4().hex[:5].upper()}"},
        "valid_from": "2027-03-17",
        "email": "driver@example.com",
        "language": "en",
    }


async def _settled(client, wish):
    """Ask until there is an answer; return it as it came, and how often there was none."""
    lost = 0
    while True:
        try:
            answer = (
                await client.request("orders.v1.place", json.dumps(wish).encode(), timeout=PATIENCE_SECONDS)
            ).data
        except NatsError:
            lost += 1
            assert lost < 200, "it was never answered"
            await asyncio.sleep(0.02)
            continue
        if json.loads(answer).get("error", {}).get("code") != "unavailable":
            return answer, lost
        lost += 1


# --- a call of the authority


@sizes(4, 500)
@pytest.mark.fault(2)
async def test_an_authority_whose_answer_is_lost_has_registered_once(lines, cuts, seed, record):
    """It has read the whole request; we never hear of it, ask by our reference, and find what it made of it (I4)."""
    chance, service = random.Random(seed), await lines.service.anew()
    orders = []
    while len(orders) < cuts:
        many = min(ORDERS_TOGETHER, cuts - len(orders))
        lines.to_authority.extend(chance.choice(list(From)) for _ in range(many))
        started = await asyncio.gather(*(_started(service, chance) for _ in range(many)))
        await until(lambda these=started: _all_issued(service, these), seconds=60)
        orders += started
    register = [row["order_id"] for row in await service.registrations()]
    record(
        test=2,
        what="the connection to the authority cut after the whole request, in the place of its answer",
        faults=cuts - len(lines.to_authority),
        lost=len(set(orders) - set(register)),
        doubled=len(register) - len(set(register)),
    )
    assert lines.to_authority == []
    assert sorted(register) == sorted(orders)


async def _started(service, chance):
    """Place and pay an order, press start, and return its id."""
    placed = await service.command("place", **_order(chance))
    await service.pay(placed)
    reply = await service.command("start_registration", order_id=placed["order_id"])
    assert reply["ok"], reply
    return placed["order_id"]


async def _all_issued(service, orders):
    """Each once: it is in the log."""
    issued = "SELECT originator_id::text FROM log.events WHERE topic = %s AND originator_id::text = ANY(%s)"
    found = ask(service.settings.database_url, issued, Order.VignetteIssued.TOPIC, orders)
    return sorted(found) == sorted(orders)


# --- a notice of a payment provider


@sizes(4, 500)
@pytest.mark.fault(2)
async def test_a_notice_whose_answer_is_lost_counts_once_when_it_comes_again(lines, cuts, seed, record):
    """As providers do, until they hear 200; told once more they hear the same (I5)."""
    chance, database = random.Random(seed), lines.service.settings.database_url
    before, answers = ask(database, BOOKED), []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{lines.web.port}", trust_env=False) as http:
        for number in range(cuts):
            sent = _notice(f"pay-{seed}-{number}")
            lines.to_us.append(chance.choice(list(From)))
            with pytest.raises(httpx.TransportError):
                await http.post("/webhooks/shop", **sent)
            answers += [await _told(http, sent), await _told(http, sent)]
    booked = [now - then for now, then in zip(ask(database, BOOKED)[0], before[0], strict=True)]
    record(
        test=2,
        what="the connection of a payment provider cut after its whole notice, in the place of our answer",
        faults=cuts - len(lines.to_us),
        lost=cuts - booked[1],
        doubled=booked[0] - booked[1],
        broken=len([each for each in answers if each != answers[0]]),
    )
    assert lines.to_us == []
    assert answers == [(200, answers[0][1])] * 2 * cuts
    assert booked == [cuts, cuts]


BOOKED = (
    "SELECT count(*), count(DISTINCT originator_id) FROM log.events WHERE topic LIKE 'bank-payment.booked.%%'"
)


def _notice(payment_id):
    body = encoded(notice(event_id=f"event-{payment_id}", payment_id=payment_id))
    signed = signature(body, at=int(time.time()))  # the sandbox's clock moves, providers' do not
    headers = {"Content-Type": "application/json", "webhook-signature": signed}
    return {"content": body, "headers": headers}


async def _told(http, sent):
    answer = await http.post("/webhooks/shop", **sent)
    return answer.status_code, answer.content
