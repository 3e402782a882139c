"""The checker's own fold: an order from its events, by what they are called and say."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from checker.calendars import Due, Plan, Wish, duration
from checker.case import instant
from checker.record import Event

TO_OLD_ADDRESS = "address_changed"
_PERMANENT = "permanent"
_SERVED_USUALLY = {"lead": "PT12H", "grace": "PT1M", "unpaid_expiry": "P14D"}


@dataclass
class Order:
    """Where an order stands after the events that it was told."""

    number: str = ""
    wish: Wish | None = None
    vehicle_country: str = ""
    valid_from: str = ""
    official: int = 0
    fee: int = 0
    currency: str = ""
    terms: dict[str, timedelta] = field(default_factory=dict)
    language: str = ""
    placed_at: datetime | None = None
    updated_at: datetime | None = None
    version: int = 0
    position: int = 0
    consents: list[dict[str, Any]] = field(default_factory=list)
    link_generation: int = 1
    email_since: int = 1
    email_fails: bool = False
    received: int = 0
    surplus: int = 0
    surplus_returned: int = 0
    payouts: dict[str, int] = field(default_factory=dict)
    refund: int | None = None
    refunded: bool = False
    refunded_by: str | None = None
    paid_at: datetime | None = None
    wished: bool = False
    hold: str | None = None
    held_because_of: str | None = None
    twin_accepted: bool = False
    outages: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)
    generation: int = 0
    began_at: datetime | None = None
    promised_since: datetime | None = None
    started_at: datetime | None = None
    started_rule: str | None = None
    rejected: bool = False
    rejection_code: str | None = None
    person_called_at: datetime | None = None
    act_by: datetime | None = None
    vignette: dict[str, Any] | None = None
    issued_at: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_by_command: str | None = None
    expired: bool = False
    erased: set[str] = field(default_factory=set)

    # --- where it stands

    @property
    def total(self) -> int:
        return self.official + self.fee

    @property
    def credited(self) -> int:
        return self.received - self.surplus

    @property
    def is_paid(self) -> bool:
        return self.wish is not None and self.credited >= self.total

    @property
    def is_open(self) -> bool:
        return self.refund is None and not self.expired and self.withdrawn_at is None

    @property
    def outstanding(self) -> int:
        return max(self.total - self.credited, 0) if self.is_open else 0

    @property
    def owed(self) -> int:
        counts = self.total if self.started_at else 0
        return max((counts if self.refund is None else self.refund) - self.credited, 0)

    @property
    def status(self) -> str:
        """Return the first that holds."""
        if self.vignette:
            return "issued"
        if self.refund is not None:
            return "refunded" if self.refunded else "refund_pending"
        if self.expired or self.withdrawn_at:
            return "expired"
        if self.started_at:
            return "registering"
        if self.rejected:
            return "action_needed"
        if self.is_paid:
            return "on_hold" if self.hold else "scheduled"
        return "partially_paid" if self.credited > 0 else "awaiting_payment"

    @property
    def due(self) -> Due | None:
        """Return when registration must start; None unless it waits for just that."""
        if self.status != "scheduled" or self.paid_at is None or self.began_at is None or self.wish is None:
            return None
        plan = Plan(
            self.wish,
            self.terms["lead"],
            self.terms["grace"],
            self.paid_at,
            self.began_at,
            self.promised_since or self.began_at,
            self.wished or self.started_rule is not None,
            tuple(self.outages.values()),
        )
        return plan.due()

    @property
    def answer_by(self) -> datetime | None:
        """Return until when whoever was refused by the authority can answer."""
        if self.status != "action_needed" or self.began_at is None or self.wish is None:
            return None
        return max(self.wish.begins_at, self.began_at + timedelta(days=1))

    # --- what happened

    def tell(self, event: Event) -> None:
        """Take in one event; what changes nothing here has no name here."""
        take = getattr(self, "_" + event.kind.removeprefix("order.").replace("-", "_"), None)
        if take:
            take(event, event.data)
        self.version, self.position, self.updated_at = event.version, event.position, event.at

    def _placed(self, event: Event, data: dict[str, Any]) -> None:
        self.number, self.language, self.placed_at = data["number"], data["language"], event.at
        self.consents = list(data.get("consents", ()))
        self._terms(data.get("terms", _SERVED_USUALLY))
        self._details(data)

    def _terms(self, said: dict[str, str]) -> None:
        self.terms = {name: duration(length) for name, length in said.items()}

    def _details(self, data: dict[str, Any]) -> None:
        start, details = data["details"]["start"], data["details"]
        hour = instant(start["at"]) if start["at"] else None
        self.wish = Wish(details["product"], date.fromisoformat(start["day"]), hour)
        self.valid_from = hour.isoformat() if hour else start["day"]
        self.vehicle_country = details["vehicle"]["country"]
        self.official, self.fee = data["price"]["official"]["amount"], data["price"]["fee"]["amount"]
        self.currency = data["price"]["official"]["currency"]

    def _payment_received(self, event: Event, data: dict[str, Any]) -> None:
        self.received += data["payment"]["amount"]["amount"]
        if self.is_open and self.is_paid and self.paid_at is None:
            self.paid_at = instant(data["payment"]["received_at"])
            self._begin_generation(event)

    def _surplus_set_aside(self, _: Event, data: dict[str, Any]) -> None:
        self.surplus += data["amount"]["amount"]

    def _surplus_returned(self, _: Event, data: dict[str, Any]) -> None:
        self.surplus_returned += data["amount"]["amount"]
        self.payouts[data["refund_id"]] = data["amount"]["amount"]

    def _payment_reversed(self, _: Event, data: dict[str, Any]) -> None:
        self._let_go(data, None if data["refund"] is None else data["refund"]["amount"])

    def _payment_taken_back(self, _: Event, data: dict[str, Any]) -> None:
        self._let_go(data, self.refund)

    def _let_go(self, data: dict[str, Any], refund: int | None) -> None:
        self.received -= data["amount"]["amount"]
        self.surplus = data["surplus"]["amount"]
        self._refund_is(refund)
        if self.is_open and not self.is_paid and not self.started_at:
            self.paid_at = None

    def _payout_failed(self, _: Event, data: dict[str, Any]) -> None:
        paid, of_refund = self.payouts.pop(data["payout_id"], 0), data["payout_id"] == self.refunded_by
        self.surplus_returned -= 0 if of_refund else paid
        self.surplus = data["surplus"]["amount"]
        if of_refund:
            self.refunded, self.refunded_by = False, None
        self._refund_is(None if data["refund"] is None else data["refund"]["amount"])

    def _refund_is(self, refund: int | None) -> None:
        self.refund = refund
        self.refunded = self.refunded or refund == 0

    def _details_corrected(self, event: Event, data: dict[str, Any]) -> None:
        self._details(data)
        self.twin_accepted = False
        self.paid_at = (self.paid_at or event.at) if self.is_paid else None
        self.rejected, self.rejection_code = False, None
        self._begin_generation(event)

    def _email_corrected(self, event: Event, _: dict[str, Any]) -> None:
        self.link_generation += 1
        self.email_since, self.email_fails = event.version, False

    def _mail_returned(self, _: Event, data: dict[str, Any]) -> None:
        to_this = data["mail_version"] >= self.email_since and data["mail_kind"] != TO_OLD_ADDRESS
        self.email_fails = self.email_fails or (data["why"] == _PERMANENT and to_this)

    def _start_wished(self, _: Event, data: dict[str, Any]) -> None:
        self.wished = True
        self._consented(data)

    def _consented(self, data: dict[str, Any]) -> None:
        if data["consent"]:
            self.consents.append(data["consent"])

    def _terms_changed(self, event: Event, data: dict[str, Any]) -> None:
        self._terms(data["terms"])
        self.promised_since = event.at if data["before_mark"] else self.promised_since
        self._plan_anew(event)

    def _outage_regarded(self, event: Event, data: dict[str, Any]) -> None:
        outage = data["outage"]
        self.outages[outage["id"]] = instant(outage["begins_at"]), instant(outage["ends_at"])
        if not data["in_passing"]:
            self._plan_anew(event)

    def _outage_disregarded(self, event: Event, data: dict[str, Any]) -> None:
        self.outages.pop(data["outage_id"], None)
        self._plan_anew(event)

    def _held(self, _: Event, data: dict[str, Any]) -> None:
        self.hold, self.held_because_of = data["reason"], data.get("because_of")

    def _hold_released(self, event: Event, _: dict[str, Any]) -> None:
        self.hold = self.held_because_of = None
        self._begin_generation(event)

    def _twin_accepted(self, event: Event, data: dict[str, Any]) -> None:
        self.twin_accepted = True
        self._hold_released(event, data)

    def _registration_started(self, event: Event, data: dict[str, Any]) -> None:
        self.started_at, self.started_rule = event.at, data["rule"]
        self.person_called_at = self.act_by = None
        self.rejected, self.rejection_code = False, None
        self._consented(data)

    def _person_called(self, event: Event, data: dict[str, Any]) -> None:
        self.person_called_at, self.act_by = event.at, instant(data["act_by"])

    def _vignette_issued(self, event: Event, data: dict[str, Any]) -> None:
        self.vignette, self.issued_at = dict(data["vignette"]), event.at

    def _validity_changed(self, _: Event, data: dict[str, Any]) -> None:
        if self.vignette:
            self.vignette |= {name: data[name] for name in ("valid_from", "valid_until")}

    def _registration_rejected(self, event: Event, data: dict[str, Any]) -> None:
        self.rejected, self.rejection_code, self.started_at = True, data.get("code", "other"), None
        self._begin_generation(event)

    def _withdrawn(self, event: Event, _: dict[str, Any]) -> None:
        self.withdrawn_at, self.withdrawn_by_command = event.at, event.command

    def _refund_requested(self, _: Event, data: dict[str, Any]) -> None:
        self.refund = data["amount"]["amount"]

    def _refunded(self, _: Event, data: dict[str, Any]) -> None:
        self.payouts[data["refund_id"]] = data["amount"]["amount"]
        self.refunded, self.refunded_by = True, data["refund_id"]

    def _expired(self, _: Event, __: dict[str, Any]) -> None:
        self.expired = True

    def _personal_data_erased(self, _: Event, data: dict[str, Any]) -> None:
        self.erased |= set(data["classes"])

    def _plan_anew(self, event: Event) -> None:
        if self.status == "scheduled":
            self.generation += 1
            self.began_at = event.at

    def _begin_generation(self, event: Event) -> None:
        self.generation += 1
        self.began_at = self.promised_since = event.at
