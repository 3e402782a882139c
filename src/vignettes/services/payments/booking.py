"""Commands on bank payments, through the log."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

from vignettes.domain import errors
from vignettes.domain.entry import BankEntry
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.services.commanding import Ask, Commanding
from vignettes.services.grouping import GroupWriter

#: Commands follow from what they are about: whoever finds the same asks the same.
NAMESPACE = UUID("5b0f8f0c-3f0e-5f3a-8c56-6f7a3d2e9b41")
STATEMENT = "statement"

Act = Callable[[BankPayment, datetime], None]


def on(
    payment_id: UUID, command_id: UUID, act: Act, actor: str, body: bytes = b"", *, erases: bool = False
) -> Ask:
    """Return a command on a payment that must exist."""

    def decide(payment: Any, at: datetime) -> BankPayment:
        if not isinstance(payment, BankPayment):  # none, or an order's id
            raise errors.PaymentNotFound(field="payment_id")
        act(payment, at)
        return payment

    return Ask(command_id, payment_id, decide, actor, body, erases)


def booking(entry: BankEntry, source: str, method: str, actor: str, *, test: bool = False) -> Ask:
    """Return the command that takes an entry down, or notes that what was announced has arrived.

    Its id follows from the entry: the same entry from another file is the same command (case 17).
    """
    payment_id = payment_id_of(entry.entry_id)

    def decide(payment: Any, at: datetime) -> BankPayment:
        if payment is None:
            return BankPayment.book(entry, source, method, at, test=test)
        payment.note_again(entry, at, test=test)
        return payment  # type: ignore[no-any-return]  # ids of payments are derived: no order has this one

    state = "test" if test else "booked" if entry.booked else "announced"
    told = f"{entry.amount.amount} {entry.amount.currency}"
    # What is only announced may be announced anew with another amount; what has arrived has one.
    named = f"book:{state}" if state == "booked" else f"book:{state}:{told}"
    return Ask(uuid5(payment_id, named), payment_id, decide, actor, told.encode())


class PaymentWriter(Commanding):
    """Has commands on bank payments decided and recorded, many at a time."""

    def __init__(self, writer: GroupWriter, digest: Callable[[bytes], bytes]) -> None:
        super().__init__(writer, digest, _answer)


def _answer(payment: BankPayment) -> dict[str, Any]:
    return {"payment_id": str(payment.id), "version": payment.version, "status": str(payment.status)}
