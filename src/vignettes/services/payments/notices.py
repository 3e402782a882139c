"""Notices of payment providers become payments: what was announced is kept, what has arrived counts, once."""

import hashlib
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import structlog
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain import references
from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.domain.payment import payment_id_of
from vignettes.messages import payments, replies
from vignettes.services.edge import Endpoints
from vignettes.services.payments.booking import PaymentWriter, booking, on
from vignettes.services.payments.review import QUEUE

log = structlog.get_logger(__name__)

_KNOWN = "SELECT amount, currency FROM view.bank_payments WHERE payment_id = %s"


class NoticeDesk:
    """Takes what providers tell, in whatever order it comes."""

    def __init__(self, pool: AsyncConnectionPool, writer: PaymentWriter) -> None:
        self._pool = pool
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
        elif notice.state in {"reversed", "refunded"}:
            await self._reverse(notice, entry)
        else:
            await self._book(notice, entry)
        return payments.NoticeTaken(payment_id=payment_id)

    async def _book(self, notice: payments.TakeNotice, entry: BankEntry) -> None:
        source = f"notice:{notice.provider}"
        await self._writer.execute(booking(entry, source, notice.method, source, test=notice.test))

    async def _reverse(self, notice: payments.TakeNotice, entry: BankEntry) -> None:
        """Take the payment back, also one that we hear of now only; a part of it is for a person to look at."""
        if notice.test:
            return
        whole = await self._amount(payment_id_of(entry.entry_id))
        if whole not in {None, entry.amount}:
            part = f"{entry.entry_id}:{notice.state}:{entry.amount.amount}"
            taken = replace(entry, credit=False, reversal=True, booked=True, entry_id=_digest(part))
            await self._book(notice, taken)
            return
        if whole is None:
            await self._book(notice, replace(entry, booked=False))
        payment_id = payment_id_of(entry.entry_id)
        reversal, day = f"{notice.provider}:{notice.payment_id}:{notice.state}", entry.booked_on
        await self._writer.execute(
            on(
                payment_id,
                uuid5(payment_id, "reverse"),
                lambda payment, at: payment.reverse(reversal, day, at),
                f"notice:{notice.provider}",
            )
        )

    async def _amount(self, payment_id: UUID) -> Money | None:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            row: dict[str, Any] | None = await (await cursor.execute(_KNOWN, (payment_id,))).fetchone()
        return Money(row["amount"], row["currency"]) if row else None


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
