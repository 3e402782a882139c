"""The deadline service: every paid order starts when it must, once, whatever the clock and the stream do."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import psycopg
import pytest
from psycopg.rows import dict_row

from service import until
from vignettes.services.emitting import message_id

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Week:
    """The days from the Wednesday on, on which a test begins."""

    def __init__(self, service, wednesday):
        self.service = service
        self._midnight = wednesday.replace(hour=0)

    def day(self, number):
        """Return a day by its distance from that Wednesday."""
        return self.at(number).date().isoformat()

    def at(self, number, hour=0, minute=0):
        """Return an instant of such a day (UTC)."""
        return self._midnight + timedelta(days=number, hours=hour, minutes=minute)

    async def goes_on(self, *until):
        """Move the clock on to an instant, unless it is there already."""
        await self.service.ask("sandbox.v1.clock", now=self.at(*until).isoformat())


@pytest.fixture
def week(service, wednesday):
    return Week(service, wednesday)


def ledger(service, order_id):
    """Return the rows of read.deadlines of an order, in the order in which they fired."""
    query = "SELECT * FROM read.deadlines WHERE order_id = %s ORDER BY fired_at, planned_at"
    with psycopg.connect(service.settings.database_url, row_factory=dict_row) as connection:
        return connection.execute(query, (order_id,)).fetchall()


async def trigger(service, order_id, generation, *, due_at, **headers):
    """Publish a trigger by hand, as a stream that repeats itself would."""
    body = {
        "order_id": order_id,
        "generation": generation,
        "due_at": due_at.isoformat(),
        "rule": "lead",
        "emitted_at": due_at.isoformat(),
    }
    await service.client.jetstream().publish(
        "registrations.triggers.v1.CZ",
        json.dumps(body).encode(),
        stream="REGISTRATIONS",
        headers=headers or None,
    )


async def triggered(service, *order_ids):
    """Return the orders that the triggers in the stream are for, one by one, of those given."""
    stream = service.client.jetstream()
    last = (await stream.stream_info("REGISTRATIONS")).state.last_seq
    bodies = [(await stream.get_msg("REGISTRATIONS", seq=seq)).data for seq in range(1, last + 1)]
    return [each for body in bodies for each in order_ids if each.encode() in body]


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
        ((8, 0), 0),
        ((20, 0), 1),  # 22:00 in Prague, for midnight
        ((22, 30), 1),  # the day has begun in Prague, not in Greenwich
    ],
)
async def test_an_order_for_the_same_day_starts_a_minute_after_the_money(service, week, clock, start):
    """Exactly paid + grace, and so within five minutes (1, 2)."""
    await week.goes_on(0, *clock)
    order_id, due = await paid(service, valid_from=week.day(start))
    arrived = (await service.status(order_id, "scheduled"))["paid_at"]
    assert due == datetime.fromisoformat(arrived) + timedelta(seconds=60)
    await service.advance(seconds=50)
    assert "RegistrationStarted" not in await service.history(order_id)
    await service.advance(seconds=10)
    order = await service.status(order_id, "issued")
    assert order["started_rule"] == "grace"
    assert timedelta(0) <= datetime.fromisoformat(order["started_at"]) - due < timedelta(minutes=4)


async def test_an_order_for_next_week_starts_twelve_hours_before(service, week):
    """Not a minute sooner; nothing asks for it in between."""
    order_id, due = await paid(service, valid_from=week.day(7))
    assert due == week.at(6, 10)
    await week.goes_on(6, 9, 59)
    assert ledger(service, order_id)[-1]["fired_at"] is None
    await week.goes_on(6, 10)
    order = await service.status(order_id, "issued")
    assert order["started_rule"] == "lead"
    assert timedelta(0) <= datetime.fromisoformat(order["started_at"]) - due < timedelta(minutes=1)


@pytest.mark.case(16)
async def test_after_a_long_jump_everything_overdue_fires_once_earliest_validity_first(service, week):
    """As after an outage of our own (16), for orders paid in another order than they begin."""
    days = (7, 4, 10, 5, 9, 6)
    orders = {day: (await paid(service, valid_from=week.day(day)))[0] for day in days}
    await week.goes_on(10, 8)
    in_turn = [orders[day] for day in sorted(days)]
    assert await triggered(service, *in_turn) == in_turn
    await all_triggers_done(service)
    assert await triggered(service, *in_turn) == in_turn
    for order_id in orders.values():
        started = (await service.history(order_id)).count("RegistrationStarted")
        held = (await service.history(order_id)).count("OrderHeld")
        assert (started, held) == ((1, 0))


@pytest.mark.case(38)
async def test_an_old_trigger_changes_nothing_after_a_corrected_start(service, week):
    """The order now begins later; the trigger of its first generation comes all the same (38)."""
    order_id, due = await paid(service, valid_from=week.day(2))
    corrected = await service.command(
        "correct_details", order_id=order_id, changes={"valid_from": week.day(15)}
    )
    assert datetime.fromisoformat(corrected["due"]) == week.at(14, 10)
    await week.goes_on(2, 8)
    before = await service.history(order_id)
    await trigger(service, order_id, 1, due_at=due)
    await all_triggers_done(service)
    assert await service.history(order_id) == before
    await week.goes_on(14, 10)
    await service.status(order_id, "issued")
    outcomes = {
        (row["purpose"], row["generation"]): (row["outcome"], row["fired_at"] is not None)
        for row in ledger(service, order_id)
    }
    assert outcomes["registration", 1] == ("superseded", False)
    assert outcomes["registration", 2] == ("started", True)


async def test_a_trigger_repeated_early_or_late_is_harmless(service, week):
    """Before its time, twice at it, and long after: one start, one vignette (53)."""
    order_id, _ = await paid(service, valid_from=week.day(7))
    began = {"due_at": week.at(0, 8)}
    await trigger(service, order_id, 1, **began)
    await all_triggers_done(service)
    assert "RegistrationStarted" not in await service.history(order_id)
    await week.goes_on(6, 10)
    await trigger(service, order_id, 1, **began)
    await trigger(service, order_id, 1, **began)
    await service.status(order_id, "issued")
    await trigger(service, order_id, 1, **began)
    await trigger(service, order_id, 99, **began)
    await trigger(service, "00000000-0000-4000-8000-000000000000", 1, **began)
    await all_triggers_done(service)
    history = await service.history(order_id)
    assert history == ["OrderPlaced", "PaymentReceived", "RegistrationStarted", "VignetteIssued"]
    [row] = await service.registrations()
    assert row["requests"] == 1


async def test_the_stream_knows_a_trigger_that_is_sent_twice(service, week):
    """Its id is order and generation, so that a crash before our own note costs nothing."""
    order_id, due = await paid(service, valid_from=week.day(0))
    await service.advance(minutes=2)
    same = {"Nats-Msg-Id": message_id(UUID(order_id), 1)}
    await trigger(service, order_id, 1, due_at=due, **same)
    assert await triggered(service, order_id) == [order_id]


async def test_a_trigger_that_nobody_can_read_stops_nobody(service, week):
    """It is put aside with an alarm; the next one is worked on."""
    await service.client.jetstream().publish("registrations.triggers.v1.CZ", b"not JSON")
    order_id, _ = await paid(service, valid_from=week.day(0))
    await service.advance(minutes=2)
    await service.status(order_id, "issued")
    await all_triggers_done(service)


async def test_an_unpaid_order_expires_after_the_days_of_the_settings(service, week):
    """Fourteen days after the day on which it should have begun; what came in part goes back."""
    nothing, part = [await service.place(valid_from=week.day(7)) for _ in range(2)]
    await service.pay(part, amount={"amount": 100, "currency": "CZK"})
    await week.goes_on(21, 21, 59)
    assert await service.history(nothing["order_id"]) == ["OrderPlaced"]
    await week.goes_on(21, 22)  # midnight in Prague
    assert await service.history(nothing["order_id"]) == ["OrderPlaced", "OrderExpired"]
    events = ["OrderPlaced", "PaymentReceived", "OrderExpired", "RefundRequested"]
    assert await service.history(part["order_id"]) == events
    late = await service.pay(nothing)
    assert (late["status"], late["due"]) == ("expired", None)
