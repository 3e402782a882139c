"""Verifies a log: reads it in one snapshot, and compares all of it with the heads that are kept outside."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, LiteralString

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import Connection, IsolationLevel
from psycopg.rows import args_row

from vignettes.eventstore import heads
from vignettes.eventstore.ledger import WIDTH, Row, TileId
from vignettes.eventstore.merkle import HASH_BYTES, Frontier
from vignettes.services.auditing import kept_heads
from vignettes.services.auditing.comparing import KEPT, Leaf, walk
from vignettes.services.auditing.findings import Finding, Kind
from vignettes.services.auditing.kept_heads import Outside, Source
from vignettes.services.auditing.naming import named
from vignettes.services.auditing.outside import Signed

#: How long a head that was signed a moment ago is waited for outside.
PATIENCE_SECONDS: Final = 5.0
_AGAIN_SECONDS = 0.5
_BATCH = 5000
#: Of how many removed events the answers that were given for them are looked for.
_RECALLED = 20

# In order however the table was tampered with: its index may be gone, and positions may be there twice, or missing.
_ROWS: LiteralString = """
SELECT coalesce(notification_id, 9223372036854775807), originator_id, originator_version, topic, state
FROM log.events ORDER BY notification_id, originator_id, originator_version
"""
_LEAVES: LiteralString = "SELECT number, hashes, positions FROM ledger.tiles WHERE level = 0 ORDER BY number"
_UPPER: LiteralString = "SELECT level, number, hashes FROM ledger.tiles WHERE level > 0"
_HEADS: LiteralString = "SELECT size, position, root, at, note FROM ledger.heads ORDER BY size"
# Some statements look at all of the log, and between them signatures are checked for as long.
_UNBOUNDED: LiteralString = (
    "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
)
_COUNT: LiteralString = "SELECT count(*) FROM log.events"
# Of each order, bank payment and case: versions from 1 on without gap, each at a later position.
_VERSIONS: LiteralString = """
SELECT notification_id, originator_id, originator_version, topic, due
FROM (SELECT notification_id, originator_id, originator_version, topic, row_number() OVER of_one AS due,
             lag(notification_id) OVER of_one AS before
      FROM log.events WINDOW of_one AS (PARTITION BY originator_id ORDER BY originator_version)) AS told
WHERE originator_version IS DISTINCT FROM due OR notification_id <= before
ORDER BY notification_id LIMIT %s
"""
_ANSWERS: LiteralString = """
SELECT position, order_id, command_id, recorded_at FROM log.commands WHERE position = ANY(%s)
"""

Progress = Callable[[int, int], None]
"""Is told how many events were compared, of how many. May raise to stop."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification has found."""

    events: int
    #: How many of them the last head covers that the log agrees with.
    covered: int
    heads: int
    agreed: int
    #: Heads of the database that another key has signed, and that tell of the same log: they prove nothing here.
    others: int
    fingerprint: str
    findings: tuple[Finding, ...]
    #: How many more events differ than are named.
    more: int

    @property
    def verified(self) -> bool:
        return not self.findings

    def by_some_heads(self) -> "Verdict":
        """Return the verdict of a collection of heads: it need not hold each of them, nor in order."""
        kept = (each for each in self.findings if each.kind not in {Kind.HEADS_CUT, Kind.HEADS_DISORDERED})
        return replace(self, findings=tuple(kept))

    @property
    def uncovered(self) -> int:
        """Events after the last head: a head follows within seconds while the service runs."""
        return self.events - self.covered


def verify(
    connection: Connection[Any],
    source: Source,
    key: Ed25519PublicKey,
    progress: Progress,
    patience: float = PATIENCE_SECONDS,
) -> Verdict:
    """Verify the log over one connection that no transaction is open on. Raises NoSource."""
    # Before the snapshot: it must hold all that these tell of.
    outside = kept_heads.read(source(), key, lambda: progress(0, 0))
    connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
    connection.set_read_only(True)
    with connection.transaction():
        connection.execute(_UNBOUNDED)
        inside = stored(connection)
        _wait_for_the_last(inside, outside, source, key, patience)
        return examine(connection, outside, inside, key, progress)


def examine(
    connection: Connection[Any],
    outside: Outside,
    inside: Sequence[Signed],
    key: Ed25519PublicKey,
    progress: Progress,
) -> Verdict:
    """Verify the log as the transaction sees it that is open on a connection, with the heads that this holds."""
    is_proven_outside = bool(outside.heads)
    findings = [
        *outside.findings,
        *kept_heads.held_against(outside, inside, key, lambda: progress(0, 0)),
    ]
    all_heads = [outside.heads[size][0] for size in sorted(outside.heads)]
    upper, others = _Upper(connection), _Others(outside.others)
    leaves = others.passing(upper.passing(_leaves(connection)))
    compared = named(walk(_rows(connection, progress), leaves, all_heads))
    told = [*_known(connection, compared.findings), *upper.findings, *_shape(connection)]
    findings += [kept_heads.forged(row) for row in others.wrong]
    if compared.events and not is_proven_outside:
        findings.append(Finding(Kind.NO_HEADS, "No head is kept outside that could prove anything."))
    return Verdict(
        events=compared.events,
        covered=compared.covered,
        heads=len(all_heads),
        agreed=compared.agreed,
        others=others.right,
        fingerprint=heads.fingerprint(key),
        findings=(*told, *findings),
        more=compared.more,
    )


def _wait_for_the_last(
    inside: Sequence[Signed], outside: Outside, source: Source, key: Ed25519PublicKey, patience: float
) -> None:
    """Wait until those heads are outside that were signed between two looks: the database has each a moment before."""
    sizes, end = {each.size for each in inside}, time.monotonic() + patience
    last = inside[-1] if inside else None
    while kept_heads.is_to_come(last, outside, key) and time.monotonic() < end:
        time.sleep(_AGAIN_SECONDS)
        added = kept_heads.read(source()[outside.length :], key)
        outside.length += added.length
        for size, kept in added.heads.items():
            if size in sizes:  # a later one tells of more than this snapshot holds
                outside.heads.setdefault(size, kept)


def stored(connection: Connection[Any]) -> list[Signed]:
    """Return the heads that the database holds, in order of their sizes."""
    with connection.cursor(row_factory=args_row(Signed)) as cursor:
        return cursor.execute(_HEADS).fetchall()


def _rows(connection: Connection[Any], progress: Progress) -> Iterator[Row]:
    with connection.cursor() as counting:
        [all_] = counting.execute(_COUNT).fetchone() or [0]
    with connection.cursor("audited_rows", row_factory=args_row(Row)) as cursor:
        cursor.execute(_ROWS, binary=True)
        done = 0
        while rows := cursor.fetchmany(_BATCH):
            yield from rows
            done += len(rows)
            progress(done, all_)


def _leaves(connection: Connection[Any]) -> Iterator[Leaf]:
    with connection.cursor("audited_leaves") as cursor:
        cursor.itersize = _BATCH // WIDTH
        for number, hashes, positions in cursor.execute(_LEAVES, binary=True):
            cut = [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)]
            for place, (position, hashed) in enumerate(zip(positions or (), cut, strict=False)):
                yield Leaf(number * WIDTH + place, position or 0, hashed)


class _Upper:
    """The tiles above the leaves: proofs are made of them, and each follows from what lies below."""

    def __init__(self, connection: Connection[Any]) -> None:
        with connection.cursor() as cursor:
            rows = cursor.execute(_UPPER, binary=True).fetchall()
        self._kept = {TileId(level, number): bytes(hashes) for level, number, hashes in rows}
        self._growing: defaultdict[int, Frontier] = defaultdict(Frontier)
        self._added: defaultdict[int, int] = defaultdict(int)
        self._wrong: list[TileId] = []

    def passing(self, leaves: Iterable[Leaf]) -> Iterator[Leaf]:
        """Yield leaves, and compare what is made of them with what is kept."""
        for leaf in leaves:
            self._add(0, leaf.hash)
            yield leaf

    def _add(self, level: int, hashed: bytes) -> None:
        tile = self._growing[level]
        tile.add(hashed)
        if tile.size == WIDTH:
            del self._growing[level]
            self._compare(level + 1, tile.root)
            self._add(level + 1, tile.root)

    def _compare(self, level: int, hashed: bytes) -> None:
        number, place = divmod(self._added[level], WIDTH)
        self._added[level] += 1
        tile, at = TileId(level, number), place * HASH_BYTES
        if self._kept.get(tile, b"")[at : at + HASH_BYTES] != hashed and tile not in self._wrong:
            self._wrong.append(tile)

    @property
    def findings(self) -> list[Finding]:
        longer = [each for each in sorted(self._kept) if each not in self._wrong and self._is_longer(each)]
        return [
            Finding(
                Kind.TILES,
                f"Tile {each.number} of level {each.level} of the ledger is not what its leaves make: proofs fail.",
            )
            for each in (*self._wrong, *longer)
        ]

    def _is_longer(self, tile: TileId) -> bool:
        """Tell whether a tile holds more than there is to hold: its keeper could never extend it."""
        return len(self._kept[tile]) > (self._added[tile.level] - tile.number * WIDTH) * HASH_BYTES


class _Others:
    """Heads that another key has signed: an earlier one of ours, or not.

    Without that key they prove nothing. But whether they tell of this log can be told, and no more is asked of them.
    """

    def __init__(self, rows: Sequence[Signed]) -> None:
        self._rows = {row.size: row for row in rows}
        self._last = max(self._rows, default=0)
        self.right = 0

    def passing(self, leaves: Iterable[Leaf]) -> Iterator[Leaf]:
        """Yield leaves, and compare the heads with what is made of them."""
        tree = Frontier()
        for leaf in leaves:
            if tree.size < self._last:
                tree.add(leaf.hash)
                self._compare(tree, leaf)
            yield leaf

    def _compare(self, tree: Frontier, leaf: Leaf) -> None:
        row = self._rows.get(tree.size)
        if row is not None and (row.root, row.position) == (tree.root, leaf.position):
            del self._rows[tree.size]
            self.right += 1

    @property
    def wrong(self) -> list[Signed]:
        """Those that tell of another log."""
        return list(self._rows.values())


def _shape(connection: Connection[Any]) -> list[Finding]:
    """Tell where the table can't be a log, whatever was signed."""
    with connection.cursor() as cursor:
        rows = cursor.execute(_VERSIONS, (KEPT,)).fetchall()
    return [
        Finding(
            Kind.VERSIONS,
            f"Version {version} of {order_id} {_out_of_order(version, due)}.",
            position,
            order_id=order_id,
            version=version,
            topic=topic,
        )
        for position, order_id, version, topic, due in rows
    ]


def _out_of_order(version: int, due: int) -> str:
    return "stands before the one before it" if version == due else f"stands where {due} must be"


def _known(connection: Connection[Any], findings: Sequence[Finding]) -> list[Finding]:
    """Add to removed events what is known of them by the answers that were given for them."""
    removed = [each.position for each in findings if each.kind is Kind.REMOVED and each.until is None]
    with connection.cursor() as cursor:
        rows = cursor.execute(_ANSWERS, (removed[:_RECALLED],)).fetchall() if removed else []
    answers = {position: known for position, *known in rows}
    return [_with_answer(each, answers.get(each.position or 0)) for each in findings]


def _with_answer(finding: Finding, answer: Sequence[Any] | None) -> Finding:
    if finding.kind is not Kind.REMOVED or answer is None:
        return finding
    order_id, command_id, at = answer
    told = (
        f"{finding.told} Command {command_id} of {order_id} was answered with it at {at:%Y-%m-%d %H:%M:%S%z}."
    )
    return replace(finding, order_id=order_id, told=told)
