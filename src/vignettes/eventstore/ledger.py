"""The ledger: which bytes of the log are its leaves, and how its tree lies in tiles of 256 hashes."""

import struct
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from functools import cache
from typing import NamedTuple
from uuid import UUID

from vignettes.eventstore.merkle import (
    EMPTY,
    HASH_BYTES,
    folded,
    inclusion_proof,
    leaf_hash,
    root_of,
)

#: A tile holds the hashes of 2**8 nodes side by side.
HEIGHT = 8
WIDTH = 1 << HEIGHT

_FIXED = struct.Struct(">Q16sQI")

# `positions` in, one row for each of them that is in the tree.
SELECT_INDICES = """
SELECT w.position, t.number, t.positions
FROM unnest(%s::bigint[]) AS w (position), LATERAL (
    SELECT number, positions FROM ledger.tiles
    WHERE level = 0 AND positions[1] <= w.position ORDER BY positions[1] DESC LIMIT 1
) AS t WHERE w.position = ANY (t.positions)
"""
# Levels and numbers in, one row for each tile that is there.
SELECT_TILES = """
SELECT t.level, t.number, t.hashes FROM ledger.tiles t
JOIN unnest(%s::smallint[], %s::bigint[]) AS w (level, number) USING (level, number)
"""


class Row(NamedTuple):
    """One row of log.events, in the order of its columns as the ledger reads them."""

    position: int
    order_id: UUID
    version: int
    topic: str
    state: bytes


class TileId(NamedTuple):
    """Which tile: its level, and its number from the left."""

    level: int
    number: int


class MissingTile(Exception):
    """The ledger does not hold what the tree of this size is made of."""


def leaf(position: int, order_id: UUID, version: int, topic: str, state: bytes) -> bytes:
    """Return the bytes that one event is a leaf by. Fixed for ever: every head depends on them.

    Position (8 bytes), id (16), version (8), length of the topic (4), all big endian; topic in UTF-8; stored bytes.
    """
    name = topic.encode()
    return _FIXED.pack(position, order_id.bytes, version, len(name)) + name + state


def hash_of(row: Row) -> bytes:
    """Return the hash of an event as a leaf."""
    return leaf_hash(leaf(*row))


def index_of(number: int, positions: list[int], position: int) -> int:
    """Return which leaf an event is, by the tile of level 0 that holds its position (a row of SELECT_INDICES)."""
    return number * WIDTH + bisect_left(positions, position)


class TileNodes:
    """The nodes of a tree, from the tiles that were read of it."""

    def __init__(self, tiles: Mapping[TileId, bytes]) -> None:
        self._tiles = tiles
        self._node = cache(self._find)

    def __call__(self, level: int, number: int) -> bytes:
        """Return the hash of a complete subtree. Raises MissingTile."""
        return self._node(level, number)

    def _find(self, level: int, number: int) -> bytes:
        tile, above = divmod(level, HEIGHT)
        width = HASH_BYTES << above
        where, place = divmod(number << above, WIDTH)
        begin = place * HASH_BYTES
        hashes = self._tiles.get(TileId(tile, where), b"")[begin : begin + width]
        if len(hashes) < width:
            raise MissingTile(f"{MissingTile.__doc__} Tile {where} of level {tile}, from hash {place} on.")
        return folded(hashes)


def tiles_for(indices: Iterable[int], size: int) -> set[TileId]:
    """Return which tiles the proofs of some leaves need in a tree of `size`, and its root does."""
    needed: set[TileId] = set()

    def note(level: int, number: int) -> bytes:
        tile, above = divmod(level, HEIGHT)
        needed.add(TileId(tile, (number << above) // WIDTH))
        return EMPTY

    root_of(size, note)
    for index in indices:
        inclusion_proof(index, size, note)
    return needed


def edge_tiles(size: int) -> set[TileId]:
    """Return the tiles at the right edge of a tree: those that more leaves extend."""
    found, level, count = set[TileId](), 0, size
    while count:
        if count % WIDTH:
            found.add(TileId(level, count // WIDTH))
        count, level = count // WIDTH, level + 1
    return found


class Tree:
    """A tree that grows: leaves are added, and the tiles that change by it are told."""

    def __init__(self, size: int = 0, edge: Mapping[TileId, bytes] | None = None) -> None:
        """Begin with a tree of `size` leaves; `edge` holds its partial tiles."""
        self.size = size
        self._partial = {tile.level: bytearray(hashes) for tile, hashes in (edge or {}).items()}
        self._full: dict[TileId, bytes] = {}
        self._extended: set[int] = set()

    def add(self, leaf: bytes) -> None:
        """Add one leaf, by its hash."""
        self._put(0, self.size, leaf)
        self.size += 1

    def changed(self) -> dict[TileId, bytes]:
        """Return the tiles that leaves were added to since the last time, as they are now."""
        changed, self._full = self._full, {}
        for level in self._extended & self._partial.keys():
            changed[TileId(level, self.size // WIDTH ** (level + 1))] = bytes(self._partial[level])
        self._extended.clear()
        return changed

    @property
    def root(self) -> bytes:
        """The hash of the whole tree. Its partial tiles are all that is needed."""
        partial = {
            TileId(level, self.size // WIDTH ** (level + 1)): bytes(hashes)
            for level, hashes in self._partial.items()
        }
        return root_of(self.size, TileNodes(partial))

    def _put(self, level: int, place: int, hashed: bytes) -> None:
        tile = self._partial.setdefault(level, bytearray())
        tile += hashed
        self._extended.add(level)
        if len(tile) == WIDTH * HASH_BYTES:
            number = place // WIDTH
            self._full[TileId(level, number)] = bytes(tile)
            del self._partial[level]
            self._put(level + 1, number, folded(bytes(tile)))
