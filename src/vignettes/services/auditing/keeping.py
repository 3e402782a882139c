"""Keeps the ledger: adds what was appended to the log, and signs a head soon after.

It follows the log at a distance; whoever appends neither knows nor waits. What it writes follows from the log alone,
and tiles only grow: two keepers at once would write the same. One at a time is for economy.
"""

import asyncio
import time
from collections.abc import Iterable

import psycopg
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection
from psycopg.rows import args_row

from vignettes.eventstore import heads, ledger
from vignettes.eventstore.heads import Head
from vignettes.eventstore.ledger import WIDTH, Row, TileId, TileNodes, Tree
from vignettes.eventstore.merkle import root_of
from vignettes.services.auditing.outside import HeadsFolder

log = structlog.get_logger(__name__)

_LOCK = 0x7669676C  # "vigl": one keeper at a time
_BATCH = 4000
#: How often it looks for new events. Not woken by the log: a head is signed seconds later anyway.
_LOOK_SECONDS = 0.5
_AGAIN_SECONDS = 5.0

_LAST_TILE = "SELECT number, positions FROM ledger.tiles WHERE level = 0 ORDER BY number DESC LIMIT 1"
_LAST_HEAD = "SELECT size, root FROM ledger.heads ORDER BY size DESC LIMIT 1"
_ROWS = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_WRITE_LEAVES = """
INSERT INTO ledger.tiles AS t (level, number, hashes, positions) VALUES (0, %s, %s, %s)
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes, positions = excluded.positions
"""
_WRITE_NODES = """
INSERT INTO ledger.tiles (level, number, hashes) VALUES (%s, %s, %s)
ON CONFLICT (level, number) DO UPDATE SET hashes = excluded.hashes
"""
_WRITE_HEAD = """
INSERT INTO ledger.heads (size, position, root, at, note) VALUES (%s, %s, %s, %s, %s) ON CONFLICT (size) DO NOTHING
"""


class LedgerForked(Exception):
    """The ledger is not what a head that was signed before says: no other is signed over it."""


class Keeping:
    """The keeper of the ledger, as a piece of work that goes on for ever."""

    def __init__(
        self, conninfo: str, key: Ed25519PrivateKey, origin: str, folder: HeadsFolder, head_seconds: float
    ) -> None:
        self._conninfo = conninfo
        self._key = key
        self._origin = origin
        self._folder = folder
        self._head_seconds = head_seconds

    async def run(self) -> None:
        """Keep it until cancelled. Errors are waited out, each seen in the log."""
        while True:
            try:
                async with await AsyncConnection.connect(self._conninfo, autocommit=True) as connection:
                    await self._keep(connection)
            except psycopg.Error as error:
                log.warning("ledger.database_error", error=type(error).__name__)
            except LedgerForked as forked:
                log.error("ledger.forked", reason=str(forked))  # noqa: TRY400  # where in the code says nothing
            except Exception:
                log.exception("ledger.failed")
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _keep(self, connection: AsyncConnection) -> None:
        while not await _is_ours(connection):  # noqa: ASYNC110  # another process holds it: no event of ours tells
            await asyncio.sleep(_AGAIN_SECONDS)
        keeper = Keeper(connection, self._key, self._origin)
        await keeper.begin(self._folder.last())
        unsigned_since = None if keeper.is_signed else time.monotonic()
        while True:
            taken = await keeper.advance()
            if not keeper.is_signed:
                unsigned_since = unsigned_since or time.monotonic()
                if time.monotonic() - unsigned_since >= self._head_seconds:
                    await keeper.sign()
                    unsigned_since = None
            if taken < _BATCH:
                await asyncio.sleep(min(_LOOK_SECONDS, self._head_seconds / 2))


async def _is_ours(connection: AsyncConnection) -> bool:
    row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", (_LOCK,))).fetchone()
    return row == (True,)


class Keeper:
    """What keeps the ledger over one connection."""

    def __init__(self, connection: AsyncConnection, key: Ed25519PrivateKey, origin: str) -> None:
        self._connection = connection
        self._key = key
        self._origin = origin
        self._tree = Tree()
        #: Of the last tile of leaves: its number, and the positions of its leaves.
        self._positions: dict[int, list[int]] = {}
        self._last = 0
        self._signed = 0

    @property
    def is_signed(self) -> bool:
        """Whether the last head covers all that the ledger knows."""
        return self._signed == self._tree.size

    async def begin(self, outside: Head | None) -> None:
        """Take up the ledger where it is. Raises LedgerForked when it is not what was signed."""
        row = await (await self._connection.execute(_LAST_TILE)).fetchone()
        if row is not None:
            number, positions = row
            self._last = positions[-1]
            self._positions = {number: positions} if len(positions) < WIDTH else {}
            size = number * WIDTH + len(positions)
            self._tree = Tree(size, await tiles(self._connection, ledger.edge_tiles(size)))
        inside = await self._last_head()
        await self._compare("the database", inside)
        await self._compare("the folder of heads", (outside.size, outside.root) if outside else None)
        self._signed = inside[0] if inside else 0

    async def advance(self) -> int:
        """Add the next events of the log, and return how many they were."""
        async with self._connection.cursor(row_factory=args_row(Row)) as cursor:
            await cursor.execute(_ROWS, (self._last, _BATCH), prepare=True)
            rows = await cursor.fetchall()
        if rows:
            await self._add(rows)
        return len(rows)

    async def sign(self) -> Head:
        """Sign what the ledger knows. Raises LedgerForked where the database tells other than was written there."""
        root = self._tree.root
        await self._compare("what was read of the log", (self._tree.size, root))
        row = await (await self._connection.execute("SELECT clock.now()")).fetchone()
        [at] = row or ()
        head = Head(self._origin, self._tree.size, root, self._last, at)
        values = (head.size, head.position, head.root, head.at, heads.sign(head, self._key))
        await self._connection.execute(_WRITE_HEAD, values)
        self._signed = head.size
        log.info("ledger.signed", size=head.size, position=head.position)
        return head

    async def _add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._positions.setdefault(self._tree.size // WIDTH, []).append(row.position)
            self._tree.add(ledger.hash_of(row))
            self._last = row.position
        async with self._connection.transaction(), self._connection.cursor() as cursor:
            changed = self._tree.changed()
            leaves = [(t.number, h, self._positions[t.number]) for t, h in changed.items() if t.level == 0]
            await cursor.executemany(_WRITE_LEAVES, leaves)
            await cursor.executemany(_WRITE_NODES, [(*t, h) for t, h in changed.items() if t.level > 0])
        self._positions = {
            number: kept for number, kept in self._positions.items() if number == self._tree.size // WIDTH
        }

    async def _last_head(self) -> tuple[int, bytes] | None:
        row = await (await self._connection.execute(_LAST_HEAD)).fetchone()
        return row and (row[0], row[1])

    async def _compare(self, where: str, signed: tuple[int, bytes] | None) -> None:
        if signed is None:
            return
        size, root = signed
        if size > self._tree.size:
            raise LedgerForked(
                f"{LedgerForked.__doc__} In {where} it has {size} events, here {self._tree.size}."
            )
        nodes = TileNodes(await tiles(self._connection, ledger.tiles_for([], size)))
        try:
            is_same = root_of(size, nodes) == root
        except ledger.MissingTile:
            is_same = False
        if not is_same:
            raise LedgerForked(f"{LedgerForked.__doc__} Its first {size} events differ from {where}.")


async def tiles(connection: AsyncConnection, wanted: Iterable[TileId]) -> dict[TileId, bytes]:
    """Read tiles of the ledger; one that it has not is not among them."""
    levels, numbers = zip(*wanted, strict=True) if wanted else ((), ())
    rows = await (
        await connection.execute(ledger.SELECT_TILES, (list(levels), list(numbers)), prepare=True)
    ).fetchall()
    return {TileId(level, number): hashes for level, number, hashes in rows}
