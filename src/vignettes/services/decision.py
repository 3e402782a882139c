"""What a decision is made of: on which order, how it is decided, and what is remembered as its answer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from vignettes.domain import errors
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.eventstore.journal import Cover
from vignettes.messages.forms import Amount

Decide = Callable[[Order | None, datetime], Order]


@dataclass(frozen=True, slots=True)
class Decision:
    """How to decide a command on its order, and what to remember as its answer beside the common part.

    `private` is what the answer tells of the vehicle: also that another order is for the same `cover`.
    """

    order_id: UUID | None
    decide: Decide
    extra: Callable[[Order], dict[str, Any]]
    private: Callable[[Order, bool], dict[str, list[str]]] = lambda *_: {}
    cover: Cover | None = None


def on(
    order_id: UUID,
    act: Callable[[Order, datetime], None],
    extra: Callable[[Order], dict[str, Any]] = lambda _: {},
    named_by: str = "order_id",
) -> Decision:
    """Return a decision on an order that must exist."""

    def decide(order: Order | None, at: datetime) -> Order:
        if not isinstance(order, Order):  # none, or a bank payment's id
            raise errors.OrderNotFound(field=named_by)
        act(order, at)
        return order

    return Decision(order_id, decide, extra)


def refusing(refusal: errors.DomainError) -> Decision:
    """Return a decision that is taken down like any other, so that its command_id stands for it."""

    def decide(_: Order | None, __: datetime) -> Order:
        raise refusal

    return Decision(None, decide, lambda _: {})


def due(order: Order) -> dict[str, Any]:
    """Remember when its registration is due now; null where it waits for something else."""
    deadline = order.deadline
    return {"due": deadline.due_at.isoformat() if deadline else None}


def link(order: Order) -> dict[str, Any]:
    """Remember the link's generation, never the link: it is a key to personal data."""
    return {"link_generation": order.link_generation}


def money(form: Amount) -> Money:
    """Return an amount as the domain reckons with it."""
    return Money(form.amount, form.currency)


def form(money: Money) -> dict[str, Any]:
    """Return an amount as it is answered."""
    return {"amount": money.amount, "currency": money.currency}
