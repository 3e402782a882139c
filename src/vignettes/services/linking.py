"""Links for customers who have lost theirs: mailed to the order's own address, so that a stranger learns nothing."""

import asyncio
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import LiteralString
from uuid import UUID, uuid4

import structlog
from psycopg.rows import class_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain import references
from vignettes.domain.errors import DomainError, InvalidValue, OrderNotFound, Unavailable
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.personal import BlindIndex
from vignettes.messages import links, replies
from vignettes.messages.commands import LinkedOrderForm, SendLink
from vignettes.projections.lookup import MOST_FOUND
from vignettes.services.authorities.documents import SealedDocument, document_name, opened
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.edge import Endpoints
from vignettes.services.links import Links

log = structlog.get_logger(__name__)

QUEUE = "orders"
#: Requests that wait to be looked up; more are refused, and the customer asks again.
MOST_WAITING = 1000
#: One that waits for an ordering service which does not answer holds up few others.
_AT_A_TIME = 4
ACTOR = "customer"

# Of those that have an address still, by that address: customers are told of their own orders only. The day of an order
# is what its customer remembers of it, so that the one before or after it will do.
FIND: LiteralString = """
SELECT o.order_id, o.order_number, o.status, o.product, o.starts_at, o.placed_at, o.link_generation, a.digest AS address
FROM (SELECT order_id FROM view.lookup WHERE digest = ANY(%(digests)s)
      GROUP BY order_id HAVING count(*) = cardinality(%(digests)s)) AS found
JOIN view.order_status o USING (order_id) JOIN view.lookup a ON a.order_id = o.order_id AND a.kind = 'email'
WHERE %(day)s::date IS NULL OR abs((o.placed_at AT TIME ZONE o.zone)::date - %(day)s::date) <= 1
ORDER BY o.placed_at DESC, o.order_number LIMIT %(most)s
"""
NUMBERED: LiteralString = """
SELECT o.order_id, o.order_number, o.status, o.product, o.starts_at, o.placed_at, o.link_generation, a.digest AS address
FROM view.order_status o JOIN view.lookup a ON a.order_id = o.order_id AND a.kind = 'email'
WHERE o.order_number = %(number)s
"""
_BY_REFERENCE: LiteralString = """
SELECT o.order_id, o.link_generation FROM view.order_status o JOIN view.lookup v USING (order_id)
     JOIN view.lookup a ON a.order_id = o.order_id AND a.kind = 'email'
WHERE o.order_number = %(number)s AND v.kind = 'plate' AND v.digest = %(plate)s
  AND abs((o.placed_at AT TIME ZONE o.zone)::date - %(day)s::date) <= 1
"""
_DOCUMENT: LiteralString = """
SELECT d.media_type, d.size, d.sealed, k.vehicle_view AS key, o.vignette_number AS number
FROM view.order_status o JOIN effect.documents d USING (order_id) JOIN personal.keys k USING (order_id)
     JOIN view.emails e ON (e.order_id, e.kind, e.facts ->> 'document') = (o.order_id, 'issued', d.digest)
WHERE o.order_id = %s AND k.vehicle_view IS NOT NULL ORDER BY e.version DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class _Found:
    """An order whose customer may have its link."""

    order_id: UUID
    order_number: str
    status: str
    product: str
    starts_at: datetime
    placed_at: datetime
    link_generation: int
    address: bytes

    def told(self) -> LinkedOrderForm:
        """Return it as another order's mail tells of it."""
        return LinkedOrderForm(
            order_id=self.order_id,
            order_number=self.order_number,
            product=self.product,
            starts_at=self.starts_at,
            placed_at=self.placed_at,
            status=self.status,
            link_generation=self.link_generation,
        )


@dataclass(frozen=True, slots=True)
class _Opened:
    """An order whose customer knows its reference."""

    order_id: UUID
    link_generation: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """A document as it lies in the database, and what opens it."""

    media_type: str
    size: int
    sealed: bytes
    key: bytes
    number: str


class LinkDesk:
    """Answers the web. `ordering` takes the commands; `customers` is the index of what customers know."""

    def __init__(
        self, pool: AsyncConnectionPool, customers: BlindIndex, made: Links, ordering: Calling
    ) -> None:
        self._pool = pool
        self._index = customers
        self._links = made
        self._ordering = ordering
        self._waiting: asyncio.Queue[links.RequestLink] = asyncio.Queue(MOST_WAITING)

    def register(self, endpoints: Endpoints) -> None:
        """Answer the three subjects."""
        for request, handle in (
            (links.RequestLink, self._request),
            (links.OpenPage, self._open),
            (links.AskDocument, self._document),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def run(self) -> None:
        """Look up what was asked for, a few at a time, until cancelled."""
        async with asyncio.TaskGroup() as looking:
            for _ in range(_AT_A_TIME):
                looking.create_task(self._look_up())

    async def _look_up(self) -> None:
        while True:
            asked = await self._waiting.get()
            try:
                await self._send(asked)
            except DomainError:
                pass  # no vehicle, or no number: nobody has an order of it
            except Exception as error:  # noqa: BLE001  # the next customer's request is not to blame
                log.warning("link.not_sent", error=type(error).__name__)

    async def _request(self, asked: links.RequestLink, _: UUID | None) -> BaseModel:
        try:
            self._waiting.put_nowait(asked)
        except asyncio.QueueFull:
            raise Unavailable from None
        return links.LinkRequestTaken()

    async def _send(self, asked: links.RequestLink) -> None:
        for orders in _by_address(await self._found(asked)):
            newest, *others = orders
            told = tuple(each.told() for each in others)
            command = SendLink(command_id=uuid4(), actor=ACTOR, order_id=newest.order_id, others=told)
            await self._ordering.command(command)
            log.info("link.asked", order=str(newest.order_id), orders=len(orders))

    async def _found(self, asked: links.RequestLink) -> Sequence[_Found]:
        if asked.order_number is not None:
            number = references.parse_number(asked.order_number)
            return await self._rows(NUMBERED, {"number": number})
        digests = [self._plate(asked.country or "", asked.plate or "")]
        if asked.email is not None:
            digests.append(self._index.email(asked.email))
        values = {"digests": digests, "day": asked.ordered_on, "most": MOST_FOUND}
        return await self._rows(FIND, values)

    async def _rows(self, statement: LiteralString, values: Mapping[str, object]) -> Sequence[_Found]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(_Found)) as cursor,
        ):
            await cursor.execute(statement, values, prepare=False)  # its columns change with the edition
            return await cursor.fetchall()

    async def _open(self, asked: links.OpenPage, _: UUID | None) -> BaseModel:
        found = await self._of_reference(asked)
        if found is None:
            raise OrderNotFound
        # Whoever reads at the order's address hears of it, in case that it was somebody else.
        told = SendLink(command_id=uuid4(), actor=ACTOR, order_id=found.order_id, by_reference=True)
        try:
            reply = await self._ordering.command(told)
        except NoAnswer:
            raise Unavailable from None
        if not reply["ok"]:  # what can't be told is not opened
            raise OrderNotFound
        return links.PageOpened(manage_url=self._links.manage(found.order_id, found.link_generation))

    async def _of_reference(self, asked: links.OpenPage) -> _Opened | None:
        try:
            plate = self._plate(asked.country, asked.plate)
        except InvalidValue:
            return None
        number = references.parse_number(asked.reference)
        values = {"number": number, "plate": plate, "day": asked.ordered_on}
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(_Opened)) as cursor,
        ):
            await cursor.execute(_BY_REFERENCE, values, prepare=False)
            return await cursor.fetchone()

    def _plate(self, country: str, plate: str) -> bytes:
        vehicle = Vehicle.of(country, plate)
        return self._index.plate(vehicle.country, vehicle.normal or "")

    async def _document(self, asked: links.AskDocument, _: UUID | None) -> BaseModel:
        async with (
            self._pool.connection() as connection,
            connection.cursor(row_factory=class_row(_Kept)) as cursor,
        ):
            await cursor.execute(_DOCUMENT, (asked.order_id,), prepare=False)
            kept = await cursor.fetchone()
        if kept is None:
            raise OrderNotFound
        document = opened(SealedDocument(kept.media_type, kept.size, kept.sealed), kept.key)
        return links.DocumentGiven(
            media_type=document.media_type,
            name=document_name(kept.number, document),
            content=b64encode(document.content).decode(),
        )


def _by_address(found: Sequence[_Found]) -> list[list[_Found]]:
    """Return the orders of each customer, in the order in which they were found."""
    return [list(orders) for _, orders in groupby(sorted(found, key=_address), key=_address)]


def _address(found: _Found) -> bytes:
    return bytes(found.address)
