"""Three NATS servers and the shipped logins: every role does its work by its own key and login, and no other's."""

import asyncio
import contextlib
import json
import os
import sys

import nats
import pytest
import pytest_asyncio

from nats_cluster import Cluster
from service import BEGINNING, Service, set_clock, settings_for, until
from shipped_logins import as_login, logins
from vignettes.messages import events
from vignettes.runtime import bootstrap
from vignettes.runtime.nats_access import NatsAccess
from vignettes.services import discovery, streams

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: What each may not say; the first is another role's word.
FOREIGN = {
    "ordering": ("orders.v1.record_issue", "orders.events.v1.vignette-issued.x"),
    "projecting": ("orders.v1.place", "orders.events.v1.order-placed.x"),
    "deadlines": ("orders.v1.place", "orders.events.v1.order-placed.x"),
    "registration": ("orders.v1.erase", "registrations.triggers.v1.CZ"),
    "payments": ("orders.v1.place", "orders.v1.erase"),
    "support": ("orders.v1.erase", "payments.v1.pay_out"),
    "mailing": ("orders.v1.place", "support.v1.erase"),
    "publishing": ("orders.v1.place", "registrations.triggers.v1.CZ"),
    "auditing": ("orders.v1.place", "orders.events.v1.order-placed.x"),
    "web": ("orders.v1.receive_payment", "payments.v1.import", "support.v1.erase"),
    "operations": ("registrations.triggers.v1.CZ", "$JS.API.STREAM.DELETE.ORDERS"),
    "auditor": ("orders.v1.place", "orders.v1.history"),
    "shop": ("orders.v1.record_issue", "orders.v1.history"),
}
FOR_NOBODY = ("$JS.API.STREAM.DELETE.ORDERS", "$JS.API.STREAM.PURGE.ORDERS", "$JS.API.STREAM.CREATE.SPY")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    cluster = Cluster(tmp_path_factory.mktemp("nats"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


def access(cluster, user):
    return {
        "nats_nkey_file": cluster.seed(user),
        "nats_ca_file": cluster.authorities,
        "nats_inbox": f"_INBOX.{user}",
        "nats_replicas": 3,
    }


def login(database, role):
    """The sandbox moves the database's clock, which no role of the service may."""
    return {} if role == bootstrap.SANDBOX else {"database_url": as_login(database, f"vignettes_run_{role}")}


@contextlib.asynccontextmanager
async def connected(cluster, user, **more):
    known = settings_for(
        "postgresql://nobody@nowhere/none", cluster.url, cluster.folder, **access(cluster, user)
    )
    client = await nats.connect(cluster.url.split(","), **NatsAccess.of(known).options(), **more)
    try:
        yield client
    finally:
        await client.close()


async def refused(cluster, user, *, publish=(), subscribe=()):
    """Return what of it the server has refused to a user."""
    found = []

    async def note(error):
        found.append(str(error))

    async with connected(cluster, user, error_cb=note) as client:
        for subject in publish:
            await client.publish(subject, b"{}")
        for subject in subscribe:
            await client.subscribe(subject)
        await client.flush()
        await client.flush()
        await asyncio.sleep(0)
    told = " ".join(found).lower()
    return {each for each in (*publish, *subscribe) if f'"{each.lower()}"' in told}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(cluster, copied, tmp_path_factory):
    """Run every role with its own key, as a machine of one's own would; the operator makes the streams."""
    folder = tmp_path_factory.mktemp("house")
    async with contextlib.AsyncExitStack() as stack:
        operator = await stack.enter_async_context(connected(cluster, "operations"))
        await streams.ensure(operator, 3)
        database = stack.enter_context(copied())
        stack.enter_context(logins(database))
        set_clock(database, BEGINNING)
        stop = asyncio.Event()
        common = settings_for(database, cluster.url, folder)
        tasks = []
        tester = await stack.enter_async_context(connected(cluster, "tester"))
        try:
            for role in (bootstrap.SANDBOX, *bootstrap.ROLES):
                settings = common.model_copy(update=access(cluster, role) | login(database, role))
                tasks.append(asyncio.create_task(bootstrap.serve(settings, [role], stop)))
                await until_there(tester, role, tasks)
            yield Service(common, tester, tasks[0])
        finally:
            stop.set()
            await asyncio.gather(*tasks)


async def until_there(client, role, tasks):
    """Return when a role answers; as soon as one ends instead, with its reason."""

    async def look():
        for task in tasks:
            if task.done():
                task.result()
        return discovery.service_name(role) in {each.name for each in await discovery.present(client, 0.1)}

    await until(look)


async def test_an_order_goes_all_the_way_and_nobody_is_refused_a_word(service, cluster):
    """Placed, paid, triggered, registered, mailed, published, and signed into the ledger, on two servers of three."""
    placed = await service.place()
    await service.pay(placed)
    await service.advance(days=8)
    await service.status(placed["order_id"], "issued")
    await service.mail_kinds("placed", "paid", "issued")
    jetstream = service.client.jetstream()
    for stream, at_least in ((events.STREAM, 4), (events.TRIGGER_STREAM, 1), (events.HEAD_STREAM, 1)):

        async def holds(stream=stream, at_least=at_least):
            found = await jetstream.stream_info(stream)
            return found if found.state.messages >= at_least else None

        assert (await until(holds)).config.num_replicas == 3
    assert cluster.refusals() == []


async def test_another_service_sells_and_hears_of_it_and_an_auditor_reads_the_heads(service, cluster):
    async with connected(cluster, "shop") as shop, connected(cluster, "auditor") as auditor:
        placed = await Service(service.settings, shop, service.serving).command(
            "place",
            product="CZ-10D",
            vehicle={"country": "CZ", "plate": "2A2 7001"},
            valid_from=(await service.day(7)).isoformat(),
            email="driver@example.com",
            language="en",
        )
        consumer = await shop.jetstream().pull_subscribe(
            "orders.events.v1.>", durable="shop", stream=events.STREAM
        )
        [message] = await consumer.fetch(1, timeout=10)
        await message.ack_sync()
        asked = Service(service.settings, auditor, service.serving)
        assert (await asked.ask("audit.v1.history", order_id=placed["order_id"], actor="auditor"))["ok"]
        heads = await auditor.jetstream().pull_subscribe(
            events.HEAD_SUBJECTS, durable="auditor", stream=events.HEAD_STREAM
        )
        assert await heads.fetch(1, timeout=20)
    assert cluster.refusals() == []


async def test_the_operator_looks_at_everything(service, cluster, tmp_path):
    """Also at the streams, and at who is there; what the sandbox is warned of is another thing."""
    told = access(cluster, "operations") | {
        "nats_url": cluster.url,
        "database_url": as_login(service.settings.database_url, "vignettes_run_operations"),
        "data_dir": service.settings.data_dir,
        "sandbox": "true",
        "clock": "movable",
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "vignettes", "doctor", "--json"),
        env={**os.environ, **{f"VIGNETTES_{name.upper()}": str(value) for name, value in told.items()}},
        stdout=asyncio.subprocess.PIPE,
        cwd=tmp_path,
    )
    said, _ = await process.communicate()
    states = {each["what"]: each["state"] for each in json.loads(said)["checks"]}
    assert {states[name] for name in ("rights", "JetStream", "ORDERS", "REGISTRATIONS", "HEADS")} == {"ok"}
    # It asks the server itself too, as only the system's account may, and says so.
    assert [each for each in cluster.refusals() if "$SYS" not in each] == []


async def test_a_role_starts_without_the_stream_of_another(service, cluster):
    """It may not create it, and has no use for it: orders are taken while the heads have no stream."""
    await service.client.jetstream().delete_stream(events.HEAD_STREAM)
    told = access(cluster, "ordering") | login(service.settings.database_url, "ordering")
    stop, settings = asyncio.Event(), service.settings.model_copy(update=told)
    starting = asyncio.create_task(bootstrap.serve(settings, ["ordering"], stop))

    async def both_there():
        if starting.done():
            starting.result()
        found = await discovery.present(service.client, 0.1)
        return [each.name for each in found].count(discovery.service_name("ordering")) == 2

    try:
        await until(both_there)
    finally:
        stop.set()
        await asyncio.gather(starting, return_exceptions=True)
        async with connected(cluster, "operations") as operator:
            await streams.ensure(operator, 3)
    assert [each for each in cluster.refusals() if "HEADS" in each] == []


@pytest.mark.parametrize("user", FOREIGN)
async def test_each_is_refused_what_is_not_its_own(cluster, user):
    other = "_INBOX.ordering.>" if user != "ordering" else "_INBOX.web.>"
    wanted = {*FOREIGN[user], *FOR_NOBODY}
    assert await refused(cluster, user, publish=tuple(wanted)) == wanted
    assert await refused(cluster, user, subscribe=(other, ">")) == {other, ">"}


async def test_whoever_has_no_key_is_not_let_in(cluster):
    known = settings_for(
        "postgresql://nobody@nowhere/none", cluster.url, cluster.folder, nats_ca_file=cluster.authorities
    )
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await nats.connect(cluster.url.split(","), **NatsAccess.of(known).options(), allow_reconnect=False)
