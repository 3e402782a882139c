"""What is wrong with a log, its ledger or its heads, and where: in words, and for programs."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID


class Kind(StrEnum):
    """What was found."""

    # Proven by a head that was kept outside, event by event.
    CHANGED = "changed"
    REMOVED = "removed"
    INSERTED = "inserted"
    REORDERED = "reordered"
    #: The ledger was rewritten along with the log: it happened somewhere between two heads.
    REWRITTEN = "rewritten"
    #: Log and ledger contradict each other where no head covers them yet.
    UNSIGNED = "unsigned"
    # What the table itself can't be.
    VERSIONS = "versions"
    POSITIONS = "positions"
    # The ledger's own.
    TILES = "tiles"
    # Heads: outside, and those that the database holds.
    NO_HEADS = "no_heads"
    HEAD_FORGED = "head_forged"
    HEADS_DISORDERED = "heads_disordered"
    HEADS_CONTRADICT = "heads_contradict"
    HEADS_CUT = "heads_cut"
    STORED_HEAD_FORGED = "stored_head_forged"
    STORED_HEAD_CHANGED = "stored_head_changed"
    STORED_HEAD_REMOVED = "stored_head_removed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong. What is not known of it is None."""

    kind: Kind
    told: str
    #: In the log; `until` is the last of several, where they can't be told apart.
    position: int | None = None
    until: int | None = None
    #: The leaf of the ledger.
    index: int | None = None
    #: Of a reordered event: the position that it was recorded at.
    belongs_at: int | None = None
    order_id: UUID | None = None
    version: int | None = None
    topic: str | None = None
    #: The size of the head that it is about.
    head: int | None = None
