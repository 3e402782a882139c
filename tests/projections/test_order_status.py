"""One row per order: given events, then where it stands."""

import psycopg
import pytest

from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    an_order,
    ask,
    details,
    erase,
    fold,
    issue,
    pay,
    record,
    start,
)
from follower_helpers import live
from vignettes.domain.details import Vignette
from vignettes.eventstore.connections import conninfo
from vignettes.projections import editions
from vignettes.projections.order_status import DEFINITION, OrderStatusView

#: The columns of the first release: others have views and programs that rely on them.
_RELEASED = """
    order_id order_number status country zone product vehicle_country plate valid_from starts_at ends_at
    email language link_generation currency price_official price_fee price_total received outstanding
    surplus refund paid_at due_at due_rule generation start_wished consented_at hold_reason started_at
    started_rule rejection_reason vignette_number vignette_reference vignette_valid_from
    vignette_valid_until can_be_corrected can_be_refunded placed_at updated_at version position
"""
RELEASED = _RELEASED.split()
CONSENTED = ("consented_at", "consent_text_version", "consent_language")
#: The midnight in Prague at which a vignette for 8 June begins.
MIDNIGHT = NOON + 6 * DAY + 12 * HOUR


@pytest.fixture
def row_of(shared_database, shared_orders, vault):
    """Return some columns of an order's row, once what is new in it is on record."""

    async def after(order, *columns):
        record(shared_orders, order)
        await fold(shared_database, vault, OrderStatusView(vault))
        [row] = ask(
            shared_database, "SELECT to_jsonb(s) FROM read.order_status s WHERE order_id = %s", order.id
        )
        return {name: row[name] for name in columns} if columns else row

    return after


async def test_a_placed_order_waits_for_its_money(row_of, shared_orders):
    """Everything that support and the driver ask about is there, amounts in minor units."""
    order = an_order()
    row = await row_of(order)
    known = {name: value for name, value in row.items() if value is not None}
    assert known == {
        "order_id": str(order.id),
        "order_number": order.number,
        "status": "awaiting_payment",
        "country": "CZ",
        "product": "CZ-10D",
        "vehicle_country": "CZ",
        "plate": "2A2 2345",
        "valid_from": "2026-06-08",
        "starts_at": "2026-06-07T22:00:00+00:00",
        "ends_at": "2026-06-17T21:59:59+00:00",
        "email": "driver@example.com",
        "language": "en",
        "currency": "CZK",
        "price_official": 30000,
        "price_fee": 9900,
        "price_total": 39900,
        "received": 0,
        "outstanding": 39900,
        "surplus": 0,
        "owed": 0,
        "email_fails": False,
        "has_document": False,
        "generation": 0,
        "start_wished": False,
        "twin_accepted": False,
        "zone": "Europe/Prague",
        "link_generation": 1,
        "can_be_corrected": True,
        "can_be_refunded": False,
        "placed_at": "2026-06-01T10:00:00+00:00",
        "updated_at": "2026-06-01T10:00:00+00:00",
        "version": 1,
        "position": shared_orders.position_of(order.id),
    }


async def test_a_paid_order_is_scheduled(row_of):
    """Its deadline is in the row, with the rule that decided it."""
    columns = ("status", "received", "outstanding", "paid_at", "due_at", "due_rule", "generation")
    assert await row_of(pay(an_order()), *columns) == {
        "status": "scheduled",
        "received": 39900,
        "outstanding": 0,
        "paid_at": "2026-06-01T10:00:00+00:00",
        "due_at": "2026-06-07T10:00:00+00:00",
        "due_rule": "lead",
        "generation": 1,
    }


async def test_money_in_part_leaves_the_rest_outstanding(row_of):
    """And no deadline (case 21)."""
    row = await row_of(pay(an_order(), 100), "status", "received", "outstanding", "due_at")
    assert row == {"status": "partially_paid", "received": 100, "outstanding": 39800, "due_at": None}


async def test_money_that_is_not_booked_pays_nothing(row_of):
    """A notice is kept as a fact; the row stays as it was (case 27)."""
    row = await row_of(pay(an_order(), booked=False), "status", "received", "version")
    assert row == {"status": "awaiting_payment", "received": 0, "version": 2}


async def test_what_is_over_is_surplus_until_it_went_back(row_of):
    """Overpaid by one crown: processed, and the crown is owed to the payer (case 22)."""
    order = pay(an_order(), 40_000)
    assert await row_of(order, "status", "received", "surplus") == {
        "status": "scheduled",
        "received": 40000,
        "surplus": 100,
    }
    order.confirm_refund("back", order.account.surplus_open, NOON + HOUR)
    assert await row_of(order, "surplus", "refund") == {"surplus": 0, "refund": None}


async def test_a_wish_shows_before_the_money(row_of):
    """Start at once, kept for the moment the money comes."""
    assert await row_of(start(an_order()), "status", "start_wished") == {
        "status": "awaiting_payment",
        "start_wished": True,
    }


async def test_a_correction_replaces_what_will_be_registered(row_of):
    """Plate, day and product are the new ones; so is the deadline."""
    order = pay(an_order())
    order.correct_details(details(9, plate="3A3 2345"), NOON + HOUR)
    columns = ("status", "plate", "valid_from", "due_at", "generation", "updated_at")
    assert await row_of(order, *columns) == {
        "status": "scheduled",
        "plate": "3A3 2345",
        "valid_from": "2026-06-10",
        "due_at": "2026-06-09T10:00:00+00:00",
        "generation": 2,
        "updated_at": "2026-06-01T11:00:00+00:00",
    }


async def test_a_corrected_address_is_the_address(row_of):
    """Nothing else changes by it (promise 8)."""
    order = an_order()
    order.correct_email("new@example.com", NOON + HOUR)
    assert await row_of(order, "email", "status") == {
        "email": "new@example.com",
        "status": "awaiting_payment",
    }


@pytest.mark.case(3, 4)
async def test_an_order_whose_day_has_passed_is_on_hold(row_of):
    """Why is in the row; a new day releases it (cases 3, 4)."""
    order = pay(an_order(details(1)), at=NOON + 3 * DAY)
    columns = ("status", "hold_reason", "due_at")
    held = await row_of(order, *columns)
    assert held == {"status": "on_hold", "hold_reason": "start_passed", "due_at": None}
    order.correct_details(details(8), NOON + 3 * DAY)
    released = await row_of(order, *columns)
    assert released == {"status": "scheduled", "hold_reason": None, "due_at": "2026-06-08T10:00:00+00:00"}


async def test_a_started_registration_is_under_way(row_of):
    """Since when and by which rule; it is due for nothing any more."""
    order = pay(an_order())
    order.start_when_due(1, MIDNIGHT - 12 * HOUR)
    assert await row_of(order, "status", "started_at", "started_rule", "due_at") == {
        "status": "registering",
        "started_at": "2026-06-07T10:00:00+00:00",
        "started_rule": "lead",
        "due_at": None,
    }


async def test_an_issued_vignette_is_shown_as_the_authority_confirmed_it(row_of):
    """Its validity stands beside the one we computed, and wins."""
    columns = ("status", "vignette_number", "vignette_reference", "vignette_valid_from", "starts_at")
    assert await row_of(issue(start(pay(an_order()))), *columns) == {
        "status": "issued",
        "vignette_number": "CZ-0001",
        "vignette_reference": "ref-1",
        "vignette_valid_from": "2026-06-01T10:00:00+00:00",
        "starts_at": "2026-06-07T22:00:00+00:00",
    }


@pytest.mark.case(51)
async def test_a_validity_that_the_authority_changed_is_shown(row_of):
    """What it said first is in the log (case 51)."""
    order = issue(start(pay(an_order())))
    order.record_validity(NOON, NOON + 12 * DAY, NOON + 2 * DAY)
    assert await row_of(order, "vignette_valid_until") == {
        "vignette_valid_until": "2026-06-13T10:00:00+00:00"
    }


async def test_the_last_express_request_for_a_start_is_shown(row_of):
    """By which text, in which language, when."""
    assert await row_of(start(pay(an_order())), *CONSENTED) == {
        "consented_at": "2026-06-01T10:00:00+00:00",
        "consent_text_version": "2026-01",
        "consent_language": "en",
    }
    assert await row_of(pay(an_order()), *CONSENTED) == dict.fromkeys(CONSENTED)


async def test_a_call_for_a_person_is_shown_until_the_next_start(row_of):
    order = start(pay(an_order()))
    order.call_person("outcome_unknown", NOON + 4 * HOUR, order.generation, NOON + HOUR)
    columns = ("status", "person_called_at", "act_by")
    assert await row_of(order, *columns) == {
        "status": "registering",
        "person_called_at": "2026-06-01T11:00:00+00:00",
        "act_by": "2026-06-01T14:00:00+00:00",
    }
    order.record_rejection("already_covered", "until 1 July", order.generation, NOON + 2 * HOUR)
    assert await row_of(order, "rejection_code") == {"rejection_code": "already_covered"}
    start(order, NOON + 3 * HOUR)
    assert await row_of(order, *columns, "rejection_code") == {
        "status": "registering",
        "person_called_at": None,
        "act_by": None,
        "rejection_code": None,
    }


async def test_the_code_for_the_authority_is_sealed_and_shown(row_of, shared_database):
    """It opens the vignette to whoever has it."""
    order = start(pay(an_order()))
    vignette = Vignette("CZ-0001", "ref-1", NOON, NOON + 10 * DAY, "K7-22 91")
    order.record_issue(vignette, order.generation, NOON)
    assert await row_of(order, "authorisation_code") == {"authorisation_code": "K7-22 91"}
    kept = "SELECT authorisation_code FROM view.order_status WHERE order_id = %s"
    assert b"K7-22 91" not in bytes(ask(shared_database, kept, order.id)[0])


@pytest.mark.case(49)
async def test_a_rejection_calls_the_customer_to_act(row_of):
    """The reason stays until a correction answers it (case 49)."""
    order = start(pay(an_order()))
    order.record_rejection("other", "unknown plate", order.generation, NOON + HOUR)
    columns = ("status", "rejection_reason", "started_at")
    rejected = await row_of(order, *columns)
    assert rejected == {"status": "action_needed", "rejection_reason": "unknown plate", "started_at": None}
    order.correct_details(details(plate="3A3 2345"), NOON + 2 * HOUR)
    corrected = await row_of(order, *columns)
    assert corrected == {"status": "scheduled", "rejection_reason": None, "started_at": None}


async def test_a_refund_is_pending_until_the_money_left(row_of):
    """The amount is in the row from the request on (promise 10)."""
    order = pay(an_order())
    order.request_refund("customer", NOON + HOUR)
    columns = ("status", "refund", "outstanding", "due_at")
    pending = await row_of(order, *columns)
    assert pending == {"status": "refund_pending", "refund": 39900, "outstanding": 0, "due_at": None}
    order.confirm_refund("back", order.refund, NOON + DAY)
    assert await row_of(order, "status", "refund") == {"status": "refunded", "refund": 39900}


@pytest.mark.case(28)
async def test_money_that_was_taken_back_is_awaited_again(row_of):
    """Before the start nothing is due any more, and nothing is owed (case 28)."""
    order = pay(an_order(), payment_id="p")
    order.reverse_payment("p", NOON + HOUR)
    assert await row_of(order, "status", "received", "outstanding", "owed", "paid_at", "due_at") == {
        "status": "awaiting_payment",
        "received": 0,
        "outstanding": 39900,
        "owed": 0,
        "paid_at": None,
        "due_at": None,
    }


@pytest.mark.case(28)
async def test_money_that_was_taken_back_after_the_start_is_owed(row_of):
    """The vignette stays; somebody must look after the money (case 28)."""
    order = issue(start(pay(an_order(), payment_id="p")))
    order.reverse_payment("p", NOON + HOUR)
    columns = ("status", "outstanding", "owed")
    assert await row_of(order, *columns) == {"status": "issued", "outstanding": 39900, "owed": 39900}
    pay(order, at=NOON + DAY)
    assert await row_of(order, *columns) == {"status": "issued", "outstanding": 0, "owed": 0}


async def test_an_order_that_nobody_paid_is_expired(row_of):
    """Nothing is outstanding any more; money in part is on its way back instead."""
    unpaid, partly = an_order(), pay(an_order(), 100)
    for order in (unpaid, partly):
        order.expire(NOON + 30 * DAY)
    assert await row_of(unpaid, "status", "outstanding") == {"status": "expired", "outstanding": 0}
    assert await row_of(partly, "status", "refund") == {"status": "refund_pending", "refund": 100}


async def test_lag_is_what_the_view_has_not_seen(row_of, shared_database, shared_orders):
    """Operators read it from SQL."""
    await row_of(an_order())
    head = record(shared_orders, pay(an_order()))[-1]
    lag = "SELECT position, head, events_behind FROM read.projection_lag WHERE view = 'order_status'"
    assert ask(shared_database, lag) == [(head - 2, head, 2)]


async def test_an_erased_order_keeps_its_row_without_the_person(row_of, shared_database, shared_orders):
    """Money, dates and the vignette's number stay: the books must still add up."""
    order = issue(start(pay(an_order())))
    columns = ("status", "plate", "email", "vehicle_country", "vignette_number", "received")
    before = await row_of(order, *columns)
    assert (before["plate"], before["email"]) == ("2A2 2345", "driver@example.com")
    erase(shared_database, shared_orders, order)
    assert await row_of(order, *columns) == before | {"plate": None, "email": None}


async def test_what_was_erased_is_gone_before_the_view_knows(row_of, shared_database, shared_orders):
    """The keys go with the event: whatever still lies in the tables opens no more."""
    order = issue(start(pay(an_order())))
    await row_of(order)
    erase(shared_database, shared_orders, order)
    sealed = ask(
        shared_database, "SELECT plate IS NOT NULL FROM view.order_status WHERE order_id = %s", order.id
    )
    shown = ask(shared_database, "SELECT plate, email FROM read.order_status WHERE order_id = %s", order.id)
    assert (sealed, shown) == ([True], [(None, None)])


# --- what others rely on ---


def test_columns_are_only_added_at_the_end(shared_database):
    """A view can take the place of another in no other way while views of others rely on it."""
    for view in ("view.order_status", "read.order_status"):
        assert columns(shared_database, view)[: len(RELEASED)] == RELEASED


def test_a_view_of_somebody_else_survives_a_switch_from_the_first_release(database):
    """It shows the new edition from then on, and nobody had to make it anew."""
    with psycopg.connect(conninfo(database, "vignettes_owner"), autocommit=True) as connection:
        show_as_released(connection, live(database, "order_status"))
        ask(database, "CREATE VIEW public.mine AS SELECT * FROM read.order_status")
        number = editions.begin(connection, DEFINITION)
    ask(database, "UPDATE view.editions SET scan_until = NULL WHERE id = %s", number)
    assert ask(database, "SELECT view.switch(%s)", number) == [0]
    assert ask(database, "SELECT * FROM public.mine") == []
    assert (
        len(columns(database, "read.order_status")) > len(columns(database, "public.mine")) == len(RELEASED)
    )


def show_as_released(connection, number):
    """Let the views be those of the first release."""
    connection.execute("DROP VIEW read.order_status, view.order_status")
    connection.execute(
        f"CREATE VIEW view.order_status AS SELECT {', '.join(RELEASED)} FROM edition.order_status_{number}"
    )
    sealed = {name: f"encode({name}, 'hex') AS {name}" for name in ("plate", "email", "rejection_reason")}
    opened = ", ".join(sealed.get(name, name) for name in RELEASED)
    connection.execute(f"CREATE VIEW read.order_status AS SELECT {opened} FROM view.order_status")


def columns(database, view):
    """Return the columns of a view, in their order."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 ORDER BY attnum"
    return ask(database, query, view)
