"""The mailer: sends what the emails view calls for, and remembers apart from the view what has left."""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import dict_row

from vignettes.eventstore.personal import sealed_for_view
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services.waking import Worker
from vignettes.services.writing import Writing

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
_TIMEOUT = 10.0
#: The whole of one mail, well below the time after which the database ends an idle transaction.
_LIMIT_SECONDS = 20.0
_FIRST_RETRY, _LONGEST_RETRY = 1.0, 300.0
#: How long a mail under way may still take when we are told to stop.
_GRACE_SECONDS = 4.0

_NEXT = """
SELECT e.order_id, e.kind, e.message_id, e.language, e.called_at, e.facts,
       personal.opened(e.recipient, k.contact_view) AS recipient,
       personal.opened(e.contact, k.contact_view)::jsonb AS contact,
       personal.opened(e.vehicle, k.vehicle_view)::jsonb AS vehicle,
       k.vehicle_view AS vehicle_key, coalesce(m.attempts, 0) AS attempts,
       d.media_type AS document_type, d.size AS document_size, d.sealed AS document
FROM effect.mails m JOIN view.emails e USING (message_id) JOIN personal.keys k ON k.order_id = e.order_id
     LEFT JOIN effect.documents d
     ON e.kind = 'issued' AND (d.order_id, d.digest) = (e.order_id, e.facts ->> 'document')
WHERE m.sent_at IS NULL AND coalesce(m.retry_at <= clock_timestamp(), true)
  AND e.recipient IS NOT NULL AND k.contact_view IS NOT NULL
ORDER BY m.position, m.message_id LIMIT 1 FOR UPDATE OF m SKIP LOCKED
"""
_ANY = """
SELECT 1 FROM effect.mails m JOIN view.emails e USING (message_id) JOIN personal.keys k ON k.order_id = e.order_id
WHERE m.sent_at IS NULL AND coalesce(m.retry_at <= clock_timestamp(), true)
  AND e.recipient IS NOT NULL AND k.contact_view IS NOT NULL LIMIT 1
"""
_SENT = """
UPDATE effect.mails
SET attempts = attempts + 1, sent_at = clock.now(), subject = %(subject)s, retry_at = NULL, last_error = NULL
WHERE message_id = %(message_id)s
"""
_FAILED = """
UPDATE effect.mails
SET attempts = attempts + 1, retry_at = clock_timestamp() + %(retry)s * interval '1 s', last_error = %(error)s
WHERE message_id = %(message_id)s
"""


class Mailing:
    """Sends one mail at a time; its row is locked until the server has taken it and that is on record.

    A crash between the server's yes and our record sends it again under the same Message-ID (I7).
    """

    name = "mailing"

    def __init__(self, conninfo: str, smtp_url: str, writing: Writing) -> None:
        self._smtp_url = smtp_url
        self._writing = writing
        self._worker = Worker(self.name, conninfo, (VIEWS,), self._work)

    async def run(self) -> None:
        """Send until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        """Send until nothing waits, over one connection to the mail server."""
        async with connection.cursor(row_factory=dict_row) as cursor:
            if not await (await cursor.execute(_ANY)).fetchone():
                return POLL_SECONDS
            async with self._server() as server:
                while await _to_its_end(self._send_next(connection, cursor, server)):
                    pass
        return POLL_SECONDS

    async def _send_next(
        self, connection: AsyncConnection, cursor: AsyncCursor[dict[str, Any]], server: aiosmtplib.SMTP
    ) -> bool:
        async with connection.transaction():
            row = await (await cursor.execute(_NEXT)).fetchone()
            if row is None:
                return False
            record = {"message_id": row["message_id"]}
            try:
                message = self._writing.message(row)
                async with asyncio.timeout(_LIMIT_SECONDS):
                    if not server.is_connected:
                        await server.connect()
                    await server.send_message(message)
            except Exception as error:  # noqa: BLE001  # one mail that can't be sent must not hold back the others
                failure = {"retry": _pause(row["attempts"]), "error": _told(error)}
                await cursor.execute(_FAILED, {**record, **failure})
                log.warning(
                    "mail.failed", order=str(row["order_id"]), kind=row["kind"], error=failure["error"]
                )
            else:
                await cursor.execute(_SENT, {**record, "subject": _sealed(message, row["vehicle_key"])})
                log.info("mail.sent", order=str(row["order_id"]), kind=row["kind"])
        return True

    @asynccontextmanager
    async def _server(self) -> AsyncIterator[aiosmtplib.SMTP]:
        """Give a connection to the mail server; it is opened by the first mail, so that a failure is that mail's."""
        url = urlsplit(self._smtp_url)
        server = aiosmtplib.SMTP(
            hostname=url.hostname or "127.0.0.1",
            port=url.port,
            username=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            use_tls=url.scheme == "smtps",
            timeout=_TIMEOUT,
        )
        try:
            yield server
        finally:
            server.close()


async def _to_its_end(sending: Coroutine[Any, Any, bool]) -> bool:
    """Let a mail that the server may have taken already come on record also when we are told to stop meanwhile."""
    task = asyncio.create_task(sending)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_GRACE_SECONDS)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # its connection is ours to close only then
        raise


def _sealed(message: EmailMessage, key: bytes | None) -> bytes | None:
    """Return the subject as it is kept: what may name the vehicle goes with the vehicle's key."""
    return sealed_for_view(key, str(message["Subject"])) if key else None


def _told(error: Exception) -> str:
    """Return what went wrong without the server's own words: they like to quote the address."""
    code = getattr(error, "code", None)
    return f"{type(error).__name__} {code}" if code else type(error).__name__


def _pause(attempts: int) -> float:
    return min(_FIRST_RETRY * 2.0 ** min(attempts, 20), _LONGEST_RETRY) * random.uniform(0.5, 1.0)  # noqa: S311  # jitter
