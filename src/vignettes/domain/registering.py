"""What the authority answers about a registration of an order."""

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from vignettes.domain import errors
from vignettes.domain.details import Vignette
from vignettes.domain.events import OrderEvents
from vignettes.domain.standing import Standing


class Registering(OrderEvents, Standing):
    """The decisions about a registration that is under way, or done."""

    generation: int
    person_called_at: datetime | None

    if TYPE_CHECKING:
        trigger_event: Callable[..., None]  # the library's; the Order is an aggregate, and so has it

    def record_issue(self, vignette: Vignette, generation: int, at: datetime) -> None:
        """Keep the authority's confirmation of this start, once (case 46)."""
        if not self.started_at or generation != self.generation:
            raise errors.OrderClosed("That registration of it is not under way.")
        if self.vignette is None:
            self.trigger_event(self.VignetteIssued, timestamp=at, vignette=vignette)
        elif self.vignette.number != vignette.number:
            raise errors.OrderClosed(f"Vignette {self.vignette.number} was issued for it already.")

    def record_rejection(self, code: str, reason: str, generation: int, at: datetime) -> None:
        """Keep the authority's refusal of this start; the customer must act (cases 47, 49)."""
        if self.vignette:
            raise errors.OrderClosed("A vignette was issued for it already.")
        if self.started_at and generation == self.generation:
            self.trigger_event(self.RegistrationRejected, timestamp=at, code=code, reason=reason)

    def call_person(self, why: str, act_by: datetime, generation: int, at: datetime) -> None:
        """Call for a person, once for each start: its time gets short, and the authority has not answered."""
        under_way = self.started_at and self.vignette is None and generation == self.generation
        if under_way and self.person_called_at is None:
            what = {"why": why, "act_by": act_by, "generation": generation}
            self.trigger_event(self.PersonCalled, timestamp=at, **what)

    def record_validity(self, valid_from: datetime, valid_until: datetime, at: datetime) -> None:
        """Keep that the authority has changed the validity of what it issued (case 51)."""
        if self.vignette is None:
            raise errors.OrderClosed("No vignette was issued for it yet.")
        if (valid_from, valid_until) != (self.vignette.valid_from, self.vignette.valid_until):
            said = {"valid_from": valid_from, "valid_until": valid_until}
            self.trigger_event(self.ValidityChanged, timestamp=at, **said)
