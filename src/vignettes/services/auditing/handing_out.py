"""Hands every signed head to the places outside, each at its own pace: one that is down holds up no other."""

import asyncio

import httpx
import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.errors import Error as NatsError
from psycopg import AsyncConnection
from psycopg.rows import args_row

from vignettes.eventstore import heads
from vignettes.services.auditing.outside import Outlet, Signed

log = structlog.get_logger(__name__)

_AT_A_TIME = 500
_LOOK_SECONDS = 0.5
_AGAIN_SECONDS = 5.0

_HEADS = "SELECT size, position, root, at, note FROM ledger.heads WHERE size > %s ORDER BY size LIMIT %s"
_REACHED = "SELECT size FROM ledger.outlets WHERE name = %s"
_REACH = """
INSERT INTO ledger.outlets (name, size) VALUES (%s, %s) ON CONFLICT (name)
DO UPDATE SET size = greatest(excluded.size, outlets.size)
"""


class HandingOut:
    """Hands heads to one place, as a piece of work that goes on for ever."""

    def __init__(self, conninfo: str, outlet: Outlet, key: Ed25519PublicKey) -> None:
        self._conninfo = conninfo
        self._outlet = outlet
        self._key = key

    async def run(self) -> None:
        """Hand out until cancelled. Whatever fails is tried again, and seen in the log."""
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    passed = 0
                    while True:
                        seen = await hand_out(connection, self._outlet, self._key, passed)
                        if seen == passed:
                            await asyncio.sleep(_LOOK_SECONDS)
                        passed = seen
            except (psycopg.Error, NatsError, httpx.HTTPError, OSError, TimeoutError) as error:
                log.warning("ledger.head_not_delivered", outlet=self._outlet.name, error=type(error).__name__)
            except Exception:
                log.exception("ledger.outlet_failed", outlet=self._outlet.name)
            await asyncio.sleep(_AGAIN_SECONDS)


async def hand_out(
    connection: AsyncConnection, outlet: Outlet, key: Ed25519PublicKey, passed: int = 0
) -> int:
    """Hand the next heads after `passed` to one place, and return the size of the last that was looked at.

    Those that a key before ours has signed are passed over: they are where that one took them.
    """
    reached = outlet.reached()
    if reached is None:
        row = await (await connection.execute(_REACHED, (outlet.name,), prepare=True)).fetchone()
        reached = row[0] if row else 0
    async with connection.cursor(row_factory=args_row(Signed)) as cursor:
        await cursor.execute(_HEADS, (max(reached, passed), _AT_A_TIME), prepare=True)
        signed = await cursor.fetchall()
    if not signed:
        return passed
    if ours := [each for each in signed if _is_signed_by(key, each)]:
        await outlet.deliver(ours)
    await connection.execute(_REACH, (outlet.name, signed[-1].size))
    return signed[-1].size


def _is_signed_by(key: Ed25519PublicKey, signed: Signed) -> bool:
    try:
        heads.opened(signed.note, key)
    except heads.ForgedHead:
        return False
    return True
