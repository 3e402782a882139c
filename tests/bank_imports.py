"""Bank files of every format on their way into payments, and what the log says of them afterwards."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from psycopg_pool import AsyncConnectionPool

from bank_files import (
    abo,
    abo_header,
    abo_item,
    balance,
    camt053,
    camt054,
    entry,
    mt940,
    statement,
    transaction,
)
from eventstore_helpers import a_vault, ask
from vignettes.domain.entry import BankEntry
from vignettes.eventstore.append import Appender, Numbers
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.journal import Journal
from vignettes.eventstore.orders import Orders
from vignettes.messages.bank_files import Booked
from vignettes.projections.bank_payments import BankPaymentsView
from vignettes.projections.follower import Follower
from vignettes.services.grouping import GroupWriter
from vignettes.services.links import BodyHash
from vignettes.services.payments.bank_files import FileBook, FileImporter, HowToRead, Taken
from vignettes.services.payments.booking import PaymentWriter
from vignettes.services.payments.importing import Importer
from vignettes.services.payments.placing import Placing
from vignettes.services.statements.csv_map import read_map

ACTOR = "tests"
CSV_MAP = """
account = "CZ6508000000192000145399"
currency = "CZK"
[columns]
booked_on = "day"
amount = "amount"
balance = "balance"
variable_symbol = "vs"
remittance = "text"
"""
_RENT = entry("50.00", side="DBIT", reference="RENT1")
_REVERSED = "<RvslInd>true</RvslInd>"


def _camt(*entries: str, opening: str, closing: str, name: str = "S1") -> bytes:
    return camt053(
        statement(*entries, balances=balance("OPBD", opening) + balance("CLBD", closing), name=name)
    )


def _credit(reference: str, number: int) -> str:
    return entry(reference=reference, details=transaction(f"/VS{number:010}", text=f"platba {number}"))


@dataclass(frozen=True)
class Sample:
    """A file, and how it is to be read."""

    name: str
    content: bytes
    how: HowToRead = field(default_factory=HowToRead)

    def entries(self) -> list[BankEntry]:
        """Return all of its entries."""
        return [each for batch in self.how.batches(io.BytesIO(self.content)) for each in batch]


#: Of every format one; statements that overlap; a notice of what a statement has; and in a file of its own what the
#: bank took back of another.
SAMPLES = (
    Sample(
        "monday.xml",
        _camt(_credit("A1", 1), _credit("A2", 2), _RENT, _credit("A3", 3), opening="0.00", closing="850.00"),
    ),
    Sample(
        "overlapping.xml",
        _camt(_credit("A3", 3), _credit("A4", 4), opening="550.00", closing="1150.00", name="S2"),
    ),
    Sample("notice.xml", camt054(statement(_credit("A4", 4)))),
    Sample(
        "reversal.xml",
        _camt(
            entry(side="DBIT", reference="A2", more=_REVERSED, day="2026-01-07"),
            opening="1150.00",
            closing="850.00",
            name="S3",
        ),
    ),
    Sample(
        "announced.xml",
        camt053(statement(entry(reference="A5", status="<Sts><Cd>PDNG</Cd></Sts>"), name="S4")),
    ),
    Sample(
        "account.sta",
        mt940(
            ":61:260105C30,00NTRFX//B1",
            ":86:/VS0000000011",
            ":61:260105C30,00NTRFX//B2",
            closing="C260105EUR160,00",
        ),
    ),
    # Two identical lines, which nothing but their place tells apart (case 19).
    Sample("twins.sta", mt940(*[":61:260105C30,00NTRFNONREF"] * 2, closing="C260105EUR160,00")),
    Sample(
        "account.gpc",
        abo(
            abo_header(old=0, new=30000, credited=60000, debits=30000),
            abo_item(30000, 2, symbol=21, document=77, name="NOVÁK JAN"),
            abo_item(30000, 2, symbol=22, document=78),
            abo_item(30000, 1, document=79),
        ),
    ),
    Sample(
        "account.csv",
        b"day,amount,balance,vs,text\n2026-01-05,300.00,300.00,31,first\n2026-01-05,300.00,600.00,31,first\n",
        HowToRead(csv_map=read_map(CSV_MAP, "map")),
    ),
)


class Stopped(Exception):
    """The process was killed here."""


class Stopping(Importer):
    """An importer whose process dies after so many batches."""

    after: int | None = None

    async def book(self, entries: Any, actor: str) -> Booked:
        if self.after == 0:
            raise Stopped
        if self.after is not None:
            self.after -= 1
        return await super().book(entries, actor)


@dataclass
class Bank:
    """What takes files in, on one database."""

    database: str
    writer: PaymentWriter
    pool: AsyncConnectionPool
    importer: Stopping
    payouts: list[tuple[BankEntry, str]]
    #: What becomes of each payout that is named: whether somebody has it.
    has_payout: bool = True

    @property
    def files(self) -> FileImporter:
        return FileImporter(self.importer, FileBook(self.pool))

    async def take(self, sample: Sample) -> tuple[Taken, list[Booked]]:
        """Take one file in, and return what became of it, batch by batch."""
        booked: list[Booked] = []
        taken = await self.files.take(
            io.BytesIO(sample.content), sample.name, sample.how, ACTOR, booked.append
        )
        return taken, booked

    async def note_payout(self, entry: BankEntry, payout_id: str, _: str) -> bool:
        self.payouts.append((entry, payout_id))
        return self.has_payout


@asynccontextmanager
async def a_bank(database: str) -> AsyncIterator[Bank]:
    """Give what the payments role has for files, without NATS: payouts are noted down."""
    appender = Appender(Journal(database), a_vault(), Numbers())
    writer = PaymentWriter(GroupWriter(appender.execute_all), BodyHash(bytes(32)).of)
    url = conninfo(database, "vignettes_projector")
    async with AsyncConnectionPool(url, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
        bank = Bank(database, writer, pool, None, [])
        bank.importer = Stopping(writer, pool, bank.note_payout)
        yield bank
        await writer.end()
        await appender.close()


@asynccontextmanager
async def placing(bank: Bank) -> AsyncIterator[None]:
    """Follow the log with the view of payments, and let reversals find what they took back."""
    url, vault = conninfo(bank.database, "vignettes_projector"), a_vault()
    pieces = (Follower(url, [BankPaymentsView(vault)], vault), Placing(url, bank.writer))
    tasks = [asyncio.create_task(piece.run()) for piece in pieces]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


def payments(database: str) -> list[UUID]:
    """Return the ids of all payments in the log."""
    query = (
        "SELECT originator_id FROM log.events WHERE topic = 'bank-payment.booked.v1' ORDER BY originator_id"
    )
    return ask(database, query)


def happened(database: str) -> dict[UUID, list[tuple[str, dict[str, Any]]]]:
    """Return of each payment what happened to it: types and payloads, less when that was, and where in the log."""
    orders = Orders(database, a_vault())
    try:
        return {each: list(_told(orders, each)) for each in payments(database)}
    finally:
        orders.close()


def _told(orders: Orders, payment_id: UUID) -> Iterator[tuple[str, dict[str, Any]]]:
    for recorded in orders.history(payment_id):
        said = vars(recorded.event)
        yield recorded.type, {name: value for name, value in said.items() if name != "timestamp"}
