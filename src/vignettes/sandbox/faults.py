"""How the sandbox's authority behaves: as it should, or with the faults that a test asks for."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

REJECTIONS = ("plate_not_accepted", "already_covered", "period_not_accepted", "vehicle_not_accepted")


class Mode(StrEnum):
    """How the authority behaves towards submissions."""

    OK = "ok"
    DOWN = "down"
    SLOW = "slow"
    REJECT = "reject"
    TIMEOUT_AFTER_SUCCESS = "timeout_after_success"
    TIMEOUT_BEFORE = "timeout_before"
    FLAKY = "flaky"


@dataclass(slots=True)
class Fault:
    """A mode, for so many calls or until changed. `reason`: of a rejection; `share`, `seed`: of a flaky one's failures.

    Which calls of a flaky authority fail follows from the seed, the reference and how often it was sent, not from
    the order in which calls arrive.
    """

    mode: Mode
    times: int | None = None
    reason: str = REJECTIONS[0]
    share: float = 0.3
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if self.times is not None and self.times < 1:
            raise ValueError("times must be 1 or more.")
        if not 0 <= self.share <= 1:
            raise ValueError("share must be from 0 to 1.")

    def for_submission(self, reference: str, number: int) -> Mode:
        """Return what becomes of a submission: of a flaky authority's failures half are after success."""
        drawn = self._drawn(f"submission {reference} {number}")
        if self.mode is not Mode.FLAKY or drawn >= self.share:
            return Mode.OK if self.mode is Mode.FLAKY else self.mode
        return Mode.TIMEOUT_AFTER_SUCCESS if drawn < self.share / 2 else Mode.TIMEOUT_BEFORE

    def fails_question(self, subject: str, number: int) -> bool:
        """Tell whether a question is left without an answer."""
        drawn = self._drawn(f"question {subject} {number}")
        return self.mode is Mode.DOWN or (self.mode is Mode.FLAKY and drawn < self.share)

    def _drawn(self, what: str) -> float:
        digest = hashlib.sha256(f"{self.seed} {what}".encode()).digest()
        return int.from_bytes(digest[:8], "big") / 2**64


class Faults:
    """The modes in force, for a country or for all; a country's own comes first. In memory only."""

    def __init__(self) -> None:
        self._faults: dict[str | None, Fault] = {}

    def set(self, country: str | None, fault: Fault) -> None:
        """Behave so from now on; for all, it replaces every mode."""
        if country is None:
            self._faults.clear()
        self._faults[country] = fault

    def now(self, country: str | None) -> Fault:
        """Return the fault in force without using it up."""
        return self._faults.get(self._key(country)) or Fault(Mode.OK)

    def take(self, country: str | None) -> Fault:
        """Return the fault for one call, and use it up once."""
        key = self._key(country)
        fault = self._faults.get(key)
        if fault is None:
            return Fault(Mode.OK)
        if fault.times is not None:
            fault.times -= 1
            if not fault.times:
                del self._faults[key]
        return fault

    def _key(self, country: str | None) -> str | None:
        return country if country in self._faults else None
