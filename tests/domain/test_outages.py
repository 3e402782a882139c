"""Any outages, any order: what moving a deadline before them may do, and may not (case 15)."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vignettes.domain.catalogue import PRODUCTS
from vignettes.domain.details import Details
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Rule, Start, Terms
from vignettes.domain.vehicle import Vehicle

VEHICLE = Vehicle.of("CZ", "1AB2345")
MINUTE = timedelta(minutes=1)

codes = st.sampled_from([code for code, each in PRODUCTS.items() if not each.starts_at_hour])
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
# Minutes around the deadline, and at its very edges.
near = st.integers(-72 * 60, 72 * 60) | st.sampled_from((-60, -61, 0, 1, 59, 60, 61))
spans = st.tuples(near, st.integers(1, 48 * 60))
minutes_before_the_start = st.integers(0, 60 * 24 * 60)


def plan(details, arrived, known, wished, announced):
    return details.deadline(arrived, Terms(), wished=wished, not_before=known, outages=announced)


@pytest.mark.case(15)
@given(
    code=codes,
    day=days,
    early=minutes_before_the_start,
    late=st.integers(0, 24 * 60),
    wished=st.booleans(),
    places=st.lists(spans, max_size=4),
)
def test_a_deadline_moves_before_outages_and_never_behind_them(code, day, early, late, wished, places):
    """Never later than without; never within an outage but one that nobody could forestall."""
    details = Details(code, VEHICLE, Start(day))
    arrived = datetime(day.year, day.month, day.day, tzinfo=UTC) - early * MINUTE
    known = arrived + late * MINUTE
    without = plan(details, arrived, known, wished, [])
    announced = [
        Outage(UUID(int=n), PRODUCTS[code].country, begins, begins + length * MINUTE)
        for n, (place, length) in enumerate(places)
        for begins in [without.due_at + place * MINUTE]
    ]
    found = plan(details, arrived, known, wished, announced)
    soonest = max(filter(None, (arrived, known, found.opens_at)))
    assert soonest <= found.due_at <= without.due_at
    unavoidable = [each for each in announced if each.begins_at <= soonest]
    hit = [each for each in announced if each.begins_at <= found.due_at < each.ends_at]
    assert [each for each in hit if each not in unavoidable] == []
    assert plan(details, arrived, known, wished, reversed(announced)).due_at == found.due_at
    if found.due_at < without.due_at:
        assert (found.rule, found.unmoved_at) == (Rule.OUTAGE, without.due_at)
        assert found.outage in announced
    else:
        assert found == without


@pytest.mark.case(15)
@given(code=codes, day=days, early=minutes_before_the_start, places=st.lists(spans, min_size=1, max_size=3))
def test_another_authoritys_outages_are_none_of_its_business(code, day, early, places):
    details = Details(code, VEHICLE, Start(day))
    arrived = datetime(day.year, day.month, day.day, tzinfo=UTC) - early * MINUTE
    without = plan(details, arrived, arrived, False, [])
    elsewhere = [
        Outage(UUID(int=n), "XX", without.due_at + place * MINUTE, without.due_at + (place + length) * MINUTE)
        for n, (place, length) in enumerate(places)
    ]
    assert plan(details, arrived, arrived, False, elsewhere) == without
