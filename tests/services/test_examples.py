"""What examples/ shows really runs against a running service, as docs/integrating.md and docs/auditing.md say."""

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path

import nats
import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from eventstore_helpers import ask
from service import running_service, until
from vignettes.runtime.embedded import EmbeddedNats

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLIENT = Path(__file__).parents[2] / "examples" / "client.py"


@pytest.fixture(scope="module")
def client():
    """The example as a module."""
    spec = importlib.util.spec_from_file_location("example_client", CLIENT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def nats_url(tmp_path_factory):
    server = EmbeddedNats(tmp_path_factory.mktemp("nats"), 0)
    server.start()
    yield server.url
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(copied, nats_url, tmp_path_factory):
    """On today's clock: the example sells for a week ahead of the real day."""
    with copied() as database:
        ask(database, "UPDATE clock.shift SET ahead = '1 microsecond'")
        async with running_service(database, nats_url, tmp_path_factory.mktemp("house")) as running:
            await running.now()  # answered as soon as everything is there
            await running.place()
            yield running


async def ran(service, state):
    environment = {**os.environ, "NATS_URL": service.settings.nats_url}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(CLIENT), str(state)),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return said.decode()


@pytest.mark.thorough
async def test_it_sells_vignettes_one_after_the_other_and_handles_each_event_once(service, tmp_path):
    """The second run goes on where the first has ended, by its durable consumer."""
    for _ in range(2):
        said = await ran(service, tmp_path / "handled.sqlite")
        kinds = [line.split()[1] for line in said.splitlines() if line.startswith(" ")]
        assert kinds == ["order-placed", "payment-received", "registration-started", "vignette-issued"]
        assert "The vignette is CZ" in said
    jetstream = service.client.jetstream()

    async def settled():
        info = await jetstream.consumer_info("ORDERS", "shop")
        return info.num_ack_pending == 0 and info.num_pending == 0

    assert await until(settled)


@pytest.mark.thorough
async def test_an_event_that_comes_again_is_not_handled_again(client, service, tmp_path):
    placed = await service.place()
    handled = client.Handled(str(tmp_path / "handled.sqlite"))
    first = await of_one_order(client, service, "first", handled, placed)
    await service.pay(placed)
    second = await of_one_order(client, service, "second", handled, placed)
    assert (first, second) == ("order-placed", "payment-received")


async def of_one_order(client, service, durable, handled, placed):
    """Return the type of the next event of an order that a consumer from the stream's first on is given."""
    seen = []

    def handle(event, _database):
        if event.headers["ce-subject"] == placed["order_id"]:
            seen.append(event.headers["ce-type"])
        return not seen

    await client.follow(service.client, durable, handled, handle)
    return seen[0]


@pytest.mark.thorough
async def test_an_event_whose_handling_failed_comes_again_and_nothing_of_it_was_kept(
    client, service, tmp_path, monkeypatch
):
    monkeypatch.setattr(client, "ACK_WAIT_SECONDS", 0.2)
    placed = await service.place()
    handled = client.Handled(str(tmp_path / "handled.sqlite"))
    handled.database.execute("CREATE TABLE sold (order_id text)")

    def lives(event, database):
        database.execute("INSERT INTO sold VALUES (?)", (event.headers["ce-subject"],))
        return event.headers["ce-subject"] != placed["order_id"]

    def dies(event, database):
        assert lives(event, database), "power is off"
        return True

    with pytest.raises(AssertionError, match="power is off"):
        await client.follow(service.client, "failing", handled, dies)
    async with asyncio.timeout(15):
        await client.follow(service.client, "failing", handled, lives)
    sold = handled.database.execute("SELECT count(*) FROM sold WHERE order_id = ?", (placed["order_id"],))
    assert sold.fetchone() == (1,)


async def test_a_command_is_asked_again_with_the_same_id_until_it_is_answered(
    client, nats_server, monkeypatch
):
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(client, "PATIENCE_SECONDS", 0.2)
    connection, asked = await nats.connect(nats_server.url), []

    async def answer(message):
        asked.append(message.data)
        if len(asked) == 1:
            return  # the first is lost
        unavailable = {"ok": False, "error": {"code": "unavailable", "message": "Ask again."}}
        reply = unavailable if len(asked) == 2 else {"ok": True, "order_id": "1"}
        await message.respond(json.dumps(reply).encode())

    await connection.subscribe("orders.v1.place", cb=answer)
    reply = await client.Orders(connection, "shop").command("place", product="CZ-10D")
    assert reply["order_id"] == "1"
    assert len(asked) == 3
    assert len(set(asked)) == 1
    await connection.close()


async def test_a_refusal_is_told_by_its_code_and_field(client, service):
    orders = client.Orders(service.client, "shop")
    with pytest.raises(client.Refused) as refused:
        await orders.command("place", **{**client.an_order(), "product": "XX-1D"})
    assert (refused.value.code, refused.value.field) == ("invalid_request", "product")


async def test_who_is_not_answered_is_told_that_nothing_is_known(client, nats_server, monkeypatch):
    monkeypatch.setattr(client, "PAUSE_SECONDS", 0.001)
    connection = await nats.connect(nats_server.url)
    with pytest.raises(client.Unknown):
        await client.Orders(connection, "shop").command("place")
    await connection.close()


# --- examples/check_bundle.py


@pytest.fixture(scope="module")
def checker():
    spec = importlib.util.spec_from_file_location("check_bundle", CLIENT.with_name("check_bundle.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def exported(service, order):
    """Return a bundle once a head covers all of it, and the ledger's public key."""

    async def look():
        reply = await service.ask("audit.v1.export", order_id=order["order_id"], actor="auditor")
        return reply["bundle"] if reply["ok"] else None

    folder = service.settings.heads_folder
    return await until(look, 30), load_pem_public_key((folder / "ledger.pub").read_bytes())


@pytest.mark.thorough
async def test_somebody_elses_checker_proves_a_bundle_and_finds_every_change(checker, service):
    """It shares no line with ours: whoever reads docs/auditing.md can write such a one."""
    order = await service.place()
    await service.pay(order)
    bundle, key = await exported(service, order)
    assert checker.check(bundle, key) == len(bundle["events"]) == 2
    for change in (
        lambda told: told["events"][0].update(state=told["events"][1]["state"]),
        lambda told: told["events"][1].update(topic="order.expired.v1"),
        lambda told: told["events"][1].update(position=told["events"][1]["position"] + 1),
        lambda told: told["events"][0]["proof"].append(told["events"][0]["proof"][0]),
        lambda told: told["events"][0]["proof"].pop(),
        lambda told: told["events"].pop(0),
        lambda told: told["events"].reverse(),
        lambda told: told["about"].update(id="00000000-0000-4000-8000-000000000000"),
        lambda told: told.update(head=told["head"].replace("position", "Position")),
        lambda told: told.update(form="vignettes-audit-bundle/2"),
    ):
        changed = json.loads(json.dumps(bundle))
        change(changed)
        with pytest.raises(checker.Broken):
            checker.check(changed, key)
