"""The figures of the page for people on duty: what is seen coming, and what is never rounded away."""

from datetime import UTC, date, datetime, timedelta

from vignettes.services.web import ops_charts
from vignettes.services.web.ops_charts import Kept

NOW = datetime(2027, 3, 10, 8, 17, tzinfo=UTC)
TODAY = NOW.date()
NOON = datetime(2027, 3, 10, 11, tzinfo=UTC)


def due(at, orders, country="CZ"):
    return {"begins_at": at, "country": country, "orders": orders}


def day(number, *, kept=0, broken=0, at_risk=0):
    return {"day": date(2027, 3, number), "kept": kept, "broken": broken, "at_risk": at_risk, "open": 0}


def test_a_noon_burst_is_seen_coming():
    """The highest bar fills the box, says when it is and of whom it is made; what is little is seen beside it."""
    chart = ops_charts.due([due(NOON, 900), due(NOON, 60, "AT"), due(NOON + timedelta(hours=6), 3)], NOW, 24)
    assert (chart.peak.begins_at, chart.peak.ends_at) == (NOON, NOON + timedelta(minutes=30))
    assert (chart.peak.orders, chart.peak.countries) == (960, "CZ 900, AT 60")
    assert (chart.peak.piece.y, chart.peak.piece.height) == (0, 100)
    [little] = [bar for bar in chart.bars if bar.orders == 3]
    assert little.piece.height == 2
    assert chart.orders == 963


def test_two_days_are_shown_by_the_hour():
    """Both halves of an hour are one bar; what is due after the last bar is not counted."""
    later = NOON + timedelta(days=1)
    rows = [due(later, 5), due(later + timedelta(minutes=30), 7), due(NOW + timedelta(hours=48), 100)]
    chart = ops_charts.due(rows, NOW, 48)
    assert len(chart.bars) == 48
    assert (chart.orders, chart.peak.orders, chart.peak.begins_at) == (12, 12, later)
    assert chart.ticks[0] == datetime(2027, 3, 10, 8, tzinfo=UTC)


def test_nothing_due_has_no_peak():
    chart = ops_charts.due([], NOW, 24)
    assert (chart.orders, chart.peak) == (0, None)


def test_what_was_broken_is_never_rounded_away():
    assert Kept(kept=199_999, broken=1).share == "99.99 %"
    assert Kept(kept=12).share == "100 %"
    assert Kept(open=3).share == ""


def test_one_broken_promise_is_seen_among_thousands():
    [*_, last] = ops_charts.days([day(10, kept=5_000, broken=1)], TODAY)
    bad, good = last.pieces
    assert (bad.kind, bad.y + bad.height) == ("bad", 100)
    assert bad.height >= 10
    assert good.kind == "good"
    assert good.y >= 0


def test_thirty_days_are_shown_with_today_as_the_last():
    shown = ops_charts.days([day(9, kept=3), day(10, kept=2, at_risk=1)], TODAY)
    assert (len(shown), shown[-1].day, shown[0].day) == (30, TODAY, date(2027, 2, 9))
    assert ops_charts.in_all(shown) == Kept(kept=5, at_risk=1)


def test_every_state_has_its_line():
    """In the order in which an order goes through them; one that no order is in has none of the bar."""
    states = {each.status: each for each in ops_charts.states([{"status": "issued", "orders": 40}])}
    assert len(states) == 10
    assert (states["issued"].orders, states["issued"].share) == (40, 100)
    assert (states["on_hold"].orders, states["on_hold"].share, states["on_hold"].words) == (0, 0, "on hold")
