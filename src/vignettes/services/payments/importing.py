"""Bank entries become payments: each of them once, from however many files it is read."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from uuid import UUID

import structlog
from psycopg_pool import AsyncConnectionPool

from vignettes.domain.entry import BankEntry
from vignettes.domain.payment import payment_id_of
from vignettes.eventstore.deciding import Reply
from vignettes.messages.bank_files import Booked, Standings
from vignettes.services.commanding import RefusedByRules
from vignettes.services.payments.booking import STATEMENT, PaymentWriter, booking
from vignettes.services.payments.forms import kept
from vignettes.services.payments.payout_lines import payout_named

log = structlog.get_logger(__name__)

METHOD = "bank_transfer"
#: Entries that are taken down together.
BATCH = 500

_KNOWN = "SELECT originator_id FROM log.events WHERE originator_id = ANY(%s) AND originator_version = 1"
_STANDINGS = "SELECT payment_id, status FROM view.bank_payments WHERE payment_id = ANY(%s)"

NotePayout = Callable[[BankEntry, str, str], Awaitable[bool]]
"""Passes on what a statement shows of a payout of ours; False where nobody will have it."""


class Kind(StrEnum):
    """What an entry is to us."""

    PAYMENT = "payment"
    REVERSAL = "reversal"
    PAYOUT = "payout"
    IGNORED = "ignored"


def kind_of(entry: BankEntry) -> Kind:
    """Return what an entry is: rent, fees and our own transfers are no customer's money.

    What is announced only may come to nothing: it is kept where it is money for us, and else left alone.
    """
    if entry.credit and not entry.reversal:
        return Kind.PAYMENT
    if not entry.booked:
        return Kind.IGNORED
    if payout_named(entry.end_to_end_id, entry.remittance):
        return Kind.PAYOUT
    if entry.credit:
        return Kind.PAYMENT
    return Kind.REVERSAL if entry.reversal else Kind.IGNORED


class Importer:
    """Takes entries down. A file that is read again, overlaps another, or broke off, changes nothing twice (case 17).

    A reversal is taken down as it is; which payment it takes back is found when both are known, whichever came first.
    """

    def __init__(self, writer: PaymentWriter, pool: AsyncConnectionPool, note_payout: NotePayout) -> None:
        self._writer = writer
        self._pool = pool
        self._note_payout = note_payout

    async def book(self, entries: Sequence[BankEntry], actor: str) -> Booked:
        """Take entries down, and tell what they were. Raises Unavailable when not all of them certainly are."""
        entries = [kept(entry) for entry in entries]
        kinds = {entry.entry_id: kind_of(entry) for entry in entries}
        payouts = [entry for entry in entries if kinds[entry.entry_id] is Kind.PAYOUT]
        to_book = [entry for entry in entries if kinds[entry.entry_id] in {Kind.PAYMENT, Kind.REVERSAL}]
        to_book += [entry for entry in payouts if not await self._noted(entry, actor)]
        new = await self._new(to_book)
        await self._book(to_book, actor)
        counts = Counter(kinds[entry.entry_id] for entry in entries)
        return Booked(
            new=len(new),
            known=len(to_book) - len(new),
            reversals=counts[Kind.REVERSAL],
            payouts=counts[Kind.PAYOUT],
            ignored=counts[Kind.IGNORED],
            payment_ids=new,
        )

    async def standings(self, payment_ids: Sequence[UUID]) -> Standings:
        """Tell how many of these payments are matched or wait for a person, and which are still undecided."""
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_STANDINGS, (list(payment_ids),))).fetchall()
        standing: dict[UUID, str] = dict(rows)
        counts = Counter(standing.values())
        return Standings(
            matched=counts["matched"],
            in_review=counts["in_review"] + counts["unplaced"],
            undecided=[each for each in payment_ids if standing.get(each, "to_match") == "to_match"],
        )

    async def _noted(self, entry: BankEntry, actor: str) -> bool:
        """Pass a payout on; one that nobody will have is a person's to look at."""
        payout_id = payout_named(entry.end_to_end_id, entry.remittance)
        return payout_id is not None and await self._note_payout(entry, payout_id, actor)

    async def _new(self, entries: Sequence[BankEntry]) -> list[UUID]:
        payment_ids = list(dict.fromkeys(payment_id_of(entry.entry_id) for entry in entries))
        async with self._pool.connection() as connection:
            rows = await (await connection.execute(_KNOWN, (payment_ids,))).fetchall()
        known = {row[0] for row in rows}
        return [each for each in payment_ids if each not in known]

    async def _book(self, entries: Sequence[BankEntry], actor: str) -> None:
        asks = [booking(entry, STATEMENT, METHOD, actor) for entry in entries]
        outcomes = await self._writer.execute_all(asks)
        for ask, outcome in zip(asks, outcomes, strict=True):
            if isinstance(outcome, RefusedByRules):
                log.error("entry.refused", payment=str(ask.about), code=outcome.code)
            elif not isinstance(outcome, Reply):
                raise outcome
