"""The deadline service: every paid order starts when it must, once, whatever the clock and the stream do."""

import json
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from service import until
from vignettes.services.emitting import message_id

WEDNESDAY = "2030-06-05T08:00:00+00:00"


@pytest.fixture
async def service(service):
    """Begin on a Wednesday morning, whenever the tests are run."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    return service


def ledger(service):
    """Return the rows of read.deadlines, in the order in which they fired."""
    with psycopg.connect(service.settings.database_url, row_factory=dict_row) as connection:
        return connection.execute("SELECT * FROM read.deadlines ORDER BY fired_at, planned_at").fetchall()


async def trigger(service, order_id, generation, *, due_at=WEDNESDAY, **headers):
    """Publish a trigger by hand, as a stream that repeats itself would."""
    body = {
        "order_id": order_id,
        "generation": generation,
        "due_at": due_at,
        "rule": "lead",
        "emitted_at": due_at,
    }
    await service.client.jetstream().publish(
        "registrations.triggers.v1.CZ",
        json.dumps(body).encode(),
        stream="REGISTRATIONS",
        headers=headers or None,
    )


async def all_triggers_done(service):
    """Wait until the registration service has acknowledged every trigger of the stream."""

    async def look():
        consumer = await service.client.jetstream().consumer_info("REGISTRATIONS", "registration")
        return consumer.num_pending == 0 and consumer.num_ack_pending == 0

    await until(look)


async def paid(service, **different):
    placed = await service.place(**different)
    reply = await service.pay(placed)
    return placed["order_id"], datetime.fromisoformat(reply["due"])


@pytest.mark.parametrize(
    ("clock", "start"),
    [
        ("2030-06-05T08:00:00+00:00", "2030-06-05"),
        ("2030-06-05T20:00:00+00:00", "2030-06-06"),  # 22:00 in Prague, for midnight
        ("2030-06-05T22:30:00+00:00", "2030-06-06"),  # the day has begun in Prague, not in Greenwich
    ],
)
async def test_an_order_for_the_same_day_starts_a_minute_after_the_money(service, clock, start):
    """Exactly paid + grace, and so within five minutes (1, 2)."""
    await service.ask("sandbox.v1.clock", now=clock)
    order_id, due = await paid(service, valid_from=start)
    arrived = (await service.status(order_id, "scheduled"))["paid_at"]
    assert due == datetime.fromisoformat(arrived) + timedelta(seconds=60)
    await service.advance(seconds=50)
    assert "RegistrationStarted" not in await service.history(order_id)
    await service.advance(seconds=10)
    order = await service.status(order_id, "issued")
    assert order["started_rule"] == "grace"
    assert timedelta(0) <= datetime.fromisoformat(order["started_at"]) - due < timedelta(minutes=4)


async def test_an_order_for_next_week_starts_twelve_hours_before(service):
    """Not a minute sooner; nothing asks for it in between."""
    order_id, due = await paid(service, valid_from="2030-06-12")
    assert due == datetime(2030, 6, 11, 10, 0, tzinfo=UTC)
    await service.ask("sandbox.v1.clock", now="2030-06-11T09:59:00+00:00")
    assert ledger(service)[-1]["fired_at"] is None
    await service.ask("sandbox.v1.clock", now="2030-06-11T10:00:00+00:00")
    order = await service.status(order_id, "issued")
    assert order["started_rule"] == "lead"
    assert timedelta(0) <= datetime.fromisoformat(order["started_at"]) - due < timedelta(minutes=1)


@pytest.mark.case(16)
async def test_after_a_long_jump_everything_overdue_fires_once_earliest_validity_first(service):
    """As after an outage of our own (16), for orders paid in another order than they begin."""
    days = (12, 9, 15, 10, 14, 11)
    orders = {day: (await paid(service, valid_from=f"2030-06-{day:02}"))[0] for day in days}
    stream = service.client.jetstream()
    await service.ask("sandbox.v1.clock", now="2030-06-15T08:00:00+00:00")
    triggers = [
        json.loads((await stream.get_msg("REGISTRATIONS", seq=seq)).data) for seq in range(1, len(days) + 1)
    ]
    assert [each["order_id"] for each in triggers] == [orders[day] for day in sorted(days)]
    await all_triggers_done(service)
    assert (await stream.stream_info("REGISTRATIONS")).state.messages == len(days)
    for order_id in orders.values():
        started = (await service.history(order_id)).count("RegistrationStarted")
        held = (await service.history(order_id)).count("OrderHeld")
        assert (started, held) == ((1, 0))


@pytest.mark.case(38)
async def test_an_old_trigger_changes_nothing_after_a_corrected_start(service):
    """The order now begins later; the trigger of its first generation comes all the same (38)."""
    order_id, due = await paid(service, valid_from="2030-06-07")
    corrected = await service.command(
        "correct_details", order_id=order_id, changes={"valid_from": "2030-06-20"}
    )
    assert datetime.fromisoformat(corrected["due"]) == datetime(2030, 6, 19, 10, 0, tzinfo=UTC)
    await service.ask("sandbox.v1.clock", now="2030-06-07T08:00:00+00:00")
    before = await service.history(order_id)
    await trigger(service, order_id, 1, due_at=due.isoformat())
    await all_triggers_done(service)
    assert await service.history(order_id) == before
    await service.ask("sandbox.v1.clock", now="2030-06-19T10:00:00+00:00")
    await service.status(order_id, "issued")
    outcomes = {
        (row["purpose"], row["generation"]): (row["outcome"], row["fired_at"] is not None)
        for row in ledger(service)
    }
    assert outcomes["registration", 1] == ("superseded", False)
    assert outcomes["registration", 2] == ("started", True)


async def test_a_trigger_repeated_early_or_late_is_harmless(service):
    """Before its time, twice at it, and long after: one start, one vignette (53)."""
    order_id, _ = await paid(service, valid_from="2030-06-12")
    await trigger(service, order_id, 1)
    await all_triggers_done(service)
    assert "RegistrationStarted" not in await service.history(order_id)
    await service.ask("sandbox.v1.clock", now="2030-06-11T10:00:00+00:00")
    await trigger(service, order_id, 1)
    await trigger(service, order_id, 1)
    await service.status(order_id, "issued")
    await trigger(service, order_id, 1)
    await trigger(service, order_id, 99)
    await trigger(service, "00000000-0000-4000-8000-000000000000", 1)
    await all_triggers_done(service)
    history = await service.history(order_id)
    assert history == ["OrderPlaced", "PaymentReceived", "RegistrationStarted", "VignetteIssued"]
    [row] = await service.registrations()
    assert row["requests"] == 1


async def test_the_stream_knows_a_trigger_that_is_sent_twice(service):
    """Its id is order and generation, so that a crash before our own note costs nothing."""
    order_id, _ = await paid(service, valid_from="2030-06-05")
    await service.advance(minutes=2)
    same = {"Nats-Msg-Id": message_id(UUID(order_id), 1)}
    await trigger(service, order_id, 1, **same)
    state = (await service.client.jetstream().stream_info("REGISTRATIONS")).state
    assert state.messages == 1


async def test_a_trigger_that_nobody_can_read_stops_nobody(service):
    """It is put aside with an alarm; the next one is worked on."""
    await service.client.jetstream().publish("registrations.triggers.v1.CZ", b"not JSON")
    order_id, _ = await paid(service, valid_from="2030-06-05")
    await service.advance(minutes=2)
    await service.status(order_id, "issued")
    await all_triggers_done(service)


async def test_an_unpaid_order_expires_after_the_days_of_the_settings(service):
    """Fourteen days after the day on which it should have begun; what came in part goes back."""
    nothing = await service.place(valid_from="2030-06-12")
    part = await service.place(valid_from="2030-06-12")
    await service.pay(part, amount={"amount": 100, "currency": "CZK"})
    await service.ask("sandbox.v1.clock", now="2030-06-26T21:59:00+00:00")
    assert await service.history(nothing["order_id"]) == ["OrderPlaced"]
    await service.ask("sandbox.v1.clock", now="2030-06-26T22:00:00+00:00")  # midnight in Prague
    assert await service.history(nothing["order_id"]) == ["OrderPlaced", "OrderExpired"]
    events = ["OrderPlaced", "PaymentReceived", "OrderExpired", "RefundRequested"]
    assert await service.history(part["order_id"]) == events
    late = await service.pay(nothing)
    assert (late["status"], late["due"]) == ("expired", None)
