"""The mailer: sends what the emails view calls for, and remembers apart from the view what has left."""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from email.message import EmailMessage
from typing import Any, LiteralString
from urllib.parse import unquote, urlsplit

import aiosmtplib
import structlog
from opentelemetry.trace import SpanKind
from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import dict_row

from vignettes.domain.corresponding import TO_OLD_ADDRESS
from vignettes.eventstore.personal import sealed_for_view
from vignettes.projections.digesting import CHANNEL as VIEWS
from vignettes.services import refusing
from vignettes.services.posting import Posting
from vignettes.services.returns import recording
from vignettes.services.returns.reading import Meaning
from vignettes.services.tracing import OFF, Tracing
from vignettes.services.waking import Worker
from vignettes.services.writing import Writing

log = structlog.get_logger(__name__)

#: A mail whose view was not told of its event either is to leave within two seconds: the look of that comes first.
POLL_SECONDS = 0.5
#: So many mails are under way at a time: a server that takes minutes over one holds back none of the others.
LANES = 4
#: How long a server may take to answer the call; RFC 5321 (4.5.3.2) would give it five minutes.
_CONNECT_SECONDS = 30.0
#: For each reply, as RFC 5321 (4.5.3.2.6) asks for the last one: who gives up sooner than the server sends twice. No
#: transaction is open meanwhile; the database would end an idle one after half a minute.
REPLY_SECONDS = 600.0
#: The whole of one mail, whatever a server does between replies.
_LIMIT_SECONDS = 700.0
#: How long a mail under way may still take when we are told to stop.
_GRACE_SECONDS = 4.0

#: An earlier mail to the same address waits for its next attempt: nobody is to read the end of a story first. One that
#: has come back for good, or whose order is written to elsewhere by now, holds back none. Counted, so that PostgreSQL
#: looks at the few mails of an order, and not at all there are.
_IS_NEXT: LiteralString = """
(SELECT count(*) FROM view.emails f JOIN effect.mails b USING (message_id)
 WHERE f.order_id = e.order_id AND f.recipient = e.recipient
   AND (b.position, b.message_id) < (m.position, m.message_id)
   AND b.sent_at IS NULL AND b.returned_at IS NULL AND b.retry_at > clock_timestamp()) = 0
"""
#: What waits to be sent, by the real clock; `whose` is one customer of one order.
_WAITING: LiteralString = f"""
SELECT m.message_id, m.order_id, m.position, m.order_id::text || encode(e.recipient, 'hex') AS whose
FROM effect.mails m JOIN view.emails e USING (message_id) JOIN personal.keys k ON k.order_id = e.order_id
WHERE m.sent_at IS NULL AND m.returned_at IS NULL AND coalesce(m.retry_at <= clock_timestamp(), true)
  AND e.recipient IS NOT NULL AND k.contact_view IS NOT NULL AND {_IS_NEXT}
"""  # noqa: S608  # statements of this module
_AGAIN: LiteralString = """
SELECT m.message_id, m.order_id, m.position, m.order_id::text || encode(e.recipient, 'hex') AS whose
FROM effect.mails m JOIN view.emails e USING (message_id) JOIN personal.keys k ON k.order_id = e.order_id
WHERE m.again_at <= clock_timestamp() AND coalesce(m.retry_at <= clock_timestamp(), true)
  AND e.recipient IS NOT NULL AND k.contact_view IS NOT NULL
"""
# Whoever takes a mail holds a lock of its session, which ends with the process however that dies: no transaction is
# open while a server thinks. One customer of one order is written to in order.
_TAKE: LiteralString = f"""
WITH waiting AS MATERIALIZED (
    ({_WAITING} ORDER BY m.position, m.message_id LIMIT 64) UNION ALL ({_AGAIN} ORDER BY m.again_at LIMIT 16))
SELECT message_id FROM waiting WHERE pg_try_advisory_lock(hashtextextended(whose, 0)) LIMIT 1
"""  # noqa: S608  # statements of this module
_LET_GO: LiteralString = "SELECT pg_advisory_unlock_all()"
# Looked at once more, now that nobody else can send it.
_TAKEN: LiteralString = f"""
UPDATE effect.mails m SET return_tag = %(tag)s
FROM view.emails e JOIN personal.keys k ON k.order_id = e.order_id
     LEFT JOIN effect.documents d
     ON e.kind = 'issued' AND (d.order_id, d.digest) = (e.order_id, e.facts ->> 'document')
WHERE m.message_id = %(message_id)s AND e.message_id = m.message_id AND m.returned_at IS NULL
  AND e.recipient IS NOT NULL AND k.contact_view IS NOT NULL
  AND (m.again_at <= clock_timestamp() OR (m.sent_at IS NULL AND {_IS_NEXT}))
  AND coalesce(m.retry_at <= clock_timestamp(), true)
RETURNING e.order_id, e.kind, e.message_id, e.language, e.called_at, e.facts,
       personal.opened(e.recipient, k.contact_view) AS recipient,
       personal.opened(e.contact, k.contact_view)::jsonb AS contact,
       personal.opened(e.vehicle, k.vehicle_view)::jsonb AS vehicle,
       k.vehicle_view AS vehicle_key, m.attempts, m.last_error,
       coalesce(extract(epoch FROM clock_timestamp() - m.failing_since), 0)::float8 AS failing_seconds,
       d.media_type AS document_type, d.size AS document_size, d.sealed AS document,
       m.again_at IS NOT NULL AND e.kind <> %(to_old)s AND EXISTS (
           SELECT FROM view.order_status o WHERE o.order_id = e.order_id AND o.email IS DISTINCT FROM e.recipient
       ) AS is_to_replaced
"""  # noqa: S608  # statements of this module
# It left once, and whoever would get it again is no longer who the order writes to.
_NOT_AGAIN: LiteralString = "UPDATE effect.mails SET again_at = NULL WHERE message_id = %s"
# It may be known already that it came back, and is to be sent again later on.
_SENT: LiteralString = """
UPDATE effect.mails
SET attempts = attempts + 1, sent_at = coalesce(sent_at, clock.now()), subject = %(subject)s,
    retry_at = NULL, last_error = NULL, failing_since = NULL,
    again_at = CASE WHEN again_at > clock_timestamp() THEN again_at END
WHERE message_id = %(message_id)s
"""
_CALLED_BY: LiteralString = """
SELECT (convert_from(l.state, 'UTF8')::jsonb ->> 'cmd')::uuid
FROM view.emails e JOIN log.events l ON (l.originator_id, l.originator_version) = (e.order_id, e.version)
WHERE e.message_id = %s
"""
_FAILED: LiteralString = """
UPDATE effect.mails
SET attempts = attempts + 1,
    failing_since = CASE WHEN %(anew)s THEN clock_timestamp() ELSE coalesce(failing_since, clock_timestamp()) END,
    retry_at = clock_timestamp() + %(retry)s * interval '1 s', last_error = %(error)s
WHERE message_id = %(message_id)s
"""

Row = dict[str, Any]


class Mailing:
    """Sends a few mails at a time; each is held by its lane until the server has taken it and that is on record.

    Only a crash between the server's yes and our record sends it again, the same to the byte, under the same Message-ID
    (I7): a record that fails, as on a full disk, is made by the next turn without sending.
    """

    name = "mailing"

    def __init__(
        self, conninfo: str, smtp_url: str, writing: Writing, posting: Posting, tracing: Tracing = OFF
    ) -> None:
        self._smtp_url = smtp_url
        self._tracing = tracing
        self._writing = writing
        self._posting = posting
        #: Of mails that the server has taken, but which are not on record yet: the attempt.
        self._accepted: dict[str, int] = {}
        # The first is woken; the others look now and then, and so find what the first can't do alone.
        wakings = [(VIEWS,), *[()] * (LANES - 1)]
        self._lanes = [Worker(self.name, conninfo, waking, self._work) for waking in wakings]

    async def run(self) -> None:
        """Send until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for lane in self._lanes:
                tasks.create_task(lane.run())

    async def _work(self, connection: AsyncConnection) -> float:
        """Send until nothing waits, over one connection to the mail server."""
        async with connection.cursor(row_factory=dict_row) as cursor, self._server() as server:
            while await _to_its_end(self._send_next(cursor, server)):
                pass
        return POLL_SECONDS

    async def _send_next(self, cursor: AsyncCursor[Row], server: aiosmtplib.SMTP) -> bool:
        found = await (await cursor.execute(_TAKE)).fetchone()
        if found is None:
            return False
        message_id = found["message_id"]
        tag = self._posting.returns.tag(message_id)
        said = {"message_id": message_id, "tag": tag, "to_old": TO_OLD_ADDRESS}
        row = await (await cursor.execute(_TAKEN, said)).fetchone()
        if row is None:
            pass  # somebody sent it just before
        elif row["is_to_replaced"]:
            await cursor.execute(_NOT_AGAIN, (message_id,))
        else:
            await self._send(cursor, server, row, self._posting.returns.address(tag))
        await cursor.execute(_LET_GO)
        return True

    async def _send(
        self, cursor: AsyncCursor[Row], server: aiosmtplib.SMTP, row: Row, return_address: str
    ) -> None:
        began, message_id = time.time_ns(), row["message_id"]
        try:
            message = self._writing.message(row)
            if self._accepted.get(message_id) != row["attempts"]:
                async with asyncio.timeout(_LIMIT_SECONDS):
                    await _hand_over(server, self._posting.ready(message), return_address, row["recipient"])
        except Exception as error:  # noqa: BLE001  # one mail that can't be sent must not hold back the others
            await _fail(cursor, row, error)
            return
        self._accepted[message_id] = row["attempts"]
        subject = _sealed(message, row["vehicle_key"])
        await cursor.execute(_SENT, {"message_id": message_id, "subject": subject})
        del self._accepted[message_id]
        log.info("mail.sent", order=str(row["order_id"]), kind=row["kind"])
        if self._tracing.is_on:
            await self._note(cursor.connection, row, began)

    async def _note(self, connection: AsyncConnection, row: Row, began: int) -> None:
        """Note the mail below the command that it follows from. It has left: whatever fails here is no matter of it."""
        order_id = row["order_id"]
        try:
            found = await (await connection.execute(_CALLED_BY, (row["message_id"],))).fetchone()
            self._tracing.note(
                "mail",
                order_id,
                row["message_id"],
                began=began,
                parent=found[0] if found else order_id,
                kind=SpanKind.PRODUCER,
                attributes={"vignettes.mail": row["kind"]},
            )
        except Exception as error:  # noqa: BLE001  # a trace with a gap, which the log tells of
            log.warning("mail.not_traced", order=str(order_id), error=type(error).__name__)

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
            timeout=_CONNECT_SECONDS,
        )
        try:
            yield server
        finally:
            server.close()


async def _hand_over(server: aiosmtplib.SMTP, content: bytes, sender: str, recipient: str) -> None:
    if not server.is_connected:
        await server.connect()
    await server.sendmail(sender, [recipient], content, timeout=REPLY_SECONDS)


async def _fail(cursor: AsyncCursor[Row], row: Row, error: Exception) -> None:
    """Put a mail off, or end it where it was refused for good, or can't be sent for too long a time."""
    told = refusing.told(error)
    begins_anew = refusing.begins_anew(error, row["last_error"])
    failing_seconds = 0.0 if begins_anew else row["failing_seconds"]
    failure = {
        "message_id": row["message_id"],
        "retry": refusing.pause(row["attempts"], failing_seconds),
        "error": told,
        "anew": begins_anew,
    }
    await cursor.execute(_FAILED, failure)
    refusal = refusing.for_good(error, failing_seconds)
    if refusal:
        await recording.note_return(cursor.connection, row["message_id"], Meaning.PERMANENT, refusal)
    log.warning(
        "mail.failed", order=str(row["order_id"]), kind=row["kind"], error=told, for_good=bool(refusal)
    )


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
