"""The port to toll authorities: what we ask of one, and what can come back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Application:
    """One vehicle to be registered. `reference` is our order: the authority keeps it beside its own."""

    reference: UUID
    country: str
    plate: str
    product: str
    valid_from: str
    valid_until: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The authority has the vehicle. Dates as it gave them."""

    number: str
    reference: str
    valid_from: str
    valid_until: str
    registered_at: datetime


@dataclass(frozen=True, slots=True)
class Rejected:
    """The authority will not have it, and says why."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or none that tells: it may have registered the vehicle, or not. Ask before any retry (case 45)."""

    why: str


class Authority(Protocol):
    """A toll authority, or a partner who sells for it. Neither call raises for what authorities do wrong."""

    async def register(self, application: Application) -> Registered | Rejected | Unknown:
        """Register a vehicle. Not idempotent: called twice it may register twice."""

    async def find(self, application: Application) -> Registered | Unknown | None:
        """Return what the authority holds under our reference; None when it holds nothing."""
