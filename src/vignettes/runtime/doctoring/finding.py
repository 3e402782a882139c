"""What a look has found: in which state something is, what was seen, and what to do about it."""

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How something is."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `do` says in exact words what to do; empty where there is nothing."""

    state: State
    what: str
    seen: str
    do: str = ""


def ok(what: str, seen: str) -> Finding:
    """Return that it is as it should be."""
    return Finding(State.OK, what, seen)


def warning(what: str, seen: str, do: str) -> Finding:
    """Return that it works, and should be looked after."""
    return Finding(State.WARNING, what, seen, do)


def wrong(what: str, seen: str, do: str) -> Finding:
    """Return that it does not work, or endangers what is promised."""
    return Finding(State.WRONG, what, seen, do)


def skipped(what: str, why: str, do: str = "") -> Finding:
    """Return that it was not looked at."""
    return Finding(State.SKIPPED, what, why, do)
