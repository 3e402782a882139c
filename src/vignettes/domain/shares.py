"""What of a payment is one order's, and what the order knows of it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from vignettes.domain.money import Money

_SHARE = "bank-payment:"


def share_id(payment: UUID, number: int) -> str:
    """Return the payment_id by which an order knows the `number`-th share of a payment."""
    return f"{_SHARE}{payment}:{number}"


def is_share(payment_id: str) -> bool:
    """Tell whether an order knows a payment by this id as its share of a bank payment."""
    return payment_id.startswith(_SHARE)


class ShareState(StrEnum):
    """What an order knows of its share."""

    TO_TELL = "to_tell"
    COUNTED = "counted"
    TO_TAKE_BACK = "to_take_back"
    TO_REVERSE = "to_reverse"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a payment that is one order's. `share_id` is the payment_id by which the order knows it."""

    share_id: str
    order_id: UUID
    amount: Money
    state: ShareState
