"""From the domain's events to what other services are told; the one place that maps them."""

import re
from typing import Any

from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.planning import TWIN
from vignettes.eventstore.codec import Recorded
from vignettes.messages import events

#: Reasons that are codes of ours. An authority's own words may quote a plate: those stay inside.
_TOLD_REASONS = frozenset(
    {"start_passed", "too_late_for_authority", TWIN, "overpaid", "not_awaited", "cheaper_product"}
)

#: What an event calls so as well is something else: the order's own is told.
_OF_THE_ORDER = frozenset({"version", "status"})


def event_type(recorded: Recorded) -> str:
    """Return the published type: `OrderPlaced` is told as `order-placed`."""
    return kind_of(recorded.type)


def kind_of(name: str) -> str:
    """Return the published type of an event of an order by its name."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


def told(recorded: Recorded, order: Order) -> events.OrderEvent:
    """Return what is published of one event: the order's particulars after it, and no personal data."""
    form = events.EVENTS[event_type(recorded)]
    known = {**_particulars(order), **_said(recorded)}
    return form.model_validate({name: known[name] for name in form.model_fields})


def _particulars(order: Order) -> dict[str, Any]:
    deadline = order.deadline
    return {
        "order_id": order.id,
        "order_number": order.number,
        "version": order.version,
        "status": order.status,
        "country": order.details.bought.country,
        "product": order.details.product,
        "total": _amount(order.price.total),
        "outstanding": _amount(order.outstanding),
        "owed": _amount(order.owed),
        "due_at": deadline.due_at if deadline else None,
        "vignette_number": order.vignette.number if order.vignette else None,
    }


def _said(recorded: Recorded) -> dict[str, Any]:
    """Return what the event itself says, in the published names."""
    said = {name: _plain(value) for name, value in vars(recorded.event).items()}
    if payment := said.get("payment"):
        said |= {"payment_id": payment.payment_id, "amount": _amount(payment.amount)}
    if payout := said.get("payout"):
        said |= {"payout_id": payout.payout_id, "purpose": payout.purpose, "amount": _amount(payout.amount)}
    if vignette := said.get("vignette"):
        said |= {
            "vignette_number": vignette.number,
            "valid_from": vignette.valid_from,
            "valid_until": vignette.valid_until,
        }
    if outage := said.get("outage"):
        said["outage_id"] = outage.id
    if isinstance(recorded.event, Order.RegistrationRejected):
        said["reason"] = said["code"]
    elif "reason" in said and said["reason"] not in _TOLD_REASONS:
        said["reason"] = "other"
    return {name: value for name, value in said.items() if name not in _OF_THE_ORDER}


def _plain(value: Any) -> Any:
    return _amount(value) if isinstance(value, Money) else value


def _amount(money: Money) -> dict[str, Any]:
    return {"amount": money.amount, "currency": money.currency}
