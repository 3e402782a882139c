"""The matcher: each payment that has arrived is matched with certainty, recognised, or left to a person."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID, uuid5

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.entry import BankEntry
from vignettes.domain.matching import Match, OrderInView, Review, Suggestion, Wanted, match, wanted
from vignettes.domain.money import Money
from vignettes.domain.payment_events import Allocation, Suggested
from vignettes.eventstore.deciding import Outcome, Reply
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.commanding import Ask
from vignettes.services.payments.booking import PaymentWriter, on
from vignettes.services.payments.lookup import OrdersInView
from vignettes.services.payments.reasons import NOT_UNDERSTOOD
from vignettes.services.payments.recognising import Recognised, recognised
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "matching"
_BATCH = 500
#: One matcher at a time: what one has matched, another one must not match again before the order knows of it.
_LOCK = 0x6D617463  # "matc"

_TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
_POSITIONS = """
SELECT coalesce(min(position) FILTER (WHERE view = 'order_status'), 0),
       coalesce(min(position) FILTER (WHERE view = 'bank_payments'), 0)
FROM view.editions WHERE state = 'live' AND view IN ('order_status', 'bank_payments')
"""
_TO_MATCH: LiteralString = """
SELECT p.* FROM read.bank_payments p JOIN view.bank_payments w USING (payment_id)
WHERE w.work = 'match' AND w.position > %s ORDER BY w.position LIMIT %s
"""
# Orders that are about to be told of money: as long as they do not know of it, nothing more is matched to them.
_PROMISED = """
SELECT DISTINCT (share ->> 'order_id')::uuid
FROM view.bank_payments, jsonb_array_elements(shares) AS share
WHERE work = 'tell' AND share ->> 'state' = 'to_tell'
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Verdict:
    row: Row
    ask: Ask
    order_id: UUID | None = None
    notice: UUID | None = None


class Matching:
    """Decides for each payment that waits. Whatever it decides before a crash, it decides again after it."""

    name = "matching"

    def __init__(self, conninfo: str, writer: PaymentWriter, orders: OrdersInView) -> None:
        self._writer = writer
        self._orders = orders
        #: What was decided here at positions that the view has not reached yet: orders that money was matched to, and
        #: notices, or orders that were told directly, whose line was recognised.
        self._promised: dict[UUID, int] = {}
        self._recognised: dict[UUID, int] = {}
        self._decided: dict[UUID, int] = {}
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Match until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        if not await _is_alone(connection):
            return POLL_SECONDS
        after = 0
        while (seen := await self._seen(connection)) is not None:
            rows = await _rows(connection, _TO_MATCH, (after, _BATCH))
            if not rows:
                break
            after = rows[-1]["position"]
            undecided = [row for row in rows if self._decided.get(row["payment_id"]) != row["version"]]
            await self._decide(connection, undecided, await self._taken(connection))
            self._forget(seen)
        return POLL_SECONDS

    async def _seen(self, connection: AsyncConnection) -> int | None:
        """Return how far the payments are known; None while orders are known less far: they may be paid already."""
        row = await (await connection.execute(_POSITIONS)).fetchone()
        orders, payments = row or (0, 0)
        return payments if orders >= payments else None

    async def _taken(self, connection: AsyncConnection) -> set[UUID]:
        rows = await (await connection.execute(_PROMISED)).fetchall()
        return {row[0] for row in rows} | set(self._promised)

    def _forget(self, seen: int) -> None:
        """Let go of what the views know by now."""
        self._promised = {each: at for each, at in self._promised.items() if at > seen}
        self._recognised = {each: at for each, at in self._recognised.items() if at > seen}
        if len(self._decided) > 10 * _BATCH:
            self._decided.clear()

    async def _decide(self, connection: AsyncConnection, rows: Sequence[Row], taken: set[UUID]) -> None:
        entries = [_entry(row) for row in rows]
        questions = [wanted(entry) for entry in entries]
        orders = await self._orders.find(connection, questions)
        verdicts: list[_Verdict] = []
        lines = set(self._recognised)
        for row, entry, question in zip(rows, entries, questions, strict=True):
            known = _known(question, orders)
            if any(order.order_id in taken for order in known):
                continue  # its order is about to learn of other money
            verdict = await self._verdict_or_person(connection, row, entry, known)
            if verdict.notice and lines & {verdict.notice, row["payment_id"]}:
                continue  # one of them has its line already, as the view is about to know
            if verdict.order_id:
                taken.add(verdict.order_id)
            if verdict.notice:
                lines |= {verdict.notice, row["payment_id"]}
            verdicts.append(verdict)
        outcomes = await self._writer.execute_all([each.ask for each in verdicts])
        for verdict, outcome in zip(verdicts, outcomes, strict=True):
            self._note(verdict, outcome)

    async def _verdict_or_person(
        self, connection: AsyncConnection, row: Row, entry: BankEntry, known: Sequence[OrderInView]
    ) -> _Verdict:
        """Leave what breaks the rules' own code to a person: it must not stop what comes after it."""
        try:
            return await self._verdict(connection, row, entry, known)
        except psycopg.Error:
            raise
        except Exception:
            log.exception("payment.not_understood", payment=str(row["payment_id"]))
            return _queued(row, Review((NOT_UNDERSTOOD,), ()))

    async def _verdict(
        self, connection: AsyncConnection, row: Row, entry: BankEntry, known: Sequence[OrderInView]
    ) -> _Verdict:
        found = match(entry, known)
        if isinstance(found, Match):
            return _matched(row, entry, found)
        if same := await recognised(connection, row):
            return _recognised(row, same)
        further = await self._orders.candidates(connection, entry)
        again = match(entry, {order.order_id: order for order in [*known, *further]}.values())
        # More orders in view never make a match that the named ones did not: they are there to be suggested.
        return _queued(row, again if isinstance(again, Review) else found)

    def _note(self, verdict: _Verdict, outcome: Outcome) -> None:
        if isinstance(outcome, Reply):
            self._decided[verdict.row["payment_id"]] = verdict.row["version"]
            if verdict.order_id and outcome.position:
                self._promised[verdict.order_id] = outcome.position
            if verdict.notice and outcome.position:
                both = (verdict.notice, verdict.row["payment_id"])
                self._recognised |= dict.fromkeys(both, outcome.position)
        else:
            why = type(outcome).__name__
            log.warning("payment.not_matched", payment=str(verdict.row["payment_id"]), error=why)


def _matched(row: Row, entry: BankEntry, found: Match) -> _Verdict:
    allocation = Allocation(found.order_id, entry.amount)
    ask = on(
        row["payment_id"],
        _command_id(row, "match"),
        lambda payment, at: payment.match(allocation, found.reasons, at),
        ACTOR,
    )
    return _Verdict(row, ask, found.order_id)


def _recognised(row: Row, same: Recognised) -> _Verdict:
    ask = on(
        row["payment_id"],
        _command_id(row, "recognise"),
        lambda payment, at: payment.recognise(same.payment_id, same.reasons, at),
        ACTOR,
    )
    return _Verdict(row, ask, notice=same.payment_id)


def _queued(row: Row, found: Review) -> _Verdict:
    suggestions = [_suggested(each, row) for each in found.suggestions]
    ask = on(
        row["payment_id"],
        _command_id(row, "queue"),
        lambda payment, at: payment.queue(found.reasons, suggestions, at),
        ACTOR,
    )
    return _Verdict(row, ask)


def _suggested(each: Suggestion, row: Row) -> Suggested:
    alone = Allocation(each.order_id, Money(row["amount"], row["currency"]))
    split = tuple(Allocation(order_id, amount) for order_id, amount in each.split)
    return Suggested(split or (alone,), tuple(map(str, each.reasons)))


def _known(question: Wanted, orders: dict[str, OrderInView]) -> list[OrderInView]:
    named: Iterable[str] = (*question.numbers, *question.nearby)
    return [orders[number] for number in dict.fromkeys(named) if number in orders]


def _command_id(row: Row, what: str) -> UUID:
    return uuid5(row["payment_id"], f"{what}:{row['version']}")


def _entry(row: Row) -> BankEntry:
    """Return the entry as matching reads it: what is needed of it to tell whose it is."""
    return BankEntry(
        entry_id=str(row["payment_id"]),
        account=row["account"],
        booked_on=row["booked_on"],
        amount=Money(row["amount"], row["currency"]),
        credit=True,
        reversal=False,
        booked=True,
        variable_symbol=row["variable_symbol"],
        creditor_reference=row["creditor_reference"],
        remittance=row["remittance"],
        counterparty=row["counterparty"],
        counterparty_account=row["counterparty_account"],
        end_to_end_id=row["end_to_end_id"],
        bank_reference=row["bank_reference"],
    )


async def _is_alone(connection: AsyncConnection) -> bool:
    """Take the lock of this connection, or find that it is ours; another process that has it does the work."""
    held = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objid = %s AND pid = pg_backend_pid())"
    row = await (await connection.execute(held, (_LOCK,))).fetchone()
    if row and row[0]:
        return True
    row = await (await connection.execute(_TRY_LOCK, (_LOCK,))).fetchone()
    return bool(row and row[0])


async def _rows(connection: AsyncConnection, query: LiteralString, values: Sequence[Any]) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, values)
        return await cursor.fetchall()
