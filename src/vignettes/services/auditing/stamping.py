"""Has a time stamp authority confirm when a head was there (RFC 3161): not even who holds the key can backdate it."""

import asyncio
import hashlib
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg
import structlog
from psycopg import AsyncConnection
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    TimeStampResponse,
    decode_timestamp_response,
)

log = structlog.get_logger(__name__)

_AGAIN_SECONDS = 60.0
_GRANTED = frozenset({0, 1})
# The newest head, unless it has a time stamp, or another one got one a short while ago.
_WANTED = """
SELECT h.size, h.note FROM ledger.heads h LEFT JOIN ledger.stamps s USING (size)
WHERE h.size = (SELECT max(size) FROM ledger.heads) AND s.size IS NULL
  AND NOT EXISTS (SELECT FROM ledger.stamps WHERE stamped_at > clock_timestamp() - %s * interval '1 minute')
"""
_STAMPED = "INSERT INTO ledger.stamps (size, token, stamped_at) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"


class NotStamped(Exception):
    """The time stamp authority answered something else than a time stamp of what it was asked for."""


class _Wanted(NamedTuple):
    size: int
    note: str


class Stamping:
    """Has a head time-stamped every so often, as a piece of work that goes on for ever."""

    def __init__(  # the settings of it
        self,
        conninfo: str,
        client: httpx.AsyncClient,
        url: str,
        *,
        minutes: int,
        folder: Path,
        look: float = 5.0,
    ) -> None:
        self._conninfo = conninfo
        self._client = client
        self._url = url
        self._minutes = minutes
        self._folder = folder / "stamps"
        self._look = look

    async def run(self) -> None:
        """Go on until cancelled. Whatever fails is tried again, and seen in the log."""
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    while True:
                        await self._stamp(connection)
                        await asyncio.sleep(self._look)
            except (psycopg.Error, httpx.HTTPError, NotStamped, OSError) as error:
                log.warning("ledger.not_stamped", error=type(error).__name__, reason=str(error)[:200])
            except Exception:
                log.exception("ledger.stamping_failed")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _stamp(self, connection: AsyncConnection) -> None:
        row = await (await connection.execute(_WANTED, (self._minutes,), prepare=True)).fetchone()
        if row is None:
            return
        wanted = _Wanted(*row)
        token = await self._ask(wanted.note.encode())
        # In the folder first: what is in the database is not asked for again.
        await asyncio.to_thread(self._keep, wanted.size, token.as_bytes())
        await connection.execute(_STAMPED, (wanted.size, token.as_bytes(), token.tst_info.gen_time))
        log.info("ledger.stamped", size=wanted.size)

    async def _ask(self, note: bytes) -> TimeStampResponse:
        request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build()
        reply = await self._client.post(
            self._url, content=request.as_bytes(), headers={"Content-Type": "application/timestamp-query"}
        )
        reply.raise_for_status()
        try:
            answer = decode_timestamp_response(reply.content)
            is_ours = (
                answer.status in _GRANTED
                and answer.tst_info.message_imprint.message == hashlib.sha256(note).digest()
                and answer.tst_info.nonce == request.nonce
            )
        except ValueError:
            is_ours = False
        if not is_ours:
            raise NotStamped(NotStamped.__doc__)
        return answer

    def _keep(self, size: int, token: bytes) -> None:
        self._folder.mkdir(exist_ok=True)
        (self._folder / f"{size}.tsr").write_bytes(token)
