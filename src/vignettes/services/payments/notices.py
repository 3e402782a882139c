"""Notices of payment providers become payments: what was announced is kept, what has arrived counts, once."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import structlog
from pydantic import BaseModel

from vignettes.domain import errors, references
from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money, zero
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.domain.payment_status import PaymentStatus
from vignettes.messages import payments, replies
from vignettes.services.commanding import Ask, RefusedByRules
from vignettes.services.edge import Endpoints
from vignettes.services.payments.booking import PaymentWriter
from vignettes.services.payments.review import QUEUE

log = structlog.get_logger(__name__)

TAKEN_BACK_BEFORE = "taken_back_before"

Decide = Callable[[Any, datetime], BankPayment]
Asked = Callable[[BankPayment], Money]


class TakenBackOtherwise(errors.DomainError):
    """Before it was known to have come, another amount of it was taken back."""

    code = "taken_back_otherwise"


class NoticeDesk:
    """Takes what providers tell, in whatever order it comes."""

    def __init__(self, writer: PaymentWriter) -> None:
        self._writer = writer

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subject."""
        request = payments.TakeNotice
        endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], self._take)

    async def _take(self, notice: payments.TakeNotice, _: UUID | None) -> BaseModel:
        entry = entry_of(notice)
        payment_id = payment_id_of(entry.entry_id)
        if notice.state == "failed":
            log.info("notice.failed", provider=notice.provider, payment=str(payment_id))
        elif notice.state not in {"reversed", "refunded"}:
            await self._book(notice, entry)
        elif not notice.test:
            await self._take_back(notice, entry)
        return payments.NoticeTaken(payment_id=payment_id)

    async def _book(self, notice: payments.TakeNotice, entry: BankEntry) -> None:
        try:
            await self._writer.execute(_booking(notice, entry))
        except RefusedByRules as refusal:
            if refusal.code != TakenBackOtherwise.code:
                raise
            await self._writer.execute(_for_a_person(notice, entry))

    async def _take_back(self, notice: payments.TakeNotice, entry: BankEntry) -> None:
        """Take the payment back, also one that we hear of now only; a person looks at what else went back.

        Providers tell all that went back so far: of each amount only what is above the one before is news.
        """
        told = await self._decided(notice, entry.entry_id, _reversing(notice, entry), _gone(notice))
        whole = told == entry.amount
        while told < entry.amount:
            part = _booking_part(notice, entry, told)
            told += await self._decided(notice, _part_id(notice, told), part, _amount)
        if whole:
            await self._close_parts(notice, entry)

    async def _close_parts(self, notice: payments.TakeNotice, entry: BankEntry) -> None:
        """Close what waits for a person of parts that have become the whole since."""
        told, closing = zero(entry.amount.currency), _closing(payment_id_of(entry.entry_id))
        try:
            while told < entry.amount:
                told += await self._decided(notice, _part_id(notice, told), closing, _amount)
        except RefusedByRules as refusal:
            if refusal.code != errors.PaymentNotFound.code:
                raise

    async def _decided(
        self, notice: payments.TakeNotice, entry_id: str, decide: Decide, asked: Asked
    ) -> Money:
        """Have a command decided, and return what is asked of the payment as the log has it then."""
        found: list[Money] = []

        def looked(payment: Any, at: datetime) -> BankPayment:
            decided = decide(payment, at)
            found.append(asked(decided))
            return decided

        # Each time a command of its own: an answer that was given before would not show how things stand.
        await self._writer.execute(Ask(uuid4(), payment_id_of(entry_id), looked, _source(notice)))
        return found[-1]


def _booking(notice: payments.TakeNotice, entry: BankEntry) -> Ask:
    """Return the command that takes a payment down, or notes that what was announced has arrived."""
    payment_id = payment_id_of(entry.entry_id)
    arrives = entry.booked and not notice.test

    def decide(payment: Any, at: datetime) -> BankPayment:
        if payment is None:
            return _booked(notice, entry, at)
        if arrives:
            _note_arrival(payment, entry, at)
        return payment  # type: ignore[no-any-return]  # ids of payments are derived: no order has this one

    state = "booked" if arrives else "announced"
    return Ask(uuid5(payment_id, f"book:{state}:{_told(entry)}"), payment_id, decide, _source(notice))


def _note_arrival(payment: BankPayment, entry: BankEntry, at: datetime) -> None:
    if payment.arrived_at is None and payment.reversal and payment.entry.amount != entry.amount:
        raise TakenBackOtherwise
    payment.note_again(entry, at)


def _for_a_person(notice: payments.TakeNotice, entry: BankEntry) -> Ask:
    """Return the command that takes down what has come although some of it went back: how much is not certain."""
    came = replace(entry, entry_id=_digest(f"{notice.provider}:{notice.payment_id}:paid"))
    payment_id = payment_id_of(came.entry_id)

    def decide(payment: Any, at: datetime) -> BankPayment:
        if payment is None:
            payment = _booked(notice, came, at)
            payment.queue((TAKEN_BACK_BEFORE,), (), at)
        payment.note_again(came, at)
        return payment  # type: ignore[no-any-return]  # as above

    return Ask(uuid5(payment_id, f"book:{_told(entry)}"), payment_id, decide, _source(notice))


def _reversing(notice: payments.TakeNotice, entry: BankEntry) -> Decide:
    """Reverse the payment where all of it is told to be gone, and nothing else has taken it back.

    The bank's line of it may be what counts: then a person tells which payment is gone.
    """

    def decide(payment: BankPayment | None, at: datetime) -> BankPayment:
        payment = payment or _booked(notice, replace(entry, booked=False), at)
        if payment.entry.amount == entry.amount and payment.reversal is None and payment.notice is None:
            payment.reverse(_reversal(notice), entry.booked_on, at)
        return payment

    return decide


def _gone(notice: payments.TakeNotice) -> Asked:
    """Return what asks a payment how much of it went back as a whole by notices of this state."""

    def asked(payment: BankPayment) -> Money:
        whole = payment.entry.amount
        same = payment.reversal == _reversal(notice) and whole.currency == notice.amount.currency
        return whole if same else zero(notice.amount.currency)

    return asked


def _booking_part(notice: payments.TakeNotice, entry: BankEntry, told: Money) -> Decide:
    """Book what went back above what was told before, for a person."""
    part = replace(
        entry,
        entry_id=_part_id(notice, told),
        amount=entry.amount - told,
        credit=False,
        reversal=True,
        booked=True,
    )
    return lambda line, at: line or _booked(notice, part, at)


def _closing(whole: UUID) -> Decide:
    """Close the line of a part, unless a person has done so."""

    def decide(line: BankPayment | None, at: datetime) -> BankPayment:
        if line is None:
            raise errors.PaymentNotFound
        if line.status is PaymentStatus.UNPLACED:
            line.recognise(whole, ("names_the_notice",), at)
        return line

    return decide


def _booked(notice: payments.TakeNotice, entry: BankEntry, at: datetime) -> BankPayment:
    return BankPayment.book(entry, _source(notice), notice.method, at, test=notice.test)


def _amount(payment: BankPayment) -> Money:
    return payment.entry.amount


def _source(notice: payments.TakeNotice) -> str:
    return f"notice:{notice.provider}"


def _reversal(notice: payments.TakeNotice) -> str:
    return f"{notice.provider}:{notice.payment_id}:{notice.state}"


def _told(entry: BankEntry) -> str:
    return f"{entry.amount.amount} {entry.amount.currency}"


def _part_id(notice: payments.TakeNotice, told: Money) -> str:
    """Return the id of what went back next after so much: however notices overtake each other, no part counts twice."""
    return _digest(f"{_reversal(notice)}:{told.amount} {told.currency}")


def entry_of(notice: payments.TakeNotice) -> BankEntry:
    """Return a notice as an entry: the provider is the account, and its id of the payment the bank's reference."""
    number = references.parse_number(notice.order_reference or "")
    return BankEntry(
        entry_id=_digest(f"{notice.provider}:{notice.payment_id}"),
        account=notice.provider,
        booked_on=notice.occurred_at.date(),
        amount=Money(notice.amount.amount, notice.amount.currency),
        credit=True,
        reversal=False,
        booked=notice.state == "paid",
        variable_symbol=references.variable_symbol(number) if number else None,
        creditor_reference=None,
        remittance=notice.order_reference,
        counterparty=notice.payer,
        counterparty_account=notice.payer_account,
        end_to_end_id=notice.line_reference,
        bank_reference=notice.payment_id,
    )


def _digest(text: str) -> str:
    return hashlib.sha256(f"notice:{text}".encode()).hexdigest()[:32]
