"""When cover begins and ends, by each country's own rules."""

from datetime import UTC, date, datetime, timedelta

import pytest

from vignettes.domain.catalogue import PRODUCTS, product
from vignettes.domain.schedule import Start, validity

SUMMER_BEGINS = date(2026, 3, 29)
WINTER_BEGINS = date(2026, 10, 25)
COVER = [
    ("CZ-1D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-01 23:59:59"),
    ("CZ-10D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-10 23:59:59"),
    ("CZ-30D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-30 23:59:59"),
    ("CZ-365D", "2025-11-22", "2025-11-22 00:00:00", "2026-11-21 23:59:59"),
    ("CZ-365D", "2027-11-22", "2027-11-22 00:00:00", "2028-11-20 23:59:59"),
    ("SK-1D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-01 23:59:59"),
    ("SK-10D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-10 23:59:59"),
    ("SK-30D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-30 23:59:59"),
    ("SK-365D", "2025-11-22", "2025-11-22 00:00:00", "2026-11-21 23:59:59"),
    ("AT-1D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-01 23:59:59"),
    ("AT-10D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-10 23:59:59"),
    ("AT-2M", "2026-03-10", "2026-03-10 00:00:00", "2026-05-10 23:59:59"),
    ("AT-2M", "2026-12-31", "2026-12-31 00:00:00", "2027-02-28 23:59:59"),
    ("AT-1Y", "2026-03-10", "2026-03-10 00:00:00", "2027-01-31 23:59:59"),
    ("AT-1Y", "2026-12-01", "2026-12-01 00:00:00", "2028-01-31 23:59:59"),
    ("CH-1Y", "2026-11-30", "2026-11-30 00:00:00", "2027-01-31 23:59:59"),
    ("CH-1Y", "2026-12-01", "2026-12-01 00:00:00", "2028-01-31 23:59:59"),
    ("CH-1Y", "2027-01-15", "2027-01-15 00:00:00", "2028-01-31 23:59:59"),
    ("SI-7D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-07 23:59:59"),
    ("SI-1M", "2026-03-10", "2026-03-10 00:00:00", "2026-04-10 23:59:59"),
    ("SI-1Y", "2026-03-10", "2026-03-10 00:00:00", "2027-03-10 23:59:59"),
    ("HU-1D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-01 23:59:59"),
    ("HU-10D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-10 23:59:59"),
    ("HU-1M", "2026-03-10", "2026-03-10 00:00:00", "2026-04-10 23:59:59"),
    ("HU-1Y", "2026-03-10", "2026-03-10 00:00:00", "2027-01-31 23:59:59"),
    ("RO-1D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-01 23:59:59"),
    ("RO-10D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-10 23:59:59"),
    ("RO-30D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-30 23:59:59"),
    ("RO-60D", "2026-12-01", "2026-12-01 00:00:00", "2027-01-29 23:59:59"),
    ("RO-12M", "2026-03-10", "2026-03-10 00:00:00", "2027-03-09 23:59:59"),
    ("BG-1D", "2026-12-01T14:30:00+02:00", "2026-12-01 14:30:00", "2026-12-02 14:29:59"),
    ("BG-WE", "2026-12-04", "2026-12-04 12:00:00", "2026-12-06 23:59:59"),
    ("BG-7D", "2026-12-01", "2026-12-01 00:00:00", "2026-12-07 23:59:59"),
    ("BG-1M", "2026-03-10", "2026-03-10 00:00:00", "2026-04-09 23:59:59"),
    ("BG-3M", "2026-03-10", "2026-03-10 00:00:00", "2026-06-09 23:59:59"),
    ("BG-1Y", "2026-03-10", "2026-03-10 00:00:00", "2027-03-09 23:59:59"),
]


def local(code, text):
    """A wall clock time of the product's authority."""
    return datetime.fromisoformat(text).replace(tzinfo=product(code).zone)


def start(code, text):
    return Start.parse(text, product(code))


def cover(code, text, **known):
    """First and last second as clocks in the country show them."""
    found = validity(product(code), start(code, text), **known)
    assert found.starts_at.tzinfo is UTC
    assert found.ends_at.tzinfo is UTC
    zoned = product(code).zone
    return tuple(f"{each.astimezone(zoned):%Y-%m-%d %H:%M:%S}" for each in (found.starts_at, found.ends_at))


@pytest.mark.case(8)
@pytest.mark.parametrize(("code", "text", "first", "last"), COVER)
def test_cover_is_the_countrys_own(code, text, first, last):
    """Case 8: some countries count the last day in, some end the day before."""
    assert cover(code, text) == (first, last)


def test_no_product_lacks_an_example_of_its_cover():
    """A product that is added brings its own."""
    assert {code for code, *_ in COVER} == set(PRODUCTS)


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("code", "text", "last"),
    [
        ("SI-1M", "2026-01-31", "2026-02-28"),
        ("SI-1M", "2028-01-31", "2028-02-29"),
        ("SI-1Y", "2028-02-29", "2029-02-28"),
        ("HU-1M", "2026-08-31", "2026-09-30"),
        ("AT-2M", "2027-12-31", "2028-02-29"),
        ("BG-1M", "2026-01-31", "2026-02-28"),
        ("BG-1M", "2026-01-28", "2026-02-27"),
        ("BG-1M", "2026-03-01", "2026-03-31"),
        ("BG-3M", "2026-11-30", "2027-02-28"),
        ("RO-12M", "2028-02-29", "2029-02-28"),
        ("RO-12M", "2027-03-01", "2028-02-29"),
    ],
)
def test_a_day_the_month_lacks_is_its_last(code, text, last):
    """Case 7: 29 February and 31 January."""
    assert cover(code, text)[1] == f"{last} 23:59:59"


@pytest.mark.case(7)
@pytest.mark.parametrize(
    ("code", "text", "last"),
    [
        ("CZ-365D", "2028-02-29", "2029-02-27"),
        ("CZ-365D", "2027-03-01", "2028-02-28"),
        ("CZ-30D", "2028-01-31", "2028-02-29"),
        ("CZ-30D", "2027-01-31", "2027-03-01"),
        ("BG-7D", "2028-02-28", "2028-03-05"),
        ("AT-1Y", "2028-02-29", "2029-01-31"),
        ("HU-1Y", "2028-01-31", "2029-01-31"),
        ("CH-1Y", "2028-01-31", "2029-01-31"),
    ],
)
def test_days_are_counted_over_the_leap_day_as_over_any(code, text, last):
    """Case 7: a rolling year has 365 days, a season ends on 31 January whenever it began."""
    assert cover(code, text)[1] == f"{last} 23:59:59"


@pytest.mark.case(6)
@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-03-28T10:00:00+02:00", "2026-03-29 10:59:59"),
        ("2026-10-24T10:00:00+03:00", "2026-10-25 08:59:59"),
    ],
)
def test_a_day_of_hours_is_elapsed_time(text, last):
    """Case 6: 24 hours over a change of the clocks in Bulgaria."""
    assert cover("BG-1D", text)[1] == last
    found = validity(product("BG-1D"), start("BG-1D", text))
    assert found.ends_at - found.starts_at == timedelta(hours=24, seconds=-1)


@pytest.mark.case(6)
@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("2026-03-29T02:59:59+02:00", "2026-03-29 02:59:59", "2026-03-30 03:59:58"),
        ("2026-03-29T03:30:00+02:00", "2026-03-29 04:30:00", "2026-03-30 04:29:59"),
        ("2026-10-25T03:30:00+03:00", "2026-10-25 03:30:00", "2026-10-26 02:29:59"),
        ("2026-10-25T03:30:00+02:00", "2026-10-25 03:30:00", "2026-10-26 03:29:59"),
        ("2026-10-24T03:30:00+03:00", "2026-10-24 03:30:00", "2026-10-25 03:29:59"),
        ("2026-10-24T04:30:00+03:00", "2026-10-24 04:30:00", "2026-10-25 03:29:59"),
    ],
)
def test_a_day_of_hours_in_the_night_of_a_clock_change(text, first, last):
    """Case 6: begun just before it, in the hour that is missing, in either of the two that are called the same."""
    assert cover("BG-1D", text) == (first, last)
    found = validity(product("BG-1D"), start("BG-1D", text))
    assert found.ends_at - found.starts_at == timedelta(hours=24, seconds=-1)


@pytest.mark.case(6)
def test_the_days_of_the_clock_change_are_covered_whole():
    """A day of 23 or 25 hours is a day."""
    for day, hours in ((SUMMER_BEGINS, 23), (WINTER_BEGINS, 25)):
        found = validity(product("CZ-1D"), Start(day))
        assert found.ends_at - found.starts_at == timedelta(hours=hours, seconds=-1)


@pytest.mark.case(9)
def test_same_day_cover_begins_at_registration():
    """Case 9: nobody is covered before the authority knows the plate."""
    registered = local("CZ-10D", "2026-12-01T15:20:30")
    assert cover("CZ-10D", "2026-12-01", registered_at=registered) == (
        "2026-12-01 15:20:30",
        "2026-12-10 23:59:59",
    )


@pytest.mark.case(9)
def test_a_registration_before_the_start_leaves_the_start():
    """Case 9, the other side: registered the evening before."""
    registered = local("CZ-10D", "2026-11-30T12:00:00")
    assert cover("CZ-10D", "2026-12-01", registered_at=registered)[0] == "2026-12-01 00:00:00"


@pytest.mark.case(10)
@pytest.mark.parametrize("registered", ["2026-03-09T12:00:00", "2026-03-10T08:00:00"])
def test_switzerland_is_valid_when_registered(registered):
    """Case 10: earlier than wished too, so never promise later."""
    found = cover("CH-1Y", "2026-03-10", registered_at=local("CH-1Y", registered))
    assert found == (registered.replace("T", " "), "2027-01-31 23:59:59")
