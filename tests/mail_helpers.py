"""A mailer as the service has it, on a test's database and mail server; and what to wait for."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from eventstore_helpers import DOMAIN, a_vault, ask, fold, record
from service import until
from vignettes.domain.order import Order
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import Orders
from vignettes.projections.emails import EmailsView
from vignettes.sandbox.inbox import Inbox
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.mailing import Mailing
from vignettes.services.posting import Posting
from vignettes.services.returns.path import ReturnPath
from vignettes.services.writing import Sender, Writing

RETURNS = ReturnPath(f"returns@{DOMAIN}", bytes(32))
POSTING = Posting(RETURNS, None)
SENDER = Sender(f"Vignettes <orders@{DOMAIN}>", None, None)


def a_writing(sender: Sender = SENDER) -> Writing:
    """Return who writes the mails."""
    return Writing(
        Links(f"https://{DOMAIN}", bytes(32)), Payee("Vignettes", "CZ6508000000192000145399"), sender
    )


async def now() -> datetime:
    """Return the time; the inbox wants to be told it."""
    return datetime.now(UTC)


def recording(database: str, orders: Orders) -> Callable[..., Awaitable[None]]:
    """Return what puts new events of orders on record, and calls for their mails."""
    vault = a_vault()

    async def recorded(*changed: Order) -> None:
        record(orders, *changed)
        await fold(database, vault, EmailsView(DOMAIN, vault))

    return recorded


@asynccontextmanager
async def sending(
    database: str, port: int, writing: Writing | None = None, posting: Posting = POSTING
) -> AsyncIterator["asyncio.Task[None]"]:
    """Run the mailer until the block ends."""
    url = conninfo(database, "vignettes_projector")
    mailing = Mailing(url, f"smtp://127.0.0.1:{port}", writing or a_writing(), posting)
    task = asyncio.create_task(mailing.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def arrived(inbox: Inbox, count: int) -> list[dict[str, Any]]:
    """Wait until so many mails have arrived, and return them."""

    async def look() -> bool:
        return len(inbox.messages()) >= count

    await until(look)
    return inbox.messages()


async def sent(database: str, count: int) -> None:
    """Wait until so many mails are on record as sent."""
    query = "SELECT 1 FROM effect.mails WHERE sent_at IS NOT NULL HAVING count(*) = %s"

    async def look() -> list[Any]:
        return ask(database, query, count)

    await until(look)
