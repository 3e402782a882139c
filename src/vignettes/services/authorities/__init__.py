"""The port to toll authorities: what we ask of one, and what can come back."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from vignettes.services.authorities.capabilities import Capabilities

RejectionCode = Literal[
    "plate_not_accepted", "already_covered", "period_not_accepted", "vehicle_not_accepted", "other"
]
"""Why a registration was refused, whatever the authority calls it."""


@dataclass(frozen=True, slots=True)
class Application:
    """One vehicle to be registered. `order` is ours: the authority keeps it beside its own reference."""

    order: UUID
    generation: int
    country: str
    vehicle_country: str
    plate: str
    product: str
    valid_from: str
    valid_until: str


@dataclass(frozen=True, slots=True)
class Registered:
    """The authority has the vehicle. Dates as it gave them.

    `also` counts what else it holds under our reference, which is wrong; `enclosed` is a document that came along.
    """

    number: str
    reference: str
    valid_from: str
    valid_until: str
    registered_at: datetime
    authorisation_code: str | None = None
    enclosed: bytes | None = None
    also: int = 0


@dataclass(frozen=True, slots=True)
class Rejected:
    """The authority will not have it, and says why in its own words."""

    code: RejectionCode
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer, or none that tells: it may have registered the vehicle, or not. Ask before any retry (case 45)."""

    why: str


@dataclass(frozen=True, slots=True)
class RegisteredOtherwise:
    """What the authority holds for us is not what we asked for: a person must look (I4)."""

    why: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing has left us; `failed`: because the authority can't be reached."""

    why: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """The authority's own document on a registration."""

    media_type: str
    content: bytes


class Authority(Protocol):
    """A toll authority, or a partner who sells for it. No call raises for what authorities do wrong."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can be asked, and how fast."""

    async def register(
        self, application: Application, until: float
    ) -> Registered | Rejected | RegisteredOtherwise | Unknown | NotSent:
        """Register a vehicle. Not idempotent: called twice it may register twice.

        Nothing is sent after `until`, an instant of `wire.boot_clock`.
        """

    async def find(self, application: Application) -> Registered | RegisteredOtherwise | Unknown | None:
        """Return what the authority holds for us; None when it holds nothing."""

    async def covering(self, application: Application) -> Registered | Unknown | None:
        """Return what covers the vehicle in that period and is not ours (case 47).

        None where nothing does, or where it can't be asked.
        """

    async def document(self, application: Application, registered: Registered) -> Document | None:
        """Return the official document; None where there is none, or none now."""
