"""Our payouts on statements: shown as gone, or as come back because they reached nobody."""

import re
from datetime import datetime
from uuid import UUID, uuid5

import structlog
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.entry import BankEntry
from vignettes.domain.errors import Unavailable
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.domain.references import parse_number
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands
from vignettes.messages.forms import Amount
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.commanding import RefusedByRules
from vignettes.services.payments.booking import PaymentWriter, on

log = structlog.get_logger(__name__)

_OF_ORDER = re.compile(r"(?P<number>V\d{10})-\d{1,9}", re.ASCII)
_OF_PAYMENT = re.compile(r"P[0-9a-f]{20}-\d{1,9}", re.ASCII)
#: Banks write what they were given in capitals, and whatever they like around it.
_STANDING_ALONE = re.compile(
    r"(?<![\w-])(?:V\d{10}|P[0-9a-f]{20})-\d{1,9}(?![\w-])", re.ASCII | re.IGNORECASE
)

# Also one that has failed since: an old file that is read again names it.
_SOURCE = "SELECT source_id FROM view.payouts WHERE payout_id = %s AND currency = %s AND amount = %s"

# The first line of each direction is the payout's. One that shows as gone what was told to have failed is not, unless
# the bank has shown it as come back: then both lines are of the same way there and back.
_CLAIM = """
INSERT INTO effect.payout_lines (payout_id, direction, entry_id)
SELECT %(payout_id)s, %(direction)s, %(entry_id)s
WHERE %(direction)s = 'back'
   OR NOT EXISTS (SELECT FROM view.payouts WHERE payout_id = %(payout_id)s AND state = 'failed')
   OR EXISTS (SELECT FROM effect.payout_lines WHERE payout_id = %(payout_id)s AND direction = 'back')
ON CONFLICT (payout_id, direction) DO NOTHING
"""
_IS_CLAIMED = """
SELECT FROM effect.payout_lines
WHERE payout_id = %(payout_id)s AND direction = %(direction)s AND entry_id = %(entry_id)s
"""
_LET_GO = """
DELETE FROM effect.payout_lines
WHERE payout_id = %(payout_id)s AND direction = %(direction)s AND entry_id = %(entry_id)s
"""


def payout_named(end_to_end_id: str | None, remittance: str | None) -> str | None:
    """Return the payout of ours that an entry names: as its end-to-end id, else alone in its text."""
    named = _ours(end_to_end_id or "")
    if named is not None:
        return named
    found = {_ours(each) for each in _STANDING_ALONE.findall(remittance or "")}
    return found.pop() if len(found) == 1 else None


def _ours(text: str) -> str | None:
    """Return the id of a payout as we have made it; None where it is none."""
    upper = text.strip().upper()
    if of_order := _OF_ORDER.fullmatch(upper):
        return upper if parse_number(of_order["number"]) else None
    of_payment = upper[:1] + upper[1:].lower()
    return of_payment if _OF_PAYMENT.fullmatch(of_payment) else None


class PayoutLines:
    """Tells orders, and payments that were sent back, what a statement shows of their payouts.

    Command ids follow from the entry: a file read again after a payout has failed does not confirm it anew. Another
    entry of the same payout and direction is more money than was ordered: that is a person's to look at.
    """

    def __init__(self, writer: PaymentWriter, pool: AsyncConnectionPool, ordering: Calling) -> None:
        self._writer = writer
        self._pool = pool
        self._ordering = ordering

    async def note(self, entry: BankEntry, payout_id: str, actor: str) -> bool:
        """Pass on that a payout has left (a debit) or come back (a credit); False where nobody will have it.

        Raises Unavailable when it is not known what became of it.
        """
        line = _claim(entry, payout_id)
        if not await self._is_first(line):
            log.error("payout.shown_again", entry=entry.entry_id, payout=payout_id)
            return False
        try:
            code = await self._told(entry, payout_id, actor)
        except NoAnswer:
            raise Unavailable from None
        if code is not None:
            async with self._pool.connection() as connection:
                await connection.execute(_LET_GO, line)
            log.error("payout.not_noted", entry=entry.entry_id, payout=payout_id, code=code)
        return code is None

    async def _is_first(self, line: dict[str, str]) -> bool:
        """Claim the payout's one line of this direction; False where it is another's."""
        async with self._pool.connection() as connection:
            await connection.execute(_CLAIM, line)
            return (await connection.execute(_IS_CLAIMED, line)).rowcount == 1

    async def _told(self, entry: BankEntry, payout_id: str, actor: str) -> str | None:
        """Return the code of the refusal; None where it was taken."""
        source_id = await self._source(entry, payout_id)
        of_order = _OF_ORDER.fullmatch(payout_id)
        if of_order and not entry.credit:
            source_id = order_id_of(of_order["number"])  # it knows the amount itself
        if source_id is None:
            return "not_found"
        if of_order:
            reply = await self._ordering.command(_command(entry, source_id, payout_id, actor))
            return None if reply["ok"] else reply["error"]["code"]
        return await self._noted(entry, source_id, payout_id, actor)

    async def _noted(self, entry: BankEntry, payment_id: UUID, payout_id: str, actor: str) -> str | None:
        def confirm(payment: BankPayment, at: datetime) -> None:
            payment.confirm_return(payout_id, entry.booked_on, at)

        def fail(payment: BankPayment, at: datetime) -> None:
            payment.fail_return(payout_id, at)

        act = fail if entry.credit else confirm
        try:
            await self._writer.execute(on(payment_id, _command_id(entry), act, actor))
        except RefusedByRules as refusal:
            return refusal.code
        return None

    async def _source(self, entry: BankEntry, payout_id: str) -> UUID | None:
        """Return the order or payment whose payout it is, if of this amount."""
        sought = (payout_id, entry.amount.currency, entry.amount.amount)
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SOURCE, sought)).fetchone()
        return row[0] if row else None


def _claim(entry: BankEntry, payout_id: str) -> dict[str, str]:
    return {
        "payout_id": payout_id,
        "direction": "back" if entry.credit else "out",
        "entry_id": entry.entry_id,
    }


def _command(entry: BankEntry, order_id: UUID, payout_id: str, actor: str) -> commands.PayoutCommand:
    command_id = _command_id(entry)
    if entry.credit:
        return commands.FailPayout(command_id=command_id, actor=actor, order_id=order_id, payout_id=payout_id)
    amount = Amount(amount=entry.amount.amount, currency=entry.amount.currency)
    return commands.ConfirmRefund(
        command_id=command_id, actor=actor, order_id=order_id, refund_id=payout_id, amount=amount
    )


def _command_id(entry: BankEntry) -> UUID:
    return uuid5(payment_id_of(entry.entry_id), "payout")
