"""The promises: given events and the time, then which were kept, are at risk or were broken, and by how much."""

from datetime import timedelta
from uuid import uuid4

import psycopg
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
    erase,
    fold,
    issue,
    pay,
    record,
    start,
    stories,
)
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.schedule import Terms
from vignettes.projections.emails import EmailsView
from vignettes.projections.promises import PromisesView

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
NOTHING = timedelta(0)

#: Twelve hours before the midnight in Prague at which an order of the helpers begins.
MARK = NOON + 6 * DAY


def set_clock(database, now):
    """Let the service's clock show this time, to within the milliseconds that a test takes to look."""
    ask(database, "UPDATE clock.shift SET ahead = %s - clock_timestamp()", now)


async def follow(database, vault):
    """Take in the log: the promises, and the mails that prove some of them."""
    await fold(database, vault, EmailsView(DOMAIN, vault), PromisesView(DOMAIN))


@pytest.fixture
def given(shared_database, shared_orders, vault):
    """Return the rows of some promises to an order, at a time."""

    async def after(order, *promises, columns="promise, occasion, rule, state", now=NOON):
        record(shared_orders, order)
        await follow(shared_database, vault)
        set_clock(shared_database, now)
        query = (
            f"SELECT {columns} FROM read.promises WHERE order_id = %s AND promise = ANY(%s)"
            " ORDER BY promise, occasion, rule"
        )
        return ask(shared_database, query, order.id, list(promises))

    return after


@pytest.fixture
def judged(given):
    """Return how one promise was kept: state, and what is exact of it, whole minutes while time goes on."""

    async def after(order, promise, now=NOON):
        exact = "CASE WHEN ended_at IS NULL THEN date_trunc('minute', {0}) ELSE {0} END"
        columns = f"state, {exact.format('late')}, {exact.format('margin')}"
        [row] = await given(order, promise, columns=columns, now=now)
        return row

    return after


@pytest.fixture
def sent(shared_database):
    """Let a mail leave."""

    def at(order, version, kind, instant):
        message_id = f"<{order.id}.{version}.{kind}@{DOMAIN}>"
        query = "UPDATE effect.mails SET sent_at = %s, attempts = 1 WHERE message_id = %s RETURNING 1"
        assert ask(shared_database, query, instant, message_id) == [1]

    return at


def triggered(order, at):
    order.start_when_due(order.generation, at)
    assert order.started_at == at
    return order


def refunding(order, at=NOON):
    order.request_refund("customer", at)
    return order


def rejected(order, at=NOON):
    order.record_rejection("other", "unknown plate", order.generation, at)
    return order


# --- 1: registration starts at the mark ---


async def test_a_paid_order_is_promised_its_start_at_the_mark(given):
    """Twelve hours before it begins, and five minutes for what counts as then."""
    columns = "rule, began_at, due_at, limit_at, ended_at, outcome, message_id"
    assert await given(pay(an_order(), at=NOON + HOUR), 1, columns=columns) == [
        ("lead", NOON + HOUR, MARK, MARK + 5 * MINUTE, None, None, None)
    ]


@pytest.mark.parametrize(
    ("now", "judgement"),
    [
        (MARK - 90 * SECOND, ("open", NOTHING, 6 * MINUTE)),
        (MARK + 90 * SECOND, ("at_risk", MINUTE, 3 * MINUTE)),
        (MARK + 330 * SECOND, ("broken", 5 * MINUTE, NOTHING)),
        (MARK + 390 * SECOND, ("broken", 6 * MINUTE, -MINUTE)),
    ],
)
async def test_a_start_that_is_due_is_at_risk_and_then_broken(judged, now, judgement):
    """By the clock of the service, with nobody telling it."""
    assert await judged(pay(an_order()), 1, now) == judgement


@pytest.mark.parametrize(
    ("late", "judgement"),
    [
        (NOTHING, ("kept", NOTHING, 5 * MINUTE)),
        (2 * SECOND, ("kept", 2 * SECOND, 298 * SECOND)),
        (5 * MINUTE, ("kept", 5 * MINUTE, NOTHING)),
        (301 * SECOND, ("broken", 301 * SECOND, -SECOND)),
        (3 * HOUR, ("broken", 3 * HOUR, 5 * MINUTE - 3 * HOUR)),
    ],
)
async def test_a_start_is_judged_by_when_it_came(judged, late, judgement):
    """Whenever one looks; how late it was is told exactly."""
    assert await judged(triggered(pay(an_order()), MARK + late), 1, MARK + DAY) == judgement


async def test_each_plan_is_a_promise_of_its_own(given):
    """A corrected start takes the place of the one before."""
    order = pay(an_order())
    order.correct_details(details(9), NOON + HOUR)
    assert await given(order, 1, 2, 3) == [(1, 1, "lead", "lapsed"), (1, 2, "lead", "open")]


async def test_a_promise_given_in_one_batch_ends_in_another(given, shared_orders):
    """The row is there already: it is ended, with the position of what ended it."""
    order = pay(an_order())
    await given(order, 1)
    triggered(order, MARK)
    columns = "ended_at, outcome, position"
    assert await given(order, 1, columns=columns) == [(MARK, "done", shared_orders.position_of(order.id))]


async def test_a_refund_before_the_mark_lets_the_start_lapse(judged):
    """Nobody waits for it any more."""
    assert (await judged(refunding(pay(an_order()), NOON + HOUR), 1, MARK + DAY))[0] == "lapsed"


async def test_a_start_given_up_when_it_was_late_was_broken(judged):
    """Who asks for the money back because nothing happened does not mend it."""
    order = refunding(pay(an_order()), MARK + 6 * MINUTE)
    assert await judged(order, 1, MARK + DAY) == ("broken", 6 * MINUTE, -MINUTE)


async def test_an_outage_of_ours_that_outlasts_the_vignette_breaks_it(judged):
    """The trigger comes when there is nothing left to register: the order is held, ten days late."""
    order = pay(an_order())
    order.start_when_due(1, MARK + 20 * DAY)
    assert await judged(order, 1, MARK + DAY) == ("broken", 20 * DAY, 5 * MINUTE - 20 * DAY)


@pytest.mark.case(12, 13)
async def test_a_window_and_a_notice_are_marks_too(given):
    """The authority's calendar decides when it is (cases 12, 13)."""
    opening = details(183, "CH-1Y")  # the first of December, when the sale of the year begins
    assert await given(pay(an_order(opening)), 1, 2, 3) == [(1, 1, "window", "open")]
    assert await given(pay(an_order(details(60, "AT-2M"))), 1, 2, 3) == [(1, 1, "notice", "open")]


# --- 2: within five minutes of the money, when the mark has passed ---


async def test_an_order_for_today_is_promised_five_minutes(given):
    """Due after the grace, at the latest five minutes after the money."""
    columns = "promise, rule, due_at, limit_at"
    assert await given(pay(an_order(details(0))), 1, 2, 3, columns=columns) == [
        (2, "grace", NOON + MINUTE, NOON + 5 * MINUTE)
    ]


async def test_money_arrives_when_it_arrives_with_us(given):
    """A bank that tells us hours later: the five minutes begin when we know."""
    order = pay(an_order(details(0), at=NOON - 3 * HOUR), received_at=NOON - 2 * HOUR)
    assert await given(order, 2, columns="due_at, limit_at") == [(NOON, NOON + 5 * MINUTE)]


@pytest.mark.parametrize(
    ("now", "judgement"),
    [
        (NOON + 30 * SECOND, ("open", NOTHING, 4 * MINUTE)),
        (NOON + 150 * SECOND, ("at_risk", MINUTE, 2 * MINUTE)),
        (NOON + 390 * SECOND, ("broken", 5 * MINUTE, -MINUTE)),
    ],
)
async def test_an_order_for_today_is_at_risk_after_its_grace(judged, now, judgement):
    """Four minutes are left then."""
    assert await judged(pay(an_order(details(0))), 2, now) == judgement


@pytest.mark.parametrize(
    ("at", "judgement"),
    [
        (NOON + MINUTE, ("kept", NOTHING, 4 * MINUTE)),
        (NOON + 5 * MINUTE, ("kept", 4 * MINUTE, NOTHING)),
        (NOON + 6 * MINUTE, ("broken", 5 * MINUTE, -MINUTE)),
    ],
)
async def test_a_start_for_today_is_judged_by_the_money(judged, at, judgement):
    """Not by the grace: that is ours."""
    assert await judged(triggered(pay(an_order(details(0))), at), 2) == judgement


async def test_a_correction_begins_the_five_minutes_anew(given):
    """What was corrected at the last moment can not have been started before."""
    order = pay(an_order(details(0)))
    order.correct_details(details(0, plate="3A3 2345"), NOON + 50 * SECOND)
    columns = "promise, occasion, state, limit_at"
    assert await given(order, 1, 2, columns=columns) == [
        (2, 1, "lapsed", NOON + 5 * MINUTE),
        (2, 2, "open", NOON + 50 * SECOND + 5 * MINUTE),
    ]


async def test_what_we_plan_anew_leaves_the_five_minutes_as_they_are(given):
    """Other terms, an outage, its withdrawal: none of them is the customer's, and the money came when it came."""
    order = pay(an_order(details(0)))
    order.change_terms(Terms(grace=4 * MINUTE), NOON + 10 * SECOND)
    outage = an_outage(NOON + 2 * MINUTE)
    order.regard_outage(outage, NOON + 20 * SECOND)
    order.disregard_outage(outage.id, NOON + 30 * SECOND)
    columns = "occasion, rule, limit_at"
    assert await given(order, 2, columns=columns) == [
        (1, "grace", NOON + 5 * MINUTE),
        (2, "grace", NOON + 5 * MINUTE),
        (3, "outage", NOON + 5 * MINUTE),
        (4, "grace", NOON + 5 * MINUTE),
    ]


async def test_terms_that_bring_it_past_its_mark_promise_five_minutes_from_then(given):
    """It was promised for its mark until then: no word is broken before it is given."""
    order = pay(an_order())
    order.change_terms(Terms(lead=10 * DAY), NOON + DAY)
    order.change_terms(Terms(lead=11 * DAY), NOON + DAY + MINUTE)
    assert await given(order, 1, 2, columns="promise, occasion, limit_at") == [
        (1, 1, MARK + 5 * MINUTE),
        (2, 2, NOON + DAY + 5 * MINUTE),
        (2, 3, NOON + DAY + 5 * MINUTE),
    ]


@pytest.mark.case(48)
async def test_a_twin_that_is_meant_is_promised_its_five_minutes_anew(given):
    """While it was held, it waited for the customer (case 48)."""
    order = pay(an_order(details(0)))
    order.hold_as_twin(an_order().id, NOON + SECOND)
    order.accept_twin(NOON + HOUR)
    columns = "occasion, limit_at"
    assert await given(order, 2, columns=columns) == [
        (1, NOON + 5 * MINUTE),
        (2, NOON + HOUR + 5 * MINUTE),
    ]


@pytest.mark.case(3, 4)
async def test_a_hold_lets_it_lapse_and_a_release_promises_it_anew(given):
    """Paid after its day: the customer is asked first (cases 3, 4)."""
    late = NOON + 3 * DAY
    order = pay(an_order(details(1)), at=late)
    assert await given(order, 1, 2, 3, now=late + DAY) == [(2, 1, "grace", "lapsed")]
    order.correct_details(details(3), late + HOUR)
    columns = "occasion, rule, state, due_at, limit_at"
    [_, promised_anew] = await given(order, 2, columns=columns, now=late + HOUR + MINUTE)
    assert promised_anew == (3, "grace", "at_risk", late + HOUR, late + HOUR + 5 * MINUTE)


# --- 3: at once, when the customer says so ---


@pytest.mark.case(35)
async def test_a_start_that_was_asked_for_is_kept_in_its_moment(given):
    """The plan lapses, what was asked is done: not a second late (promise 3, case 35)."""
    order = start(pay(an_order()), NOON + HOUR)
    assert await given(order, 1, 2, 3, now=MARK + DAY) == [
        (1, 1, "lead", "lapsed"),
        (3, 1, "at_once", "kept"),
    ]
    columns = "began_at, due_at, ended_at, late, margin"
    assert await given(order, 3, columns=columns) == [
        (NOON + HOUR, NOON + HOUR, NOON + HOUR, NOTHING, MINUTE)
    ]


async def test_a_start_asked_for_within_the_grace_needs_no_five_minutes(given):
    """Sooner than was promised."""
    order = start(pay(an_order(details(0))), NOON + 30 * SECOND)
    assert await given(order, 2, 3) == [(2, 1, "grace", "lapsed"), (3, 1, "at_once", "kept")]


async def test_a_start_asked_for_because_it_was_late_hides_nothing(given):
    """The customer did our work after six minutes: that is how late it was."""
    order = start(pay(an_order(details(0))), NOON + 6 * MINUTE)
    assert await given(order, 2, 3, columns="promise, state, late") == [
        (2, "broken", 5 * MINUTE),
        (3, "kept", NOTHING),
    ]


@pytest.mark.case(36)
@pytest.mark.parametrize(
    ("now", "judgement"),
    [
        (NOON + HOUR + 30 * SECOND, ("at_risk", NOTHING, NOTHING)),
        (NOON + HOUR + 90 * SECOND, ("broken", MINUTE, NOTHING)),
        (NOON + HOUR + 150 * SECOND, ("broken", 2 * MINUTE, -MINUTE)),
    ],
)
async def test_a_wish_is_due_when_the_money_arrives(judged, now, judgement):
    """Not when it was pressed: work starts with the money (case 36)."""
    assert await judged(pay(start(an_order()), at=NOON + HOUR), 3, now) == judgement


@pytest.mark.parametrize(
    ("late", "judgement"),
    [
        (SECOND, ("kept", SECOND, 59 * SECOND)),
        (61 * SECOND, ("broken", 61 * SECOND, -SECOND)),
    ],
)
async def test_a_wish_is_judged_by_when_it_was_granted(judged, late, judgement):
    """Within a minute of the money."""
    assert await judged(triggered(pay(start(an_order())), NOON + late), 3) == judgement


async def test_a_wish_without_money_is_promised_nothing_yet(given):
    """There is no moment to measure from."""
    assert await given(start(an_order()), 1, 2, 3) == []


async def test_who_presses_after_a_wish_has_one_promise(given):
    """It was asked twice, and is done once."""
    order = start(pay(start(an_order())), NOON + 10 * SECOND)
    assert await given(order, 1, 2, 3, columns="promise, occasion, state, late") == [
        (3, 1, "kept", 10 * SECOND)
    ]


@pytest.mark.case(49)
async def test_what_was_rejected_is_tried_again_when_asked(given):
    """A generation of its own, and so a promise of its own (case 49)."""
    order = start(rejected(start(pay(an_order()))), NOON + HOUR)
    assert await given(order, 3) == [(3, 1, "at_once", "kept"), (3, 2, "at_once", "kept")]


# --- 4: work starts when money has arrived ---


async def test_each_start_of_a_paid_order_had_its_money(given):
    """Whoever asked for it, and however often."""
    order = start(rejected(start(pay(an_order()))), NOON + HOUR)
    assert await given(order, 4, columns="rule, occasion, state, due_at, limit_at, late, margin") == [
        ("at_once", 3, "kept", NOON, None, NOTHING, None),
        ("at_once", 5, "kept", NOON + HOUR, None, NOTHING, None),
    ]


@pytest.mark.parametrize(
    "unpaid", [an_order, lambda: pay(an_order(), 100), lambda: pay(an_order(), booked=False)]
)
async def test_a_start_without_money_is_a_broken_word(given, unpaid):
    """No command does it: a history that has it is told as it is."""
    order = unpaid()
    order._start("lead", NOON, None, NOON)
    assert await given(order, 4, columns="rule, state, outcome") == [("lead", "broken", "violated")]


# --- 6: the mail that confirms the payment ---


@pytest.mark.parametrize(
    ("now", "judgement"),
    [
        (NOON + 30 * SECOND, ("open", NOTHING, 59 * MINUTE)),
        (NOON + 210 * SECOND, ("at_risk", 2 * MINUTE, 56 * MINUTE)),
        (NOON + HOUR + 90 * SECOND, ("broken", HOUR, -MINUTE)),
    ],
)
async def test_a_confirmation_that_has_not_left_is_at_risk_and_then_broken(judged, now, judgement):
    """At once is within a minute; the hour is the last."""
    assert await judged(pay(an_order()), 6, now) == judgement


@pytest.mark.parametrize(
    ("after", "judgement"),
    [
        (2 * SECOND, ("kept", NOTHING, HOUR - 2 * SECOND)),
        (HOUR, ("kept", 59 * MINUTE, NOTHING)),
        (HOUR + SECOND, ("broken", 59 * MINUTE + SECOND, -SECOND)),
    ],
)
async def test_a_confirmation_is_proven_by_its_mail(judged, sent, after, judgement):
    """When the mail server took it, as the mailer remembers."""
    order = pay(an_order())
    await judged(order, 6)
    sent(order, 2, "paid", NOON + after)
    assert await judged(order, 6, NOON + DAY) == judgement


async def test_only_what_confirms_the_payment_is_promised_for_it(given):
    """In part, or set aside: other mails; by a correction to what the money pays for: the same."""
    assert await given(pay(an_order(), 100), 6) == []
    order = pay(an_order(details(7, "CZ-30D")), 39_900)  # what the ten days cost
    order.correct_details(details(7), NOON + HOUR)
    assert await given(order, 6, columns="occasion, rule, began_at, message_id") == [
        (3, "paid", NOON + HOUR, f"<{order.id}.3.paid@{DOMAIN}>")
    ]


async def test_nobody_is_left_to_write_to(given, judged, sent, shared_database, shared_orders):
    """The address was erased before the mail left; one that left has left."""
    waiting = issue(start(pay(an_order())))
    served = issue(start(pay(an_order())))
    await given(waiting, 6)
    await given(served, 6)
    sent(served, 2, "paid", NOON + SECOND)
    for order in (waiting, served):
        erase(shared_database, shared_orders, order, DataClass.CONTACT, at=NOON + 10 * MINUTE)
    assert await judged(waiting, 6, NOON + DAY) == ("lapsed", 9 * MINUTE, 50 * MINUTE)
    assert await judged(served, 6, NOON + DAY) == ("kept", NOTHING, HOUR - SECOND)


async def test_a_mail_that_was_late_when_the_address_was_erased_stays_broken(
    judged, shared_database, shared_orders
):
    """Two months had passed by then."""
    order = issue(start(pay(an_order())))
    await judged(order, 6)
    erase(shared_database, shared_orders, order, DataClass.CONTACT)
    assert (await judged(order, 6))[0] == "broken"


# --- 7: details can be corrected until registration starts ---


async def test_a_correction_before_the_start_is_kept(given):
    """Each one, paid or not."""
    order = an_order()
    order.correct_details(details(8), NOON + HOUR)
    pay(order, at=NOON + 2 * HOUR)
    order.correct_details(details(9), NOON + 3 * HOUR)
    columns = "occasion, rule, state, due_at, late, margin"
    assert await given(order, 7, columns=columns) == [
        (2, "before_start", "kept", NOON + HOUR, NOTHING, None),
        (4, "before_start", "kept", NOON + 3 * HOUR, NOTHING, None),
    ]


@pytest.mark.case(49)
async def test_a_correction_after_a_rejection_comes_before_the_next_start(given):
    """Registration failed: the data are the customer's again (case 49)."""
    order = rejected(start(pay(an_order())))
    order.correct_details(details(plate="3A3 2345"), NOON + HOUR)
    assert await given(order, 7, columns="rule, state") == [("before_start", "kept")]


@pytest.mark.case(40)
async def test_a_correction_after_the_start_is_a_broken_word(given):
    """No command does it (case 40): a history that has it says how late it came."""
    order = start(pay(an_order()))
    late = NOON + 10 * MINUTE
    order.trigger_event(Order.DetailsCorrected, timestamp=late, details=details(9), price=order.price)
    assert await given(order, 7, columns="rule, state, due_at, ended_at, late") == [
        ("after_start", "broken", NOON, late, 10 * MINUTE)
    ]


# --- 8: the address can always be corrected ---


@pytest.fixture
def readdressed():
    order = pay(an_order())
    order.correct_email("new@example.com", NOON + HOUR)
    return order


async def test_a_corrected_address_is_owed_two_mails(given, readdressed):
    """The old address is told, the new one learns where the order stands (case 33)."""
    assert await given(readdressed, 8, now=NOON + HOUR) == [
        (8, 3, "address_changed", "open"),
        (8, 3, "paid", "open"),
    ]
    assert await given(readdressed, 8, columns="rule, due_at, limit_at, message_id") == [
        (
            "address_changed",
            NOON + 61 * MINUTE,
            NOON + 2 * HOUR,
            f"<{readdressed.id}.3.address_changed@{DOMAIN}>",
        ),
        ("paid", NOON + 61 * MINUTE, NOON + 2 * HOUR, f"<{readdressed.id}.3.paid@{DOMAIN}>"),
    ]


@pytest.mark.parametrize("after", [MINUTE, 3 * DAY])
async def test_a_mail_that_is_refused_for_good_breaks_no_promise(shared_database, judged, after):
    """Nobody is there to read it, which its order is told; a mail that left and came back has left."""
    order = pay(an_order(), at=NOON)
    await judged(order, 6)
    returned = "UPDATE effect.mails SET returned_at = %s, return_kind = 'permanent' WHERE order_id = %s"
    ask(shared_database, returned, NOON + after, order.id)
    state, *_ = await judged(order, 6, now=NOON + 30 * DAY)
    assert state == "lapsed"
    ask(shared_database, "UPDATE effect.mails SET sent_at = %s WHERE order_id = %s", NOON, order.id)
    state, *_ = await judged(order, 6, now=NOON + 30 * DAY)
    assert state == "kept"


async def test_a_lost_link_is_owed_a_mail(given, sent):
    """Promise 9: whoever asks for it, within the hour."""
    order = an_order()
    order.send_link([], NOON + HOUR)
    assert await given(order, 9, columns="rule, due_at, limit_at, outcome") == [
        ("link", NOON + 61 * MINUTE, NOON + 2 * HOUR, None)
    ]
    sent(order, 2, "link", NOON + HOUR + 2 * SECOND)
    assert await given(order, 9, columns="state") == ["kept"]


async def test_who_opens_the_page_by_the_reference_waits_for_no_link(given):
    order = an_order()
    order.send_link([], NOON + HOUR, by_reference=True)
    assert await given(order, 9) == []


async def test_each_of_them_is_judged_alone(given, sent, readdressed):
    """One left in time; the other is at risk, then broken."""
    await given(readdressed, 8)
    sent(readdressed, 3, "address_changed", NOON + HOUR + 2 * SECOND)
    columns = "rule, state, date_trunc('minute', late)"
    assert await given(readdressed, 8, columns=columns, now=NOON + HOUR + 330 * SECOND) == [
        ("address_changed", "kept", NOTHING),
        ("paid", "at_risk", 4 * MINUTE),
    ]
    assert await given(readdressed, 8, columns=columns, now=NOON + 2 * HOUR + 30 * SECOND) == [
        ("address_changed", "kept", NOTHING),
        ("paid", "broken", 59 * MINUTE),
    ]


async def test_the_mail_that_is_sent_again_confirms_no_payment(given, readdressed):
    """It is of the same kind, and another promise."""
    assert await given(readdressed, 6, columns="occasion") == [2]


# --- 10: money comes back ---


@pytest.mark.parametrize(
    ("now", "judgement"),
    [
        (NOON + HOUR + 30 * SECOND, ("open", NOTHING, 14 * DAY - HOUR - MINUTE)),
        (NOON + 2 * DAY + 30 * SECOND, ("at_risk", DAY, 12 * DAY - MINUTE)),
        (NOON + 15 * DAY + 30 * SECOND, ("broken", 14 * DAY, -DAY)),
    ],
)
async def test_money_that_has_not_come_back_is_at_risk_and_then_broken(judged, now, judgement):
    """A day for us; fourteen are the law."""
    assert await judged(refunding(pay(an_order())), 10, now) == judgement


@pytest.mark.parametrize(
    ("after", "judgement"),
    [
        (HOUR, ("kept", NOTHING, 14 * DAY - HOUR)),
        (14 * DAY, ("kept", 13 * DAY, NOTHING)),
        (15 * DAY, ("broken", 14 * DAY, -DAY)),
    ],
)
async def test_money_that_came_back_is_judged_by_when_it_left(judged, after, judgement):
    """As the payer side told us."""
    order = refunding(pay(an_order()))
    order.confirm_refund("back", order.refund, NOON + after)
    assert await judged(order, 10) == judgement


async def test_money_goes_back_for_three_reasons(given):
    """Asked for before the start, after a rejection, or because the rest never came."""
    columns = "occasion, rule, state"
    assert await given(refunding(pay(an_order())), 10, columns=columns) == [(3, "before_start", "open")]
    failed = refunding(rejected(start(pay(an_order()))))
    assert await given(failed, 10, columns=columns) == [(5, "rejected", "open")]
    unpaid = pay(an_order(), 100)
    unpaid.expire(NOON + 30 * DAY)
    assert await given(unpaid, 10, columns=columns) == [(4, "expired", "open")]


def issued(order, at):
    vignette = issue(start(pay(an_order()))).vignette
    order.trigger_event(Order.VignetteIssued, timestamp=at, vignette=vignette)
    return order


@pytest.mark.case(41)
async def test_a_vignette_for_money_that_goes_back_is_a_broken_word(given):
    """Never both: a history that has both says so (case 41)."""
    order = issued(refunding(pay(an_order())), NOON + HOUR)
    assert await given(order, 10, columns="state, outcome, ended_at, margin") == [
        ("broken", "violated", NOON + HOUR, None)
    ]


async def test_a_vignette_for_money_that_went_back_is_one_too(given):
    """Whether it is heard of together or later; and what follows mends nothing."""
    order = refunding(pay(an_order()))
    order.confirm_refund("back", order.refund, NOON + HOUR)
    assert await given(order, 10, columns="state") == ["kept"]
    issued(order, NOON + 2 * HOUR)
    assert await given(order, 10, columns="state, ended_at") == [("broken", NOON + 2 * HOUR)]
    both = issued(refunding(pay(an_order())), NOON + HOUR)
    both.confirm_refund("back", both.refund, NOON + 2 * HOUR)
    assert await given(both, 10, columns="state, ended_at") == [("broken", NOON + HOUR)]


async def test_money_back_for_a_vignette_that_was_issued_is_one_too(given):
    """The service had been provided."""
    order = issue(start(pay(an_order())))
    order.trigger_event(Order.RefundRequested, timestamp=NOON + HOUR, amount=order.price.total, reason="kind")
    order.confirm_refund("back", order.refund, NOON + 2 * HOUR)
    assert await given(order, 10, columns="state, outcome") == [("broken", "violated")]


# --- all together ---


async def test_the_days_count_what_the_orders_were_promised(database, orders, vault):
    """Day by day and promise by promise, in UTC, by when it was to be done."""
    kept, broken, waits, gone = (pay(an_order()) for _ in range(4))
    triggered(kept, MARK + 10 * SECOND)
    triggered(broken, MARK + HOUR)
    refunding(gone)
    later = pay(an_order(details(8)))
    record(orders, kept, broken, waits, gone, later)
    await follow(database, vault)
    set_clock(database, MARK + 90 * SECOND)
    columns = "day - date '2026-06-01', promise, kept, at_risk, broken, open, lapsed, date_trunc('minute', worst_late)"
    days = ask(database, f"SELECT {columns} FROM read.promise_days WHERE promise <> 6 ORDER BY 1, 2")
    assert days == [
        (1, 10, 0, 1, 0, 0, 0, MARK + MINUTE - NOON - DAY),
        (6, 1, 1, 1, 1, 0, 1, HOUR),
        (6, 4, 2, 0, 0, 0, 0, NOTHING),
        (7, 1, 0, 0, 0, 1, 0, NOTHING),
    ]


async def test_whatever_happens_to_orders_can_be_told(shared_database, shared_orders, vault):
    """Every event there is, erased or not: rows for those who may only read."""
    told = stories()
    record(shared_orders, *told)
    for order in told:
        if order.has_ended:
            erase(shared_database, shared_orders, order)
    await follow(shared_database, vault)
    with psycopg.connect(shared_database) as connection:
        connection.execute("SET ROLE vignettes_reader")
        states = dict(
            connection.execute("SELECT state, count(*) FROM read.promises GROUP BY state").fetchall()
        )
        names = ", ".join(f"sum({state})" for state in sorted(states))
        [totals] = connection.execute(f"SELECT {names} FROM read.promise_days").fetchall()
    assert dict(zip(sorted(states), totals, strict=True)) == states


@pytest.mark.parametrize("view", ["promises", "promise_days"])
def test_every_column_is_explained(shared_database, view):
    """Whoever reads it with SQL alone knows what each one means."""
    unexplained = ask(
        shared_database,
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0"
        " AND col_description(attrelid, attnum) IS NULL",
        f"read.{view}",
    )
    assert unexplained == []
    assert ask(shared_database, "SELECT obj_description(%s::regclass)", f"read.{view}") != [None]


# --- 5: money to the right order, 10 when others take it back ---

SHARE = f"bank-payment:{uuid4()}:1"


async def test_money_that_found_its_order_is_counted(given):
    """What another service has told directly was not ours to find."""
    assert await given(pay(an_order(), payment_id=SHARE), 5) == [(5, 2, "matched", "kept")]
    assert await given(pay(an_order()), 5) == []


async def test_a_match_that_was_undone_is_a_broken_promise(given):
    order = pay(an_order(), payment_id=SHARE)
    order.take_back_payment(SHARE, NOON + HOUR)
    assert await given(order, 5) == [(5, 2, "matched", "kept"), (5, 3, "undone", "broken")]


async def test_a_refund_that_the_bank_has_made_itself_lapses(given):
    """Case 29: the payer has the money back; nothing is owed to him."""
    order = refunding(pay(an_order(), payment_id="reversed"))
    order.reverse_payment("reversed", NOON + HOUR)
    assert await given(order, 10) == [(10, 3, "before_start", "lapsed")]


async def test_a_refund_that_came_back_is_promised_anew(given):
    """The bank did not reach the payer: the money is still owed."""
    order = refunding(pay(an_order()))
    order.confirm_refund("back", order.refund, NOON + HOUR)
    order.fail_payout("back", NOON + DAY)
    rows = await given(order, 10, now=NOON + DAY)
    assert [row[2:] for row in rows] == [("before_start", "kept"), ("before_start", "open")]
