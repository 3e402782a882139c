"""What the page for people on duty shows: promises, what is due, where orders stand, and the lists of what waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from vignettes.projections.promises import Promise
from vignettes.services.web import ops_charts
from vignettes.services.web.ops_charts import DueChart, Kept, State
from vignettes.services.web.ops_entries import Listing
from vignettes.services.web.ops_lists import listings
from vignettes.services.web.ops_look import SHOWN, Look

Row = Mapping[str, Any]

#: How many hours ahead can be looked at, and how many are unless somebody asks.
HOURS: Final = (24, 48)
USUAL_HOURS: Final = HOURS[0]
#: So many orders are named beside each promise that was broken to them, the latest.
NAMED: Final = 3

#: What each promise is called, what it says, and what its figures leave out.
_WORDS: Final[Mapping[Promise, tuple[str, str, str]]] = {
    Promise.AT_THE_MARK: (
        "On time",
        "Registration starts 12 hours before validity, or when the country needs it.",
        "Kept: within 5 minutes of that mark. Orders that were paid after it are counted under promise 2.",
    ),
    Promise.SAME_DAY: (
        "Same day",
        "Paid after the mark: registration starts within 5 minutes of the money.",
        "Counted from the money's arrival with us, a correction or a release, whichever came last.",
    ),
    Promise.RIGHT_ORDER: (
        "Right order",
        "Money from the bank is matched to the wrong order at most once in 10,000.",
        "Broken: a match that a person has undone. A wrong match that nobody has noticed is not in these figures.",
    ),
    Promise.MAIL_OF_PAYMENT: (
        "Confirmed",
        "The mail that confirms the payment leaves within the hour.",
        "Counted until the mail server has taken it; whether it was read, nobody measures.",
    ),
}


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that was not kept, and to whose order."""

    order_id: str
    number: str
    told: str


@dataclass(frozen=True, slots=True)
class Card:
    """One promise: today, in the last thirty days, and who was let down."""

    number: int
    name: str
    says: str
    leaves_out: str
    today: Kept
    outlines: Mapping[str, str]
    month: Kept
    broken: Sequence[Broken]

    @property
    def more_broken(self) -> int:
        """How many were broken beside those that are named."""
        return max(self.month.broken - len(self.broken), 0)


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of something that was done: beside its entry, or where its list stands, once it is gone."""

    listing: str
    key: str
    title: str
    words: str
    kind: Literal["good", "act", "wait"]
    #: The form as it was sent, where nobody knows what became of it: sent again it is the same command.
    again: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """All of it."""

    now: datetime
    sign: str
    lacks_days: bool
    cards: Sequence[Card]
    due: DueChart
    overdue: int
    states: Sequence[State]
    waiting: Sequence[Listing]
    idle: Sequence[Listing]
    done: Sequence[Row]
    notice: Notice | None

    @property
    def stray(self) -> bool:
        """Tell whether what the notice is about is in no list any more."""
        here = self.notice
        return here is not None and not any(
            here.listing == each.name and here.key in {entry.key for entry in each.entries}
            for each in self.waiting
        )


def board(look: Look, hours: int, notice: Notice | None = None) -> Board:
    """Return what a look has found, as it is shown."""
    lists = listings(look)
    return Board(
        look.now,
        f"{look.sign}-{hours}",
        look.lacks_days,
        [_card(promise, look) for promise in SHOWN],
        ops_charts.due(look.parts["due"], look.now, hours),
        next(each.total for each in lists if each.name == "late"),
        ops_charts.states([*look.parts["states"], *look.parts["ended"]]),
        [each for each in lists if each.entries],
        [each for each in lists if not each.entries],
        look.parts["done"],
        notice,
    )


def _card(promise: Promise, look: Look) -> Card:
    today = look.now.astimezone(UTC).date()
    rows = [row for part in ("month", "today") for row in look.rows(part) if row["promise"] == promise]
    days = ops_charts.days(rows, today)
    broken = [
        _broken(row)
        for part in ("broken_today", "broken_month")
        for row in look.rows(part)
        if row["promise"] == promise
    ]
    return Card(
        int(promise),
        *_WORDS[promise],
        days[-1].kept,
        ops_charts.outlines(days),
        ops_charts.in_all(days),
        broken[:NAMED],
    )


def _broken(row: Row) -> Broken:
    late = "" if row["is_no_matter_of_time"] else f", {_late(row)} late"
    told = f"{row['due_at'].astimezone(UTC):%-d %b %H:%M}{late}"
    return Broken(str(row["order_id"]), row["order_number"] or "?", told)


def _late(row: Row) -> str:
    minutes, seconds = divmod(round(row["late"].total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"
