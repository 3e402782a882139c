"""The stream ORDERS against the log: what it has lost, what the log knows nothing of, and publishing the lost anew."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, PubAck
from nats.js.errors import NotFoundError
from psycopg import AsyncConnection

from vignettes.domain.order import Order
from vignettes.eventstore.codec import Kept
from vignettes.eventstore.personal import Vault
from vignettes.messages import events
from vignettes.projections.folding import Log, folded
from vignettes.services import publishing

#: How many messages are compared with the log at a time, and how many events are published anew.
_PAGE: Final = 2000
_FEW: Final = 500
_AT_A_TIME: Final = 100
#: So many pages of a stream are in memory at most, beside what the server sends ahead.
_PAGES: Final = 4
#: Some of each kind are named; all are counted.
_NAMED: Final = 3
_PATIENCE_SECONDS: Final = 10.0
#: A page of a stream comes in far less, unless the machine is busy with everything else.
_PAGE_SECONDS: Final = 30.0
#: The server clears its memory of ids by a timer: a little after the window.
_AFTERWARDS_SECONDS: Final = 1.0

_PUBLISHED = "SELECT id, position FROM view.editions WHERE view = %s AND state = 'live'"
_AT = """
SELECT notification_id, originator_id, originator_version FROM log.events
WHERE notification_id = ANY(%s) AND starts_with(topic, 'order.')
"""
# What can't be digested was not published, nor what follows it in its order: that is told of the views.
_EXPECTED = """
SELECT e.notification_id, e.originator_id, e.originator_version FROM log.events e
LEFT JOIN view.parked p
    ON p.edition = %(edition)s AND p.order_id = e.originator_id AND p.position <= e.notification_id
WHERE e.notification_id > %(after)s AND e.notification_id <= %(upto)s AND starts_with(e.topic, 'order.')
  AND p.order_id IS NULL
ORDER BY e.notification_id LIMIT %(limit)s
"""

#: Is told how far a work has come: what it is, how much is done, of how much.
Tell = Callable[[str, int, int], None]


class NeverPublished(Exception):
    """Nothing was ever published here: the database has no live edition of what publishes."""


class Unanswered(Exception):
    """NATS has not answered for so long that the work was left; it can be begun again. The text tells where."""


class Place(NamedTuple):
    """An event by its place in the log."""

    position: int
    order_id: UUID
    version: int

    @property
    def id(self) -> str:
        """The id under which it is published."""
        return f"{self.order_id}:{self.version}"


class Marks:
    """One bit for each position of the log: a hundred million events take 12 MB."""

    def __init__(self, upto: int) -> None:
        self._bits = bytearray(upto // 8 + 1)
        self._upto = upto

    def add(self, position: int) -> bool:
        """Mark a position; tell whether it was marked already. Those beyond the last are not kept."""
        if position > self._upto:
            return False
        before = position in self
        self._bits[position >> 3] |= 1 << (position & 7)
        return before

    def __contains__(self, position: int) -> bool:
        return bool(self._bits[position >> 3] >> (position & 7) & 1)


@dataclass(slots=True)
class Comparison:
    """What is in the stream, and what should be: every event of an order up to the position `upto`."""

    edition: int
    upto: int
    events: int = 0
    messages: int = 0
    missing: int = 0
    repeated: int = 0
    strange: int = 0
    named: list[str] = field(default_factory=list)
    """The first that are missing, and the first that are strange."""
    marks: Marks = field(default_factory=lambda: Marks(0))


@dataclass(frozen=True, slots=True)
class Republished:
    """What came of it: how many are in the stream now, and how many are not, as it remembers them still."""

    published: int
    refused: int
    waited_seconds: float


class Reconciling:
    """Compares and mends, over one connection to each side; the database is only read."""

    def __init__(self, connection: AsyncConnection, client: Client, tell: Tell) -> None:
        self._connection = connection
        self._jetstream = client.jetstream(timeout=_PATIENCE_SECONDS)
        self._tell = tell

    # --- comparing

    async def compare(self) -> Comparison:
        """Read the whole stream, without the bodies, and then the log. Raises NeverPublished, and NATS's errors.

        What is published meanwhile is looked at too: the position was read before the end of the stream.
        """
        cursor = await self._connection.execute(_PUBLISHED, (publishing.DEFINITION.name,))
        row = await cursor.fetchone()
        if row is None:
            raise NeverPublished(NeverPublished.__doc__)
        found = Comparison(edition=row[0], upto=row[1], marks=Marks(row[1]))
        state = (await self._jetstream.stream_info(events.STREAM)).state
        if state.messages:
            async for page in pages(self._jetstream, events.STREAM, events.SUBJECTS, state.last_seq):
                await self._regard(found, page)
                self._tell("reading the stream", found.messages, state.messages)
        async for places in self._expected(found):
            self._lack(found, places)
            self._tell("reading the log", places[-1].position, found.upto)
        return found

    async def _regard(self, found: Comparison, page: Sequence[Msg]) -> None:
        claimed = [_claimed(message) for message in page]
        cursor = await self._connection.execute(
            _AT, ([position for position, _ in claimed],), prepare=True, binary=True
        )
        known = {place.position: place.id for place in map(Place._make, await cursor.fetchall())}
        found.messages += len(page)
        for position, identity in claimed:
            if known.get(position) != identity:
                found.strange += 1
                if found.strange <= _NAMED:
                    found.named.append(f"{identity or 'a message without id'} is not in the log")
            elif found.marks.add(position):
                found.repeated += 1

    def _lack(self, found: Comparison, places: Iterable[Place]) -> None:
        for place in places:
            found.events += 1
            if place.position not in found.marks:
                found.missing += 1
                if found.missing <= _NAMED:
                    found.named.append(f"position {place.position} ({place.id}) is missing")

    async def _expected(self, found: Comparison) -> AsyncIterator[list[Place]]:
        """Give what should be in the stream, in pages."""
        after = 0
        while True:
            values = {"edition": found.edition, "after": after, "upto": found.upto, "limit": _PAGE}
            cursor = await self._connection.execute(_EXPECTED, values, prepare=True, binary=True)
            places = list(map(Place._make, await cursor.fetchall()))
            if not places:
                return
            yield places
            after = places[-1].position

    # --- mending

    async def republish(self, found: Comparison, vault: Vault) -> Republished:
        """Publish what is missing, under the same ids, in the order of the log, each acknowledged.

        The stream remembers ids for a while, also of messages that are gone: it answers "duplicate" and stores nothing.
        What is answered so is looked for, and where it is not there, published once more when the window has passed.
        """
        published, remembered = await self._round(found, vault)
        if not remembered:
            return Republished(published, 0, 0.0)
        seconds = await forgotten(self._jetstream, events.STREAM, remembered, self._tell)
        more, remembered = await self._round(found, vault)
        return Republished(published + more, remembered, seconds)

    async def _round(self, found: Comparison, vault: Vault) -> tuple[int, int]:
        """Publish what is not marked, and mark what is there; return how many are, and how many are not."""
        published, remembered, wanted = 0, 0, found.missing
        async for places in self._expected(found):
            missing = [place for place in places if place.position not in found.marks]
            for first in range(0, len(missing), _FEW):
                few = missing[first : first + _FEW]
                there = await self._there(few, vault, published)
                for place in there:
                    found.marks.add(place)
                published, remembered = published + len(there), remembered + len(few) - len(there)
                self._tell("publishing anew", published, wanted)
        found.missing -= published
        return published, remembered

    async def _there(self, places: Collection[Place], vault: Vault, before: int) -> list[int]:
        """Publish some, and return the positions of those that are in the stream now."""
        try:
            return await self._published(await self._messages(places, vault))
        except TimeoutError:
            told = f"it acknowledged nothing for {_PATIENCE_SECONDS:.0f} s, after {before:,} that are in the stream now"
            raise Unanswered(told) from None

    async def _messages(
        self, places: Collection[Place], vault: Vault
    ) -> list[tuple[int, publishing.Message]]:
        """Return the messages of these events, as they were when each was recorded, by their positions."""
        log = Log(vault)
        wanted = {place.position for place in places}
        order_ids = {place.order_id for place in places}
        await log.load_keys(self._connection, order_ids)
        made: list[tuple[int, publishing.Message]] = []
        order: Kept | None = None
        for row in await log.of(self._connection, order_ids, max(wanted)):
            event = log.decode(row)
            order = folded(None if row.version == 1 else order, event)
            if row.position in wanted and isinstance(order, Order):
                made.append((row.position, publishing.message(event, order)))
        return sorted(made)

    async def _published(self, messages: Sequence[tuple[int, publishing.Message]]) -> list[int]:
        """Publish some, and return the positions of those that are in the stream now."""
        there = []
        for first in range(0, len(messages), _AT_A_TIME):
            part = messages[first : first + _AT_A_TIME]
            async with asyncio.timeout(_PATIENCE_SECONDS):
                answers: list[Awaitable[PubAck]] = [
                    await self._jetstream.publish_async(subject, body, stream=events.STREAM, headers=head)
                    for _, (subject, head, body) in part
                ]
                acknowledged = await asyncio.gather(*answers)
                is_there = await asyncio.gather(*map(self._is_there, acknowledged))
            there += [position for (position, _), here in zip(part, is_there, strict=True) if here]
        return there

    async def _is_there(self, acknowledged: PubAck) -> bool:
        """Tell whether what was acknowledged is stored: a duplicate may be of a message that is gone."""
        if not acknowledged.duplicate:
            return True
        try:
            await self._jetstream.get_msg(events.STREAM, seq=acknowledged.seq)
        except NotFoundError:
            return False
        return True


async def forgotten(jetstream: JetStreamContext, stream: str, ids: int, tell: Tell) -> float:
    """Wait until a stream has forgotten all ids that it knows now; return for how many seconds."""
    window = (await jetstream.stream_info(stream)).config.duplicate_window or 0.0
    seconds = window + _AFTERWARDS_SECONDS
    end = asyncio.get_running_loop().time() + seconds
    while (left := end - asyncio.get_running_loop().time()) > 0:
        tell(f"waiting until the stream forgets {ids:,} ids", round(seconds - left), round(seconds))
        await asyncio.sleep(min(left, 1.0))
    return seconds


async def pages(
    jetstream: JetStreamContext, stream: str, subjects: str, last: int
) -> AsyncIterator[list[Msg]]:
    """Give the messages of a stream up to a sequence, in pages, without their bodies."""
    full: asyncio.Queue[list[Msg]] = asyncio.Queue(_PAGES)
    page: list[Msg] = []
    ended = False

    # By a callback: asked for one by one, nats-py makes two tasks for each.
    async def take(message: Msg) -> None:
        nonlocal page, ended
        if ended:
            return
        page.append(message)
        place = message.metadata
        is_last = place.sequence.stream >= last or place.num_pending == 0
        if is_last or len(page) == _PAGE:
            filled, page = page, []
            await full.put(filled)  # until there is room: the server sends only so much ahead of us
            ended = is_last

    config = ConsumerConfig(headers_only=True)
    subscription = await jetstream.subscribe(
        subjects, stream=stream, ordered_consumer=True, config=config, cb=take
    )
    try:
        while not (ended and full.empty()):
            yield await _next(full)
    finally:
        await subscription.unsubscribe()


async def _next(full: asyncio.Queue[list[Msg]]) -> list[Msg]:
    try:
        return await asyncio.wait_for(full.get(), _PAGE_SECONDS)
    except TimeoutError:
        raise Unanswered(f"it sent nothing for {_PAGE_SECONDS:.0f} s") from None


def _claimed(message: Msg) -> tuple[int, str]:
    """Return which event a message says it is: its position, 0 where that can't be read, and its id."""
    headers = message.headers or {}
    position, identity = headers.get("Vignettes-Position", ""), headers.get("ce-id", "")
    is_ours = position.isascii() and position.isdecimal() and headers.get("Nats-Msg-Id") == identity
    return (int(position) if is_ours and len(position) < 19 else 0), identity  # noqa: PLR2004  # digits of a bigint
