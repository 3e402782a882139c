"""Times as operators give and read them."""

from datetime import UTC, datetime, timedelta

import pytest
import typer

from vignettes.runtime.local_times import both, instant, lasting, span

PRAGUE = "Europe/Prague"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-05 22:00", "2026-12-05T21:00:00"),
        ("2026-07-05 22:00", "2026-07-05T20:00:00"),
        ("2026-12-05T22:00:30+05:00", "2026-12-05T17:00:30"),
        ("2026-12-05t22:00z", "2026-12-05T22:00:00"),
    ],
)
def test_a_time_is_the_authoritys_unless_it_says_its_offset(text, utc):
    """Winter and summer time are reckoned for the day itself."""
    assert instant(text, PRAGUE, "--from") == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "why", "first", "second"),
    [
        ("2026-10-25 02:30", "comes twice", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"),
        ("2026-03-29 02:30", "is skipped", "2026-03-29T01:30:00+01:00", "2026-03-29T03:30:00+02:00"),
    ],
)
def test_an_hour_that_the_clocks_repeat_or_skip_is_refused_with_both_readings(text, why, first, second):
    """Whichever we took, half of those who ask would have meant the other; both are taken as they are offered."""
    with pytest.raises(typer.BadParameter, match=why) as refused:
        instant(text, PRAGUE, "--until")
    assert f"give {first} or {second}." in str(refused.value)
    assert refused.value.param_hint == "--until"
    assert instant(first, PRAGUE, "--until") < instant(second, PRAGUE, "--until")


@pytest.mark.parametrize(
    "text",
    ["tomorrow", "2026-12-05", "2026-02-30 10:00", "2026-12-05 25:00", "0001-01-01 00:00", "20261205T2200"],
)
def test_what_is_no_time_is_refused_with_an_example(text):
    """A day alone too: its beginning or its end may be meant."""
    with pytest.raises(typer.BadParameter, match="local time of Europe/Prague such as"):
        instant(text, PRAGUE, "--from")


def test_a_time_is_shown_in_the_zone_and_in_utc():
    """With its day in UTC where that is another one."""
    noon = datetime(2026, 3, 28, 11, tzinfo=UTC)
    assert both(noon, PRAGUE) == "2026-03-28 12:00 Europe/Prague (11:00 UTC)"
    midnight = datetime(2026, 3, 28, 23, tzinfo=UTC)
    assert both(midnight, PRAGUE) == "2026-03-29 00:00 Europe/Prague (2026-03-28 23:00 UTC)"
    night = span(noon, noon + timedelta(hours=9), PRAGUE)
    assert (
        night
        == "2026-03-28 12:00 to 2026-03-28 21:00 Europe/Prague\n(2026-03-28 11:00 to 2026-03-28 20:00 UTC)"
    )


@pytest.mark.parametrize(
    ("time", "words"),
    [
        ({"hours": 24}, "24 h"),
        ({"minutes": 90}, "1 h 30 min"),
        ({"days": 2, "hours": 3, "minutes": 5}, "2 d 3 h"),
        ({"seconds": -60}, "1 min"),
        ({"milliseconds": 340}, "340 ms"),
        ({}, "0 s"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_units(time, words):
    """Whether it lies ahead or behind is told elsewhere."""
    assert lasting(timedelta(**time)) == words
