"""What /metrics says when something is wrong: with a database that keeps silent, strangers, and what can't be read."""

import json
import time

import nats
import pytest
from faststream.nats import NatsBroker
from psycopg_pool import AsyncConnectionPool

from deploy.scraping import json_labels, read
from faults.proxy import Pass, before_postgres, through
from vignettes.eventstore.connections import conninfo
from vignettes.messages.queries import AskEmails
from vignettes.messages.replies import Mails
from vignettes.runtime.embedded import EmbeddedNats
from vignettes.services.discovery import Discovery
from vignettes.services.edge import Endpoints, EndpointStats, refusing
from vignettes.services.subscribing import known
from vignettes.services.web import metrics
from vignettes.services.web.metrics import exposition

NONSENSE = [
    {"metadata": {"restarts": "often"}},
    {"metadata": [5]},
    {"endpoints": [{"data": {"timings": {"bounds": ["soon"], "outcomes": {}}}}]},
    {
        "endpoints": [
            {"data": {"timings": {"bounds": [1.0], "outcomes": {"ok": {"counts": [1], "seconds": 1}}}}}
        ]
    },
    {"endpoints": [{"data": {"timings": 5}}]},
    {"endpoints": [{"data": [5]}]},
    {"endpoints": [{"data": {"queue_waiting": "some"}}]},
    {"endpoints": [{"subject": 5, "data": None}]},
    {"name": 5},
    {"id": None},
]
ENDPOINT = {
    "name": "place",
    "subject": "orders.v1.place",
    "queue_group": "orders",
    "num_requests": 0,
    "num_errors": 0,
    "last_error": "",
    "processing_time": 0,
    "average_processing_time": 0,
}


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
async def nowhere():
    """A pool on a server that is not there."""
    pool = AsyncConnectionPool(
        "host=/nowhere", open=False, min_size=0, max_size=1, timeout=0.1, reconnect_timeout=0
    )
    await pool.open()
    yield pool
    await pool.close()


async def test_a_database_that_keeps_silent_is_told_of_in_time(client, database, monkeypatch):
    """Nothing is refused or cut: statements just have no answer, nor has the wish to give them up."""
    monkeypatch.setattr(metrics, "DATABASE_SECONDS", 0.5)
    silent = False
    async with before_postgres(database, lambda: lambda *_: Pass.NOT if silent else Pass.ON) as proxy:
        url = conninfo(through(proxy, database), "vignettes_reader")
        async with AsyncConnectionPool(url, open=False, min_size=1) as pool:
            await pool.wait()
            silent, began = True, time.monotonic()
            told = read((await exposition(client, pool, ())).decode())
            took = time.monotonic() - began
            silent = False
            proxy.hang_up()
    assert told["vignettes_database_up{}"] == 0
    assert took < 4


async def test_a_process_that_was_asked_nothing_yet_tells_zeros(client, nowhere):
    """Its first requests are growth then: what appears with a number has no rate."""
    endpoints = Endpoints(NatsBroker(), [EndpointStats("place", "orders.v1.place", "orders")])
    fresh = Discovery("ordering", endpoints, metadata={})
    await fresh.start(client)
    told = read((await exposition(client, nowhere, ["ordering"])).decode())
    await fresh.stop()
    for outcome in ("ok", "refused", "unavailable"):
        labels = {"process": fresh.id, "subject": "orders.v1.place", "outcome": outcome}
        assert told[f"vignettes_request_seconds_count{json_labels(labels)}"] == 0


async def test_nonsense_by_our_name_hides_nobody(client, nowhere):
    """Any program on this server may answer discovery as one of ours."""
    ours = Discovery("mailing", None, metadata={})
    await ours.start(client)
    usual = ours.stats().to_dict() | {"id": "stranger", "name": "vignettes-stranger"}

    async def answer(message):
        for wrong in NONSENSE:
            said = usual | wrong
            said["endpoints"] = [ENDPOINT | each for each in said["endpoints"]]
            await message.respond(json.dumps(said).encode())

    stranger = await client.subscribe("$SRV.STATS", cb=answer)
    told = read((await exposition(client, nowhere, ["mailing"])).decode())
    await stranger.unsubscribe()
    await ours.stop()
    assert [name for name in told if "vignettes_processes" in name] == ['vignettes_processes{role="mailing"}']
    assert told['vignettes_processes{role="mailing"}'] == 1


async def test_what_can_not_be_read_is_counted(server, client):
    """A flood of nonsense is to be seen, also where the question comes to nobody."""

    async def handle(message, correlation):
        raise AssertionError((message, correlation))

    broker = NatsBroker(server.url, logger=None, middlewares=[refusing()])
    endpoints = Endpoints(broker)
    endpoints.answer("orders.v1.emails", "orders", AskEmails, Mails, handle)
    async with broker:
        await broker.start()
        await known(broker._connection)
        for number in (1, 2):
            answer = json.loads((await client.request("orders.v1.emails", b"nonsense", timeout=10)).data)
            assert answer["error"]["code"] == "invalid_request"
            [stats] = endpoints.stats
            counted = stats.timings.told()["outcomes"]["refused"]["counts"]
            assert (stats.num_requests, sum(counted)) == (number, number)
