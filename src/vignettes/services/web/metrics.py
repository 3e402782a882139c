"""What Prometheus is told: this process, and how the whole service stands according to its views."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.details import Status
from vignettes.domain.support_events import Topic
from vignettes.services import discovery

DATABASE_SECONDS = 3.0

#: Whoever writes a view is heard of twice a second; after so long nobody does.
LED_SECONDS = 5
_FOLLOWERS = """
SELECT view, events_behind, seconds_behind, orders_parked, orders_drifted,
       coalesce(heartbeat_at > clock_timestamp() - %s * interval '1 s', false) AS led
FROM read.projection_lag ORDER BY view
"""
_ORDERS = "SELECT status, count(*) FROM read.order_status GROUP BY status"
_MAILS = "SELECT mails FROM read.mails_waiting"
_REPORTS = "SELECT outcome, reports FROM read.mail_reports"
# By the real clock: the reader may not ask for the sandbox's, which is ahead of it and finds more overdue.
_OVERDUE = """
SELECT count(*), coalesce(extract(epoch FROM clock.now() - min(due_at)), 0)::float8
FROM read.deadlines WHERE ended_at IS NULL AND due_at < clock.now()
"""
_AUTHORITIES = """
SELECT country, (state = 'closed')::int AS callable, calls, calls_failed, call_seconds
FROM read.authorities ORDER BY country
"""
_REGISTRATIONS = "SELECT state, count(*) FROM read.registrations WHERE state <> 'recorded' GROUP BY state"
_CALLED = (
    "SELECT count(*) FROM read.order_status WHERE status = 'registering' AND person_called_at IS NOT NULL"
)
# What waits, how much of it, and for how long the oldest does.
_WAITING_MONEY = """
SELECT 'payments_' || status, count(*), extract(epoch FROM clock.now() - min(updated_at))::float8
FROM read.bank_payments WHERE status IN ('in_review', 'unplaced') GROUP BY status
UNION ALL
SELECT state, count(*), extract(epoch FROM clock.now() - min(since))::float8
FROM read.payouts WHERE state IN ('to_approve', 'approved', 'with_bank') GROUP BY state
UNION ALL
SELECT 'bank_files_' || state, count(*), extract(epoch FROM clock.now() - min(ended_at))::float8
FROM read.bank_files WHERE state = 'set_aside' GROUP BY state
"""
_OWED = "SELECT currency, count(*), sum(owed)::float8 FROM read.order_status WHERE owed > 0 GROUP BY currency"

_CASES = """
SELECT topic, count(*), extract(epoch FROM clock.now() - min(open_since))::float8
FROM read.support_cases WHERE state = 'open' GROUP BY topic
"""


#: What a writer tells of itself, as metrics.
_OF_A_WRITER: dict[str, tuple[type[GaugeMetricFamily | CounterMetricFamily], str]] = {
    "queue_waiting": (GaugeMetricFamily, "Commands that wait for the next group."),
    "queue_capacity": (GaugeMetricFamily, "Commands that may wait; more are turned away."),
    "queue_turned_away": (CounterMetricFamily, "Commands answered `unavailable` because the queue was full."),
    "groups": (CounterMetricFamily, "Transactions that commands went into."),
    "group_commands": (CounterMetricFamily, "Commands that went into them."),
    "group_largest": (GaugeMetricFamily, "Commands of the largest of them."),
}
_ORDERING = "ordering"

#: What is told of each follower of the log, as metrics.
_OF_A_FOLLOWER = {
    "events_behind": "Events a view has not taken in.",
    "seconds_behind": "Age of the oldest event a view has not taken in, by the service's clock; 0 for none.",
    "orders_parked": "Orders that wait because of an event which a view can not digest.",
    "orders_drifted": "Orders whose rows in a view were found not to be what the log says.",
    "led": "Whether a process that writes the view was heard of within 5 s.",
}


@dataclass(frozen=True, slots=True)
class Writer:
    """One ordering process, and how its writer fares."""

    process: str
    stats: dict[str, int]


@dataclass(frozen=True, slots=True)
class Follower:
    """How one follower of the log fares."""

    view: str
    events_behind: int
    seconds_behind: float
    orders_parked: int
    orders_drifted: int
    led: bool


#: What is told of each country's authority, as metrics.
_OF_AN_AUTHORITY: dict[str, tuple[type[GaugeMetricFamily | CounterMetricFamily], str]] = {
    "callable": (GaugeMetricFamily, "Whether it is called at all: 0 after too many failures."),
    "calls": (CounterMetricFamily, "Calls to it, questions included."),
    "calls_failed": (CounterMetricFamily, "Calls that got no answer, or one that could not be read."),
    "call_seconds": (CounterMetricFamily, "How long all calls took together."),
}
#: What of money waits for a person. What there is none of now is told as zero, payouts of each state too.
_OF_MONEY = {
    "payments_in_review": "Payments that wait for a person to say what they are for.",
    "payments_unplaced": "Reversals that wait for a person to say what they took back.",
    "bank_files_set_aside": "Bank files that were set aside, and not taken in since.",
}
_PAYOUTS = ("to_approve", "approved", "with_bank")
_OLDEST = "For how long the oldest of them waits, by the service's clock; 0 for none."
#: A topic of which no case is open is told as zero.
_TOPICS = tuple(Topic)
#: What a message to the return address may be; the last is not understood, and waits for a person.
_OUTCOMES = ("permanent", "soft", "complaint", "ignored", "set_aside")
#: A state that no registration is in now is told as zero.
_UNDER_WAY = ("waiting", "sending", "unknown")


@dataclass(frozen=True, slots=True)
class Authority:
    """How the calls to one country's authority fare."""

    country: str
    callable: int
    calls: int
    calls_failed: int
    call_seconds: float


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits (of `_OF_MONEY`, `_PAYOUTS` or `_TOPICS`): how many, and for how many seconds the oldest does."""

    what: str
    count: int
    oldest: float


@dataclass(frozen=True, slots=True)
class Owed:
    """What is owed in one currency, in minor units."""

    currency: str
    orders: int
    amount: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How the service stands, as one look into the views tells. `most_overdue` in seconds."""

    followers: list[Follower]
    orders: dict[str, int]
    mails: int
    reports: dict[str, int]
    overdue: int
    most_overdue: float
    authorities: list[Authority]
    registrations: dict[str, int]
    called: int
    money: list[Waiting]
    owed: list[Owed]
    cases: list[Waiting]


async def exposition(
    client: Client, database: AsyncConnectionPool, counted: Sequence[CollectorRegistry] = ()
) -> bytes:
    """Return all metrics in the text format. Without the database or NATS the process's own are still told.

    `counted` by parts of this process.
    """
    standing, writers = await asyncio.gather(_standing(database), _writers(client))
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(standing))
    registry.register(_Writers(writers))
    return b"".join(generate_latest(each) for each in (REGISTRY, *counted, registry))


async def _standing(database: AsyncConnectionPool) -> Standing | None:
    try:
        async with asyncio.timeout(DATABASE_SECONDS), database.connection() as connection:
            return await _read(connection)
    except (psycopg.Error, TimeoutError):
        return None


async def _read(connection: psycopg.AsyncConnection) -> Standing:
    async with connection.cursor(row_factory=class_row(Follower)) as cursor:
        followers = await (await cursor.execute(_FOLLOWERS, (LED_SECONDS,))).fetchall()
    orders: dict[str, int] = dict(await (await connection.execute(_ORDERS)).fetchall())
    [(mails,)] = await (await connection.execute(_MAILS)).fetchall()
    reports: dict[str, int] = dict(await (await connection.execute(_REPORTS)).fetchall())
    [(overdue, most_overdue)] = await (await connection.execute(_OVERDUE)).fetchall()
    async with connection.cursor(row_factory=class_row(Authority)) as cursor:
        authorities = await (await cursor.execute(_AUTHORITIES)).fetchall()
    registrations: dict[str, int] = dict(await (await connection.execute(_REGISTRATIONS)).fetchall())
    [(called,)] = await (await connection.execute(_CALLED)).fetchall()
    money = [Waiting(*row) async for row in await connection.execute(_WAITING_MONEY)]
    owed = [Owed(*row) async for row in await connection.execute(_OWED)]
    cases = [Waiting(*row) async for row in await connection.execute(_CASES)]
    return Standing(
        followers,
        # A status that no order has now is told as zero: a series that vanishes can't be watched.
        {**dict.fromkeys(Status, 0), **orders},
        mails,
        {outcome: reports.get(outcome, 0) for outcome in _OUTCOMES},
        overdue,
        most_overdue,
        authorities,
        {state: registrations.get(state, 0) for state in _UNDER_WAY},
        called,
        money,
        owed,
        cases,
    )


async def _writers(client: Client) -> list[Writer]:
    """Ask every ordering process how its writer fares; all its commands go through the one."""
    if not client.is_connected:
        return []
    try:
        processes = await discovery.told(client, _ORDERING)
    except NatsError:
        return []
    return [
        Writer(process.id, next(endpoint.data for endpoint in process.endpoints if endpoint.data))
        for process in processes
        if any(endpoint.data for endpoint in process.endpoints)
    ]


class _Writers(Collector):
    """The writers of the ordering processes, each by the id that discovery knows it by."""

    def __init__(self, writers: list[Writer]) -> None:
        self._writers = writers

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        for name, (kind, meaning) in _OF_A_WRITER.items():
            family = kind(f"vignettes_command_{name}", meaning, labels=["process"])
            for writer in self._writers:
                if name in writer.stats:  # one of another release may tell other things
                    family.add_metric([writer.process], writer.stats[name])
            yield family


class _Gauges(Collector):
    """One look, as metrics. None means that the database could not be asked."""

    def __init__(self, standing: Standing | None) -> None:
        self._standing = standing

    def collect(self) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
        up = "Whether the views could be read for this answer."
        yield GaugeMetricFamily("vignettes_database_up", up, value=float(self._standing is not None))
        if self._standing:
            yield from _gauges(self._standing)
            yield from _registering(self._standing)
            yield from _money(self._standing)
            yield from _support(self._standing)


def _registering(standing: Standing) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
    for name, (kind, meaning) in _OF_AN_AUTHORITY.items():
        family = kind(f"vignettes_authority_{name}", meaning, labels=["country"])
        for each in standing.authorities:
            family.add_metric([each.country], getattr(each, name))
        yield family
    under_way = "Registrations that were started and have no answer of the authority on record, by state."
    yield _labelled("vignettes_registrations_under_way", under_way, "state", standing.registrations)
    called = "Registrations under way for which a person was called."
    yield GaugeMetricFamily("vignettes_persons_called", called, value=standing.called)


def _money(standing: Standing) -> Iterable[GaugeMetricFamily]:
    none = {what: Waiting(what, 0, 0.0) for what in (*_OF_MONEY, *_PAYOUTS)}
    waiting = none | {each.what: each for each in standing.money}
    for what, meaning in _OF_MONEY.items():
        yield GaugeMetricFamily(f"vignettes_{what}", meaning, value=waiting[what].count)
        yield GaugeMetricFamily(f"vignettes_{what}_oldest_seconds", _OLDEST, value=waiting[what].oldest)
    payouts = [waiting[state] for state in _PAYOUTS]
    under_way = "Payouts: to be approved, approved and in no file, in a file and on no statement yet."
    yield _labelled("vignettes_payouts", under_way, "state", {each.what: each.count for each in payouts})
    oldest = {each.what: each.oldest for each in payouts}
    yield _labelled("vignettes_payouts_oldest_seconds", _OLDEST, "state", oldest)
    yield from _debts(standing)


def _debts(standing: Standing) -> Iterable[GaugeMetricFamily]:
    owing = "Orders whose money was taken back after it had been spent, or had gone back to the payer."
    yield GaugeMetricFamily("vignettes_orders_owing", owing, value=sum(each.orders for each in standing.owed))
    amounts = {each.currency: each.amount for each in standing.owed}
    yield _labelled("vignettes_owed_minor_units", "What they owe, in minor units.", "currency", amounts)


def _support(standing: Standing) -> Iterable[GaugeMetricFamily]:
    open_ = {topic: Waiting(topic, 0, 0.0) for topic in _TOPICS} | {
        each.what: each for each in standing.cases
    }
    counts = {topic: each.count for topic, each in open_.items()}
    yield _labelled("vignettes_support_cases_open", "Cases of support that wait for us.", "topic", counts)
    oldest = {topic: each.oldest for topic, each in open_.items()}
    yield _labelled("vignettes_support_cases_open_oldest_seconds", _OLDEST, "topic", oldest)


def _gauges(standing: Standing) -> Iterable[GaugeMetricFamily | CounterMetricFamily]:
    for name, meaning in _OF_A_FOLLOWER.items():
        told = {each.view: float(getattr(each, name)) for each in standing.followers}
        yield _labelled(f"vignettes_projection_{name}", meaning, "view", told)
    yield _labelled("vignettes_orders", "Orders by status.", "status", standing.orders)
    yield GaugeMetricFamily("vignettes_mails_waiting", "Mails called for and not sent.", value=standing.mails)
    came_back = "Messages to the return address, by what was made of them."
    family = CounterMetricFamily("vignettes_mail_reports", came_back, labels=["outcome"])
    for outcome, count in standing.reports.items():
        family.add_metric([outcome], count)
    yield family
    yield GaugeMetricFamily(
        "vignettes_deadlines_overdue", "Deadlines that are past and not ended.", value=standing.overdue
    )
    late = "How long the longest of them is past, by the service's clock; 0 for none."
    yield GaugeMetricFamily("vignettes_deadlines_most_overdue_seconds", late, value=standing.most_overdue)


def _labelled(name: str, meaning: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for value, number in values.items():
        family.add_metric([value], number)
    return family
