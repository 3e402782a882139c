"""The mailbox of the whole sandbox: a real SMTP server that keeps what is delivered and forwards nothing."""

import asyncio
import json
import re
import sqlite3
import unicodedata
from collections.abc import Awaitable, Callable, Iterable
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Self
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, Envelope, Session

from vignettes.sandbox import files

Now = Callable[[], Awaitable[datetime]]
"""The sandbox's clock, which a test may move."""

SIZE_LIMIT = 1_000_000
"""Bytes of one message; our own mails are a hundredth of it."""

SCHEMA = """
    create table if not exists messages (
        id integer primary key autoincrement,
        recipients text not null,
        sender text not null,
        subject text not null,
        message_id text not null,
        order_number text not null,
        headers text not null,
        text text not null,
        html text not null,
        received_at text not null,
        attachments text not null default '[]'
    );
    create table if not exists forgotten (
        order_number text primary key,
        until text not null
    );
"""

INSERT = """
    insert into messages
        (recipients, sender, subject, message_id, order_number, headers, text, html, received_at, attachments)
    values
        (:recipients, :sender, :subject, :message_id, :order_number, :headers, :text, :html, :received_at,
         :attachments)
"""

FIND = """
    select * from messages
    where (:to is null or instr(lower(', ' || recipients || ', '), lower(', ' || :to || ', ')))
      and (:order_number is null or order_number = :order_number or instr(text, :order_number))
    order by id
"""

FORGET = "delete from messages where order_number = :order_number or instr(text, :order_number)"

REMEMBER = """
    insert into forgotten values (:order_number, :until)
    on conflict (order_number) do update set until = max(until, excluded.until)
"""

ONCE = frozenset({"from", "sender", "reply-to", "to", "cc", "bcc", "message-id", "date", "subject"})
"""Fields that RFC 5322, 3.6 allows once: a second one is the usual sign of an injected header."""

CONTROLS = re.compile(rb"\r(?!\n)|(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
"""What the head of a message may not hold: a lone CR or LF (RFC 5322, 2.2), or another control."""

FIELD = re.compile(rb"[!-9;-~]+:|[ \t]")
"""How a line of the head begins: with a field name, or folded."""


class RefusedMessageError(Exception):
    """This message is not as a mail of ours should be."""


class Inbox:
    """Listens on 127.0.0.1 while the block runs; each message is in the file before the sender hears 250.

    A message delivered twice is kept twice: a double must be seen, never tidied away.
    """

    def __init__(self, path: Path, *, now: Now, port: int = 0) -> None:
        self._db = files.opened(path, SCHEMA)
        files.with_column(self._db, "messages", "attachments", "text not null default '[]'")
        self._now = now
        self._sessions: WeakSet[SMTP] = WeakSet()
        self._server: asyncio.Server | None = None
        self.port = port

    async def start(self) -> None:
        """Listen in the current loop; `port` then tells where. A port in use is an OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up and close the file. What was received stays."""
        if self._server is not None:
            self._server.close()
            for session in list(self._sessions):
                if isinstance(session.transport, asyncio.WriteTransport):
                    session.transport.abort()
            await asyncio.sleep(0)  # lets the sessions hear of it before their loop may end
            await self._server.wait_closed()
        self._db.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_raised: object) -> None:
        await self.stop()

    def messages(self, to: str | None = None, order_number: str | None = None) -> list[dict[str, Any]]:
        """Return what arrived, oldest first: to one envelope recipient, of one order (header or text)."""
        found = self._db.execute(FIND, {"to": to, "order_number": order_number})
        return [_shown(row) for row in found]

    def message(self, message_id: str) -> dict[str, Any] | None:
        """Return the mail with this Message-ID, as it arrived last."""
        found = self._db.execute(
            "select * from messages where message_id = ? order by id desc", (message_id,)
        )
        row = found.fetchone()
        return _shown(row) if row else None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep one delivery, or refuse it for good with 550."""
        content = envelope.original_content or b""
        try:
            row = _row(content)
        except RefusedMessageError as refusal:
            return f"550 {refusal}"
        row |= {
            "recipients": ", ".join(envelope.rcpt_tos),
            "sender": envelope.mail_from or "",
            "received_at": (await self._now()).isoformat(),
        }
        if not self._comes_too_late(row):
            self._db.execute(INSERT, row)
        return "250 OK"

    def forget(self, order_number: str, *, until: datetime) -> None:
        """Delete every message of an order, and keep none that comes in later but was written until then."""
        order = {
            "order_number": order_number,
            "until": until.astimezone(UTC).isoformat(timespec="microseconds"),
        }
        self._db.execute(REMEMBER, order)
        self._db.execute(FORGET, order)
        files.wiped(self._db)

    def _comes_too_late(self, row: dict[str, str]) -> bool:
        """Tell whether this was on its way, or sent once more, while its order was forgotten here."""
        found = self._db.execute("select until from forgotten where order_number = ?", (row["order_number"],))
        forgotten = found.fetchone()
        return forgotten is not None and _written_at(row) <= datetime.fromisoformat(forgotten["until"])

    def _session(self) -> SMTP:
        session = SMTP(
            self,
            data_size_limit=SIZE_LIMIT,
            enable_SMTPUTF8=True,
            hostname="localhost",
            loop=asyncio.get_running_loop(),
        )
        self._sessions.add(session)
        return session


def _row(content: bytes) -> dict[str, str]:
    message = message_from_bytes(content, policy=policy.default)
    headers = _headers(content, message)
    return {
        "subject": headers.get("Subject", ""),
        "message_id": headers.get("Message-ID", ""),
        "order_number": str(message.get("X-Order-Number", "")),
        "headers": json.dumps(headers, ensure_ascii=False),
        "text": _part(message, "plain"),
        "html": _part(message, "html"),
        "attachments": json.dumps([part.get_filename() for part in message.iter_attachments()]),
    }


def _headers(content: bytes, message: EmailMessage) -> dict[str, str]:
    """Return the decoded fields. Refuses what could smuggle a header past a reader (CVE-2026-1299)."""
    head = content.partition(b"\r\n\r\n")[0]
    if CONTROLS.search(head):
        raise RefusedMessageError("A header holds a control character.")
    if not all(FIELD.match(line) for line in head.split(b"\r\n")):
        raise RefusedMessageError("A line of the head is no header.")
    decoded = [(_spelling(name), str(value)) for name, value in message.items()]
    for name, value in decoded:
        if any(unicodedata.category(character) == "Cc" for character in value.replace("\t", " ")):
            raise RefusedMessageError(f"The header {name} decodes to a control character.")
    _refuse_repeated(name for name, _ in decoded)
    return dict(decoded)


def _written_at(row: dict[str, str]) -> datetime:
    """Return the Date of a message, to the second; one without is taken for old."""
    try:
        date = parsedate_to_datetime(json.loads(row["headers"])["Date"])
    except (KeyError, ValueError):
        return datetime.min.replace(tzinfo=UTC)
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _spelling(name: str) -> str:
    return {"subject": "Subject", "message-id": "Message-ID"}.get(name.lower(), name)


def _refuse_repeated(names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in map(str.lower, names):
        if name in ONCE & seen:
            raise RefusedMessageError(f"The header {name} is there twice.")
        seen.add(name)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    if part is None:
        return ""
    try:
        return str(part.get_content()).replace("\r\n", "\n")
    except LookupError as unknown:
        raise RefusedMessageError("The body is in an unknown character set.") from unknown


def _shown(row: sqlite3.Row) -> dict[str, Any]:
    return {
        "to": row["recipients"],
        "sender": row["sender"],
        "subject": row["subject"],
        "message_id": row["message_id"],
        "headers": json.loads(row["headers"]),
        "text": row["text"],
        "html": row["html"],
        "attachments": json.loads(row["attachments"]),
        "received_at": row["received_at"],
    }
