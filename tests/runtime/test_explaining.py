"""The rule in words: why registration is due when, with everything that it was reckoned from."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from pydantic import TypeAdapter

from vignettes.domain.details import Consent, Details, Payment
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.runtime.explaining import in_words, inputs, reason

PLACED = datetime(2026, 3, 20, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_order(product="CZ-10D", day="2026-03-29"):
    return Order.place(
        UUID(int=1),
        number="V6562305984",
        details=Details(product, Vehicle.of("CZ", "2A2 2345"), Start(date.fromisoformat(day))),
        email="driver@example.com",
        language="en",
        at=PLACED,
    )


def paid(order, at=PLACED + HOUR, recorded_at=None):
    order.receive_payment(Payment("p", order.price.total, "card", at), recorded_at or at)
    return order


def state(order):
    """Return an order's state as its history tells it, in JSON."""
    return TypeAdapter(dict).dump_python(vars(order), mode="json")


def told(order, announced_by=None):
    return in_words(reason(state(order)), announced_by)


def test_the_lead_is_told_with_the_start_over_a_change_of_the_clocks():
    """Twelve elapsed hours before a midnight of the authority's zone."""
    assert told(paid(an_order())) == (
        "2026-03-28 12:00 Europe/Prague (11:00 UTC), by rule lead: "
        "starts 2026-03-29 00:00 Europe/Prague (2026-03-28 23:00 UTC) less 12 h"
    )


def test_the_grace_is_told_with_the_mark_and_the_money():
    """Why a late payer is registered a minute after the money."""
    late = paid(an_order(), datetime(2026, 3, 28, 19, tzinfo=UTC))
    assert told(late) == (
        "2026-03-28 20:01 Europe/Prague (19:01 UTC), by rule grace: the mark, 2026-03-28 12:00 Europe/Prague "
        "(11:00 UTC), had passed when the money arrived, 2026-03-28 20:00 Europe/Prague (19:00 UTC); "
        "1 min of grace after that"
    )


def test_a_wish_is_told_as_the_customers():
    """It wins over all, and waits for the money only."""
    wished = an_order()
    wished.start_at_once(Consent("immediate_performance", "1", PLACED, "en"), PLACED)
    assert "by rule at_once: the customer wished a start at once, and the money arrived" in told(paid(wished))


def test_a_rejected_order_that_was_corrected_is_told_as_tried_again():
    """Nobody wished anything: the first try came to nothing."""
    order = paid(an_order())
    order.start_when_due(order.generation, order.deadline.due_at)
    order.record_rejection("plate_not_accepted", "unknown", order.generation, order.started_at + HOUR)
    order.correct_details(
        Details("CZ-10D", Vehicle.of("CZ", "3A3 2345"), order.details.start), PLACED + 200 * HOUR
    )
    assert "by rule at_once: the authority has rejected it before" in told(order)


def test_the_opening_of_the_window_is_told():
    """What the authority does not sell yet is not due, whatever was wished."""
    early = an_order(day="2026-05-29")
    early.start_at_once(Consent("immediate_performance", "1", PLACED, "en"), PLACED)
    assert told(paid(early)).endswith(
        "by rule window: starts 2026-05-29 00:00 Europe/Prague (2026-05-28 22:00 UTC), and the authority sells it "
        "from 2026-04-29 00:00 Europe/Prague (2026-04-28 22:00 UTC) on"
    )


def test_the_notice_is_told_with_its_last_day():
    """Austria sells two months online on the 18th day before them at the latest."""
    words = told(paid(an_order("AT-2M", "2026-04-20")))
    assert "by rule notice: starts 2026-04-20 00:00 Europe/Vienna" in words
    assert "wants 18 days of notice: 2026-04-02 is the last day" in words


def test_an_outage_is_told_with_who_announced_it_and_what_would_hold_without():
    """Its id and span lead to what is on record."""
    order = paid(an_order())
    due = order.deadline.due_at
    outage = Outage(UUID(int=7), "CZ", due - 2 * HOUR, due + HOUR)
    order.regard_outage(outage, PLACED + 2 * HOUR)
    assert told(order, "ops@night").splitlines() == [
        (
            "2026-03-28 09:00 Europe/Prague (08:00 UTC), by rule outage: 1 h before the outage of CZ from "
            "2026-03-28 10:00 Europe/Prague (09:00 UTC) to 2026-03-28 13:00 Europe/Prague (12:00 UTC), "
            f"announced by ops@night ({outage.id})."
        ),
        (
            "Without it: 2026-03-28 12:00 Europe/Prague (11:00 UTC), by rule lead: "
            "starts 2026-03-29 00:00 Europe/Prague (2026-03-28 23:00 UTC) less 12 h"
        ),
    ]


def test_an_outage_that_is_near_is_forestalled_as_early_as_it_still_can_be():
    """Less than the usual hour is left."""
    order = paid(an_order())
    due = order.deadline.due_at
    order.regard_outage(Outage(UUID(int=7), "CZ", due, due + HOUR), due - HOUR / 2)
    assert "by rule outage: as early as it still can be, before the outage of CZ" in told(order)


def test_a_mark_that_had_passed_when_the_plan_was_made_is_told():
    """A dearer product was paid up after its mark: due with the plan, and not before it."""
    order = paid(an_order(), recorded_at=datetime(2026, 3, 28, 15, tzinfo=UTC))
    assert told(order).startswith("2026-03-28 16:00 Europe/Prague (15:00 UTC), by rule lead: starts")
    assert told(order).endswith(
        "; that had passed when this plan was made, 2026-03-28 16:00 Europe/Prague (15:00 UTC)"
    )


def test_nothing_is_due_without_money():
    """An order that nobody has paid has no reason."""
    assert reason(state(an_order())) is None


def test_programs_are_told_the_inputs():
    """Instants in UTC, lengths of time in seconds."""
    found = inputs(reason(state(paid(an_order()))))
    assert (found["rule"], found["lead_seconds"], found["grace_seconds"]) == ("lead", 43_200, 60)
    assert found["due_at"] == datetime(2026, 3, 28, 11, tzinfo=UTC)
    assert found["money_arrived_at"] == PLACED + HOUR
    assert found["outage"] is None
