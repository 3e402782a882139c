"""Refunds that the operator's policy approves: small ones, to the account that the money came from."""

from collections.abc import Mapping
from typing import Any, LiteralString
from uuid import UUID, uuid5

import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from vignettes.domain.account import Purpose
from vignettes.domain.errors import InvalidValue, Unavailable
from vignettes.messages import commands
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.payments.booking import NAMESPACE
from vignettes.services.payments.payers import payer_account
from vignettes.services.waking import Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 2.0
ACTOR = "policy"
_BATCH = 500

# Returns of payments that are no order's are not here: those a person has looked at, and approves.
_OPEN: LiteralString = """
SELECT source_id, purpose, amount, version, position FROM view.payouts
WHERE state = 'to_approve' AND amount <= (%s::jsonb ->> currency)::bigint AND position > %s
ORDER BY position LIMIT %s
"""

Row = dict[str, Any]


class Approving:
    """Approves what the policy lets through. Safe to repeat, and side by side with another process."""

    name = "approving"

    def __init__(self, conninfo: str, limits: Mapping[str, int], ordering: Calling) -> None:
        self._limits = limits
        self._ordering = ordering
        #: Left to a person, or asked for already, at the version that the order had.
        self._seen: dict[tuple[UUID, str], int] = {}
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Approve until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        after = 0
        while self._limits and (rows := await self._open(connection, after)):
            for row in rows:
                key = (row["source_id"], row["purpose"])
                if self._seen.get(key) != row["version"] and await self._settle(connection, row):
                    self._seen[key] = row["version"]
            after = rows[-1]["position"]
        if len(self._seen) > 10 * _BATCH:
            self._seen.clear()
        return POLL_SECONDS

    async def _open(self, connection: AsyncConnection, after: int) -> list[Row]:
        async with connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(_OPEN, (Jsonb(dict(self._limits)), after, _BATCH))
            return await cursor.fetchall()

    async def _settle(self, connection: AsyncConnection, row: Row) -> bool:
        """Approve one, or leave it to a person; false when it is to be tried again."""
        try:
            account = await payer_account(connection, row["source_id"], Purpose(row["purpose"]))
            reply = await self._ordering.command(_command(row, account))
        except InvalidValue:
            return True
        except (Unavailable, NoAnswer):
            log.warning("payout.not_approved", order=str(row["source_id"]), purpose=row["purpose"])
            return False
        code = None if reply["ok"] else reply["error"]["code"]
        log.info("payout.approved", order=str(row["source_id"]), purpose=row["purpose"], refused=code)
        return True


def _command(row: Row, account: str) -> commands.ApprovePayout:
    about = f"{row['source_id']}:{row['purpose']}:{row['amount']}:{row['version']}:approve"
    return commands.ApprovePayout(
        command_id=uuid5(NAMESPACE, about),
        actor=ACTOR,
        order_id=row["source_id"],
        purpose=row["purpose"],
        account=account,
    )
