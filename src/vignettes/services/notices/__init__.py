"""What payment providers tell us by HTTP, whatever their manner: one form for all, or a refusal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from vignettes.domain.money import Money


class NoticeState(StrEnum):
    """What has become of a payment. Only PAID is money that has arrived (27)."""

    AUTHORISED = "authorised"
    PENDING = "pending"
    PAID = "paid"
    FAILED = "failed"
    REVERSED = "reversed"  # charged back
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a provider tells of one payment; (provider, payment_id) is one payment for ever.

    `amount` is above zero: the whole payment, or of REVERSED and REFUNDED all that went back so far.
    `order_reference` is what the provider carries of ours, unread: an order number, a variable symbol, an RF
    reference, or anything else. `occurred_at` is by the provider's clock, or when we asked where it names no time.
    `test`: no money moved, whatever the state. `line_reference` tells under what its money comes on the statement.
    """

    provider: str
    payment_id: str
    state: NoticeState
    amount: Money
    order_reference: str | None
    method: str
    occurred_at: datetime
    test: bool
    payer: str | None
    payer_account: str | None
    line_reference: str | None


@dataclass(frozen=True, slots=True)
class Ignored:
    """Genuine, but it tells nothing of money that we follow."""

    kind: str


class Refused(Exception):
    """This notice is not taken. The message is safe: it repeats nothing that was sent."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notice as it came in. Names of headers in lower case."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer that tells a provider not to repeat a notice."""

    media_type: str
    content: str


class Provider(Protocol):
    """Knows which notices of one provider are genuine, and reads them."""

    #: What its notices come as.
    media_type: str
    acknowledgement: Acknowledgement

    async def read(self, delivery: Delivery) -> Notice | Ignored:
        """Return what is told. Raises Refused."""


__all__ = [
    "Acknowledgement",
    "Delivery",
    "Ignored",
    "Notice",
    "NoticeState",
    "Provider",
    "Refused",
]
