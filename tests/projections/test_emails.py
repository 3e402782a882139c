"""The mails that the log calls for: given events, then which mail goes to whom, under which id."""

import pytest

from eventstore_helpers import (
    DAY,
    DOMAIN,
    HOUR,
    NOON,
    an_order,
    an_outage,
    ask,
    details,
    empty_views,
    erase,
    fold,
    issue,
    pay,
    record,
    start,
    stories,
    tables,
)
from vignettes.domain.details import LinkedOrder, Status
from vignettes.domain.personal import DataClass
from vignettes.projections.emails import EmailsView
from vignettes.services import mailing

#: The rows of the view with what is sealed in them opened, as the mailer reads them.
_OPENED = """(
    SELECT e.*, r.recipient AS to_whom, r.state, personal.opened(e.contact, k.contact_view)::jsonb AS of_contact,
           personal.opened(e.vehicle, k.vehicle_view)::jsonb AS of_vehicle
    FROM view.emails e JOIN read.emails r USING (message_id) JOIN personal.keys k ON k.order_id = e.order_id
) AS opened"""


@pytest.fixture
def mails(shared_database, shared_orders, vault):
    """Return the mails of an order in the order of the log, by kind or by other columns."""

    async def after(order, columns="kind"):
        record(shared_orders, order)
        await fold(shared_database, vault, EmailsView(DOMAIN, vault))
        query = f"SELECT {columns} FROM {_OPENED} WHERE order_id = %s ORDER BY version, kind"
        return ask(shared_database, query, order.id)

    return after


def corrected(order):
    order.correct_details(details(9), NOON + HOUR)
    return order


def rejected(order):
    order.record_rejection("other", "unknown plate", order.generation, NOON + HOUR)
    return order


def refunding(order):
    order.request_refund("customer", NOON + HOUR)
    return order


def refunded(order):
    order.confirm_refund("back", order.refund, NOON + DAY)
    return order


def withdrawn(order):
    order.withdraw("A. Driver", NOON + HOUR)
    return order


def link_lost(order):
    order.send_link([LinkedOrder(an_order().id, "V1", "AT-10D", NOON, NOON, Status.ISSUED, 3)], NOON + HOUR)
    return order


def expired(order):
    order.expire(NOON + 30 * DAY)
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
        (lambda: refunded(refunding(pay(an_order()))), ["placed", "paid", "refund", "refunded"]),
        (lambda: withdrawn(pay(an_order())), ["placed", "paid", "withdrawn"]),
        (lambda: withdrawn(an_order()), ["placed", "withdrawn"]),
        (lambda: link_lost(an_order()), ["placed", "link"]),
        (lambda: expired(an_order()), ["placed", "expired"]),
        (lambda: expired(pay(an_order(), 100)), ["placed", "underpaid", "expired", "refund"]),
    ],
)
async def test_what_happened_calls_for_these_mails(mails, given, called_for):
    """One mail per thing the driver must know, and none for what changes nothing for them."""
    assert await mails(given()) == called_for


def reversed_(order):
    order.reverse_payment("p", NOON + 2 * HOUR)
    return order


@pytest.mark.case(28)
async def test_a_payment_that_is_reversed_before_the_start_calls_for_a_mail(mails):
    """With what was taken back, and the exact rest; once it is paid again, that is told too (case 28)."""
    order = reversed_(pay(pay(an_order(), 30_000), 9_900, payment_id="p"))
    rows = await mails(order, "kind, facts->'refund'->'amount', facts->'outstanding'->'amount'")
    assert rows[-1] == ("payment_reversed", 9_900, 9_900)
    assert (await mails(pay(order, at=NOON + DAY)))[3:] == ["payment_reversed", "paid"]


@pytest.mark.case(30)
async def test_a_payment_that_was_matched_wrongly_calls_for_a_mail(mails):
    """Its reason is a code of ours (case 30)."""
    order = pay(an_order(), payment_id="p")
    order.take_back_payment("p", NOON + HOUR)
    rows = await mails(order, "kind, facts->>'reason', facts->'outstanding'->'amount'")
    assert rows[-1] == ("payment_reversed", "taken_back", 39_900)


@pytest.mark.case(28, 29)
@pytest.mark.parametrize(
    "given",
    [
        lambda: reversed_(an_order()),
        lambda: reversed_(pay(an_order(), booked=False, payment_id="p")),
        lambda: reversed_(pay(pay(an_order(), payment_id="p"), 39_900)),
        lambda: reversed_(refunding(pay(an_order(), payment_id="p"))),
    ],
)
async def test_a_reversal_that_suspends_nothing_calls_for_no_mail(mails, given):
    """Never counted, made good by a surplus, or money that was on its way back (28, 29)."""
    told = {"placed", "paid", "refund", "started", "issued"}
    kinds = await mails(given())
    assert set(kinds) <= told
    assert kinds.count("paid") <= 1


@pytest.mark.case(28)
async def test_money_that_is_taken_back_after_the_start_is_asked_for(mails):
    """The vignette stays, and what is owed is told to the cent (case 28); paying a part of it calls for nothing."""
    order = reversed_(issue(start(pay(an_order(), payment_id="p"))))
    rows = await mails(order, "kind, facts->'owed'->'amount'")
    assert rows[-1] == ("owed", 39_900)
    assert await mails(pay(order, 100, NOON + DAY)) == [kind for kind, _ in rows]


@pytest.mark.case(29)
async def test_a_debt_says_whether_the_money_had_gone_back_before(mails):
    """Then no vignette is promised for it."""
    for order, said in (
        (issue(start(pay(an_order(), payment_id="p"))), False),
        (refunded(refunding(pay(an_order(), payment_id="p"))), True),
    ):
        [*_, last] = await mails(reversed_(order), "kind, facts->'after_refund'")
        assert last == ("owed", said)


async def test_the_mail_of_the_start_tells_when_it_was_asked_for_expressly(mails):
    """And no other one does; a start that was due by itself needs no such request."""
    asked = await mails(issue(start(pay(an_order()))), "kind, facts->>'consented_at'")
    assert [row for row in asked if row[1]] == [("started", "2026-06-01T10:00:00Z")]
    due = pay(an_order(details(0)))
    due.start_when_due(due.generation, NOON + HOUR)
    assert [at for _, at in await mails(due, "kind, facts->>'consented_at'")] == [None] * 3


async def test_a_link_is_told_with_those_of_other_orders(mails):
    """Each with what the customer knows it by, and the generation of its link."""
    [[told]] = (await mails(link_lost(an_order()), "facts->'linked'"))[1:]
    assert (told["order_number"], told["zone"], told["link_generation"]) == ("V1", "Europe/Vienna", 3)


async def test_a_withdrawal_is_acknowledged_with_its_time_and_what_goes_back(mails):
    """2011/83/EU, Art. 11a: who, when, and the money, in one mail."""
    columns = "kind, facts->>'withdrawn_at', facts->'refund'->'amount', of_contact->>'name'"
    rows = await mails(withdrawn(pay(an_order())), columns)
    assert rows[-1] == ("withdrawn", "2026-06-01T11:00:00Z", 39_900, "A. Driver")


@pytest.mark.case(15)
async def test_an_outage_that_brings_the_start_forward_later_calls_for_a_mail(mails):
    """The time until which a correction is possible has changed; known with the money, it is told with that."""
    over_noon = an_outage(NOON + 6 * DAY)
    told_later, told_at_once = pay(an_order()), pay(an_order(), outages=[over_noon])
    told_later.regard_outage(over_noon, NOON + DAY)
    assert told_at_once.deadline == told_later.deadline
    assert await mails(told_later) == ["placed", "paid", "brought_forward"]
    assert await mails(told_at_once) == ["placed", "paid"]


@pytest.mark.case(51)
async def test_a_validity_that_was_changed_later_calls_for_a_mail(mails):
    """With the days that hold now (case 51)."""
    order = issue(start(pay(an_order())))
    order.record_validity(NOON, NOON + 12 * DAY, NOON + 2 * DAY)
    rows = await mails(order, "kind, facts->>'ends_at'")
    assert rows[-1] == ("validity_changed", "2026-06-13T10:00:00Z")


@pytest.mark.case(48)
async def test_an_order_for_the_same_vehicle_and_period_calls_for_a_question(mails):
    order = pay(an_order())
    order.hold_as_twin(an_order().id, NOON + HOUR)
    order.accept_twin(NOON + 2 * HOUR)
    assert (await mails(order, "kind, facts->>'reason'"))[2:] == [("held", "same_vehicle_and_period")]


@pytest.mark.case(47)
async def test_a_rejection_tells_its_code(mails):
    """What is said of it differs: whoever is covered already need not act for the journey (case 47)."""
    order = start(pay(an_order()))
    order.record_rejection("already_covered", "until 1 July", order.generation, NOON + HOUR)
    rows = await mails(order, "kind, facts->>'rejection_code', of_vehicle->>'reason'")
    assert rows[-1] == ("rejected", "already_covered", "until 1 July")


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
        (lambda: refunded(refunding(pay(an_order()))), "refunded"),
        (lambda: withdrawn(an_order()), "withdrawn"),
        (lambda: expired(an_order()), "expired"),
    ],
)
@pytest.mark.case(33)
async def test_a_corrected_address_gets_the_current_mail(mails, given, current):
    """The old address is told, the new one learns where the order stands (promise 8, case 33)."""
    order = given()
    before = len(await mails(order))
    order.correct_email("new@example.com", NOON + 40 * DAY)
    assert sorted((await mails(order, "kind, to_whom"))[before:]) == sorted(
        [("address_changed", "driver@example.com"), (current, "new@example.com")]
    )


@pytest.mark.case(33)
async def test_each_correction_tells_the_address_before_it(mails):
    """Not the first one, and the link of the new mail is of the new generation."""
    order = an_order()
    order.correct_email("second@example.com", NOON + HOUR)
    order.correct_email("third@example.com", NOON + 2 * HOUR)
    rows = await mails(order, "version, kind, to_whom, facts->'link_generation'")
    assert rows[3:] == [
        (3, "address_changed", "second@example.com", 3),
        (3, "placed", "third@example.com", 3),
    ]


async def test_later_mails_leave_earlier_ones_as_they_were(mails):
    """A mail says what was true at its event, to whom it went then."""
    order = an_order()
    order.correct_email("new@example.com", NOON + HOUR)
    pay(order, at=NOON + DAY)
    rows = await mails(order, "kind, to_whom, facts->'outstanding'->'amount', called_at")
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


@pytest.mark.case(54)
async def test_a_rebuilt_view_sends_nothing_again(shared_database, shared_orders, vault):
    """The view is thrown away and built anew: what has left is remembered apart from it (case 54)."""
    record(shared_orders, *stories())
    await fold(shared_database, vault, EmailsView(DOMAIN, vault))
    before = tables(shared_database)["emails"]
    ask(shared_database, "UPDATE effect.mails SET attempts = 1, sent_at = clock.now()")
    assert ask(shared_database, mailing._WAITING) == []
    empty_views(shared_database)
    await fold(shared_database, vault, EmailsView(DOMAIN, vault))
    assert tables(shared_database)["emails"] == before
    assert ask(shared_database, mailing._WAITING) == []
    assert set(ask(shared_database, "SELECT state FROM read.emails")) == {"sent"}


async def test_a_new_mail_waits_beside_those_that_left(mails, shared_database):
    """Only what is new is for the mailer."""
    order = an_order()
    [message_id] = await mails(order, "message_id")
    sent = "UPDATE effect.mails SET attempts = 1, sent_at = now() WHERE message_id = %s"
    ask(shared_database, sent, message_id)
    await mails(pay(order))
    states = ask(
        shared_database, "SELECT kind, state FROM read.emails WHERE order_id = %s ORDER BY version", order.id
    )
    assert states == [("placed", "sent"), ("paid", "waiting")]


# --- what is personal ---


@pytest.mark.parametrize(
    ("given", "facts", "of_contact", "of_vehicle"),
    [
        (lambda: rejected(start(pay(an_order()))), None, None, "unknown plate"),
        (lambda: refunding(pay(an_order())), None, "customer", None),
        (lambda: pay(an_order(details(1)), at=NOON + 3 * DAY), "start_passed", None, None),
        (lambda: pay(an_order(), 50_000), "overpaid", None, None),
        (lambda: pay(rejected(start(pay(an_order()))), 100), "not_awaited", None, None),
    ],
)
async def test_a_reason_goes_with_whose_words_it_is(mails, given, facts, of_contact, of_vehicle):
    """An authority's words may quote the plate, a customer's tell their name; codes are ours."""
    rows = await mails(given(), "facts->>'reason', of_contact->>'reason', of_vehicle->>'reason'")
    assert rows[-1] == (facts, of_contact, of_vehicle)


async def test_the_facts_of_a_mail_are_told_apart(mails):
    """Who and what under keys of their own, the rest readable."""
    order = an_order()
    order.correct_email("new@example.com", NOON + HOUR)
    rows = await mails(order, "of_contact::text, of_vehicle::text, facts ?| '{email, old_email, plate}'")
    assert rows[0][2] is False
    [row] = set(rows[1:])
    assert row == (
        '{"email": "new@example.com", "old_email": "driver@example.com"}',
        '{"plate": "2A2 2345", "authorisation_code": null}',
        False,
    )


async def test_an_erased_address_gets_no_mail(mails, shared_database, shared_orders):
    """Not from the moment the keys are gone, whether or not the view has heard of it."""
    order = expired(an_order())
    await mails(order)
    waiting = f"SELECT count(*) FROM ({mailing._WAITING}) AS next WHERE order_id = %s"
    assert ask(shared_database, waiting, order.id) == [2]
    erase(shared_database, shared_orders, order, DataClass.CONTACT)
    assert ask(shared_database, waiting, order.id) == [0]
    assert await mails(order, "kind, to_whom, state, of_contact, of_vehicle->>'plate'") == [
        ("placed", None, "erased", None, "2A2 2345"),
        ("expired", None, "erased", None, "2A2 2345"),
    ]
    assert ask(shared_database, waiting, order.id) == [0]


async def test_what_was_sent_is_kept_without_its_subject(mails, shared_database, shared_orders):
    """When and under which id it left stays on record (I7)."""
    order = expired(an_order())
    await mails(order, "message_id")
    sent = "UPDATE effect.mails SET subject = 'x', attempts = 1, sent_at = now() WHERE order_id = %s"
    ask(shared_database, sent, order.id)
    erase(shared_database, shared_orders, order, DataClass.VEHICLE)
    assert await mails(order, "state, to_whom, of_vehicle") == [("sent", "driver@example.com", None)] * 2
    subjects = "SELECT subject FROM effect.mails WHERE order_id = %s"
    assert ask(shared_database, subjects, order.id) == [None, None]
