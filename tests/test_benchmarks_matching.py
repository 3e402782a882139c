"""What matching is measured with: noise that is drawn as published, a file that adds up, and counts that are right."""

import random
from collections import Counter
from math import sqrt
from pathlib import Path

import psycopg
import pytest
from benchmarks import matching_file, matching_names, matching_stocking
from benchmarks.apart import measured
from benchmarks.figures import Point, Window
from benchmarks.goals import matched_among, standings
from benchmarks.matching import order_of, tallies
from benchmarks.matching_noise import KINDS, MANNERS, Paid, payments
from benchmarks.matching_orders import BOOKED_ON, MIX, Open
from benchmarks.matching_quality import automatic_rate, review_rate, upper_bound, wrong

from eventstore_helpers import an_order, ask, details, fold, record
from vignettes.domain.details import Status
from vignettes.domain.entry import BankEntry
from vignettes.domain.matching import OrderInView, wanted
from vignettes.domain.money import zero
from vignettes.domain.references import parse_number
from vignettes.eventstore.orders import order_id_of
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.statements import read

pytestmark = pytest.mark.thorough

SEED, ORDERS, PAYMENTS = "seed", 20_000, 2_000


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Give the folder of a small run."""
    written = tmp_path_factory.mktemp("statements")
    matching_file.write(written, matching_file.drawn(PAYMENTS, ORDERS, SEED))
    return written


@pytest.fixture(scope="module")
def entries(folder) -> list[BankEntry]:
    """Give the payments as they are read back."""
    return [item for item in read(folder / matching_file.STATEMENTS) if isinstance(item, BankEntry)]


def in_view(order: Open) -> OrderInView:
    """Return an order as the view has it."""
    nothing = zero(order.amount.currency)
    waiting = Status.AWAITING_PAYMENT
    about = (order.number, waiting, order.amount, order.amount, nothing, order.placed_at)
    return OrderInView(order_id_of(order.number), *about)


def point(tallied: dict[str, tuple[int, int, int]], party="ours", memory=100.0) -> Point:
    """Return a point of so many entries, matches and wrong matches of each kind."""
    window = Window(10, 0)
    window.note(window.begins)
    told = {
        kind: dict(zip(("entries", "matched", "wrong"), counts, strict=True))
        for kind, counts in tallied.items()
    }
    found = Point.of(("W9", party, matched_among(100)), 1, 0.01, window).of_many(200)
    return Point(**{**vars_of(found), "tallies": told, "memory_mb": memory})


def vars_of(found: Point) -> dict:
    """Return the fields of a point."""
    return {name: getattr(found, name) for name in Point.__slots__}


def test_of_two_thousand_noisy_payments_none_is_matched_wrongly_and_nearly_all_that_are_right_are_matched(
    folder, entries
):
    """Promise 5, by the published noise: the rest goes to a person."""
    known = {order.number: in_view(order) for order in (Open(SEED, n) for n in range(ORDERS))}
    decided = []
    for entry in entries:
        named = wanted(entry)
        found = (known[number] for number in (*named.numbers, *named.nearby) if number in known)
        decided.append(order_of(entry, found))
    counted = tallies(decided, matching_file.meant(folder))
    found = point({kind: (one.entries, one.matched, one.wrong) for kind, one in counted.items()})
    assert sum(one.entries for one in counted.values()) == PAYMENTS
    assert wrong(found) == 0
    assert automatic_rate(found) >= 0.97
    assert {kind.name for kind in KINDS} == counted.keys(), "every kind was drawn"
    must_not = (
        "one_digit",
        "swapped",
        "missing",
        "underpaid",
        "overpaid",
        "currency",
        "joint",
        "no_reference",
    )
    assert {kind: counted[kind].matched for kind in must_not} == dict.fromkeys(must_not, 0)


def test_amount_and_name_are_often_wrong(folder):
    (found,) = matching_names.measure(str(folder), ORDERS, SEED)
    assert found.operations == PAYMENTS
    assert wrong(found) > 0
    assert automatic_rate(found) < 0.9


def test_shares_are_of_a_thousand():
    assert sum(kind.per_mille for kind in KINDS) == sum(MANNERS.values()) == 1000
    assert sum(MIX.values()) == 100


def test_payments_are_drawn_in_their_shares_and_the_same_each_time():
    def drawn() -> list[Paid]:
        rng = random.Random(SEED)
        return list(payments(rng, 10_000, lambda: Open(SEED, rng.randrange(99)), lambda: Open(SEED, 100)))

    made = drawn()
    assert made == drawn()
    counted = Counter(paid.kind for paid in made)
    for kind in KINDS:
        assert counted[kind.name] == pytest.approx(10 * kind.per_mille, abs=4 * sqrt(10 * kind.per_mille))


def test_a_payment_that_comes_again_is_the_same():
    made = matching_file.drawn(PAYMENTS, ORDERS, SEED)
    first = {(paid.meant, paid.symbol) for paid in made if paid.kind == "symbol"}
    again = [paid for paid in made if paid.kind == "paid_again"]
    assert again
    assert all((paid.meant, paid.symbol) in first for paid in again)


def test_what_is_written_is_what_is_read(folder, entries):
    """The file adds up, or it could not be read; entries come in the order of what was meant by them."""
    meant = list(matching_file.meant(folder))
    assert len(entries) == len(meant) == PAYMENTS
    assert [entry.counterparty for entry in entries] == [payer for _, _, payer in meant]
    assert {entry.amount.currency for entry in entries} == {"CZK", "EUR"}
    assert {entry.booked_on for entry in entries} == {BOOKED_ON}


def test_open_orders_have_numbers_of_their_own_and_were_placed_before():
    orders = [Open(SEED, n) for n in range(5_000)]
    assert len({order.number for order in orders}) == 5_000
    assert all(parse_number(order.number) for order in orders)
    assert all(order.placed_at.date() <= BOOKED_ON for order in orders)
    assert len({order.amount for order in orders}) == len(MIX)


async def test_the_view_is_filled_and_matched_with_in_a_process_of_its_own(database, orders, folder):
    templates = [an_order(details(product=product)) for product in MIX]
    record(orders, *templates)
    await fold(database, orders.vault, OrderStatusView(orders.vault))
    with psycopg.connect(database, autocommit=True) as connection:
        matching_stocking.fill(connection, SEED, ORDERS)
    drawn = Open(SEED, 7)
    [row] = ask(
        database,
        "SELECT order_id, outstanding, currency, placed_at, status FROM read.order_status WHERE order_number = %s",
        drawn.number,
    )
    about = (order_id_of(drawn.number), drawn.amount.amount, drawn.amount.currency, drawn.placed_at)
    assert row == (*about, "awaiting_payment")
    asked = {"database_url": database, "folder": str(folder), "what": "matched"}
    (found,) = await measured("benchmarks.matching", **asked)
    assert (found.operations, wrong(found)) == (PAYMENTS, 0)
    assert automatic_rate(found) >= 0.97
    assert 20 < found.memory_mb < 300


# What the counts say


def test_wrong_is_what_was_not_meant():
    ours, others = order_id_of("V1000000064"), order_id_of("V6562305984")
    meant = [
        ("symbol", ("V1000000064",), ""),
        ("symbol", ("V1000000064",), ""),
        ("stranger", (), ""),
        ("rf", (), ""),
    ]
    counted = tallies([ours, others, others, None], meant)
    told = {kind: (one.entries, one.matched, one.wrong, one.review) for kind, one in counted.items()}
    assert told == {"symbol": (2, 2, 1, 0), "stranger": (1, 1, 1, 0), "rf": (1, 0, 0, 1)}


@pytest.mark.parametrize(
    ("seen", "of", "bound"),
    [(0, 100_000, 2.9957e-5), (0, 1, 0.95), (1, 100, 0.04656), (5, 1_000, 0.01048), (3, 3, 1.0)],
)
def test_the_bound_is_that_of_clopper_and_pearson(seen, of, bound):
    assert upper_bound(seen, of) == pytest.approx(bound, rel=1e-3)


def test_rates_are_of_what_they_say():
    found = point({"symbol": (90, 88, 0), "own_ten_digits": (10, 2, 0), "one_digit": (100, 1, 1)})
    assert automatic_rate(found) == pytest.approx(0.9)
    assert review_rate(found) == pytest.approx(1 - 91 / 200)


def test_goals_are_of_speed_memory_and_what_it_is_worth():
    ours, names = point({"symbol": (100, 98, 0)}), point({"symbol": (100, 60, 5)}, "alternative")
    speed, memory, mistakes, right = standings([ours, names], ["W9"], events=0, orders=0, due=0, waiting=100)
    assert [each.verdict for each in (speed, memory, mistakes, right)] == ["reached"] * 4
    assert (speed.ours, memory.ours, mistakes.ours, right.ours) == (20_000, 100, 0, pytest.approx(98))
    assert list(mistakes.alternatives.values()) == [5]


def test_one_wrong_match_misses_the_goal():
    found = point({"symbol": (100, 96, 1)}, memory=301.0)
    _, memory, mistakes, right = standings([found], ["W9"], events=0, orders=0, due=0, waiting=100)
    assert [each.verdict for each in (memory, mistakes, right)] == ["missed"] * 3


def test_what_was_not_measured_is_said_to_be_so():
    found = standings([], ["W9"], events=0, orders=0, due=0, waiting=100)
    assert {each.verdict for each in found} == {"not measured"}
