"""The ledger of deadlines: given events, then rows. Why an order is due when, and how each deadline ended."""

from datetime import date

import pytest

from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    TERMS,
    an_order,
    an_outage,
    ask,
    details,
    fold,
    issue,
    pay,
    record,
    start,
)
from vignettes.domain.schedule import Terms
from vignettes.projections.deadlines import DeadlinesView

#: The columns of the first release: others have views and programs that rely on them.
_RELEASED = """
    order_id purpose generation country due_at rule zone starts_at mark_at opens_at money_arrived_at
    planned_at ended_at outcome position fired_at fired_late started_late
"""
RELEASED = _RELEASED.split()
#: A Czech vignette that begins on 8 June begins at midnight in Prague.
MIDNIGHT = NOON + 6 * DAY + 12 * HOUR


@pytest.fixture
def ledger(shared_database, shared_orders, vault):
    """Return what the ledger says of an order, generation by generation."""

    async def after(order, *columns):
        record(shared_orders, order)
        await fold(shared_database, vault, DeadlinesView())
        names = ", ".join(columns or ("purpose", "generation", "due_at", "rule", "outcome"))
        return ask(
            shared_database,
            f"SELECT {names} FROM view.deadlines WHERE order_id = %s ORDER BY generation, purpose",
            order.id,
        )

    return after


async def test_an_unpaid_order_waits_for_its_expiry(ledger):
    """Fourteen days after the day on which it should have begun, to the midnight of the authority."""
    order = an_order()
    assert order.details.start.day == date(2026, 6, 8)
    expiry = MIDNIGHT + 15 * DAY
    assert await ledger(order) == [("expiry", 0, expiry, "unpaid", None)]


async def test_a_paid_order_is_due_by_its_lead(ledger):
    """Twelve hours before it begins; the expiry is off. The ledger says from what this follows."""
    order = pay(an_order(), at=NOON + HOUR)
    assert await ledger(order, "purpose", "generation", "due_at", "rule", "outcome", "ended_at") == [
        ("expiry", 0, MIDNIGHT + 15 * DAY, "unpaid", "cancelled", NOON + HOUR),
        ("registration", 1, MIDNIGHT - 12 * HOUR, "lead", None, None),
    ]
    why = ("country", "zone", "starts_at", "mark_at", "opens_at", "money_arrived_at", "planned_at")
    [_, row] = await ledger(order, *why)
    assert row == (
        "CZ",
        "Europe/Prague",
        MIDNIGHT,
        MIDNIGHT - 12 * HOUR,
        MIDNIGHT - 30 * DAY,
        NOON + HOUR,
        NOON + HOUR,
    )


@pytest.mark.case(15)
async def test_an_outage_that_brings_it_forward_is_told(ledger):
    """Which one, from when until when, and when it would have been due without; a withdrawal puts it back (case 15)."""
    order = pay(an_order())
    outage = an_outage(MIDNIGHT - 14 * HOUR)
    order.regard_outage(outage, NOON + DAY)
    order.disregard_outage(outage.id, NOON + 2 * DAY)
    why = ("due_at", "rule", "unmoved_at", "outage_id", "outage_begins_at", "outage_ends_at", "outcome")
    _, before, moved, back = await ledger(order, *why)
    told = (outage.id, outage.begins_at, outage.ends_at)
    assert before == (MIDNIGHT - 12 * HOUR, "lead", None, None, None, None, "superseded")
    assert moved == (MIDNIGHT - 15 * HOUR, "outage", MIDNIGHT - 12 * HOUR, *told, "superseded")
    assert back == (MIDNIGHT - 12 * HOUR, "lead", None, None, None, None, None)


async def test_the_terms_that_it_was_reckoned_by_are_told(ledger):
    """Those of the order, until it is served by others; an expiry has none."""
    order = pay(an_order())
    order.change_terms(Terms(lead=DAY), NOON + DAY)
    assert await ledger(order, "lead", "grace", "due_at") == [
        (None, None, MIDNIGHT + 15 * DAY),
        (TERMS.lead, TERMS.grace, MIDNIGHT - 12 * HOUR),
        (DAY, TERMS.grace, MIDNIGHT - DAY),
    ]


async def test_money_in_part_changes_nothing(ledger):
    """It waits for the rest, under the same generation."""
    assert await ledger(pay(an_order(), 100), "purpose", "generation", "outcome") == [("expiry", 0, None)]


@pytest.mark.case(38)
async def test_a_corrected_start_supersedes_the_deadline(ledger):
    """The old one is over, so that its trigger is harmless; the new one has the next generation (case 38)."""
    order = pay(an_order())
    order.correct_details(details(9), NOON + HOUR)
    assert (await ledger(order))[1:] == [
        ("registration", 1, MIDNIGHT - 12 * HOUR, "lead", "superseded"),
        ("registration", 2, MIDNIGHT + 36 * HOUR, "lead", None),
    ]


async def test_a_deadline_planned_in_one_batch_ends_in_another(ledger, shared_database, shared_orders):
    """The row is there already: it is closed, with the position of what closed it."""
    order = pay(an_order())
    await ledger(order)
    order.correct_details(details(9), NOON + HOUR)
    rows = await ledger(order, "generation", "outcome", "ended_at", "position")
    head = shared_orders.position_of(order.id)
    assert rows[1:] == [(1, "superseded", NOON + HOUR, head), (2, None, None, head)]


async def test_a_started_registration_ends_its_deadline(ledger):
    """Started by the trigger, when it is due."""
    order = pay(an_order())
    order.start_when_due(1, MIDNIGHT - 12 * HOUR)
    [_, row] = await ledger(order, "generation", "outcome", "ended_at")
    assert row == (1, "started", MIDNIGHT - 12 * HOUR)


async def test_started_at_once_ends_it_long_before(ledger):
    """The driver pressed the button; the vignette that follows opens nothing anew."""
    assert await ledger(issue(start(pay(an_order()))), "generation", "outcome") == [
        (0, "cancelled"),
        (1, "started"),
    ]


@pytest.mark.case(36)
async def test_a_wish_before_the_money_is_due_with_it(ledger):
    """No lead and no grace: at once (promise 3, case 36)."""
    order = start(an_order())
    [_, row] = await ledger(pay(order, at=NOON + HOUR))
    assert row == ("registration", 1, NOON + HOUR, "at_once", None)


async def test_money_after_the_mark_is_due_after_the_grace(ledger):
    """Bought for tonight: a minute to correct it, then it starts (promise 2)."""
    [_, row] = await ledger(pay(an_order(details(0))))
    assert row == ("registration", 1, NOON + TERMS.grace, "grace", None)


async def test_a_refund_cancels_the_deadline(ledger):
    """There is nothing to register any more, and nothing to expire."""
    order = pay(an_order())
    order.request_refund("customer", NOON + HOUR)
    [_, row] = await ledger(order, "generation", "outcome", "ended_at")
    assert row == (1, "cancelled", NOON + HOUR)


async def test_an_order_that_nobody_paid_expires(ledger):
    """Its deadline ends by its own trigger; money in part on its way back opens nothing."""
    order = pay(an_order(), 100)
    order.expire(MIDNIGHT + 15 * DAY)
    assert await ledger(order, "purpose", "outcome", "ended_at") == [
        ("expiry", "expired", MIDNIGHT + 15 * DAY)
    ]


@pytest.mark.case(39)
async def test_a_dearer_product_waits_for_money_again(ledger):
    """Registration is off until the rest has come; then it is due anew (case 39)."""
    order = pay(an_order())
    order.correct_details(details(7, "CZ-30D"), NOON + HOUR)
    rows = await ledger(pay(order, at=NOON + DAY), "purpose", "generation", "outcome")
    assert rows[1:] == [
        ("registration", 1, "cancelled"),
        ("expiry", 2, "cancelled"),
        ("registration", 3, None),
    ]


@pytest.mark.case(3, 4)
async def test_an_order_on_hold_is_due_for_nothing(ledger):
    """Paid after its day: the driver is asked first; the answer makes a new generation (cases 3, 4)."""
    late = NOON + 3 * DAY
    order = pay(an_order(details(1)), at=late)
    order.correct_details(details(8), late + HOUR)
    last = (await ledger(order, "purpose", "generation", "outcome"))[-1]
    assert last == ("registration", order.generation, None)
    held = pay(an_order(details(1)), at=late)
    assert None not in await ledger(held, "outcome")


@pytest.mark.case(49)
async def test_what_was_rejected_and_corrected_is_due_at_once(ledger):
    """The authority refused the data: the corrected ones are tried without waiting (case 49)."""
    order = start(pay(an_order()))
    order.record_rejection("other", "unknown plate", order.generation, NOON + HOUR)
    answer = ("answer", 2, MIDNIGHT, "unanswered", None)
    assert (await ledger(order))[-1] == answer
    order.correct_details(details(plate="3A3 2345"), NOON + 2 * HOUR)
    last = (await ledger(order))[-1]
    assert last == ("registration", 3, NOON + 2 * HOUR, "at_once", None)


async def test_the_ledger_shows_how_late_it_fired_and_started(ledger, shared_database):
    """Promise by promise, for everybody to read: nobody has to trust us."""
    order = pay(an_order())
    due = order.deadline.due_at
    order.start_when_due(1, due + 3 * HOUR)
    await ledger(order)
    ask(
        shared_database,
        "INSERT INTO effect.triggers VALUES (%s, 'registration', 1, %s, now())",
        order.id,
        due + 2 * HOUR,
    )
    query = (
        "SELECT fired_at, fired_late, started_late FROM read.deadlines WHERE order_id = %s AND generation = 1"
    )
    assert ask(shared_database, query, order.id) == [(due + 2 * HOUR, 2 * HOUR, 3 * HOUR)]


def test_columns_are_only_added_at_the_end(shared_database):
    """A view can take the place of another in no other way while views of others rely on it."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
    for view, old in (("view.deadlines", RELEASED[:-3]), ("read.deadlines", RELEASED)):
        assert ask(shared_database, query, view)[: len(old)] == old
