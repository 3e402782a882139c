"""What moves the plan of an order without changing what it is for: outages, other terms, a hold."""

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from uuid import UUID

from vignettes.domain import errors
from vignettes.domain.details import Details, Status
from vignettes.domain.events import OrderEvents
from vignettes.domain.outages import Outage, last_first
from vignettes.domain.schedule import Terms
from vignettes.domain.standing import Standing

TWIN = "same_vehicle_and_period"
"""Why a second order for the same vehicle and period is held (case 48)."""


class Planning(OrderEvents, Standing):
    """The decisions about when registration starts that nobody's money or details are needed for."""

    if TYPE_CHECKING:
        trigger_event: Callable[..., None]  # the library's; the Order is an aggregate, and so has it

    def regard_outage(self, outage: Outage, at: datetime) -> None:
        """Bring the registration forward, where this outage asks for it and it still can be (case 15)."""
        if self.deadline and self.paid_at:
            self._regard([outage], self.details, self.paid_at, at, in_passing=False)

    def disregard_outage(self, outage_id: UUID, at: datetime) -> None:
        """Take back what an outage has brought forward: it was announced wrongly, or withdrawn."""
        if outage_id in self.outages and self.deadline:
            self.trigger_event(self.OutageDisregarded, timestamp=at, outage_id=outage_id)

    def change_terms(self, terms: Terms, at: datetime) -> None:
        """Serve it by other terms from now on, on the operator's word. Nothing once registration has started."""
        if self.started_at:
            raise errors.RegistrationAlreadyStarted
        if not self.is_open:
            raise errors.OrderClosed
        if terms != self.terms:
            # Until its mark it was promised for that: what is late by new terms counts from them (promise 2).
            before_mark = self.deadline is not None and not self.deadline.is_past_its_mark
            self.trigger_event(self.TermsChanged, timestamp=at, terms=terms, before_mark=before_mark)

    def hold_as_twin(self, twin: UUID, at: datetime) -> None:
        """Ask the customer of a second order for the same vehicle and period (case 48)."""
        if self.status is Status.SCHEDULED and not self.twin_accepted:
            self._hold(TWIN, at, twin)

    def accept_twin(self, at: datetime) -> None:
        """Go on with a second order for the same vehicle and period: both are meant."""
        if self.twin_accepted:
            return
        if self.hold != TWIN or not self.is_open:
            raise errors.OrderClosed("It is not held for another order of the same vehicle and period.")
        self.trigger_event(self.TwinAccepted, timestamp=at, twin=self.held_because_of)
        self._hold_if_passed(at)

    def release_twin(self, twin: UUID, at: datetime) -> None:
        """Go on when the order that this one was held for is none any more: its money went back, or never came."""
        if self.hold == TWIN and self.held_because_of == twin and self.is_open:
            self.trigger_event(self.HoldReleased, timestamp=at)
            self._hold_if_passed(at)

    def _hold_or_release(self, at: datetime) -> None:
        """Go on with what was corrected, unless it can't be kept either."""
        if self.hold and not self.details.hold_reason(at):
            self.trigger_event(self.HoldReleased, timestamp=at)
        else:
            self._hold_if_passed(at)

    def _hold_if_passed(self, at: datetime) -> None:
        """Ask the customer rather than register a day that has passed (cases 3, 4)."""
        reason = self.details.hold_reason(at)
        if reason and self.status is Status.SCHEDULED:
            self._hold(reason, at)

    def _hold(self, reason: str, at: datetime, because_of: UUID | None = None) -> None:
        self.trigger_event(self.OrderHeld, timestamp=at, reason=reason, because_of=because_of)

    def _regard(
        self,
        outages: Iterable[Outage],
        details: Details,
        paid_at: datetime,
        at: datetime,
        *,
        in_passing: bool = True,
    ) -> None:
        """Take note of each outage that brings the registration of these details, paid then, forward."""
        known = dict(self.outages)
        for outage in last_first(outages):
            if known.get(outage.id) == outage:
                continue
            plan = partial(details.deadline, paid_at, self.terms, wished=self.starts_at_once, not_before=at)
            if plan(outages=[*known.values(), outage]).due_at < plan(outages=known.values()).due_at:
                known[outage.id] = outage
                self.trigger_event(self.OutageRegarded, timestamp=at, outage=outage, in_passing=in_passing)
