"""Holds the log against signed heads, and against the ledger leaf by leaf: pure, in one pass, in bounded memory.

A head binds every leaf before it. So where the leaves that the ledger has kept make the root of a head, they are what
was signed, and each row of the log is compared with its own: what differs is named by its position. Where the ledger
was rewritten as well, the heads tell between which two of them it happened.
"""

import copy
import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from vignettes.eventstore import ledger
from vignettes.eventstore.heads import Head
from vignettes.eventstore.ledger import Row
from vignettes.eventstore.merkle import Frontier

#: How many differences are kept one by one; the rest is counted.
KEPT = 500
#: What no leaf hashes to: the hash of a row that can't be a leaf at all.
_NO_LEAF = b""


class Leaf(NamedTuple):
    """One leaf as the ledger has kept it, counted from 0."""

    place: int
    position: int
    hash: bytes


class Difference(NamedTuple):
    """Log and ledger disagree. Without a row it is missing, without a leaf there is one too many."""

    #: Of the leaf, or of the one before which a row is too many.
    place: int
    row: Row | None
    leaf: Leaf | None


class Side:
    """One of the two that are held against the heads: the rows of the log, or the leaves of the ledger."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = heads
        self._next = 0
        self.tree = Frontier()
        #: By their places among the heads: the last that agrees, and the first that does not.
        self.last: int | None = None
        self.off: int | None = None

    @property
    def size(self) -> int:
        return self.tree.size

    @property
    def trusted(self) -> int:
        """How many leaves from the first on are those that were signed."""
        return self.heads[self.last].size if self.last is not None else 0

    def fork(self) -> "Side":
        """Return another that has seen the same until now."""
        forked = copy.copy(self)
        forked.tree = copy.deepcopy(self.tree)
        return forked

    def add(self, leaf: bytes) -> None:
        self.tree.add(leaf)
        while self._next < len(self.heads) and self.heads[self._next].size == self.tree.size:
            if self.heads[self._next].root == self.tree.root:
                self.last = self._next
            elif self.off is None:
                self.off = self._next
            self._next += 1

    def end(self) -> None:
        """Note the heads that tell of more leaves than there are."""
        if self._next < len(self.heads) and self.off is None:
            self.off = self._next


@dataclass(slots=True)
class Walk:
    """What a pass over log and ledger has seen."""

    log: Side
    kept: Side
    #: The first differences one by one, in order; how many there were beyond these.
    differences: list[Difference] = field(default_factory=list)
    more: int = 0
    #: The first rows after the last leaf, which the ledger may not have come to.
    after: list[Row] = field(default_factory=list)
    #: Leaves that are right, and are said to be at another position.
    misplaced: list[Leaf] = field(default_factory=list)
    #: Rows whose position is that of the row before.
    repeated: list[Row] = field(default_factory=list)

    def same(self, row: Row, leaf: Leaf) -> None:
        if row.position != leaf.position and len(self.misplaced) < KEPT:
            self.misplaced.append(leaf)

    def differ(self, place: int, row: Row | None, leaf: Leaf | None) -> None:
        if len(self.differences) < KEPT:
            self.differences.append(Difference(place, row, leaf))
        else:
            self.more += 1

    def take_beyond(self, row: Row) -> None:
        if len(self.after) < KEPT:
            self.after.append(row)


def walk(rows: Iterable[Row], leaves: Iterable[Leaf], heads: Sequence[Head]) -> Walk:
    """Go through the log, in order of position, beside the ledger's leaves, in order, and heads by growing size."""
    log = Side(heads)
    seen = Walk(log, log)
    for row, hashed, leaf, upcoming in _paired(_watched(rows, seen), leaves):
        is_same = leaf is not None and hashed == leaf.hash
        if seen.kept is log and not is_same:
            seen.kept = log.fork()
        if row is not None:
            log.add(hashed)
        if leaf is not None and seen.kept is not log:
            seen.kept.add(leaf.hash)
        if row is not None and upcoming is None:
            seen.take_beyond(row)
        elif is_same and row is not None and leaf is not None:
            seen.same(row, leaf)
        elif upcoming is not None:
            seen.differ(upcoming.place, row, leaf)
    log.end()
    seen.kept.end()
    return seen


def leaf_hash_of(row: Row) -> bytes:
    """Return the hash of a row as a leaf; of one that was never recorded like that, what no leaf hashes to."""
    try:
        return ledger.hash_of(row)
    except (struct.error, AttributeError, TypeError, UnicodeError):
        return _NO_LEAF  # a number below zero, or nothing where something must be


def _watched(rows: Iterable[Row], seen: Walk) -> Iterator[Row]:
    before = None
    for row in rows:
        if row.position == before and len(seen.repeated) < KEPT:
            seen.repeated.append(row)
        before = row.position
        yield row


def _paired(
    rows: Iterable[Row], leaves: Iterable[Leaf]
) -> Iterator[tuple[Row | None, bytes, Leaf | None, Leaf | None]]:
    """Yield each row with its leaf: the one of the same hash, else of the same position; else each alone.

    With them the row's hash, and the leaf that the ledger is at.
    """
    next_row, next_leaf = iter(rows), iter(leaves)
    row, leaf = next(next_row, None), next(next_leaf, None)
    hashed = leaf_hash_of(row) if row is not None else _NO_LEAF
    while row is not None or leaf is not None:
        takes_row, takes_leaf = _step(row, hashed, leaf)
        yield row if takes_row else None, hashed, leaf if takes_leaf else None, leaf
        if takes_leaf:
            leaf = next(next_leaf, None)
        if takes_row:
            row = next(next_row, None)
            hashed = leaf_hash_of(row) if row is not None else _NO_LEAF


def _step(row: Row | None, hashed: bytes, leaf: Leaf | None) -> tuple[bool, bool]:
    """Tell whether the row goes on, and whether the leaf does."""
    if row is None or leaf is None:
        return row is not None, leaf is not None
    if hashed == leaf.hash or row.position == leaf.position:
        return True, True
    return row.position < leaf.position, row.position > leaf.position
