"""Triggers, from the stream to the ordering service: whatever goes wrong with some of them, the others go on."""

import asyncio
import json
from uuid import uuid4

import nats
import pytest
from faststream.nats import NatsBroker
from nats.aio.msg import Msg
from nats.errors import OutboundBufferLimitError
from structlog.testing import capture_logs

from service import until
from vignettes.domain.errors import Unavailable
from vignettes.eventstore.deciding import Reply
from vignettes.messages import events
from vignettes.messages.commands import StartDueRegistrations
from vignettes.services import calling, pulling, streams, triggers
from vignettes.services.calling import Calling
from vignettes.services.deciding import Deciding, Policy
from vignettes.services.edge import Endpoints
from vignettes.services.grouping import GroupWriter
from vignettes.services.ordering import Ordering

NOON = "2027-03-10T12:00:00+00:00"
UNREADABLE = str(uuid4())


@pytest.fixture
async def client(nats_server, monkeypatch):
    """Connect, with the streams there; whoever has to try again does so at once."""
    monkeypatch.setattr(calling, "_ATTEMPTS", 1)
    monkeypatch.setattr(calling, "_PAUSE", 0.0)
    monkeypatch.setattr(pulling, "AGAIN_AFTER_SECONDS", 0.001)
    client = await nats.connect(nats_server.url)
    await streams.ensure(client)
    yield client
    await client.close()


@pytest.fixture
async def broker(nats_server, client):
    """Give a broker to subscribe to; it has to be started."""
    broker = NatsBroker(nats_server.url, logger=None)
    yield broker
    await broker.stop()


class Desk:
    """Stands where the ordering service is: one order is beyond it, or it is not there at all."""

    def __init__(self):
        self.asked = []
        self.is_down = False

    async def answer(self, request):
        starts = json.loads(request.data)["starts"]
        self.asked += [start["order_id"] for start in starts]
        refused = {"ok": False, "error": {"code": "unavailable"}}
        outcomes = [{"code": "unavailable"} if each["order_id"] == UNREADABLE else {} for each in starts]
        await request.respond(
            json.dumps(refused if self.is_down else {"ok": True, "outcomes": outcomes}).encode()
        )


@pytest.fixture
async def desk(client, broker):
    """Answer starts in the ordering service's place; the consumer of triggers is at work once the broker is."""
    desk = Desk()
    await client.subscribe(StartDueRegistrations.subject, cb=desk.answer)
    triggers.subscribe(broker, Calling(client), "registration")
    return desk


async def send(client, order_id):
    trigger = events.Trigger(order_id=order_id, generation=1, due_at=NOON, rule="lead", emitted_at=NOON)
    body = trigger.model_dump_json().encode()
    await client.jetstream().publish(events.trigger_subject("CZ"), body, stream=events.TRIGGER_STREAM)


async def settled(client, count):
    """Wait until so many triggers were taken from the stream, and none of them is to come again."""

    async def look():
        seen = await client.jetstream().consumer_info(events.TRIGGER_STREAM, triggers.DURABLE)
        return seen.ack_floor.stream_seq == count and not seen.num_ack_pending

    await until(look)


async def test_a_trigger_of_an_order_that_can_not_be_read_is_given_up_after_a_while(client, broker, desk):
    """The stream hands out only so many unsettled ones: those that never succeed would end up as all of them."""
    healthy = str(uuid4())
    with capture_logs() as logs:
        await send(client, UNREADABLE)
        await send(client, healthy)
        await broker.start()
        await settled(client, 2)
    assert desk.asked.count(UNREADABLE) == triggers.MOST_DELIVERIES
    assert desk.asked.count(healthy) == 1
    given_up = [line for line in logs if line["event"] == "trigger.given_up"]
    assert [(line["log_level"], line["order"]) for line in given_up] == [("error", UNREADABLE)]


async def test_no_trigger_is_given_up_while_the_ordering_service_is_down(client, broker, desk):
    """That is no order's fault: each waits for as long as it takes."""
    desk.is_down = True
    order_id = str(uuid4())
    with capture_logs() as logs:
        await send(client, order_id)
        await broker.start()
        await until(lambda: asyncio.sleep(0, len(desk.asked) > triggers.MOST_DELIVERIES + 2))
        desk.is_down = False
        await settled(client, 1)
    assert not [line for line in logs if line["event"] == "trigger.given_up"]


async def test_a_word_that_does_not_reach_the_stream_holds_up_no_other_trigger(
    client, broker, desk, monkeypatch
):
    """Of those handed over together, only the one whose acknowledgement failed has to come again."""
    said, lost = Msg.ack, []

    async def ack(message):
        if not lost:
            lost.append(message.metadata.sequence.stream)
            raise OutboundBufferLimitError
        await said(message)

    monkeypatch.setattr(Msg, "ack", ack)
    with capture_logs() as logs:
        for _ in range(3):
            await send(client, str(uuid4()))
        await broker.start()

        async def look():
            seen = await client.jetstream().consumer_info(events.TRIGGER_STREAM, triggers.DURABLE)
            return seen.delivered.stream_seq == 3 and seen.num_ack_pending == 1

        await until(look)
    assert (lost, len(desk.asked)) == ([1], 3)
    assert [line["event"] for line in logs if line["log_level"] != "info"] == ["trigger.unsettled"]


async def test_a_handler_that_breaks_once_is_given_what_comes_next(client, broker):
    """It is heard of, and the consumer goes on."""
    taken = []

    async def take(messages):
        taken.extend(message.data for message in messages)
        if taken == [b"1"]:
            raise ZeroDivisionError
        for message in messages:
            await message.ack()

    pulling.consume_together(broker, events.TRIGGER_STREAM, events.TRIGGER_SUBJECTS, triggers.DURABLE, take)
    await broker.start()
    with capture_logs() as logs:
        for number in range(1, 4):
            body = str(number).encode()
            await client.jetstream().publish(events.trigger_subject("CZ"), body)
            await until(lambda body=body: asyncio.sleep(0, body in taken))
    [line] = [line for line in logs if line["event"] == "consumer.handler_failed"]
    assert (line["log_level"], line["messages"], line["exc_info"]) == ("error", 1, True)


class Answers:
    """Stands where the log is, and comes to what it is told to."""

    def __init__(self, *outcomes):
        self.outcomes = outcomes

    async def execute_all(self, commands):
        reply = [Reply(commands[0].command_id, commands[0].order_id, 1)]
        return [*self.outcomes, *reply][: len(commands)]


@pytest.fixture
async def ordering(client, broker):
    """Answer starts by the ordering service's own code, above what the test says that the log comes to."""
    log, endpoints = Answers(), Endpoints(broker)
    deciding = Deciding(Policy(None), None, lambda: "", lambda: (), lambda _: None)
    hashes = type("Hashes", (), {"of": staticmethod(lambda body: body)})
    Ordering(GroupWriter(log.execute_all), deciding, None, hashes, None).register(endpoints)
    await broker.start()
    [stats] = [each for each in endpoints.stats if each.subject == StartDueRegistrations.subject]
    return log, stats


async def start(client, count):
    starts = [{"command_id": str(uuid4()), "order_id": str(uuid4()), "generation": 1} for _ in range(count)]
    body = json.dumps({"starts": starts}).encode()
    return json.loads((await client.request(StartDueRegistrations.subject, body, timeout=10)).data)


async def test_a_start_that_breaks_is_heard_of_and_counted(client, ordering):
    """Its asker hears no more than that it is not known; whoever watches hears why, once for each fault."""
    log, stats = ordering
    log.outcomes = (error := ZeroDivisionError(), error, Unavailable())
    with capture_logs() as logs:
        reply = await start(client, 4)
    assert [each.get("code") for each in reply["outcomes"]] == [*["unavailable"] * 3, None]
    assert (stats.num_errors, stats.last_error) == (1, "ZeroDivisionError")
    [failed] = [line for line in logs if line["event"] == "request.failed"]
    assert (failed["log_level"], failed["exc_info"]) == ("error", error)
    [unavailable] = [line for line in logs if line["event"] == "start.unavailable"]
    assert unavailable["log_level"] == "warning"


async def test_starts_that_are_all_unavailable_are_no_fault_of_their_orders(client, ordering):
    """The database is down: the whole request is refused, so that no trigger is given up for it."""
    log, stats = ordering
    log.outcomes = (Unavailable(), Unavailable())
    reply = await start(client, 2)
    assert (reply["ok"], reply["error"]["code"]) == (False, "unavailable")
    assert stats.num_errors == 0
