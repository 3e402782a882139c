"""What was wanted, and how far it is: each goal beside ours, the alternatives and the limits of the same run."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import linear_regression, median

from benchmarks import matching_quality
from benchmarks.figures import Party, Point, peak
from benchmarks.house import NO_VIEWS, VIEWS
from benchmarks.proofs import verified_among
from benchmarks.runner import WHAT as RUNNER
from benchmarks.standing import Standing

#: The goals, from the workloads of the project. Those of W1 are for the series without views.
W1_COMMANDS_PER_SECOND = 8_000.0
W1_TIMES_EVENTSOURCING = 8.0
W1_TIMES_EMMETT = 3.5
W1_P99_MS_AT_80_PERCENT = 60.0
W2_TIMES_LIMIT = 2.0
W3_EVENTS_PER_SECOND = 60_000.0
W3_TIMES_RUNNER = 40.0
#: "Unaffected", as far as a ratio of two runs can tell.
W3_TIMES_LAG = 1.2
W4_P50_MS, W4_P99_MS = 10.0, 100.0
W5_ORDERS_PER_SECOND, W5_WITHIN_SECONDS, W5_ORDERS = 5_000.0, 25.0, 100_000
W5_SINGLE_P99_MS = 100.0
W7_MS, W7_EVENTS = 10.0, 10_000_000
W8_STATUS_P99_MS, W8_PAGE_P99_MS, W8_LOOKUP_P99_MS = 5.0, 5.0, 25.0
W9_ENTRIES_PER_SECOND, W9_MEMORY_MB, W9_WRONG, W9_AUTOMATIC, W9_ORDERS = 10_000.0, 300.0, 0.0, 97.0, 1_000_000
W10_TIMES_EMPTY = 1.2

AT_80_PERCENT = f"{NO_VIEWS.what}, at 80 % of the peak"
EMPTY_LOG = f"{NO_VIEWS.what}, log empty at first"
EVENTSOURCING, EMMETT = "eventsourcing commands", "emmett commands"
RUNNER_IDLE = f"{RUNNER}, idle"

REBUILT = "order_status from zero"
REBUILT_BESIDE = f"{REBUILT}, live load beside"
LIVE, LIVE_BESIDE = "event to view, some live load", "event to view, some live load and a rebuild beside"
LAG, LAG_AT_HALF = "event to view, idle", "event to view, at 50 % load"
LAG_EMPTY_LOG = f"{LAG}, log empty at first"
SINGLE_DEADLINES = "single deadlines, idle"
PAGE, LOST_LINK = "page", "lost link"

#: What a plan must name: the row is found by a key, and not looked for.
_KEY = re.compile(r"Index Scan using order_status_\d+_(pkey|order_number_key)")
#: And what it may not: only what is as short with all orders as with one is read through.
_READ_THROUGH = re.compile(r"Seq Scan on (?!editions|parked|drift)")

#: Two points lie on every line.
_LEAST_FOR_A_LAW = 3


def grown_log(events: int) -> str:
    """Return how the commands on a log of so many events are called."""
    return f"{NO_VIEWS.what}, log of {events:,} events"


def lag_grown_log(events: int) -> str:
    """Return how the lag on a log of so many events is called."""
    return f"{LAG}, log of {events:,} events"


def scan_alone(what: str) -> str:
    """Return how the first part of a rebuild is called: order by order, before it follows the log and is shown."""
    return f"{what}, the scan alone"


def noon_of(orders: int) -> str:
    """Return how a burst of so many orders is called."""
    return f"noon burst, {orders:,} orders"


def asked_of(question: str, orders: int) -> str:
    """Return how a question to views of so many orders is called."""
    return f"{question}, {orders:,} orders"


def matched_among(orders: int) -> str:
    """Return how matching a file with so many open orders is called."""
    return f"file read and matched, {orders:,} orders"


def standings(  # noqa: PLR0913  # the size of each workload that has one
    points: Sequence[Point],
    only: Sequence[str],
    *,
    events: int,
    orders: int,
    due: int,
    waiting: int = W9_ORDERS,
    proven: Sequence[int] = (),
) -> list[Standing]:
    """Return how each goal of these workloads stands.

    W10's on a log of so many `events`, W8's among so many `orders`, W5's for so many that are `due` at once,
    W9's for payments of so many that are `waiting`, W7's on logs of the lengths `proven`.
    """
    by_workload = {
        "W1": lambda: _w1(points),
        "W2": lambda: [_w2(points)],
        "W3": lambda: _w3(points),
        "W4": lambda: _w4(points),
        "W5": lambda: _w5(points, due),
        "W7": lambda: [_w7(points, proven)],
        "W8": lambda: _w8(points, orders),
        "W9": lambda: _w9(points, waiting),
        "W10": lambda: _w10(points, events),
    }
    return [standing for workload in only for standing in by_workload[workload]()]


def _w1(points: Sequence[Point]) -> list[Standing]:
    ours = _peak(points, "W1", "ours", NO_VIEWS.what)
    views = _peak(points, "W1", "ours", VIEWS.what)
    library, node = (_peak(points, "W1", "alternative", what) for what in (EVENTSOURCING, EMMETT))
    limits = _known(
        inserts=_peak(points, "W1", "limit", "single-row inserts"),
        echoes=_peak(points, "W1", "limit", "NATS echo"),
    )
    alternatives = _known(eventsourcing=library, emmett=node)
    ratios = {name: ours / value for name, value in (alternatives | limits).items()} if ours else {}
    return [
        Standing(
            "W1", "peak, no views", "/s", W1_COMMANDS_PER_SECOND, "at least",
            ours, _known(**{"with views": views}), alternatives, limits, ratios,
        ),
        _times("eventsourcing", W1_TIMES_EVENTSOURCING, ours, views, library),
        _times("emmett", W1_TIMES_EMMETT, ours, views, node),
        _at_80_percent(points),
    ]  # fmt: skip


def _times(name: str, goal: float, ours: float | None, views: float | None, theirs: float | None) -> Standing:
    beside = _known(**{"with views": _divided(views, theirs)})
    return Standing("W1", f"peak ÷ {name}", "×", goal, "at least", _divided(ours, theirs), beside)


def _at_80_percent(points: Sequence[Point]) -> Standing:
    unknown = Standing("W1", "p99 at 80 % of the peak", "ms", W1_P99_MS_AT_80_PERCENT, "at most")
    point = next((p for p in points if p.what == AT_80_PERCENT), None)
    if point is None or point.asked_per_second is None:
        return unknown
    note = f"{point.asked_per_second:,.0f}/s asked, {point.per_second:,.0f}/s done, p50 {point.p50_ms:.2f} ms"
    if not point.held:
        note += "; the rate was not held, so the p99 says little"
    beside = {"p50": point.p50_ms}
    return replace(unknown, ours=point.p99_ms, beside=beside, note=note, spoilt=not point.held)


def _w2(points: Sequence[Point]) -> Standing:
    ours = _p50(points, "W2", "ours", VIEWS.what)
    insert = _p50(points, "W2", "limit", "single-row inserts")
    trip = _p50(points, "W2", "limit", "NATS echo")
    least = insert + trip if insert and trip else None
    alone = {
        p.what.partition(" ")[0]: p.p50_ms
        for p in points
        if (p.workload, p.party, p.parallel) == ("W1", "alternative", 1)
    }
    return Standing(
        "W2", "lone p50 ÷ (insert + trip)", "×", W2_TIMES_LIMIT, "at most", _divided(ours, least),
        alternatives={name: theirs / least for name, theirs in alone.items()} if least else {},
        limits={"insert + trip": 1.0},
        ratios={name: ours / theirs for name, theirs in alone.items()} if ours else {},
        note="" if None in {ours, least} else f"{ours:.2f} ms ÷ ({insert:.2f} + {trip:.2f}) ms, views following",
    )  # fmt: skip


def _w3(points: Sequence[Point]) -> list[Standing]:
    ours, runner = _peak(points, "W3", "ours", REBUILT), _peak(points, "W3", "alternative", RUNNER)
    beside = _peak(points, "W3", "ours", REBUILT_BESIDE)
    scan = _peak(points, "W3", "ours", scan_alone(REBUILT))
    each = _known(**{"the scan alone": scan, "live load beside": beside})
    times = _known(**{"live load beside": _divided(beside, runner)})
    return [
        Standing(
            "W3", REBUILT, "events/s", W3_EVENTS_PER_SECOND, "at least", ours, each,
            _known(ProjectionRunner=runner), ratios=_known(ProjectionRunner=_divided(ours, runner)),
        ),
        Standing(
            "W3", "rebuilt ÷ ProjectionRunner", "×", W3_TIMES_RUNNER, "at least", _divided(ours, runner), times
        ),
        *_live_lag(points),
    ]  # fmt: skip


def _live_lag(points: Sequence[Point]) -> Iterator[Standing]:
    """Compare what live commands wait for the view with a rebuild beside and without."""
    without, beside = (_point(points, "W3", "ours", what) for what in (LIVE, LIVE_BESIDE))
    for name in ("p50", "p99"):
        unknown = Standing("W3", f"live lag {name}, rebuild beside ÷ none", "×", W3_TIMES_LAG, "at most")
        if without is None or beside is None:
            yield unknown
            continue
        some, none = (getattr(point, f"{name}_ms") for point in (beside, without))
        note = f"{some:.2f} ms against {none:.2f} ms at {beside.per_second:,.0f} commands/s"
        yield replace(
            unknown, ours=_divided(some, none), note=note, spoilt=not (beside.held and without.held)
        )


def _w4(points: Sequence[Point]) -> list[Standing]:
    runner = _point(points, "W4", "alternative", RUNNER_IDLE)
    idle, half = (_point(points, "W4", "ours", what) for what in (LAG, LAG_AT_HALF))
    return [
        _waited("W4", f"{what} {name}", goal, point, name, theirs)
        for what, point, theirs in (("event to view, idle", idle, runner), ("at 50 % load", half, None))
        for name, goal in (("p50", W4_P50_MS), ("p99", W4_P99_MS))
    ]


def _w5(points: Sequence[Point], due: int) -> list[Standing]:
    """Tell of the burst and of single deadlines. Fewer than 100,000 must be done in a time as much shorter."""
    within = W5_WITHIN_SECONDS * due / W5_ORDERS
    rate = Standing("W5", noon_of(due), "/s", W5_ORDERS_PER_SECOND, "at least")
    last = Standing("W5", f"the last of {due:,} on record after", "s", within, "at most")
    alone = Standing("W5", f"{SINGLE_DEADLINES}, p99 late", "ms", W5_SINGLE_P99_MS, "at most")
    if burst := _point(points, "W5", "ours", noon_of(due)):
        rate = _beside_others(replace(rate, ours=burst.per_second, note=_late(burst)), points)
        last = replace(last, ours=burst.seconds)
    if singles := _point(points, "W5", "ours", SINGLE_DEADLINES):
        alone = replace(alone, ours=singles.p99_ms, note=_late(singles))
    return [rate, last, alone]


def _beside_others(standing: Standing, points: Sequence[Point]) -> Standing:
    """Return it beside the rates of all others of its workload, each called by the first part of its name."""
    found: dict[Party, dict[str, float]] = {"alternative": {}, "limit": {}}
    for party, rates in found.items():
        for point in points:
            if (point.workload, point.party) == (standing.workload, party):
                name = point.what.partition(",")[0]
                rates[name] = max(point.per_second, rates.get(name, 0.0))
    every = found["alternative"] | found["limit"]
    ratios = {name: standing.ours / rate for name, rate in every.items()} if standing.ours else {}
    return replace(standing, alternatives=found["alternative"], limits=found["limit"], ratios=ratios)


def _late(point: Point) -> str:
    shares = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "most": 1.0}
    return "late by " + ", ".join(f"{point.late(share):,.1f} ms ({name})" for name, share in shares.items())


def _w7(points: Sequence[Point], sizes: Sequence[int]) -> Standing:
    """Tell how long verifying takes on the longest log, and what that would be on one of ten million events."""
    seen = {size: p.p50_ms for size in sizes if (p := _point(points, "W7", "ours", verified_among(size)))}
    longest = max(seen, default=0)
    standing = Standing("W7", f"{verified_among(longest)}, p50", "ms", W7_MS, "at most")
    if len(seen) < _LEAST_FOR_A_LAW:
        return standing
    base, each_doubling = law(seen)
    expected = base + each_doubling * math.log2(W7_EVENTS)
    note = f"{base:.2f} ms + {each_doubling:.3f} ms for each doubling of the log: {expected:.1f} ms among {W7_EVENTS:,}"
    p99 = next(p.p99_ms for p in points if p.what == verified_among(longest))
    beside = {"p99": p99, **{f"{size:,}": ms for size, ms in seen.items() if size != longest}}
    return replace(standing, ours=seen[longest], beside=beside, note=note)


def law(seen: Mapping[int, float]) -> tuple[float, float]:
    """Return what fits best: ms on a log of one event, and how many more for each doubling of it."""
    slope, base = linear_regression([math.log2(size) for size in seen], list(seen.values()))
    return base, slope


def _w8(points: Sequence[Point], orders: int) -> list[Standing]:
    goals = {
        "status": W8_STATUS_P99_MS,
        PAGE: W8_PAGE_P99_MS,
        "lookup": W8_LOOKUP_P99_MS,
        LOST_LINK: W8_LOOKUP_P99_MS,
    }
    return [_asked(points, asked_of(question, orders), goal) for question, goal in goals.items()]


def _asked(points: Sequence[Point], what: str, goal: float) -> Standing:
    seen = {p.parallel: p for p in points if (p.workload, p.what) == ("W8", what)}
    lone = seen.get(1)
    standing = _waited("W8", f"{what}, p99", goal, lone, "p99", None)
    beside = {f"{n} in flight": point.p99_ms for n, point in seen.items() if n > 1}
    if lone is None or (any(map(_KEY.search, lone.plan)) and not any(map(_READ_THROUGH.search, lone.plan))):
        note = f"at most {lone.largest_bytes:,} bytes" if lone and lone.largest_bytes else ""
        return replace(standing, beside=beside, note=note)
    return replace(
        standing, beside=beside, spoilt=True, note="the plan does not find rows by their keys alone"
    )


def _waited(
    workload: str, what: str, goal: float, ours: Point | None, share: str, theirs: Point | None
) -> Standing:
    """Return how a latency stands: the p50 or the p99 of a point."""
    unknown = Standing(workload, what, "ms", goal, "at most")
    if ours is None:
        return unknown
    value, other = (getattr(point, f"{share}_ms", None) for point in (ours, theirs))
    note = (
        f"{ours.asked_per_second:,.0f}/s asked, {ours.per_second:,.0f}/s done"
        if ours.asked_per_second
        else ""
    )
    return replace(
        unknown,
        ours=value,
        alternatives=_known(ProjectionRunner=other),
        ratios=_known(ProjectionRunner=_divided(value, other)),
        note=note if ours.held else f"{note}; the rate was not held, so this says little",
        spoilt=not ours.held,
    )


def _w9(points: Sequence[Point], waiting: int) -> list[Standing]:
    """Tell of the speed, and of what it is worth: matches that are wrong, and those that need no person."""
    ours = _point(points, "W9", "ours", matched_among(waiting))
    names = next((p for p in points if (p.workload, p.party) == ("W9", "alternative")), None)
    speed = Standing("W9", matched_among(waiting), "entries/s", W9_ENTRIES_PER_SECOND, "at least")
    memory = Standing("W9", "memory", "MB", W9_MEMORY_MB, "at most")
    wrong = Standing("W9", "wrong matches", "", W9_WRONG, "at most")
    right = Standing("W9", "matched of those that are right", "%", W9_AUTOMATIC, "at least")
    if ours:
        bound = matching_quality.upper_bound(matching_quality.wrong(ours), matching_quality.matched(ours))
        speed, memory = replace(speed, ours=ours.per_second), replace(memory, ours=ours.memory_mb)
        note = (
            f"of {matching_quality.matched(ours):,} matches; at most {bound:.1e} of all, with 95 % confidence"
        )
        wrong = replace(wrong, ours=float(matching_quality.wrong(ours)), note=note)
        for_people = f"{matching_quality.review_rate(ours):.1%} of all payments go to a person"
        right = replace(right, ours=100 * matching_quality.automatic_rate(ours), note=for_people)
    if names:
        wrong = replace(wrong, alternatives={names.what: float(matching_quality.wrong(names))})
        right = replace(right, alternatives={names.what: 100 * matching_quality.automatic_rate(names)})
    return [speed, memory, wrong, right]


def _w10(points: Sequence[Point], events: int) -> list[Standing]:
    """Compare the cost of one command (the time that passes per command when many ask), and that of a lone event."""
    rates = _medians(points, (EMPTY_LOG, grown_log(events)), "per_second")
    lags = _medians(points, (LAG_EMPTY_LOG, lag_grown_log(events)), "p50_ms")
    command = Standing("W10", f"cost of a command, {events:,} events ÷ none", "×", W10_TIMES_EMPTY, "at most")
    lag = Standing("W10", f"event to view, {events:,} events ÷ none", "×", W10_TIMES_EMPTY, "at most")
    if rates:
        (empty, long), note = rates, f"{rates[1]:,.0f}/s against {rates[0]:,.0f}/s, medians of the turns"
        command = replace(command, ours=empty / long, note=note)
    if lags:
        (empty, long), note = lags, f"{lags[1]:.2f} ms against {lags[0]:.2f} ms, medians of the turns' p50"
        lag = replace(lag, ours=long / empty, note=note)
    return [command, lag]


def _medians(points: Sequence[Point], whats: Sequence[str], figure: str) -> Sequence[float]:
    """Return the medians of the turns of each; none when one of them was not measured."""
    turns = [[getattr(p, figure) for p in points if (p.workload, p.what) == ("W10", what)] for what in whats]
    return [median(seen) for seen in turns] if all(turns) else []


def _point(points: Sequence[Point], workload: str, party: Party, what: str) -> Point | None:
    return peak(p for p in points if (p.workload, p.party, p.what) == (workload, party, what))


def _peak(points: Sequence[Point], workload: str, party: Party, what: str) -> float | None:
    best = _point(points, workload, party, what)
    return best.per_second if best else None


def _p50(points: Sequence[Point], workload: str, party: Party, what: str) -> float | None:
    best = _point(points, workload, party, what)
    return best.p50_ms if best else None


def _divided(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def _known(**values: float | None) -> dict[str, float]:
    return {name: value for name, value in values.items() if value is not None}
