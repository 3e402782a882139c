"""Which starts are taken, when the authority sells, and when registration must start."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vignettes.domain.catalogue import PRODUCTS, product, zone
from vignettes.domain.errors import InvalidValue
from vignettes.domain.schedule import (
    SAME_DAY_LIMIT,
    Rule,
    Start,
    Terms,
    can_register_at,
    check_start,
    earliest_registration,
    hold_reason,
    registration_deadline,
    validity,
)


def at(text):
    return datetime.fromisoformat(text)


def local(code, text):
    """A wall clock time of the product's authority."""
    return at(text).replace(tzinfo=product(code).zone)


def start(code, text):
    return Start.parse(text, product(code))


def deadline(code, text, arrived, terms=None, **wish):
    return registration_deadline(
        product(code), start(code, text), local(code, arrived), terms or Terms(), **wish
    )


def refusal(code, text, now):
    with pytest.raises(InvalidValue) as refused:
        check_start(product(code), start(code, text), local(code, now))
    assert refused.value.field == "valid_from"
    return str(refused.value)


def accepted(code, text, now):
    check_start(product(code), start(code, text), local(code, now))
    return True


# --- the wished start ---


def test_a_start_is_a_day():
    """Most vignettes begin with a day of the authority's calendar."""
    assert start("CZ-10D", "2026-12-01") == Start(date(2026, 12, 1))
    assert start("CZ-10D", "2026-12-01").text() == "2026-12-01"


def test_a_start_at_an_hour_belongs_to_the_local_day():
    """23:30 UTC is the next day already in Sofia."""
    found = start("BG-1D", "2026-12-01T23:30:00Z")
    assert found.day == date(2026, 12, 2)
    assert found.at == at("2026-12-01T23:30:00+00:00")


def test_a_start_at_an_hour_is_kept_to_the_second_and_read_back_the_same():
    """What JSON carries is what was meant."""
    found = start("BG-1D", "2026-12-01t14:30:05.250+02:00")
    assert found.text() == "2026-12-01T14:30:05+02:00"
    assert start("BG-1D", found.text()) == found


@pytest.mark.parametrize(
    "text",
    ["2026-12-01T00:00:00+01:00", "2026-02-30", "20261201", "2026-W49-1", "1.12.2026", "", "２０２６-12-01"],
)
def test_a_date_product_wants_a_date(text):
    """The refusal says which form is wanted."""
    with pytest.raises(InvalidValue, match="give a date such as 2026-12-01") as refused:
        start("CZ-10D", text)
    assert refused.value.field == "valid_from"


@pytest.mark.parametrize(
    "text",
    ["2026-12-01", "2026-12-01T14:30:00", "2026-12-01T25:00:00Z", "0001-01-01T00:00:00+14:00", "tomorrow"],
)
def test_a_product_that_starts_at_an_hour_wants_a_time_with_its_offset(text):
    """A naive time would be guessed at; it is refused."""
    with pytest.raises(
        InvalidValue, match=r"time with its offset such as 2026-12-01T14:30:00\+02:00"
    ) as refused:
        start("BG-1D", text)
    assert refused.value.field == "valid_from"


@pytest.mark.parametrize("text", ["0001-01-01", "1969-12-31", "2201-01-01", "9999-12-31"])
def test_a_year_at_the_end_of_the_calendar_is_refused(text):
    """There is no day after the last one, nor such an hour in UTC: the end of the cover could not be told."""
    for code, wish in (("CZ-365D", text), ("AT-1Y", text), ("BG-1D", f"{text}T00:00:00Z")):
        with pytest.raises(InvalidValue) as refused:
            start(code, wish)
        assert refused.value.field == "valid_from"


# --- may it start then? ---


@pytest.mark.case(2)
def test_today_is_the_authoritys_today():
    """Case 2: at 22:30 UTC the new day has begun in Sofia, not in Prague."""
    now = at("2026-03-09T22:30:00+00:00")
    with pytest.raises(InvalidValue, match="2026-03-09 has passed in Europe/Sofia: take 2026-03-10"):
        check_start(product("BG-7D"), start("BG-7D", "2026-03-09"), now)
    check_start(product("CZ-10D"), start("CZ-10D", "2026-03-09"), now)


def test_an_hour_of_an_earlier_day_is_refused_and_one_of_today_is_not():
    """BG-1D: only the local day counts."""
    assert "has passed" in refusal("BG-1D", "2026-03-09T23:00:00+02:00", "2026-03-10T08:00:00")
    assert accepted("BG-1D", "2026-03-10T07:00:00+02:00", "2026-03-10T08:00:00")


def test_a_weekend_starts_on_a_friday():
    """The refusal names the next Friday."""
    assert "take 2026-12-04" in refusal("BG-WE", "2026-12-01", "2026-11-20T10:00:00")
    assert "take 2026-12-11" in refusal("BG-WE", "2026-12-05", "2026-11-20T10:00:00")
    assert accepted("BG-WE", "2026-12-04", "2026-11-20T10:00:00")


@pytest.mark.case(11)
@pytest.mark.parametrize("code", ["AT-2M", "AT-1Y"])
def test_austria_refuses_a_start_inside_eighteen_days_and_offers_another(code):
    """Case 11: the earliest day is named, and the product that may start sooner."""
    told = refusal(code, "2026-03-18", "2026-03-01T00:30:00")
    assert "2026-03-19 at the earliest" in told
    assert "AT-10D" in told
    assert accepted(code, "2026-03-19", "2026-03-01T23:30:00")
    assert accepted("AT-10D", "2026-03-02", "2026-03-01T23:30:00")


@pytest.mark.case(11)
def test_the_day_of_purchase_is_viennas():
    """Case 11: half an hour after midnight in Vienna is another day of purchase than UTC says."""
    with pytest.raises(InvalidValue, match="2026-03-20 at the earliest"):
        check_start(product("AT-2M"), start("AT-2M", "2026-03-19"), at("2026-03-01T23:30:00+00:00"))


@pytest.mark.case(13)
def test_a_start_beyond_the_purchase_window_is_accepted():
    """Case 13: it is scheduled inside the window."""
    assert accepted("CZ-10D", "2026-12-01", "2026-03-01T10:00:00")


def test_a_start_more_than_a_leap_year_ahead_is_refused():
    """A mistyped year would cost a vignette."""
    assert accepted("CZ-10D", "2027-03-02", "2026-03-01T10:00:00")
    assert "take 2027-03-02 or an earlier day" in refusal("CZ-10D", "2027-03-03", "2026-03-01T10:00:00")


def test_a_corrected_product_needs_the_other_form_of_start():
    """A day is no hour: changing BG-7D to BG-1D asks for the time."""
    now = local("BG-1D", "2026-03-01T10:00:00")
    with pytest.raises(InvalidValue, match="starts at an hour"):
        check_start(product("BG-1D"), start("BG-7D", "2026-03-05"), now)
    with pytest.raises(InvalidValue, match="starts on a day"):
        check_start(product("BG-7D"), start("BG-1D", "2026-03-05T10:00:00+02:00"), now)
    with pytest.raises(InvalidValue, match="starts at an hour"):
        validity(product("BG-1D"), start("BG-7D", "2026-03-05"))


# --- the authority's sale ---


@pytest.mark.case(13)
@pytest.mark.parametrize(
    ("code", "text", "opens"),
    [
        ("CZ-10D", "2026-12-01", "2026-11-01T00:00:00"),
        ("SK-10D", "2026-12-01", "2026-10-02T00:00:00"),
        ("BG-1D", "2026-12-01T14:30:00+02:00", "2026-11-01T00:00:00"),
        ("CH-1Y", "2027-05-01", "2026-12-01T00:00:00"),
        ("CH-1Y", "2026-12-24", "2026-12-01T00:00:00"),
        ("CH-1Y", "2026-11-24", "2025-12-01T00:00:00"),
    ],
)
def test_the_sale_opens_at_midnight_of_the_authority(code, text, opens):
    """Case 13: the window is counted in calendar days."""
    assert earliest_registration(product(code), start(code, text)) == local(code, opens)


@pytest.mark.parametrize("code", ["AT-1D", "AT-2M", "AT-1Y", "HU-10D"])
def test_some_authorities_sell_any_time_ahead(code):
    """No window is known for Austria and Hungary."""
    assert earliest_registration(product(code), start(code, "2026-12-01")) is None
    assert can_register_at(product(code), start(code, "2026-12-01"), at("2026-01-01T00:00:00Z")) is None


@pytest.mark.case(13)
def test_before_the_opening_one_is_told_when_it_is():
    """Case 13: start at once can be answered with the instant it will work."""
    opens = local("CZ-10D", "2026-11-01T00:00:00")
    wished = (product("CZ-10D"), start("CZ-10D", "2026-12-01"))
    assert can_register_at(*wished, opens - timedelta(seconds=1)) == opens
    assert can_register_at(*wished, opens) is None


# --- when registration is due ---


def test_registration_is_due_twelve_hours_before_the_start():
    """Promise 1, in the authority's zone."""
    found = deadline("CZ-10D", "2026-12-10", "2026-12-01T10:00:00")
    assert found.due_at == found.mark == at("2026-12-09T11:00:00Z")
    assert found.rule is Rule.LEAD
    assert found.zone == "Europe/Prague"
    assert found.starts_at == at("2026-12-09T23:00:00Z")
    assert found.opens_at == at("2026-11-09T23:00:00Z")
    assert found.due_at.tzinfo is UTC


@pytest.mark.case(1)
def test_paid_in_the_evening_for_midnight_is_due_now():
    """Case 1: the mark has passed at payment, so the grace and the 5 minutes count."""
    found = deadline("CZ-10D", "2026-12-10", "2026-12-09T20:00:00")
    assert found.due_at == local("CZ-10D", "2026-12-09T20:01:00")
    assert found.rule is Rule.GRACE
    assert found.due_at - local("CZ-10D", "2026-12-09T20:00:00") <= SAME_DAY_LIMIT


@pytest.mark.case(1)
def test_the_mark_itself_has_passed():
    """Case 1: money on the very second of the mark gets the grace; a second before, the mark."""
    assert deadline("CZ-10D", "2026-12-10", "2026-12-09T12:00:00").rule is Rule.GRACE
    found = deadline("CZ-10D", "2026-12-10", "2026-12-09T11:59:59")
    assert (found.rule, found.due_at) == (Rule.LEAD, local("CZ-10D", "2026-12-09T12:00:00"))


@pytest.mark.case(2)
def test_same_day_is_due_after_the_grace():
    """Case 2: paid 00:30 in Sofia for that day, while it is the day before in UTC."""
    money = at("2026-03-09T22:30:00+00:00")
    found = registration_deadline(product("BG-7D"), start("BG-7D", "2026-03-10"), money, Terms())
    assert (found.rule, found.due_at) == (Rule.GRACE, at("2026-03-09T22:31:00Z"))


@pytest.mark.case(5)
def test_twelve_hours_are_elapsed_when_clocks_go_forward():
    """Case 5: 10:00 in Sofia on the day that lacks an hour; the mark is 21:00 of the day before."""
    found = deadline("BG-1D", "2026-03-29T10:00:00+03:00", "2026-03-20T10:00:00")
    assert found.due_at == local("BG-1D", "2026-03-28T21:00:00")


@pytest.mark.case(5)
def test_twelve_hours_are_elapsed_when_clocks_go_back():
    """Case 5: 10:00 in Sofia on the day of 25 hours; the mark is 23:00 of the day before."""
    found = deadline("BG-1D", "2026-10-25T10:00:00+02:00", "2026-10-20T10:00:00")
    assert found.due_at == local("BG-1D", "2026-10-24T23:00:00")


@pytest.mark.case(5)
def test_a_longer_lead_over_a_clock_change_is_elapsed_too():
    """Case 5: midnight after the day of 23 hours, 24 hours before."""
    found = deadline("CZ-10D", "2026-03-30", "2026-03-20T10:00:00", Terms(lead=timedelta(hours=24)))
    assert found.due_at == local("CZ-10D", "2026-03-28T23:00:00")


@pytest.mark.case(5)
@pytest.mark.parametrize(
    ("day", "due"),
    [
        ("2026-03-28", "2026-03-27T12:00:00+01:00"),
        ("2026-03-29", "2026-03-28T12:00:00+01:00"),
        ("2026-03-30", "2026-03-29T12:00:00+02:00"),
        ("2026-10-24", "2026-10-23T12:00:00+02:00"),
        ("2026-10-25", "2026-10-24T12:00:00+02:00"),
        ("2026-10-26", "2026-10-25T12:00:00+01:00"),
    ],
)
def test_midnights_around_a_clock_change(day, due):
    """Case 5: noon is twelve elapsed hours before midnight, as clocks change in the night before it."""
    assert deadline("CZ-10D", day, "2026-01-10T10:00:00").due_at == at(due)


@pytest.mark.case(5)
@pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)])
@pytest.mark.parametrize("code", ["CZ-1D", "SK-1D", "AT-1D", "SI-7D", "HU-1D", "RO-1D", "BG-7D"])
def test_the_lead_is_elapsed_time_in_every_country(code, change):
    """Case 5: on the day before a clock change, on its day, on the day after; for leads that reach over it too."""
    for ahead in (-1, 0, 1):
        day = change + timedelta(days=ahead)
        for hours in (12, 24, 36, 48):
            found = deadline(code, day.isoformat(), "2026-01-10T10:00:00", Terms(lead=timedelta(hours=hours)))
            midnight = local(code, day.isoformat()).astimezone(UTC)
            assert (found.starts_at, found.starts_at - found.due_at) == (midnight, timedelta(hours=hours))


@pytest.mark.case(5)
@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-03-29T04:30:00+03:00", "2026-03-28T15:30:00"),
        ("2026-03-29T15:30:00+03:00", "2026-03-29T02:30:00"),
        ("2026-03-29T16:30:00+03:00", "2026-03-29T04:30:00"),
        ("2026-10-25T03:30:00+03:00", "2026-10-24T15:30:00"),
        ("2026-10-25T03:30:00+02:00", "2026-10-24T16:30:00"),
        ("2026-10-25T14:30:00+02:00", "2026-10-25T03:30:00+03:00"),
        ("2026-10-25T15:30:00+02:00", "2026-10-25T03:30:00+02:00"),
    ],
)
def test_starts_at_an_hour_around_a_clock_change(text, due):
    """Case 5: an hour that is missing is stepped over, one that there is twice is told by its offset."""
    expected = at(due) if "+" in due else local("BG-1D", due)
    assert deadline("BG-1D", text, "2026-01-10T10:00:00").due_at == expected.astimezone(UTC)


@pytest.mark.case(5)
def test_a_longer_lead_over_the_day_of_25_hours_is_elapsed_too():
    """Case 5: midnight after it, 24 hours before, is one at night."""
    found = deadline("CZ-10D", "2026-10-26", "2026-10-10T10:00:00", Terms(lead=timedelta(hours=24)))
    assert found.due_at == local("CZ-10D", "2026-10-25T01:00:00")


@pytest.mark.case(7)
def test_a_start_on_the_leap_day():
    """Case 7: it is taken, a year of 366 days ahead and no further, and due at noon of the 28th."""
    assert accepted("CZ-1D", "2028-02-29", "2027-02-28T10:00:00")
    assert "too far ahead" in refusal("CZ-1D", "2029-03-02", "2028-02-29T10:00:00")
    found = deadline("CZ-1D", "2028-02-29", "2028-02-20T10:00:00")
    assert found.due_at == local("CZ-1D", "2028-02-28T12:00:00")
    assert deadline("CZ-1D", "2028-03-01", "2028-02-20T10:00:00").due_at == local(
        "CZ-1D", "2028-02-29T12:00:00"
    )


@pytest.mark.case(12)
def test_a_notice_over_the_leap_day():
    """Case 12: 18 days before 10 March are 21 February, in a leap year."""
    assert deadline("AT-2M", "2028-03-10", "2028-01-10T10:00:00").due_at == local(
        "AT-2M", "2028-02-21T00:00:00"
    )


def test_a_countrys_own_lead_wins():
    """Promise 1: the lead is configurable per country."""
    early = replace(product("HU-10D"), lead=timedelta(hours=36))
    found = registration_deadline(
        early, Start(date(2026, 12, 10)), local("HU-10D", "2026-12-01T10:00:00"), Terms()
    )
    assert found.due_at == local("HU-10D", "2026-12-08T12:00:00")


def test_the_weekend_is_registered_before_friday_noon():
    """The start of cover counts, not the start of the day."""
    found = deadline("BG-WE", "2026-12-04", "2026-12-01T10:00:00")
    assert found.due_at == local("BG-WE", "2026-12-04T00:00:00")


@pytest.mark.case(12)
def test_austria_far_ahead_is_registered_eighteen_days_before():
    """Case 12: the authority's days of notice decide, not the lead."""
    found = deadline("AT-2M", "2026-06-30", "2026-03-01T10:00:00")
    assert (found.rule, found.due_at) == (Rule.NOTICE, local("AT-2M", "2026-06-12T00:00:00"))


@pytest.mark.case(12)
def test_days_of_notice_are_calendar_days_over_a_clock_change():
    """Case 12: 18 days before 5 April is 18 March at midnight, winter time."""
    found = deadline("AT-2M", "2026-04-05", "2026-03-01T10:00:00")
    assert found.due_at == at("2026-03-17T23:00:00Z")


@pytest.mark.case(1, 12)
def test_on_the_last_day_of_notice_the_grace_ends_with_the_day():
    """Cases 1 and 12: a minute to correct must not cost the vignette."""
    found = deadline("AT-2M", "2026-06-30", "2026-06-12T23:59:30")
    assert (found.rule, found.due_at) == (Rule.NOTICE, local("AT-2M", "2026-06-12T23:59:59"))
    assert deadline("AT-2M", "2026-06-30", "2026-06-12T20:00:00").rule is Rule.GRACE
    late = deadline("AT-2M", "2026-06-30", "2026-06-13T00:00:00")
    assert (late.rule, late.due_at) == (Rule.GRACE, local("AT-2M", "2026-06-13T00:01:00"))


@pytest.mark.case(13)
def test_registration_never_precedes_the_opening_of_the_sale():
    """Case 13: where the lead would reach out of the window, the window decides."""
    long = Terms(lead=timedelta(days=40))
    found = deadline("CZ-10D", "2026-12-10", "2026-10-01T10:00:00", long)
    assert (found.rule, found.due_at) == (Rule.WINDOW, local("CZ-10D", "2026-11-10T00:00:00"))


@pytest.mark.case(13)
def test_swiss_registration_for_the_first_of_december_waits_for_the_sale():
    """Case 13: twelve hours before 1 December next year's vignette does not exist."""
    found = deadline("CH-1Y", "2026-12-01", "2026-11-20T10:00:00")
    assert (found.rule, found.due_at) == (Rule.WINDOW, local("CH-1Y", "2026-12-01T00:00:00"))


def test_a_wish_to_start_at_once_fires_on_the_moneys_arrival():
    """Promise 3 wins over the lead and the grace."""
    found = deadline("CZ-10D", "2026-12-10", "2026-12-01T10:00:00", wished=True)
    assert (found.rule, found.due_at) == (Rule.AT_ONCE, local("CZ-10D", "2026-12-01T10:00:00"))
    assert found.mark == local("CZ-10D", "2026-12-09T12:00:00")


@pytest.mark.case(13)
def test_a_wish_to_start_at_once_waits_for_the_sale():
    """Case 13: the authority sells nothing before."""
    found = deadline("CZ-10D", "2026-12-10", "2026-10-01T10:00:00", wished=True)
    assert (found.rule, found.due_at) == (Rule.WINDOW, local("CZ-10D", "2026-11-10T00:00:00"))


@given(
    code=st.sampled_from([code for code, each in PRODUCTS.items() if not each.starts_at_hour]),
    day=st.dates(date(2026, 1, 1), date(2030, 1, 1)),
    arrived=st.datetimes(datetime(2025, 6, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    wished=st.booleans(),
)
def test_a_deadline_is_never_before_the_money_and_never_later_than_promised(code, day, arrived, wished):
    """Promises 1, 2 and 4 for any order, whatever the calendar does."""
    found = registration_deadline(product(code), Start(day), arrived, Terms(), wished=wished)
    assert found.due_at >= arrived
    assert found.due_at <= max(found.mark, arrived + SAME_DAY_LIMIT)
    assert found.opens_at is None or found.due_at >= found.opens_at


# --- ask before registering ---


@pytest.mark.case(3)
def test_money_a_second_before_the_period_ends_holds_the_order():
    """Case 3: registration could not begin in the day that was paid for."""
    wished = (product("CZ-1D"), start("CZ-1D", "2026-12-01"))
    assert hold_reason(*wished, local("CZ-1D", "2026-12-01T23:59:59")) == "start_passed"
    assert hold_reason(*wished, local("CZ-1D", "2026-12-01T23:55:00")) == "start_passed"
    assert hold_reason(*wished, local("CZ-1D", "2026-12-01T23:54:59")) is None


@pytest.mark.case(4)
def test_money_after_the_start_of_several_days_holds_the_order():
    """Case 4: the driver says whether a shorter cover, a new date or a refund is wanted."""
    wished = (product("CZ-10D"), start("CZ-10D", "2026-12-01"))
    assert hold_reason(*wished, local("CZ-10D", "2026-12-02T08:00:00")) == "start_passed"
    assert hold_reason(*wished, local("CZ-10D", "2026-12-01T08:00:00")) is None


@pytest.mark.case(4)
def test_a_start_at_an_hour_holds_from_the_end_of_its_local_day():
    """Case 4, for BG-1D: later on the chosen day registration still helps."""
    wished = (product("BG-1D"), start("BG-1D", "2026-12-01T14:30:00+02:00"))
    assert hold_reason(*wished, local("BG-1D", "2026-12-01T20:00:00")) is None
    assert hold_reason(*wished, local("BG-1D", "2026-12-02T00:00:00")) == "start_passed"


@pytest.mark.case(11)
def test_austria_can_no_longer_be_bought_in_time():
    """Case 11, when the money was slow: the days of notice have begun."""
    wished = (product("AT-2M"), start("AT-2M", "2026-06-30"))
    assert hold_reason(*wished, local("AT-2M", "2026-06-12T23:59:59")) is None
    assert hold_reason(*wished, local("AT-2M", "2026-06-13T00:00:00")) == "too_late_for_authority"
    assert hold_reason(*wished, local("AT-2M", "2026-07-01T00:00:00")) == "start_passed"


def test_zones_are_the_pinned_ones():
    """A start is an instant of the catalogue's own zone."""
    assert product("CZ-1D").zone is zone("Europe/Prague")
