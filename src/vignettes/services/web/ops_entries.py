"""What an entry of a list is made of, and how times, spans and numbers stand in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

_DAY, _HOUR, _MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """A field beside an action."""

    name: str
    label: str
    needed: bool = True
    long: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """Something that can be done: `name` is what the button sends. What is `folded` is opened first, and read."""

    name: str
    label: str
    explained: str = ""
    asks: Sequence[Ask] = ()
    folded: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One that waits. `hidden` goes with whatever is done; `leads_to` is a page that tells more."""

    key: str
    title: str
    facts: Sequence[str]
    leads_to: str = ""
    #: What the page is opened for, where it tells of a person: operators alone open it, and on purpose.
    opened_to: str = ""
    hidden: Mapping[str, str] = field(default_factory=dict)
    acts: Sequence[Act] = ()
    is_file: bool = False


@dataclass(frozen=True, slots=True)
class Listing:
    """One list: how many there are, and those that are shown."""

    name: str
    title: str
    hint: str
    urgency: str
    total: int
    entries: Sequence[Entry]
    #: What can be done about all of them at once.
    about_all: Entry | None = None


def many(number: int, what: str) -> str:
    """Return so many of something."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def words(code: str) -> str:
    """Return a code as people read it."""
    return code.replace("_", " ")


def instant(at: datetime, now: datetime) -> str:
    """Return a time in UTC, with its day unless that is today."""
    known = at.astimezone(UTC)
    return f"{known:%H:%M}" if known.date() == now.astimezone(UTC).date() else f"{known:%-d %b %H:%M}"


def lasting(span: timedelta) -> str:
    """Return how long something lasts, as people say it."""
    if span >= _DAY:
        return f"{span.days} d {span.seconds // 3600} h"
    if span >= _HOUR:
        return f"{span.seconds // 3600} h {span.seconds // 60 % 60} min"
    return f"{span.seconds // 60} min" if span >= _MINUTE else f"{max(span.seconds, 0)} s"
