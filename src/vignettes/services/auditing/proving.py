"""Proves the history of one order, or of what else the log tells of, against the newest signed head."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg.rows import args_row

from vignettes.eventstore import heads, ledger
from vignettes.eventstore.heads import ForgedHead, Head
from vignettes.eventstore.ledger import MissingTile, Row, TileNodes
from vignettes.eventstore.merkle import inclusion_proof, root_by_inclusion
from vignettes.services.auditing.comparing import leaf_hash_of
from vignettes.services.auditing.keeping import tiles

_NEWEST = "SELECT note FROM ledger.heads ORDER BY size DESC LIMIT 1"
_ROWS = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events
WHERE originator_id = %s ORDER BY originator_version
"""


_FORGED = "The newest head that the database holds was not signed by the ledger's key."


class ProvenEvent(NamedTuple):
    """One event as it is stored, and its way to the root; leaf and proof are None while no head covers it."""

    row: Row
    leaf: int | None
    proof: Sequence[bytes] | None
    verified: bool


class Proven(NamedTuple):
    """A history, and the head that it was held against.

    Without a head its note is None where none was signed yet, and else one that the key did not sign.
    """

    events: Sequence[ProvenEvent]
    note: str | None
    head: Head | None

    @property
    def verified(self) -> bool:
        """Whether every event is where the head says, with the bytes that it had then."""
        return all(event.verified for event in self.events)

    @property
    def reason(self) -> str | None:
        """Why not every event is proven: a head is still to come, or something was tampered with."""
        if self.note is None or self.head is None:
            return "No head has been signed yet." if self.note is None else _FORGED
        left = [event.row.position for event in self.events if not event.verified]
        if not left:
            return None
        positions = ", ".join(map(str, left))
        if all(each > self.head.position for each in left):
            return f"No head covers positions {positions} yet: the newest ends at {self.head.position}."
        return f"Positions {positions} are not what the newest head was signed of: verify the log."


async def proven(connection: AsyncConnection, order_id: UUID, key: Ed25519PublicKey) -> Proven:
    """Return the events of one order, each with its proof.

    The head is read first: what comes later is not covered by it, and nothing that it covers can be missing below.
    """
    newest = await (await connection.execute(_NEWEST, prepare=True)).fetchone()
    async with connection.cursor(row_factory=args_row(Row)) as cursor:
        await cursor.execute(_ROWS, (order_id,), prepare=True)
        rows = await cursor.fetchall()
    note, head = _opened(newest, key)
    if head is None:
        return Proven([ProvenEvent(row, None, None, verified=False) for row in rows], note, None)
    indices = {
        position: index
        for position, index in (await indices_of(connection, [row.position for row in rows])).items()
        if index < head.size
    }
    found = await tiles(connection, ledger.tiles_for(indices.values(), head.size))
    nodes = TileNodes(found)
    return Proven([_proven(row, indices.get(row.position), head, nodes) for row in rows], note, head)


async def indices_of(connection: AsyncConnection, positions: Sequence[int]) -> dict[int, int]:
    """Return which leaf the event at each position is; one that the ledger does not hold is left out."""
    cursor = await connection.execute(ledger.SELECT_INDICES, (list(positions),), prepare=True)
    return {
        position: ledger.index_of(number, within, position)
        for position, number, within in await cursor.fetchall()
    }


def _opened(newest: tuple[str] | None, key: Ed25519PublicKey) -> tuple[str | None, Head | None]:
    if newest is None:
        return None, None
    try:
        return newest[0], heads.opened(newest[0], key)
    except ForgedHead:
        return newest[0], None


def _proven(row: Row, index: int | None, head: Head, nodes: TileNodes) -> ProvenEvent:
    if index is None:
        return ProvenEvent(row, None, None, verified=False)
    try:
        proof = inclusion_proof(index, head.size, nodes)
    except MissingTile:
        return ProvenEvent(row, index, None, verified=False)
    root = root_by_inclusion(index, head.size, leaf_hash_of(row), proof)
    return ProvenEvent(row, index, proof, verified=root == head.root)
