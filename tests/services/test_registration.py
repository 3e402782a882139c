"""Registering, end to end: exactly one vignette whatever the authority does, and a person called in time."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from authorities import BUNDLED, impatient
from eventstore_helpers import ask
from service import running_service, until
from vignettes.runtime.embedded import EmbeddedNats
from vignettes.services.authorities import documents
from vignettes.services.authorities.documents import SealedDocument

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEDNESDAY = "2030-06-05T08:00:00+00:00"
DAY, LAST_DAY = "2030-06-12", "2030-06-21"
QUIET = ("ordering", "projecting", "sandbox")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(copied, tmp_path_factory):
    """Run the roles that answer and the one that registers, with an authority that is asked again soon."""
    folder = tmp_path_factory.mktemp("registration")
    nats_server = EmbeddedNats(folder / "nats", 0)
    nats_server.start()
    authorities = impatient(folder / "authorities")
    roles = (*QUIET, "registration")
    with copied() as database:
        running = running_service(
            database, nats_server.url, folder / "data", roles, authorities_dir=authorities
        )
        async with running as service:
            await service.ask("sandbox.v1.clock", now=WEDNESDAY)
            yield service
    nats_server.stop()


@pytest.fixture
def run(database, nats_server, tmp_path):
    """Run the roles that answer for one test alone; a second call adds others."""

    @asynccontextmanager
    async def running(*roles, beside=None, sections=(), text=BUNDLED):
        folder = impatient(tmp_path / "authorities", *sections, text=text)
        different = {"authority_url": beside.settings.authority_url} if beside else {}
        service = running_service(
            database, nats_server.url, tmp_path / "data", roles, authorities_dir=folder, **different
        )
        async with service as started:
            if beside is None:
                await started.ask("sandbox.v1.clock", now=WEDNESDAY)
            yield started

    return running


async def start(service, **different):
    """Place and pay an order, press start, and return its id."""
    placed = await service.place(**different)
    await service.pay(placed)
    await service.command("start_registration", order_id=placed["order_id"])
    await service.status(placed["order_id"], "registering", "issued", "action_needed")
    return placed["order_id"]


async def told(service, reference, plate, **different):
    """Submit a registration by other ways than our service."""
    said = {"reference": reference, "country": "CZ", "plate": plate, "product": "CZ-10D"}
    body = {**said, "valid_from": DAY, "valid_until": LAST_DAY, **different}
    # Ours tries again while the authority is only starting.
    patient = httpx.AsyncHTTPTransport(retries=5)
    async with httpx.AsyncClient(base_url=service.settings.authority_url, transport=patient) as http:
        answer = await http.post("/registrations", json=body)
    assert answer.status_code == 201


def died_while_sending(service, order_id):
    """Leave the traces of a process that died after it had said that it was about to send."""
    ask(
        service.settings.database_url,
        "INSERT INTO effect.registrations (order_id, started_at, attempts, state, leased_by, leased_until)"
        " SELECT order_id, started_at, 1, 'sending', order_id, clock_timestamp() - interval '1 s'"
        " FROM view.order_status WHERE order_id = %s",
        order_id,
    )


def standing(service, order_id, columns):
    return ask(
        service.settings.database_url,
        f"SELECT {columns} FROM read.registrations WHERE order_id = %s",
        order_id,
    )


async def plate_of(service, order_id):
    return (await service.status(order_id))["plate"].replace(" ", "")


async def seen(service, order_id, condition):
    """Wait until the registration is as wanted."""

    async def look():
        return standing(service, order_id, condition) == [True]

    await until(look)


# --- one vignette


@pytest.mark.case(45)
async def test_a_lost_answer_is_a_state_of_its_own_and_is_asked_about_until_it_is_known(service):
    """Nothing is sent again meanwhile, however long the authority answers no question (case 45)."""
    await service.ask("sandbox.v1.authority", mode="timeout_after_success", times=1)
    order_id = await start(service)
    await seen(service, order_id, "state IN ('sending', 'unknown')")
    await service.ask("sandbox.v1.authority", mode="down")
    await seen(service, order_id, "state = 'unknown' AND unknown_since IS NOT NULL AND attempts >= 3")
    assert await service.history(order_id) == ["OrderPlaced", "PaymentReceived", "RegistrationStarted"]
    await service.ask("sandbox.v1.authority", mode="ok")
    await service.status(order_id, "issued")
    [row] = await service.registrations()
    assert (row["order_id"], row["requests"]) == (order_id, 1)
    await seen(service, order_id, "state = 'recorded' AND unknown_since IS NULL")


@pytest.mark.case(46)
async def test_a_crash_after_the_authoritys_yes_ends_in_that_one_vignette(run):
    """Whoever finds the trace of an earlier attempt asks first (case 46)."""
    async with run(*QUIET) as service:
        order_id = await start(service)
        died_while_sending(service, order_id)
        await told(service, order_id, await plate_of(service, order_id))
        async with run("registration", beside=service):
            order = await service.status(order_id, "issued")
        [row] = await service.registrations()
        assert (row["number"], row["requests"]) == (order["vignette_number"], 1)


@pytest.mark.case(47)
async def test_a_vehicle_that_is_covered_already_is_not_registered_again(service):
    """The customer is told, and may have the money back (case 47)."""
    vehicle = {"country": "CZ", "plate": "7A7 7777"}
    await told(service, "another-reseller", "7A77777")
    order_id = await start(service, vehicle=vehicle, valid_from=DAY)
    order = await service.status(order_id, "action_needed")
    assert order["rejection_reason"] == f"covered {DAY} - {LAST_DAY}"
    assert [row["order_id"] for row in await service.registrations()] == ["another-reseller"]
    rejected = (await service.ask("orders.v1.history", order_id=order_id))["events"][-1]
    assert (rejected["type"], rejected["data"]["code"]) == ("RegistrationRejected", "already_covered")
    assert (await service.command("request_refund", order_id=order_id))["status"] == "refund_pending"


@pytest.mark.case(48)
async def test_of_two_orders_that_are_both_meant_each_is_registered_whichever_comes_first(service):
    """Somebody said so of the second: it covers the vehicle when the first is registered (case 48)."""
    vehicle = {"country": "CZ", "plate": "7T7 7777"}
    first, second = [await service.place(vehicle=vehicle, valid_from=DAY) for _ in range(2)]
    for each in (first, second):
        await service.pay(each)
    await service.command("hold_as_twin", order_id=second["order_id"], twin=first["order_id"])
    await service.command("accept_twin", order_id=second["order_id"])
    for each in (second, first):
        await service.command("start_registration", order_id=each["order_id"])
        await service.status(each["order_id"], "issued")


@pytest.mark.thorough
async def test_with_half_of_the_calls_failing_each_order_has_one_registration(run):
    """Half of the failing ones after success; two processes at work on all of them (I4)."""
    async with run(*QUIET, "registration") as service, run("registration", beside=service):
        await service.ask("sandbox.v1.authority", mode="flaky", share=0.5, seed=7)
        ids = [await start(service) for _ in range(8)]
        for order_id in ids:
            await service.status(order_id, "issued")
        register = await service.registrations()
        assert sorted(row["order_id"] for row in register) == sorted(ids)
        assert max(row["requests"] for row in register) > 1
        [calls, failed] = ask(
            service.settings.database_url, "SELECT calls, calls_failed FROM read.authorities"
        )[0]
        assert failed > 0
        assert calls > 2 * len(ids)


@pytest.mark.thorough
async def test_an_authority_that_is_down_holds_up_no_other(service):
    """Its country is closed to calls; orders of other countries go on, and its own when it is back."""
    await service.ask("sandbox.v1.authority", mode="down", country="SK")
    slovak = [await start(service, product="SK-10D") for _ in range(3)]
    query = "SELECT 1 FROM read.authorities WHERE country = 'SK' AND state <> 'closed' AND failures >= 5"

    async def opened():
        return ask(service.settings.database_url, query)

    await until(opened)
    await service.status(await start(service), "issued")
    await service.ask("sandbox.v1.authority", mode="ok", country="SK")
    for order_id in slovak:
        await service.status(order_id, "issued")


@pytest.mark.thorough
async def test_an_authority_is_not_called_when_it_is_closed(run):
    """In its own zone; at its opening what waits is taken up."""
    hours = '[opening]\nzone = "Europe/Prague"\nhours = [{ from = 10:30:00, until = 12:00:00 }]'
    async with run(*QUIET, "registration", sections=[hours]) as service:
        order_id = await start(service)
        assert (await service.status(order_id))["status"] == "registering"
        await service.advance(minutes=29)  # 10:29 in Prague
        assert ask(service.settings.database_url, "SELECT * FROM read.authorities") == []
        await service.advance(minutes=1)
        await service.status(order_id, "issued")


# --- a person


@pytest.mark.thorough
async def test_a_person_is_called_once_when_time_gets_short(service):
    """Early enough to act; the order goes on, and is issued when the authority is back."""
    with capture_logs() as logs:
        await service.ask("sandbox.v1.authority", mode="down")
        order_id = await start(service, valid_from=DAY)
        await seen(service, order_id, "attempts >= 2")
        await service.advance(minutes=59)
        assert standing(service, order_id, "called_at IS NULL") == [True]
        await service.advance(minutes=1)
        await seen(service, order_id, "called_at IS NOT NULL")
        await service.ask("sandbox.v1.authority", mode="ok")
        await service.status(order_id, "issued")
    events = (await service.ask("orders.v1.history", order_id=order_id))["events"]
    [called] = [event for event in events if event["type"] == "PersonCalled"]
    assert called["data"]["why"] in {"authority_down", "not_registered"}
    assert datetime.fromisoformat(called["data"]["act_by"]) == datetime(2030, 6, 11, 22, tzinfo=UTC)
    assert "registration.person_called" in {each["event"] for each in logs}


async def test_two_registrations_under_one_order_are_a_matter_for_a_person_at_once(run):
    """The driver has a vignette and is told so; somebody must take back the other (I4)."""
    async with run(*QUIET) as service:
        order_id = await start(service, valid_from=DAY)
        died_while_sending(service, order_id)
        for _ in range(2):
            await told(service, order_id, await plate_of(service, order_id))
        async with run("registration", beside=service):
            await service.status(order_id, "issued")
            await seen(service, order_id, "called_at IS NOT NULL")
        assert (await service.history(order_id))[-2:] == ["PersonCalled", "VignetteIssued"]


async def test_another_vehicle_under_our_order_is_a_matter_for_a_person_at_once(run):
    """Nothing is sent, nothing is recorded as issued."""
    async with run(*QUIET) as service:
        order_id = await start(service, valid_from=DAY)
        died_while_sending(service, order_id)
        await told(service, order_id, "1XX1111")
        async with run("registration", beside=service):
            await seen(service, order_id, "called_at IS NOT NULL")
        assert (await service.history(order_id))[-1] == "PersonCalled"
        assert len(await service.registrations()) == 1


# --- the document


async def test_the_official_document_is_kept_and_can_be_erased(service):
    """Under the vehicle's key, with the code that the driver may need; the order's event names its digest."""
    order_id = await start(service)
    await service.status(order_id, "issued")
    issued = (await service.ask("orders.v1.history", order_id=order_id))["events"][-1]["data"]
    [(digest, media_type, size, sealed, key)] = ask(
        service.settings.database_url,
        "SELECT digest, media_type, size, sealed, vehicle_view FROM effect.documents JOIN personal.keys"
        " USING (order_id) WHERE order_id = %s",
        order_id,
    )
    kept = SealedDocument(media_type, size, sealed)
    assert kept.digest == digest
    assert digest in str(issued)
    document = documents.opened(kept, key)
    plate = (await plate_of(service, order_id)).encode()
    assert plate in document.content
    assert plate not in sealed
    assert await service.command("erase", order_id=order_id)
    assert ask(
        service.settings.database_url, "SELECT vehicle_view FROM personal.keys WHERE order_id = %s", order_id
    ) == [None]


@pytest.mark.thorough
async def test_without_its_document_the_vignette_is_issued_all_the_same(run):
    """The driver gets word; a document that can't be had is not waited for."""
    text = BUNDLED.replace("/registrations/{reference}/document", "/nowhere")
    async with run(*QUIET, "registration", text=text) as service:
        order_id = await start(service)
        await service.status(order_id, "issued")
        assert ask(service.settings.database_url, "SELECT * FROM effect.documents") == []


# --- what the sandbox can be asked for


@pytest.mark.case(51)
async def test_the_sandboxs_authority_can_change_a_validity_later(service):
    """As real ones have done by law (case 51)."""
    order_id = await start(service, valid_from=DAY)
    await service.status(order_id, "issued")
    changed = await service.ask("sandbox.v1.authority", order_id=order_id, valid_until="2030-07-01")
    [row] = [each for each in changed["registrations"] if each["order_id"] == order_id]
    assert row["valid_until"] == "2030-07-01"
    by_reference = {"reference": row["reference"], "valid_until": "2030-07-02"}
    await service.ask("sandbox.v1.authority", **by_reference)
    assert [row["valid_until"] for row in await service.registrations()] == ["2030-07-02"]
    refused = await service.ask("sandbox.v1.authority", order_id=order_id)
    assert refused["error"]["field"] == "valid_until"


@pytest.mark.thorough
async def test_the_sandboxs_authority_can_reject_for_any_reason(service):
    """The order shows the code, beside the authority's words."""
    await service.ask("sandbox.v1.authority", mode="reject", reason="vehicle_not_accepted", times=1)
    order_id = await start(service)
    await service.status(order_id, "action_needed")
    rejected = (await service.ask("orders.v1.history", order_id=order_id))["events"][-1]
    assert rejected["data"]["code"] == "vehicle_not_accepted"
    refused = await service.ask("sandbox.v1.authority", mode="reject", reason="bad mood")
    assert refused["error"]["field"] == "reason"
