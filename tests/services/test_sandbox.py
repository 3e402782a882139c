"""The sandbox's remote control, and what its authority makes of a registration."""

from datetime import datetime, timedelta

import pytest
import pytest_asyncio

from authorities import impatient
from eventstore_helpers import ask
from service import running_service
from vignettes.runtime.embedded import EmbeddedNats

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEDNESDAY = "2030-06-05T08:00:00+00:00"
REGISTRATION = {
    "order_id", "reference", "country", "plate", "valid_from", "valid_until", "number", "registered_at", "requests"
}  # fmt: skip
MAIL = {"to", "sender", "subject", "message_id", "headers", "text", "html", "attachments", "received_at"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared_service(copied, tmp_path_factory):
    """Begin on a Wednesday morning, give an authority a fraction of a second, and ask again soon."""
    folder = tmp_path_factory.mktemp("sandbox")
    nats_server = EmbeddedNats(folder / "nats", 0)
    nats_server.start()
    authorities = impatient(folder / "authorities")
    with copied() as database:
        running = running_service(database, nats_server.url, folder / "data", authorities_dir=authorities)
        async with running as service:
            await service.ask("sandbox.v1.clock", now=WEDNESDAY)
            yield service
    nats_server.stop()


async def ordered(service, **different):
    """Place and pay an order, press start, and return its id."""
    placed = await service.place(**different)
    await service.pay(placed)
    await service.command("start_registration", order_id=placed["order_id"])
    return placed["order_id"]


def fired(service, *placed):
    """Return what the deadline service has on record as triggered of these orders, this instant."""
    query = "SELECT order_id::text, purpose FROM effect.triggers WHERE order_id = ANY(%s::uuid[])"
    return ask(service.settings.database_url, query, [each["order_id"] for each in placed])


def refusal(reply):
    assert reply["ok"] is False
    return reply["error"]["code"], reply["error"]["field"]


# --- the clock


async def test_the_clock_is_read_set_and_advanced(service):
    """Each answers the time, and only that."""
    tomorrow = f"{await service.day(1)}T08:00:00"
    read = await service.ask("sandbox.v1.clock")
    later = await service.ask("sandbox.v1.clock", now=f"{tomorrow}+02:00")
    advanced = await service.ask("sandbox.v1.clock", advance_seconds=90.5)
    assert read.keys() == later.keys() == advanced.keys() == {"now"}
    times = [datetime.fromisoformat(reply["now"]) for reply in (read, later, advanced)]
    assert times[1] - datetime.fromisoformat(f"{tomorrow}+02:00") < timedelta(seconds=5)
    assert timedelta(seconds=90.5) <= times[2] - times[1] < timedelta(seconds=95)


async def test_the_clock_never_goes_backwards(service):
    """Neither by a time that has passed, nor by less than nothing, nor by what is no number."""
    before = await service.now()
    replies = {
        "now": [await service.ask("sandbox.v1.clock", now="2030-06-05T07:00:00+00:00")],
        "advance_seconds": [
            await service.ask("sandbox.v1.clock", advance_seconds=-1),
            await service.ask("sandbox.v1.clock", advance_seconds=1, now=WEDNESDAY),
            await service.ask_raw("sandbox.v1.clock", b'{"advance_seconds": NaN}'),
            await service.ask_raw("sandbox.v1.clock", b'{"advance_seconds": 1e400}'),
        ],
        "ahead": [await service.ask("sandbox.v1.clock", ahead=1)],
    }
    for field, refused in replies.items():
        assert [refusal(reply) for reply in refused] == [("invalid_request", field)] * len(refused)
    assert timedelta(0) <= await service.now() - before < timedelta(minutes=1)


async def test_an_advance_answers_after_everything_due_was_triggered(service):
    """Looked up the moment it answers, without waiting: starts, and orders that nobody paid."""
    due = [await service.place() for _ in range(5)]
    unpaid = await service.place()
    for placed in due:
        await service.pay(placed)
    await service.advance(days=40)
    wanted = {(placed["order_id"], "registration") for placed in due} | {(unpaid["order_id"], "expiry")}
    assert set(fired(service, *due, unpaid)) == wanted
    assert await service.history(unpaid["order_id"]) == ["OrderPlaced", "OrderExpired"]


# --- the inbox


async def test_the_inbox_is_read_by_address_and_by_order(service):
    """All of it, one recipient's, or one order's; an unknown one has none."""
    first = await service.place(email="anna@example.com")
    await service.place(email="bob@example.com")
    both = await service.inbox(lambda all_: len(all_) == 2)
    assert all(mail.keys() == MAIL for mail in both)
    by_address = await service.ask("sandbox.v1.inbox", to="anna@example.com")
    by_order = await service.ask("sandbox.v1.inbox", order_number=first["order_number"])
    assert by_address == by_order == {"messages": [m for m in both if m["to"] == "anna@example.com"]}
    assert await service.ask("sandbox.v1.inbox", to="nobody@example.com") == {"messages": []}


# --- the authority


@pytest.mark.thorough
async def test_the_register_shows_what_the_authority_holds(service):
    """One row per registration, under our order's id, with the plate as it was sent."""
    order_id = await ordered(service, vehicle={"country": "CZ", "plate": "9R9 2345"})
    order = await service.status(order_id, "issued")
    assert (await service.ask("sandbox.v1.authority")).keys() == {"registrations"}
    [row] = await service.registrations()
    assert row.keys() == REGISTRATION
    assert (row["order_id"], row["country"], row["plate"]) == (order_id, "CZ", "9R92345")
    assert (row["number"], row["reference"]) == (order["vignette_number"], order["vignette_reference"])
    assert row["requests"] == 1


async def test_a_mode_that_is_none_is_refused(service):
    """By the field that is wrong or missing."""
    assert refusal(await service.ask("sandbox.v1.authority", mode="moody")) == ("invalid_request", "mode")
    assert refusal(await service.ask("sandbox.v1.authority", times=2)) == ("invalid_request", "mode")
    nothing = await service.ask("sandbox.v1.authority", mode="down", times=0)
    assert refusal(nothing) == ("invalid_request", "times")


@pytest.mark.case(45)
@pytest.mark.parametrize(
    ("mode", "times", "requests"),
    [("ok", 1, 1), ("down", 2, 1), ("timeout_after_success", 1, 1), ("timeout_before", 2, 3)],
)
async def test_each_fault_ends_in_exactly_one_registration(service, mode, times, requests):
    """After a time-out the authority is asked before anything is sent again (45)."""
    await service.ask("sandbox.v1.authority", mode=mode, times=times)
    order_id = await ordered(service)
    order = await service.status(order_id, "issued")
    [row] = await service.registrations()
    assert (row["order_id"], row["number"]) == (order_id, order["vignette_number"])
    assert row["requests"] == requests
    assert (await service.history(order_id)).count("VignetteIssued") == 1


@pytest.mark.thorough
async def test_a_slow_authority_is_asked_what_became_of_it(service):
    """Slower than our patience: found under our reference, never sent twice."""
    await service.ask("sandbox.v1.authority", mode="slow", country="CZ")
    order_id = await ordered(service)
    await service.status(order_id, "issued")
    [row] = await service.registrations()
    assert row["requests"] == 1


@pytest.mark.thorough
async def test_a_mode_of_one_country_leaves_the_others_alone(service):
    """Slovakia is down until told otherwise; Czechia goes on."""
    await service.ask("sandbox.v1.authority", mode="down", country="SK")
    slovak = await ordered(service, product="SK-10D")
    czech = await ordered(service)
    await service.status(czech, "issued")
    assert (await service.status(slovak))["status"] == "registering"
    await service.ask("sandbox.v1.authority", mode="ok", country="SK")
    await service.status(slovak, "issued")


@pytest.mark.case(49)
async def test_rejected_data_wait_for_the_driver_and_a_correction_leads_to_a_vignette(service):
    """Action needed, a mail that says so, and at once after the correction another try (49)."""
    await service.ask("sandbox.v1.authority", mode="reject", times=1)
    order_id = await ordered(service)
    order = await service.status(order_id, "action_needed")
    assert order["rejection_reason"] == "plate_not_accepted"
    await service.mail_kinds("rejected")
    assert await service.registrations() == []
    corrected = await service.command("correct_details", order_id=order_id, changes={"plate": "1AB 2345"})
    assert corrected["status"] == "scheduled"
    await service.status(order_id, "issued")
    [row] = await service.registrations()
    assert row["plate"] == "1AB2345"


async def test_the_money_for_a_rejected_order_can_go_back(service):
    """No service was provided; and nothing is registered afterwards."""
    await service.ask("sandbox.v1.authority", mode="reject", times=1)
    order_id = await ordered(service)
    await service.status(order_id, "action_needed")
    refund = await service.command("request_refund", order_id=order_id)
    assert (refund["status"], refund["refund"]) == ("refund_pending", {"amount": 39900, "currency": "CZK"})
    await service.advance(days=30)
    assert await service.registrations() == []
