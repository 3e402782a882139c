"""Three NATS servers and the shipped logins: every role does its work by its own key and login, and no other's."""

import asyncio
import contextlib
import importlib.util
import json
import os
import ssl
import sys
from pathlib import Path

import httpx
import nats
import pytest
import pytest_asyncio
from nats.js.api import AckPolicy
from nats.js.errors import ServiceUnavailableError

from nats_cluster import Cluster, certificates
from nats_users import ONLY, USERS, covers
from service import BEGINNING, Service, set_clock, settings_for, until
from shipped_logins import as_login, logins
from vignettes.messages import events
from vignettes.runtime import bootstrap
from vignettes.runtime.nats_access import NatsAccess, make_seed
from vignettes.services import discovery, streams

pytestmark = pytest.mark.asyncio(loop_scope="module")
EXAMPLE = Path(__file__).parents[2] / "examples" / "client.py"
#: Where other accounts find what they may of JetStream.
PREFIX = "vignettes.js"


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
    """Run every role with its own key, as a machine of one's own would; each makes the stream that it writes."""
    folder = tmp_path_factory.mktemp("house")
    async with contextlib.AsyncExitStack() as stack:
        database = stack.enter_context(copied())
        stack.enter_context(logins(database))
        set_clock(database, BEGINNING)
        stop = asyncio.Event()
        common = settings_for(database, cluster.url, folder)
        tasks = []
        tester = await stack.enter_async_context(connected(cluster, "tester"))
        try:
            for role in (*bootstrap.ROLES, bootstrap.SANDBOX):
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
    async with httpx.AsyncClient() as http:
        for path in ("readyz", "metrics"):
            await http.get(f"http://127.0.0.1:{service.settings.http_port}/{path}")
    assert cluster.refusals() == []
    for role in bootstrap.ROLES:
        assert never_said(cluster, role) == set(), role
        assert never_heard(cluster, role) == set(), role


def never_said(cluster, user):
    """Return what of JetStream, discovery and streams a user may publish, and did not."""
    said = cluster.said(user)
    own = {each for each in USERS[user].publish if each[0] == "$" or "*" in each}
    return {each for each in own if not any(covers(each, subject) for subject in said)}


def never_heard(cluster, role):
    """Return what a role may listen to, and did not."""
    heard = cluster.heard(role)

    def listened(pattern):
        subject, *queue = pattern.split()
        return any(covers(subject, each.split()[0]) and each.split()[1:] == queue for each in heard)

    return {each for each in USERS[role].subscribe - {f"_INBOX.{role}.>"} if not listened(each)}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def consumers(service, cluster):
    """The operator makes them, as docs/operating.md says; the others may not."""
    async with connected(cluster, "operations") as operator:
        for stream, durable in (
            (events.STREAM, "shop"),
            (events.STREAM, "accounting"),
            (events.HEAD_STREAM, "auditor"),
        ):
            await operator.jetstream().add_consumer(
                stream, name=durable, durable_name=durable, ack_policy=AckPolicy.EXPLICIT
            )


@pytest.fixture
def example(cluster, monkeypatch):
    """examples/client.py, told of by its environment as docs/integrating.md has it."""
    spec = importlib.util.spec_from_file_location("example_client", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    told = {
        "NATS_URL": cluster.url,
        "NATS_NKEY": str(cluster.seed("shop")),
        "NATS_CA": str(cluster.authorities),
        "NATS_INBOX": "_INBOX.shop",
        "NATS_JETSTREAM": PREFIX,
    }
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    return module


async def test_a_client_in_an_account_of_its_own_sells_and_hears_of_it(
    service, consumers, cluster, example, tmp_path
):
    """The example that is shipped: commands, and the events by a consumer that somebody else has made."""
    shop = await example.connected()
    try:
        orders = example.Orders(shop, actor="shop")
        placed = await orders.command(
            "place",
            product="CZ-10D",
            vehicle={"country": "CZ", "plate": "2A2 7001"},
            valid_from=(await service.day(7)).isoformat(),
            email="driver@example.com",
            language="en",
        )
        handled, seen = example.Handled(str(tmp_path / "handled.sqlite")), []

        def handle(event, _database):
            if event.headers["ce-subject"] == placed["order_id"]:
                seen.append((event.headers["ce-type"], event.subject))
            return not seen

        async with asyncio.timeout(20):
            await example.follow(shop, "shop", handled, handle)
        assert seen == [("order-placed", f"orders.events.v1.order-placed.{placed['order_id']}")]
        asked = await orders.query("status", order_id=placed["order_id"], min_position=placed["position"])
        assert asked["order"]["status"] == "awaiting_payment"
    finally:
        await shop.drain()
    assert cluster.refusals() == []
    assert never_said(cluster, "shop") == set()


async def test_accounting_reads_along_and_an_auditor_reads_the_heads(service, consumers, cluster):
    """Each by its own consumer: what one has read, the other has still before it."""
    placed = await service.place()
    async with connected(cluster, "accounting") as accounting, connected(cluster, "auditor") as auditor:
        for client, stream, durable in (
            (accounting, events.STREAM, "accounting"),
            (auditor, events.HEAD_STREAM, "auditor"),
        ):
            known = client.jetstream(prefix=PREFIX)
            [first] = await (await known.pull_subscribe_bind(durable, stream)).fetch(1, timeout=20)
            await first.ack_sync()
        asked = Service(service.settings, auditor, service.serving)
        assert (await asked.ask("audit.v1.history", order_id=placed["order_id"], actor="auditor"))["ok"]
    assert cluster.refusals() == []


async def test_whoever_was_given_too_much_still_reaches_only_what_is_exported(service, cluster):
    """The second lock: in its account there is nothing of ours but what other services may ask."""
    asked = ("orders.v1.erase", "orders.v1.record_issue", "payments.v1.import", "audit.v1.export")
    made = tuple(f"{PREFIX}.CONSUMER.{verb}.ORDERS.spy" for verb in ("CREATE", "DELETE"))
    async with connected(cluster, "careless") as careless:
        for subject in (*asked, *made, "orders.events.v1.vignette-issued.x"):
            with pytest.raises(nats.errors.NoRespondersError):
                await careless.request(subject, b"{}", timeout=5)
        with pytest.raises(ServiceUnavailableError, match="not enabled for account"):
            await careless.jetstream().stream_info(events.STREAM)
        heard = await careless.subscribe(">")
        await careless.flush()
        before = (await service.client.jetstream().stream_info(events.STREAM)).state.last_seq
        await service.place()

        async def published():
            return (await service.client.jetstream().stream_info(events.STREAM)).state.last_seq > before

        await until(published)
        await careless.flush()
        assert heard.pending_msgs == 0


@pytest.mark.thorough
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


@pytest.mark.parametrize("user", USERS)
async def test_each_is_refused_what_is_not_its_own(cluster, user):
    wanted = {subject for subject, those in ONLY.items() if user not in those}
    assert await refused(cluster, user, publish=tuple(wanted)) == wanted
    foreign = {"_INBOX.>", ">", "$JS.>", "$SYS.>", "orders.v1.place", "orders.events.v1.>"}
    foreign |= {f"_INBOX.{other}.>" for other in USERS.keys() - {user}}
    assert await refused(cluster, user, subscribe=tuple(foreign)) == foreign


# --- coming in


async def coming(cluster, *, url=None, **said):
    """Try to come in as the settings say, once."""
    urls = url or cluster.url.split(",")[0]
    known = settings_for("postgresql://nobody@nowhere/none", urls, cluster.folder, **said)
    options = NatsAccess.of(known).options()
    client = await nats.connect(urls, **options, allow_reconnect=False, connect_timeout=1)
    await client.close()


async def test_whoever_has_no_key_or_an_unknown_one_is_not_let_in(cluster, tmp_path):
    make_seed(tmp_path / "unknown.nk")
    for key in ({}, {"nats_nkey_file": tmp_path / "unknown.nk"}):
        with pytest.raises(nats.errors.Error, match="Authorization Violation"):
            await coming(cluster, nats_ca_file=cluster.authorities, **key)
    await coming(cluster, nats_ca_file=cluster.authorities, nats_nkey_file=cluster.seed("web"))


async def test_a_server_is_believed_only_by_our_authority_and_under_its_name(cluster, tmp_path):
    certificates(tmp_path / "others")
    key = {"nats_nkey_file": cluster.seed("web")}
    for authorities in ({"nats_ca_file": tmp_path / "others" / "ca.crt"}, {}):
        with pytest.raises(ssl.SSLCertVerificationError, match="certificate verify failed"):
            await coming(cluster, **key, **authorities)
    elsewhere = cluster.url.split(",")[0].replace("127.0.0.1", "localhost")
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        await coming(cluster, url=elsewhere, nats_ca_file=cluster.authorities, **key)


async def test_in_plain_text_the_server_says_nothing(cluster):
    """Not even who it is, and it hangs up on whoever begins without TLS."""
    host, port = cluster.url.split(",")[0].removeprefix("tls://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(b"CONNECT {}\r\nPING\r\n")
        async with asyncio.timeout(10):
            said = await reader.read()
    finally:
        writer.close()
    assert b"INFO" not in said
    assert b"PONG" not in said
