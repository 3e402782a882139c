"""Orders are told of their shares of payments, by commands; what they answer is kept with the payment."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row

from vignettes.domain.shares import ShareState
from vignettes.eventstore.deciding import Reply
from vignettes.messages import commands
from vignettes.messages.forms import Amount
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.payments.booking import NAMESPACE, Act, PaymentWriter, on
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "payments"
_BATCH = 500
#: Commands under way at a time: enough to share the transactions of the ordering service.
_TOGETHER = 50

_TO_TELL: LiteralString = """
SELECT payment_id, currency, method, arrived_at, shares, version, position FROM view.bank_payments
WHERE work = 'tell' AND position > %s ORDER BY position LIMIT %s
"""

Row = dict[str, Any]


class Telling:
    """Tells orders of money that is theirs, or no longer. Safe to repeat, and side by side with another process."""

    name = "telling"

    def __init__(self, conninfo: str, writer: PaymentWriter, ordering: Calling) -> None:
        self._writer = writer
        self._ordering = ordering
        self._told: dict[UUID, int] = {}
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Tell until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        after = 0
        while rows := await _rows(connection, after):
            under_way = asyncio.Semaphore(_TOGETHER)
            untold = [row for row in rows if self._told.get(row["payment_id"]) != row["version"]]
            await asyncio.gather(*(self._tell(row, under_way) for row in untold))
            after = rows[-1]["position"]
        if len(self._told) > 10 * _BATCH:
            self._told.clear()
        return POLL_SECONDS

    async def _tell(self, row: Row, under_way: asyncio.Semaphore) -> None:
        async with under_way:
            try:
                for share in row["shares"]:
                    if command := _command(row, share):
                        await self._pass(row, share, command)
            except NoAnswer:
                log.warning("order.not_told", payment=str(row["payment_id"]))
            else:
                self._told[row["payment_id"]] = row["version"]

    async def _pass(self, row: Row, share: Row, command: commands.MoneyTold) -> None:
        reply = await self._ordering.command(command)
        share_id = share["share_id"]
        if reply["ok"]:
            act = _counted(share_id) if share["state"] == ShareState.TO_TELL else _released(share_id)
        else:
            code = reply["error"]["code"]
            log.warning("order.refused", order=share["order_id"], code=code)
            act = _REFUSED[share["state"]](share_id, code)
        what = f"{share_id}:{share['state']}:{row['version']}:noted"
        ask = on(row["payment_id"], uuid5(NAMESPACE, what), act, ACTOR)
        [outcome] = await self._writer.execute_all([ask])
        if not isinstance(outcome, Reply):
            log.warning("payment.not_noted", payment=str(row["payment_id"]), error=type(outcome).__name__)
            raise NoAnswer


def _counted(share_id: str) -> Act:
    return lambda payment, at: payment.note_counted(share_id, at)


def _released(share_id: str) -> Act:
    return lambda payment, at: payment.note_released(share_id, at)


def _refused(share_id: str, code: str) -> Act:
    return lambda payment, at: payment.note_refused(share_id, code, at)


def _kept(share_id: str, code: str) -> Act:
    return lambda payment, at: payment.note_kept(share_id, code, at)


def _gone(share_id: str, code: str) -> Act:  # noqa: ARG001  # as its neighbours; the log has told of it
    """Return what is noted when an order knows nothing of what was reversed: it has nothing to let go of."""
    return _released(share_id)


_REFUSED: Mapping[str, Callable[[str, str], Act]] = {
    ShareState.TO_TELL: _refused,
    ShareState.TO_TAKE_BACK: _kept,
    ShareState.TO_REVERSE: _gone,
}


def _command(row: Row, share: Row) -> commands.MoneyTold | None:
    """Return what an order is to be told of its share; None when it knows."""
    state = share["state"]
    common = {"actor": ACTOR, "order_id": UUID(share["order_id"]), "payment_id": share["share_id"]}
    if state == ShareState.TO_TELL:
        return commands.ReceivePayment(
            command_id=uuid5(NAMESPACE, f"{share['share_id']}:receive"),
            amount=Amount(amount=share["amount"], currency=row["currency"]),
            method=row["method"],
            received_at=row["arrived_at"],
            **common,
        )
    if state == ShareState.TO_TAKE_BACK:
        # Refused once, it may be asked anew when the payment has changed.
        about = f"{share['share_id']}:take-back:{row['version']}"
        return commands.TakeBackPayment(command_id=uuid5(NAMESPACE, about), **common)
    if state == ShareState.TO_REVERSE:
        about = f"{share['share_id']}:reverse"
        return commands.ReversePayment(command_id=uuid5(NAMESPACE, about), **common)
    return None


async def _rows(connection: AsyncConnection, after: int) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(_TO_TELL, (after, _BATCH))
        return await cursor.fetchall()
