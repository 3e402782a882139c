"""Money that came in by a bank or a payment provider: where each payment stands, and what is to be done with it."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import Allocation, PaymentEvents
from vignettes.domain.payment_status import PaymentStatus
from vignettes.domain.personal import DataClass
from vignettes.domain.shares import ShareState
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections.view import Definition, Edition, Row, Table, upsert

DEFINITION = Definition(
    "bank_payments",
    1,
    ("bank_payments",),
    ("bank_payments", "review_queue"),
    about=(PaymentEvents.Event,),
    id_column="payment_id",
)

_SEALED = ("remittance", "counterparty", "counterparty_account", "payout_account")
_UNTOLD = frozenset({ShareState.TO_TELL, ShareState.TO_TAKE_BACK, ShareState.TO_REVERSE})


class BankPaymentsView(Table):
    """Each payment's row is its state after its last event."""

    definition = DEFINITION

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._changed: dict[UUID, tuple[BankPayment, int]] = {}

    def before(self, payment: BankPayment | None) -> None:
        """Need nothing: the row says how things stand, not how they changed."""

    def see(self, event: Recorded, payment: BankPayment, noted: Any) -> None:  # noqa: ARG002  # the protocol's
        self._changed[payment.id] = (payment, event.position)

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        rows = [self._sealed(payment, position) for payment, position in self._changed.values()]
        await upsert(connection, edition, "bank_payments", rows, key=("payment_id",))
        self.forget()

    def _sealed(self, payment: BankPayment, position: int) -> Row:
        told = row(payment, position)
        for name in _SEALED:
            told[name] = self._vault.shown(payment.id, DataClass.CONTACT, told[name])
        return told

    def forget(self) -> None:
        self._changed.clear()


def row(payment: BankPayment, position: int) -> Row:
    """Return the row of one payment, as `read.bank_payments` shows it, and what is to be done with it."""
    entry = payment.entry
    return {
        "payment_id": payment.id,
        "status": payment.status,
        "source": payment.source,
        "method": payment.method,
        "test": payment.test,
        "account": entry.account,
        "currency": entry.amount.currency,
        "amount": entry.amount.amount,
        "unallocated": payment.unallocated.amount,
        "booked_on": entry.booked_on,
        "arrived_at": payment.arrived_at,
        "variable_symbol": entry.variable_symbol,
        "creditor_reference": entry.creditor_reference,
        "end_to_end_id": entry.end_to_end_id,
        "bank_reference": entry.bank_reference,
        "remittance": entry.remittance,
        "counterparty": entry.counterparty,
        "counterparty_account": entry.counterparty_account,
        "reasons": payment.reasons,
        **_people_and_orders(payment),
        "work": _work(payment),
        "recorded_at": payment.created_on,
        "updated_at": payment.modified_on,
        "version": payment.version,
        "position": position,
    }


def _people_and_orders(payment: BankPayment) -> Row:
    return {
        "suggestions": [
            {"allocations": [_told(each) for each in suggested.allocations], "reasons": suggested.reasons}
            for suggested in payment.suggestions
        ],
        "shares": [{**asdict(each), "amount": each.amount.amount} for each in payment.shares],
        "notice": payment.notice,
        "reversal": payment.reversal,
        "payout_id": payment.payout_id,
        "payout_file": payment.payout_file,
        "payout_account": payment.to_account,
    }


def _told(allocation: Allocation) -> Row:
    return {"order_id": allocation.order_id, "amount": allocation.amount.amount}


def _work(payment: BankPayment) -> str | None:
    if any(share.state in _UNTOLD for share in payment.shares):
        return "tell"
    return "match" if payment.status is PaymentStatus.TO_MATCH else None
