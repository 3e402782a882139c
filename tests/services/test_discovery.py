"""Micro discovery against a real NATS server: who runs, what it answers, how often it did."""

import asyncio
import json
import os
from datetime import datetime
from importlib.metadata import version
from uuid import uuid4

import nats
import pytest
from faststream.nats import NatsBroker
from nats.errors import NoRespondersError

from service import until
from vignettes.messages.queries import AskEmails
from vignettes.messages.replies import Mails
from vignettes.runtime.embedded import EmbeddedNats
from vignettes.services.discovery import Discovery, present, service_name
from vignettes.services.edge import Endpoints, EndpointStats

VERBS = {"PING": "ping", "INFO": "info", "STATS": "stats"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), port=0, jetstream=False)
    server.start()
    yield server
    server.stop()


@pytest.fixture
async def client(server):
    client = await nats.connect(server.url)
    yield client
    await client.close()


@pytest.fixture
def endpoints():
    place = EndpointStats("place", "orders.v1.place", "orders", 4, 1, 1_002, "TimeoutError")
    status = EndpointStats("status", "orders.v1.status", "orders")
    return Endpoints(NatsBroker(), [place, status])


@pytest.fixture
async def ordering(client, endpoints):
    discovery = Discovery("ordering", endpoints, metadata={"restarts": "3"})
    await discovery.start(client)
    yield discovery
    await discovery.stop()


async def asked(client, subject):
    return json.loads((await client.request(subject, timeout=5)).data)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("whom", ["", ".vignettes-ordering", ".vignettes-ordering.{id}"])
async def test_everybody_a_role_and_one_process_can_be_asked(client, ordering, verb, whom):
    """Nine subjects, each with the type of ADR-32 and with who it is."""
    answer = await asked(client, f"$SRV.{verb}{whom.format(id=ordering.id)}")
    assert answer["type"] == f"io.nats.micro.v1.{VERBS[verb]}_response"
    assert answer["name"] == "vignettes-ordering"
    assert answer["id"] == ordering.id
    assert answer["version"] == version("vignettes")


async def test_the_metadata_say_which_process_it_is(client, ordering):
    metadata = (await asked(client, "$SRV.PING"))["metadata"]
    assert metadata["role"] == "ordering"
    assert metadata["pid"] == str(os.getpid())
    assert metadata["restarts"] == "3"
    assert datetime.fromisoformat(metadata["started"]).tzinfo is not None
    assert all(isinstance(value, str) for value in metadata.values())


async def test_info_lists_the_subjects_that_are_answered(client, ordering):
    answer = await asked(client, "$SRV.INFO")
    assert answer["description"]
    assert answer["endpoints"] == [
        {"name": "place", "subject": "orders.v1.place", "queue_group": "orders", "metadata": {}},
        {"name": "status", "subject": "orders.v1.status", "queue_group": "orders", "metadata": {}},
    ]


async def test_stats_tell_what_was_counted_until_now(client, ordering, endpoints):
    """The figures are those of the moment of asking, not of the start."""
    endpoints.stats[1].num_requests = 2
    endpoints.stats[1].processing_time = 5
    place, status = (await asked(client, "$SRV.STATS"))["endpoints"]
    assert place == {
        "name": "place",
        "subject": "orders.v1.place",
        "queue_group": "orders",
        "num_requests": 4,
        "num_errors": 1,
        "last_error": "TimeoutError",
        "processing_time": 1_002,
        "average_processing_time": 250,
        "data": None,
    }
    assert (status["num_requests"], status["average_processing_time"]) == (2, 2)


async def answered(client, subject, body):
    """Tell whether somebody listens by now: a subscription reaches the server a moment after it was made."""
    try:
        return await client.request(subject, json.dumps(body).encode(), timeout=5)
    except NoRespondersError:
        return None


async def test_what_faststream_answers_is_what_is_counted(server, client):
    """The endpoints are FastStream's; discovery tells of the same ones, whoever asks and however it ends."""

    async def fail(message, correlation):
        raise RuntimeError("details that nobody outside may read")

    broker = NatsBroker(server.url, logger=None)
    endpoints = Endpoints(broker)
    endpoints.answer("orders.v1.emails", "orders", AskEmails, Mails, fail)
    discovery = Discovery("ordering", endpoints, metadata={})
    async with broker:
        await broker.start()
        await discovery.start(client)
        await until(lambda: answered(client, "orders.v1.emails", {"order_id": str(uuid4())}))
        [told] = (await asked(client, "$SRV.STATS"))["endpoints"]
        await discovery.stop()
    assert (told["subject"], told["queue_group"]) == ("orders.v1.emails", "orders")
    assert (told["num_requests"], told["num_errors"], told["last_error"]) == (1, 1, "RuntimeError")
    assert told["processing_time"] > 0


async def test_stats_tell_since_when(client, ordering):
    answer = await asked(client, "$SRV.STATS")
    told = datetime.fromisoformat(answer["started"])
    assert told == datetime.fromisoformat(answer["metadata"]["started"])


async def test_a_role_without_endpoints_is_present_too(client):
    mailing = Discovery("mailing", None, metadata={})
    await mailing.start(client)
    assert (await asked(client, "$SRV.INFO.vignettes-mailing"))["endpoints"] == []
    assert (await asked(client, "$SRV.STATS.vignettes-mailing"))["endpoints"] == []
    await mailing.stop()


async def test_everybody_present_is_found_in_order(client, ordering):
    """Two processes of one role are two; the order is that of names and ids."""
    others = [Discovery("mailing", None, metadata={}) for _ in range(2)]
    for other in others:
        await other.start(client)
    found = await present(client)
    names = [service_name(role) for role in ("mailing", "mailing", "ordering")]
    assert [ping.name for ping in found] == names
    assert {ping.id for ping in found} == {ordering.id, *(other.id for other in others)}
    assert [ping.id for ping in found[:2]] == sorted(other.id for other in others)
    for other in others:
        await other.stop()


async def test_who_stopped_is_not_present(client, ordering):
    """And when nobody is left, the server says so at once: nobody waits for the time-out."""
    await ordering.stop()
    began = asyncio.get_running_loop().time()
    assert await present(client, timeout=30) == []
    assert asyncio.get_running_loop().time() - began < 10


async def test_nonsense_from_a_stranger_hides_nobody(client, ordering):
    async def nonsense(message):
        for body in (b"\xff", b"[]", b"null", b'{"name": "x"}'):
            await message.respond(body)

    stranger = await client.subscribe("$SRV.PING", cb=nonsense)
    assert [ping.id for ping in await present(client)] == [ordering.id]
    await stranger.unsubscribe()


async def test_a_ping_without_a_reply_subject_is_passed_over(client, ordering):
    await client.publish("$SRV.PING")
    assert [ping.id for ping in await present(client)] == [ordering.id]


async def test_stopping_after_the_connection_has_ended_is_harmless(server):
    client = await nats.connect(server.url)
    discovery = Discovery("mailing", None, metadata={})
    await discovery.start(client)
    await client.close()
    await discovery.stop()
    await discovery.stop()
