"""The mails that the log calls for: given events, then which mail goes to whom, under which id."""

import pytest

from eventstore_helpers import (
    DAY,
    DOMAIN,
    HOUR,
    NOON,
    TERMS,
    a_database,
    an_order,
    ask,
    details,
    empty_views,
    fold,
    issue,
    pay,
    record,
    start,
    stories,
    tables,
)
from vignettes.projections.emails import EmailsView
from vignettes.services import mailing


@pytest.fixture(scope="module")
def database(postgres):
    """One log for all of these: each looks at orders of its own."""
    with a_database(postgres, "mails") as url:
        yield url


@pytest.fixture
def mails(database, orders):
    """Return the mails of an order in the order of the log, by kind or by other columns."""

    async def after(order, columns="kind"):
        record(orders, order)
        await fold(database, EmailsView(TERMS, DOMAIN))
        query = f"SELECT {columns} FROM view.emails WHERE order_id = %s ORDER BY version, kind"
        return ask(database, query, order.id)

    return after


def corrected(order):
    order.correct_details(details(9), NOON + HOUR)
    return order


def rejected(order):
    order.record_rejection("unknown plate", order.generation, NOON + HOUR)
    return order


def refunding(order):
    order.request_refund("customer", NOON + HOUR)
    return order


def refunded(order):
    order.confirm_refund("back", order.refund, NOON + DAY)
    return order


def expired(order):
    order.expire(TERMS, NOON + 30 * DAY)
    return order


@pytest.mark.parametrize(
    ("given", "called_for"),
    [
        (an_order, ["placed"]),
        (lambda: pay(an_order()), ["placed", "paid"]),
        (lambda: pay(an_order(), 100), ["placed", "underpaid"]),
        (lambda: pay(pay(an_order(), 100), 100), ["placed", "underpaid", "underpaid"]),
        (lambda: pay(pay(an_order(), 100)), ["placed", "underpaid", "paid"]),
        (lambda: pay(an_order(), 50_000), ["placed", "paid", "refund"]),
        (lambda: pay(pay(an_order()), 39_900), ["placed", "paid", "refund"]),
        (lambda: pay(an_order(), booked=False), ["placed"]),
        (lambda: start(an_order()), ["placed"]),
        (lambda: corrected(an_order()), ["placed", "details_corrected"]),
        (lambda: start(pay(an_order())), ["placed", "paid", "started"]),
        (lambda: issue(start(pay(an_order()))), ["placed", "paid", "started", "issued"]),
        (lambda: rejected(start(pay(an_order()))), ["placed", "paid", "started", "rejected"]),
        (lambda: pay(an_order(details(1)), at=NOON + 3 * DAY), ["placed", "paid", "held"]),
        (lambda: refunding(pay(an_order())), ["placed", "paid", "refund"]),
        (lambda: refunded(refunding(pay(an_order()))), ["placed", "paid", "refund"]),
        (lambda: expired(an_order()), ["placed", "expired"]),
        (lambda: expired(pay(an_order(), 100)), ["placed", "underpaid", "expired", "refund"]),
    ],
)
async def test_what_happened_calls_for_these_mails(mails, given, called_for):
    """One mail per thing the driver must know, and none for what changes nothing for them."""
    assert await mails(given()) == called_for


async def test_money_for_an_order_that_has_ended_calls_for_its_refund_only(mails):
    """It never revives, and the driver hears that it goes back (case 26)."""
    order = expired(an_order())
    pay(order, 39_900, NOON + 31 * DAY)
    assert await mails(order) == ["placed", "expired", "refund"]


@pytest.mark.parametrize(
    ("given", "current"),
    [
        (an_order, "placed"),
        (lambda: pay(an_order(), 100), "underpaid"),
        (lambda: pay(an_order()), "paid"),
        (lambda: pay(an_order(details(1)), at=NOON + 3 * DAY), "held"),
        (lambda: start(pay(an_order())), "started"),
        (lambda: rejected(start(pay(an_order()))), "rejected"),
        (lambda: issue(start(pay(an_order()))), "issued"),
        (lambda: refunding(pay(an_order())), "refund"),
        (lambda: refunded(refunding(pay(an_order()))), "refund"),
        (lambda: expired(an_order()), "expired"),
    ],
)
async def test_a_corrected_address_gets_the_current_mail(mails, given, current):
    """The old address is told, the new one learns where the order stands (promise 8, case 33)."""
    order = given()
    before = len(await mails(order))
    order.correct_email("new@example.com", NOON + 40 * DAY)
    assert sorted((await mails(order, "kind, recipient"))[before:]) == sorted(
        [("address_changed", "driver@example.com"), (current, "new@example.com")]
    )


async def test_each_correction_tells_the_address_before_it(mails):
    """Not the first one, and the link of the new mail is of the new generation."""
    order = an_order()
    order.correct_email("second@example.com", NOON + HOUR)
    order.correct_email("third@example.com", NOON + 2 * HOUR)
    rows = await mails(order, "version, kind, recipient, facts->'link_generation'")
    assert rows[3:] == [
        (3, "address_changed", "second@example.com", 3),
        (3, "placed", "third@example.com", 3),
    ]


async def test_later_mails_leave_earlier_ones_as_they_were(mails):
    """A mail says what was true at its event, to whom it went then."""
    order = an_order()
    order.correct_email("new@example.com", NOON + HOUR)
    pay(order, at=NOON + DAY)
    rows = await mails(order, "kind, recipient, facts->'outstanding'->'amount', called_at")
    assert rows[0] == ("placed", "driver@example.com", 39900, NOON)
    assert rows[-1] == ("paid", "new@example.com", 0, NOON + DAY)


async def test_a_refund_says_its_own_amount(mails):
    """First the surplus, then the price: two mails, two amounts."""
    order = refunding(pay(an_order(), 40_000))
    rows = await mails(order, "kind, facts->'refund'->'amount'")
    assert rows[2:] == [("refund", 100), ("refund", 39900)]


async def test_a_message_id_follows_from_order_version_and_kind(mails):
    """Sent twice, because the reply was lost, it is still one mail (I7)."""
    order = pay(an_order())
    assert await mails(order, "message_id") == [
        f"<{order.id}.1.placed@{DOMAIN}>",
        f"<{order.id}.2.paid@{DOMAIN}>",
    ]


async def test_a_rebuilt_view_sends_nothing_again(database, orders):
    """The view is thrown away and built anew: what has left is remembered apart from it (case 54)."""
    record(orders, *stories())
    await fold(database, EmailsView(TERMS, DOMAIN))
    before = tables(database)["emails"]
    ask(
        database,
        "INSERT INTO effect.mails (message_id, order_id, subject, attempts, sent_at)"
        " SELECT message_id, order_id, 'sent', 1, clock.now() FROM view.emails ON CONFLICT DO NOTHING",
    )
    assert ask(database, mailing._NEXT) == []
    empty_views(database)
    await fold(database, EmailsView(TERMS, DOMAIN))
    assert tables(database)["emails"] == before
    assert ask(database, mailing._NEXT) == []
    assert set(ask(database, "SELECT state FROM read.emails")) == {"sent"}


async def test_a_new_mail_waits_beside_those_that_left(mails, database):
    """Only what is new is for the mailer."""
    order = an_order()
    [message_id] = await mails(order, "message_id")
    ask(
        database,
        "INSERT INTO effect.mails (message_id, order_id, subject, attempts, sent_at) VALUES (%s, %s, '', 1, now())",
        message_id,
        order.id,
    )
    await mails(pay(order))
    states = ask(
        database, "SELECT kind, state FROM read.emails WHERE order_id = %s ORDER BY version", order.id
    )
    assert states == [("placed", "sent"), ("paid", "waiting")]
