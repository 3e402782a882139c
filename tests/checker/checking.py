"""The eleven invariants, each with what holds a case against it."""

from collections.abc import Callable

from checker import (
    balance,
    commands,
    deadlines,
    erasure,
    mails,
    precedence,
    privacy,
    register,
    sequence,
    stream,
    views,
)
from checker.case import Case
from checker.findings import WRONG, Verdict
from checker.record import Record

Check = Callable[[Case, Record], Verdict]
CHECKS: dict[str, Check] = {
    "I1": commands.check,
    "I2": sequence.check,
    "I3": precedence.check,
    "I4": register.check,
    "I5": balance.check,
    "I6": views.check,
    "I7": mails.check,
    "I8": deadlines.check,
    "I9": stream.check,
    "I10": privacy.check,
    "I11": erasure.check,
}


def verdicts(case: Case, record: Record) -> list[Verdict]:
    """Check a case by every invariant."""
    return [_checked(invariant, check, case, record) for invariant, check in CHECKS.items()]


def _checked(invariant: str, check: Check, case: Case, record: Record) -> Verdict:
    try:
        return check(case, record)
    except (LookupError, ValueError, TypeError, AttributeError) as error:
        # What can't be folded at all is no less wrong than what folds to something else.
        verdict = Verdict(invariant, "can't be checked")
        verdict.find(WRONG, f"{type(error).__name__}: {error}")
        return verdict
