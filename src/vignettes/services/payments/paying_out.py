"""Files of payouts for the bank. What is in one is on record before anybody gets it, and in no other file.

A file is its events: it is made of them whenever it is asked for. Its first payout says which others are in it, so that
whoever asks again, after a crash or beside another, fills the same file: those that were approved before that one went
into it, as far as they let themselves be put into a file, and at most so many.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool

from vignettes.domain import errors
from vignettes.domain.money import Money
from vignettes.domain.payment import BankPayment
from vignettes.eventstore.deciding import Reply
from vignettes.messages import commands
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.deciding import Payee
from vignettes.services.payments import pain001
from vignettes.services.payments.accounts import is_payable, payable
from vignettes.services.payments.booking import NAMESPACE, PaymentWriter, on
from vignettes.services.positions import Positions

log = structlog.get_logger(__name__)

#: A file of these, in base64, fits into one message.
MOST = 1_000
PATIENCE_SECONDS = 15.0
_LOOK_AGAIN_SECONDS = 0.05
#: Commands under way at a time.
_TOGETHER = 50

_OF_FILE: LiteralString = """
SELECT payout_id, state, order_id, order_number, payment_id, currency, amount, account, name, ordered_at
FROM read.payouts WHERE file_id = %(file)s ORDER BY approved_position
"""
_APPROVED: LiteralString = """
SELECT payout_id, state, order_id, order_number, payment_id, currency, amount, account, name, ordered_at
FROM read.payouts WHERE state = 'approved' AND currency = %(currency)s ORDER BY approved_position LIMIT %(most)s
"""
_MEANT: LiteralString = """
SELECT payout_id, state, order_id, order_number, payment_id, p.currency, amount, account, name, ordered_at
FROM read.payouts p,
     (SELECT min(approved_position) AS since, min(ordered_position) AS until FROM view.payouts
      WHERE file_id = %(file)s) AS begun
WHERE p.currency = %(currency)s AND approved_position >= begun.since AND approved_position < begun.until
ORDER BY approved_position LIMIT %(most)s
"""


@dataclass(frozen=True, slots=True)
class File:
    """A file for the bank."""

    file_id: str
    payouts: int
    total: Money
    content: bytes


@dataclass(frozen=True, slots=True)
class _Payout:
    payout_id: str
    state: str
    order_id: UUID | None
    order_number: str | None
    payment_id: UUID | None
    currency: str
    amount: int
    account: str | None
    name: str | None
    ordered_at: datetime | None

    @property
    def is_open(self) -> bool:
        """Tell whether it can be put into a file; where it can't be sent to, a person must see to it."""
        return self.state == "approved" and is_payable(self.account, self.currency)


class FileErased(errors.DomainError):
    """The personal data of a payout in this file was erased: the file can't be made again."""

    code = "conflict"


class PayingOut:
    """Makes files of what is approved."""

    def __init__(
        self, pool: AsyncConnectionPool, writer: PaymentWriter, ordering: Calling, payer: Payee
    ) -> None:
        self._pool = pool
        self._writer = writer
        self._ordering = ordering
        self._payer = payer
        self._positions = Positions(pool, "payouts")

    async def file(self, command_id: UUID, currency: str, actor: str) -> File | None:
        """Return the file of this command; None when there is nothing to pay out. Raises Unavailable: ask again."""
        asked = _Asked(f"F{command_id.hex}", currency, actor)
        until = time.monotonic() + PATIENCE_SECONDS
        rows = await self._rows(_OF_FILE, asked)
        if not rows:
            if not await self._begin(asked, until):
                return None
            rows = await self._rows(_OF_FILE, asked)
        if not rows:  # what else is meant to be in it can't be told before the view knows of its first payout
            raise errors.Unavailable
        if any(row.currency != currency for row in rows):
            raise errors.CommandIdReused(field="command_id")
        await self._fill(asked, until)
        return self._made(asked, await self._rows(_OF_FILE, asked))

    async def _begin(self, asked: "_Asked", until: float) -> bool:
        """Put the first payout into the file that lets itself be, and wait until the view knows."""
        for payout in await self._rows(_APPROVED, asked):
            if not payout.is_open:
                log.warning("payout.without_account", payout=payout.payout_id)
            elif (position := await self._order(payout, asked)) is not None:
                await self._positions.reach(position, until)
                return True
        return False

    async def _fill(self, asked: "_Asked", until: float) -> None:
        """Put into the file whatever is meant to be in it; nobody gets it before that is settled of each."""
        ordered: set[str] = set()
        while left := [each for each in await self._rows(_MEANT, asked) if each.is_open]:
            await self._order_all([each for each in left if each.payout_id not in ordered], asked)
            ordered |= {each.payout_id for each in left}
            if time.monotonic() > until:
                raise errors.Unavailable
            await asyncio.sleep(_LOOK_AGAIN_SECONDS)

    async def _order_all(self, payouts: Sequence[_Payout], asked: "_Asked") -> None:
        under_way = asyncio.Semaphore(_TOGETHER)

        async def order(payout: _Payout) -> None:
            async with under_way:
                await self._order(payout, asked)

        outcomes = await asyncio.gather(*map(order, payouts), return_exceptions=True)
        for each in outcomes:
            if each is not None:
                raise each

    async def _order(self, payout: _Payout, asked: "_Asked") -> int | None:
        """Put a payout into the file by a command of its own; return where that is on record, None when refused."""
        command_id = uuid5(NAMESPACE, f"{payout.payout_id}:{asked.file_id}:order")
        try:
            if payout.order_id:
                return await self._order_refund(payout, payout.order_id, asked, command_id)
            return await self._order_return(payout, asked, command_id)
        except NoAnswer:
            raise errors.Unavailable from None

    async def _order_refund(
        self, payout: _Payout, order_id: UUID, asked: "_Asked", command_id: UUID
    ) -> int | None:
        command = commands.OrderPayout(
            command_id=command_id,
            actor=asked.actor,
            order_id=order_id,
            payout_id=payout.payout_id,
            file_id=asked.file_id,
        )
        reply = await self._ordering.command(command)
        return int(reply["position"]) if reply["ok"] else None

    async def _order_return(self, payout: _Payout, asked: "_Asked", command_id: UUID) -> int | None:
        def act(payment: BankPayment, at: datetime) -> None:
            payment.order_return(payout.payout_id, asked.file_id, at)

        assert payout.payment_id is not None  # noqa: S101  # each is an order's or a payment's; for the type only
        [outcome] = await self._writer.execute_all([on(payout.payment_id, command_id, act, asked.actor)])
        if isinstance(outcome, Reply):
            return outcome.position
        if isinstance(outcome, errors.DomainError) and not isinstance(outcome, errors.Unavailable):
            return None
        raise outcome

    def _made(self, asked: "_Asked", rows: Sequence[_Payout]) -> File:
        transfers = [_transfer(row) for row in rows]
        at = min(row.ordered_at for row in rows if row.ordered_at)
        total = Money(sum(row.amount for row in rows), asked.currency)
        log.info("payouts.filed", file=asked.file_id, payouts=len(rows), currency=asked.currency)
        content = pain001.document(asked.file_id, at, self._payer, transfers)
        return File(asked.file_id, len(rows), total, content)

    async def _rows(self, query: LiteralString, asked: "_Asked") -> list[_Payout]:
        values = {"file": asked.file_id, "currency": asked.currency, "most": MOST}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(_Payout)) as cursor,
        ):
            return await (await cursor.execute(query, values)).fetchall()


@dataclass(frozen=True, slots=True)
class _Asked:
    file_id: str
    currency: str
    actor: str


def _transfer(row: _Payout) -> pain001.Transfer:
    if row.account is None:
        raise FileErased
    return pain001.Transfer(
        payout_id=row.payout_id,
        amount=Money(row.amount, row.currency),
        iban=payable(row.account, row.currency),
        name=row.name or f"Customer {row.order_number or ''}",
        text=f"Refund {row.order_number}" if row.order_number else f"Return {row.payout_id}",
    )
