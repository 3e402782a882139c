"""W7: what is timed is real: every history is held against a head that the keeper signed."""

import math
from contextlib import closing

import pytest
from benchmarks import goals, proofs

from eventstore_helpers import a_vault, an_order, issue, pay, record, start
from vignettes.eventstore.orders import Orders

SIZES = [200, 400, 1_000]


@pytest.fixture(scope="module")
def measured(copied):
    with copied() as database:
        with closing(Orders(database, a_vault())) as orders:
            record(orders, *(issue(start(pay(an_order()))) for _ in range(3)))
        yield {point.what: point for point in proofs.measure(database, SIZES, "seed", 0.2, 0)}


def test_histories_are_verified_on_logs_of_each_length(measured):
    for size in SIZES:
        assert measured[proofs.verified_among(size)].operations > 0
    assert sum(measured[proofs.kept_of(size)].operations for size in SIZES) == SIZES[-1]


def test_the_standing_tells_the_law_of_its_growth(measured):
    [standing] = goals.standings(list(measured.values()), ["W7"], proven=SIZES, events=0, orders=0, due=0)
    assert standing.ours == measured[proofs.verified_among(1_000)].p50_ms
    assert standing.beside["p99"] == measured[proofs.verified_among(1_000)].p99_ms
    assert "for each doubling" in standing.note


def test_the_law_is_that_of_a_tree():
    seen = {size: 2.0 + 0.25 * math.log2(size) for size in (1_000, 10_000, 100_000)}
    assert goals.law(seen) == pytest.approx((2.0, 0.25))


def test_what_was_not_measured_is_not_made_up(measured):
    [standing] = goals.standings(list(measured.values()), ["W7"], proven=SIZES[:2], events=0, orders=0, due=0)
    assert standing.verdict == "not measured"
