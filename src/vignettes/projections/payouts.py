"""Money that is to go back: what waits for an approval, for a file, for the bank's word, and what has left."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection

from vignettes.domain.account import Purpose
from vignettes.domain.events import OrderEvents
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import PaymentEvents
from vignettes.domain.personal import DataClass
from vignettes.eventstore.codec import Recorded
from vignettes.eventstore.personal import Vault
from vignettes.projections.view import Definition, Edition, Row, Table, upsert, write_json

DEFINITION = Definition(
    "payouts",
    1,
    ("payouts",),
    ("payouts",),
    about=(OrderEvents.Event, PaymentEvents.Event),
    id_column="source_id",
)

#: Why money goes back that is no order's.
RETURN = "return"
#: In place of the id that an approval gives.
_NONE_YET = ""
_SEALED = ("account", "name")

# What has become of payouts whose rows are older than this batch.
_STEPS: LiteralString = """
UPDATE {payouts} p SET state = s.state, since = s.since, file_id = coalesce(s.file_id, p.file_id),
       ordered_at = coalesce(s.ordered_at, p.ordered_at),
       ordered_position = coalesce(s.ordered_position, p.ordered_position), version = s.version, position = s.position
FROM jsonb_to_recordset(%s) AS s (source_id uuid, payout_id text, state text, since timestamptz, file_id text,
                                  ordered_at timestamptz, ordered_position bigint, version bigint, position bigint)
WHERE (p.source_id, p.payout_id) = (s.source_id, s.payout_id)
"""
_SETTLE: LiteralString = """
DELETE FROM {payouts} p USING jsonb_to_recordset(%s) AS s (source_id uuid, purpose text)
WHERE (p.source_id, p.payout_id, p.purpose) = (s.source_id, '', s.purpose)
"""
_ERASE: LiteralString = """
UPDATE {payouts} p SET account = NULL, name = NULL
FROM jsonb_to_recordset(%s) AS s (source_id uuid) WHERE p.source_id = s.source_id
"""


@dataclass(frozen=True, slots=True)
class _Open:
    """What of an order was open, and approved, before an event."""

    payable: dict[Purpose, Money]
    payouts: frozenset[str]


class PayoutsView(Table):
    """A row for each payout, and for what of an order's refund or surplus is in none yet."""

    definition = DEFINITION

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._to_approve: dict[tuple[UUID, str], Row | None] = {}
        self._payouts: dict[tuple[UUID, str], Row] = {}
        self._steps: dict[tuple[UUID, str], Row] = {}
        self._erased: dict[UUID, Row] = {}

    def before(self, source: Order | BankPayment | None) -> _Open | None:
        """Note what is open; most orders never have anything to give back."""
        if not isinstance(source, Order) or (source.refund is None and not source.account.surplus):
            return None
        return _Open({each: source.payable(each) for each in Purpose}, frozenset(source.payouts))

    def see(self, event: Recorded, source: Order | BankPayment, noted: _Open | None) -> None:
        if isinstance(source, Order):
            self._see_order(event, source, noted)
        else:
            self._see_payment(event, source)

    def _see_order(self, event: Recorded, order: Order, noted: _Open | None) -> None:
        match event.event:
            case OrderEvents.PayoutApproved(payout=payout, to_account=account):
                row = _of_order(event, order, payout.purpose, payout.amount)
                self._approve(event, row, payout.payout_id, account)
            case OrderEvents.PayoutOrdered(payout_id=payout_id, file_id=file_id):
                self._order(event, payout_id, file_id)
            case OrderEvents.OrderRefunded(refund_id=refund_id, amount=amount):
                self._pay_out(event, _of_order(event, order, Purpose.REFUND, amount), refund_id, noted)
            case OrderEvents.SurplusReturned(refund_id=refund_id, amount=amount):
                self._pay_out(event, _of_order(event, order, Purpose.SURPLUS, amount), refund_id, noted)
            case OrderEvents.PayoutFailed(payout_id=payout_id):
                self._step(event, payout_id, "failed")
            case OrderEvents.PersonalDataErased(classes=classes):
                self._erase(order.id, classes)
        self._see_open(event, order, noted)

    def _see_payment(self, event: Recorded, payment: BankPayment) -> None:
        match event.event:
            case PaymentEvents.ReturnApproved(payout_id=payout_id, to_account=account):
                self._approve(event, _of_payment(event, payment), payout_id, account)
            case PaymentEvents.ReturnOrdered(payout_id=payout_id, file_id=file_id):
                self._order(event, payout_id, file_id)
            case PaymentEvents.PaymentReturned(payout_id=payout_id):
                self._step(event, payout_id, "paid_out")
            case PaymentEvents.ReturnFailed(payout_id=payout_id):
                self._step(event, payout_id, "failed")
            case PaymentEvents.PaymentReversed() if payment.payout_id and not payment.payout_file:
                self._step(event, payment.payout_id, "withdrawn")
            case PaymentEvents.PersonalDataErased(classes=classes):
                self._erase(payment.id, classes)

    def _see_open(self, event: Recorded, order: Order, noted: _Open | None) -> None:
        """Tell what changed of what is open, and which approvals do not hold any more."""
        now = self.before(order)
        for purpose in Purpose if now or noted else ():
            amount = now.payable[purpose] if now else None
            if amount != (noted.payable[purpose] if noted else None):
                row = _of_order(event, order, purpose, amount) if amount and amount.amount > 0 else None
                self._to_approve[order.id, purpose] = row
        left = order.account.payouts.keys() | order.account.failed
        for payout_id in (noted.payouts if noted else frozenset()) - order.payouts.keys() - left:
            self._step(event, payout_id, "withdrawn")

    def _approve(self, event: Recorded, row: Row, payout_id: str, account: str | None) -> None:
        approved = {"payout_id": payout_id, "state": "approved", "account": account}
        self._put(row | approved | {"approved_position": event.position})

    def _order(self, event: Recorded, payout_id: str, file_id: str) -> None:
        ordered = {"file_id": file_id, "ordered_at": event.recorded_at, "ordered_position": event.position}
        self._step(event, payout_id, "with_bank", **ordered)

    def _pay_out(self, event: Recorded, row: Row, refund_id: str, noted: _Open | None) -> None:
        if noted and refund_id in noted.payouts:
            self._step(event, refund_id, "paid_out")
        else:  # another service paid it out
            self._put(row | {"payout_id": refund_id, "state": "paid_out"})

    def _put(self, row: Row) -> None:
        key = (row["source_id"], row["payout_id"])
        self._steps.pop(key, None)
        self._payouts[key] = row

    def _step(self, event: Recorded, payout_id: str, state: str, **more: Any) -> None:
        key = (event.order_id, payout_id)
        at = {"version": event.version, "position": event.position}
        step = {"state": state, "since": event.recorded_at, **at, **more}
        if key in self._payouts:
            self._payouts[key] |= step
        else:
            known = self._steps.get(
                key, {"source_id": event.order_id, "payout_id": payout_id, **_NOT_ORDERED}
            )
            self._steps[key] = known | step

    def _erase(self, source_id: UUID, classes: tuple[DataClass, ...]) -> None:
        if DataClass.CONTACT in classes:
            self._erased[source_id] = {"source_id": source_id}

    async def write(self, connection: AsyncConnection, edition: Edition) -> None:
        open_ = [row for row in self._to_approve.values() if row]
        rows = [self._sealed(row) for row in (*open_, *self._payouts.values())]
        settled = [
            {"source_id": source_id, "purpose": purpose}
            for (source_id, purpose), row in self._to_approve.items()
            if row is None
        ]
        await upsert(connection, edition, "payouts", rows, key=("source_id", "payout_id", "purpose"))
        await write_json(connection, edition, _STEPS, list(self._steps.values()))
        await write_json(connection, edition, _SETTLE, settled)
        await write_json(connection, edition, _ERASE, list(self._erased.values()))
        self.forget()

    def _sealed(self, row: Row) -> Row:
        shown = self._vault.shown
        return row | {name: shown(row["source_id"], DataClass.CONTACT, row[name]) for name in _SEALED}

    def forget(self) -> None:
        for seen in (self._to_approve, self._payouts, self._steps, self._erased):
            seen.clear()


_NOT_ORDERED: Row = {"file_id": None, "ordered_at": None, "ordered_position": None}


def _of_order(event: Recorded, order: Order, purpose: Purpose, amount: Money) -> Row:
    official = fee = None
    if purpose is Purpose.REFUND:
        # The authority's price goes back first: of what is paid in part, the fee is what is left.
        official = min(amount.amount, order.price.official.amount)
        fee = amount.amount - official
    told = {"order_number": order.number, "official": official, "fee": fee, "name": None}
    return _row(event, purpose, amount) | told


def _of_payment(event: Recorded, payment: BankPayment) -> Row:
    told = {"order_number": None, "official": None, "fee": None, "name": payment.entry.counterparty}
    return _row(event, RETURN, payment.entry.amount) | told


def _row(event: Recorded, purpose: str, amount: Money) -> Row:
    return {
        "source_id": event.order_id,
        "payout_id": _NONE_YET,
        "purpose": purpose,
        "state": "to_approve",
        "currency": amount.currency,
        "amount": amount.amount,
        "account": None,
        "since": event.recorded_at,
        "approved_position": None,
        **_NOT_ORDERED,
        "version": event.version,
        "position": event.position,
    }
