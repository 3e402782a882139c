"""What is remembered of a mail that came back, apart from the views; its order is told of it later."""

from dataclasses import dataclass
from typing import LiteralString

from psycopg import AsyncConnection

from vignettes.services.returns.reading import Meaning

#: A mail that was returned for a while is sent once more after so many hours, so often at most.
AGAIN_AFTER_HOURS = 4
MOST_SOFT_RETURNS = 3

_RETURNED: LiteralString = """
UPDATE effect.mails
SET returned_at = clock.now(), return_kind = %(kind)s, return_status = %(status)s, retry_at = NULL, again_at = NULL
WHERE message_id = %(message_id)s AND returned_at IS NULL
"""
# One report may come twice, and be read twice where we were killed: until the mail was sent again, it counts once.
_AGAIN: LiteralString = """
UPDATE effect.mails
SET again_at = clock_timestamp() + %(hours)s * interval '1 hour', soft_returns = soft_returns + 1,
    failing_since = NULL, retry_at = NULL
WHERE message_id = %(message_id)s AND returned_at IS NULL AND again_at IS NULL
"""
_TAGGED: LiteralString = """
SELECT m.message_id, m.soft_returns, m.again_at IS NOT NULL, personal.opened(e.recipient, k.contact_view)
FROM effect.mails m LEFT JOIN view.emails e USING (message_id) LEFT JOIN personal.keys k ON k.order_id = e.order_id
WHERE m.return_tag = %s
"""
_COUNTED: LiteralString = """
INSERT INTO effect.mail_reports (outcome, reports) VALUES (%s, 1)
ON CONFLICT (outcome) DO UPDATE SET reports = mail_reports.reports + 1
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail as its tag tells it: how often it came back for a while, and whether it is to be sent again.

    `recipient` is None once that was erased.
    """

    message_id: str
    soft_returns: int
    is_to_be_sent: bool
    recipient: str | None


async def tagged(connection: AsyncConnection, tag: str) -> Mail | None:
    """Return the mail with this tag."""
    row = await (await connection.execute(_TAGGED, (tag,))).fetchone()
    return Mail(*row) if row else None


async def note(connection: AsyncConnection, mail: Mail, meaning: Meaning, status: str | None) -> None:
    """Remember what came back of a mail. One that comes back for a while again and again has come back for good."""
    if meaning is not Meaning.SOFT:
        await note_return(connection, mail.message_id, meaning, status)
    elif mail.soft_returns < MOST_SOFT_RETURNS or mail.is_to_be_sent:
        await connection.execute(_AGAIN, {"message_id": mail.message_id, "hours": AGAIN_AFTER_HOURS})
    else:
        await note_return(connection, mail.message_id, Meaning.PERMANENT, status)


async def note_return(
    connection: AsyncConnection, message_id: str, kind: Meaning, status: str | None
) -> None:
    """Remember that a mail came back for good, or was called spam; the first that is heard of it counts."""
    await connection.execute(_RETURNED, {"message_id": message_id, "kind": kind, "status": status})


async def count(connection: AsyncConnection, outcome: str) -> None:
    """Count one message to the return address."""
    await connection.execute(_COUNTED, (outcome,))
