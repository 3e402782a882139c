"""A year of orders, outages and deaths, drawn from a seed beforehand: what happens at which instant."""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from vignettes.domain.catalogue import PRODUCTS, Period, Product

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FIRST_DAY, LAST_DAY = date(2027, 10, 1), date(2028, 9, 30)
#: Both nights on which the clocks of Europe change, and the leap day; orders are placed on the days before, too.
SPECIAL_DAYS = (
    date(2027, 10, 30),
    date(2027, 10, 31),
    date(2028, 2, 28),
    date(2028, 2, 29),
    date(2028, 3, 25),
    date(2028, 3, 26),
)
#: When everybody sets out: before Christmas, Easter and the summer's holidays.
HOLIDAYS = (date(2027, 12, 22), date(2028, 4, 13), date(2028, 7, 7))
COUNTRIES = tuple(dict.fromkeys(each.country for each in PRODUCTS.values()))
#: How many times as likely as the others: the transit countries of the middle.
_POPULAR = {"CZ": 4, "AT": 4, "SK": 3, "HU": 3, "SI": 3, "CH": 2}
_AT_AN_HOUR = (Period.HOURS, Period.WEEKEND)


class Act(NamedTuple):
    """What one customer does, or what is done for one."""

    order: int
    name: str
    value: Any = None


@dataclass(frozen=True)
class Wish:
    """One order to be placed. `if_held`: what its customer answers when asked for another start."""

    number: int
    product: str
    valid_from: str
    plate: str
    if_held: str
    twin_of: int | None = None


@dataclass(frozen=True)
class Outage:
    """The authority is really down from its beginning until its end, or until the announcement is withdrawn."""

    id: UUID
    country: str
    announced_at: datetime
    begins_at: datetime
    ends_at: datetime
    withdrawn_at: datetime | None

    @property
    def back_at(self) -> datetime:
        return min(self.ends_at, self.withdrawn_at or self.ends_at)


class Turn(NamedTuple):
    """Something that happens to the world."""

    what: str
    outage: Outage


@dataclass(frozen=True)
class Size:
    """How much of a year. `ahead` and `delays` (hours until the money comes) are drawn from with their weights.

    `past` is the share of payments that come some minutes past the hour, `twins` that of orders made twice.
    """

    orders: int
    days: Sequence[date]
    hours: Sequence[int]
    ahead: Sequence[tuple[int, int, int]]
    delays: Sequence[tuple[int, int]]
    past: float
    notices: Sequence[int]
    twins: float
    outages: int
    #: Who is killed; each at a moment of its own.
    victims: Sequence[str]


@dataclass
class Plan:
    """All of it, by instant."""

    wishes: dict[int, Wish] = field(default_factory=dict)
    acts: dict[datetime, list[Act]] = field(default_factory=lambda: defaultdict(list))
    turns: dict[datetime, list[Turn]] = field(default_factory=lambda: defaultdict(list))
    deaths: dict[datetime, list[str]] = field(default_factory=lambda: defaultdict(list))
    outages: list[Outage] = field(default_factory=list)

    @property
    def instants(self) -> list[datetime]:
        return sorted({*self.acts, *self.turns})


def drawn(size: Size, seed: int) -> Plan:
    """Return the plan that follows from this seed."""
    return _Drawing(size, seed).plan


class _Drawing:
    def __init__(self, size: Size, seed: int) -> None:
        self._size = size
        self._chance = random.Random(seed)
        self._weights = [_weight(day) for day in size.days]
        self._products = self._shuffled_products()
        self.plan = Plan()
        number = 0
        while number < size.orders:
            number = self._order(number)
        self._draw_outages()
        self._draw_deaths()

    # --- orders

    def _shuffled_products(self) -> Iterator[Product]:
        """Give every product once, and then those that are asked for most."""
        every = list(PRODUCTS.values())
        yield from every
        weights = [_POPULAR.get(each.country, 1) for each in every]
        while True:
            yield from self._chance.choices(every, weights, k=100)

    def _order(self, number: int) -> int:
        """Draw one order, and its twin where it has one; return the next number."""
        chance, product = self._chance, next(self._products)
        day = chance.choices(self._size.days, self._weights)[0]
        at = datetime(day.year, day.month, day.day, chance.choice(self._size.hours), tzinfo=UTC)
        start = _start(product, at, self._days_ahead(product), chance)
        wish = self._wish(number, product, start)
        self._act(at, number, "place")
        later = self._next_hour(at)
        if (
            chance.random() < self._size.twins
            and number + 1 < self._size.orders
            and start[:10] > later.date().isoformat()
        ):
            self._twins(at, later, wish)
            return number + 2
        paid_at = self._payment(at, number)
        if paid_at is not None:
            self._whims(at, paid_at, wish, product)
        return number + 1

    def _days_ahead(self, product: Product) -> int:
        first, last, _ = self._chance.choices(self._size.ahead, [each[2] for each in self._size.ahead])[0]
        ahead = self._chance.randint(first, last)
        if product.notice_days:
            return product.notice_days + (
                self._chance.choice(self._size.notices) if ahead < 20 else ahead - 18
            )
        return ahead

    def _wish(self, number: int, product: Product, start: str, twin_of: Wish | None = None) -> Wish:
        if_held = self._chance.choice(("new_start", "refund", "nothing"))
        plate = twin_of.plate if twin_of else f"Y{number:06}"
        other = twin_of.number if twin_of else None
        self.plan.wishes[number] = wish = Wish(number, product.code, start, plate, if_held, other)
        return wish

    def _act(self, at: datetime, number: int, name: str, value: Any = None) -> None:
        self.plan.acts[at].append(Act(number, name, value))

    def _twins(self, at: datetime, later: datetime, first: Wish) -> None:
        """Let somebody order the same a second time: meant so, regretted, or forgotten."""
        number = first.number + 1
        self._act(at, first.number, "pay", (1, 1))
        self._wish(number, PRODUCTS[first.product], first.valid_from, first)
        self._act(later, number, "place")
        self._act(later, number, "pay", (1, 1))
        answer = self._chance.choice(("accept_twin", "refund", None, "start"))
        if answer:
            self._act(self._next_hour(later), number, answer)

    def _next_hour(self, at: datetime) -> datetime:
        """Return the next hour of the day's hours."""
        hours = [hour for hour in self._size.hours if hour > at.hour]
        if hours:
            return at.replace(hour=hours[0], minute=0)
        return (at + DAY).replace(hour=self._size.hours[0], minute=0)

    def _payment(self, at: datetime, number: int) -> datetime | None:
        """Draw when the money comes, if it does; in two parts sometimes."""
        chance = self._chance
        if chance.random() < 0.04:
            return None
        hours, _ = chance.choices(self._size.delays, [each[1] for each in self._size.delays])[0]
        paid_at = at + hours * HOUR + (HOUR / 6 if chance.random() < self._size.past else timedelta())
        if chance.random() >= 0.05:
            self._act(paid_at, number, "pay", (1, 1))
            return paid_at
        self._act(paid_at, number, "pay", (1, 2))
        if chance.random() < 0.25:
            return None
        rest_at = self._next_hour(paid_at)
        self._act(rest_at, number, "pay", (2, 2))
        return rest_at

    def _whims(self, at: datetime, paid_at: datetime, wish: Wish, product: Product) -> None:
        """Let some correct, start or give up: in time, or too late."""
        chance = self._chance
        late = chance.random() < 0.3
        when = self._late(paid_at, wish) if late else self._next_hour(paid_at)
        whim = chance.random()
        if whim < 0.05:
            self._act(when, wish.number, "correct", {"plate": f"K{wish.number:06}"})
        elif whim < 0.09:
            self._act(when, wish.number, "correct", {"valid_from": _moved(product, wish.valid_from, chance)})
        elif whim < 0.12 and product.period not in _AT_AN_HOUR:
            self._act(when, wish.number, "correct", {"product": self._other(product)})
        elif whim < 0.15:
            self._act(when, wish.number, "start")
        elif whim < 0.17:
            self._act(at, wish.number, "start")
        elif whim < 0.21:
            self._act(when, wish.number, "refund")

    def _late(self, paid_at: datetime, wish: Wish) -> datetime:
        """Return an hour after registration has started."""
        day = date.fromisoformat(wish.valid_from[:10])
        return max(
            self._next_hour(paid_at), datetime(day.year, day.month, day.day, self._size.hours[0], tzinfo=UTC)
        )

    def _other(self, product: Product) -> str:
        others = [
            each.code
            for each in PRODUCTS.values()
            if each.country == product.country and each.period not in _AT_AN_HOUR and not each.notice_days
        ]
        return self._chance.choice(others)

    # --- the world

    def _draw_outages(self) -> None:
        for number in range(self._size.outages):
            outage = self._outage(COUNTRIES[number % len(COUNTRIES)])
            self.plan.outages.append(outage)
            self.plan.turns[outage.announced_at].append(Turn("announce", outage))
            if outage.withdrawn_at:
                self.plan.turns[outage.withdrawn_at].append(Turn("withdraw", outage))
            if outage.back_at > outage.begins_at:
                self.plan.turns[outage.begins_at].append(Turn("begin", outage))
                self.plan.turns[outage.back_at].append(Turn("end", outage))

    def _outage(self, country: str) -> Outage:
        """Draw one of whole hours, announced weeks before or only when everybody has noticed."""
        chance = self._chance
        day = chance.choice(self._size.days)
        hour = chance.choice(
            (8, 9, 10, 11, chance.randrange(24))
        )  # most fall due at noon, by one clock or another
        begins_at = datetime(day.year, day.month, day.day, hour, tzinfo=UTC)
        hours = chance.choice((1, 2, 3, 4, 6, 8, 10, 12, 12, 24, 48, 72))
        notice = chance.choice((-21 * 24, -72, -24, -24, -6, -2, 1))
        announced_at = max(begins_at + notice * HOUR, self._opening)
        withdrawn_at = None
        if chance.random() < 0.15:
            withdrawn_at = (
                max(announced_at, begins_at - HOUR) if chance.random() < 0.5 else begins_at + HOUR / 2
            )
            withdrawn_at = max(withdrawn_at, announced_at + HOUR / 4)
        identity = UUID(int=chance.getrandbits(128), version=4)
        return Outage(identity, country, announced_at, begins_at, begins_at + hours * HOUR, withdrawn_at)

    @property
    def _opening(self) -> datetime:
        day = min(self._size.days)
        return datetime(day.year, day.month, day.day, tzinfo=UTC)

    def _draw_deaths(self) -> None:
        busy = sorted(self.plan.acts)
        for victim in self._size.victims:
            self.plan.deaths[self._chance.choice(busy)].append(victim)


def _weight(day: date) -> int:
    """Return how many times as much is ordered on a day as on a plain one."""
    if day in HOLIDAYS:
        return 12
    if day in SPECIAL_DAYS:
        return 4
    return 3 if day.month in {7, 8} and day.weekday() in {4, 5} else 2 if day.weekday() == 4 else 1


def _start(product: Product, at: datetime, ahead: int, chance: random.Random) -> str:
    """Return a start that the shop would offer at that time."""
    day = at.astimezone(product.zone).date() + ahead * DAY
    if product.period is Period.WEEKEND:
        return (day + DAY * ((4 - day.weekday()) % 7)).isoformat()
    if product.starts_at_hour:
        return (at + ahead * DAY + chance.choice((3, 12)) * HOUR).isoformat()
    return day.isoformat()


def _moved(product: Product, valid_from: str, chance: random.Random) -> str:
    """Return a later start of the same form."""
    days = 7 * DAY if product.period is Period.WEEKEND else chance.randint(1, 3) * DAY
    if product.starts_at_hour:
        return (datetime.fromisoformat(valid_from) + days).isoformat()
    return (date.fromisoformat(valid_from) + days).isoformat()


# --- sizes


def short_year() -> Size:
    """Return a few orders on the days before the clocks change, and before the leap day."""
    return Size(
        orders=60,
        days=SPECIAL_DAYS[::2],
        hours=(8,),
        ahead=((0, 2, 1),),
        delays=((0, 7), (24, 3)),
        past=0.0,
        notices=(0, 1),
        twins=0.15,
        outages=4,
        victims=("registration",),
    )


def long_year(orders: int) -> Size:
    """Return so many orders over the year; of few orders on fewer days, for it is the instants that take time."""
    every = [FIRST_DAY + number * DAY for number in range((LAST_DAY - FIRST_DAY).days + 1)]
    step = max(1, round(len(every) / max(orders / 100, 12)))
    roles = ("ordering", "projecting", "deadlines", "registration", "mailing", "publishing", "web", "sandbox")
    kills = max(1, min(orders // 2_500, 25))
    return Size(
        orders=orders,
        days=sorted({*every[::step], *SPECIAL_DAYS, *HOLIDAYS}),
        hours=(6, 9, 12, 15, 18, 21),
        ahead=((0, 0, 15), (1, 1, 12), (2, 7, 35), (8, 30, 25), (31, 60, 13)),
        delays=((0, 50), (3, 15), (6, 10), (12, 5), (24, 12), (48, 8)),
        past=0.15,
        notices=(0, 1, 2, 5),
        twins=0.02,
        outages=60,
        victims=(*roles * kills, *("postgres", "nats") * min(kills, 5)),
    )
