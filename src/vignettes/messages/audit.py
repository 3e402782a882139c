"""Auditing, by request/reply. It changes nothing; every question is itself put on record before it is answered.

Nothing personal is in any answer: what is under a key is shown as `{"sealed": true}`, and null once it was erased.
"""

from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, Field, model_validator

from vignettes.messages.answers import Answer
from vignettes.messages.forms import Instant, Line, Message, wrong

Limit = Annotated[int, Field(ge=1, le=1000)]


class Look(Message):
    """What every look must carry: who looks."""

    subject: ClassVar[str]

    actor: Line


class FindAudited(Look):
    """Orders by what somebody has in hand, at most 20.

    An order's number or id, its variable symbol or RF reference, the first digits (4 at least) of its number, the id
    of a command, or the authority's number of the vignette.
    """

    subject = "audit.v1.find"

    query: Line


class AskAuditedHistory(Look):
    """A history as a story, the state that it had made by a time or a version, and what differs from now.

    Of an order; of a bank payment or a case as well, by their ids.
    """

    subject = "audit.v1.history"

    order_id: UUID
    until: Instant | None = None
    version: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.until is not None and self.version is not None:
            raise wrong("version", "takes until or version, not both")
        return self


class ProveHistory(Look):
    """The proof of each event of a history by the last signed head, and whether it holds."""

    subject = "audit.v1.prove"

    order_id: UUID


class ExportBundle(Look):
    """A history with its proofs, to be checked anywhere; waits some seconds for a head that covers it."""

    subject = "audit.v1.export"

    order_id: UUID


class AskHeads(Look):
    """The last signed heads, the newest first."""

    subject = "audit.v1.heads"

    limit: Limit = 50


class VerifyLog(Look):
    """Compare the whole log with all heads outside. `unavailable` tells how far it has come: ask again."""

    subject = "audit.v1.verify"


class AskLooks(Look):
    """The last looks, the newest first; or those at one history."""

    subject = "audit.v1.looks"

    limit: Limit = 50
    order_id: UUID | None = None


# ------------------------------------------------------------------ answers


class AuditedOrder(Answer):
    """An order that was found."""

    order_id: UUID
    order_number: str
    product: str
    status: str
    placed_at: AwareDatetime


class AuditedOrders(Answer):
    """The orders that fit, the newest first."""

    ok: Literal[True] = True
    orders: list[AuditedOrder]


class AuditedEvent(Answer):
    """One event with who asked for it, what it says, and which leaf of the ledger it is (null: none yet)."""

    position: int
    version: int
    type: str
    recorded_at: AwareDatetime
    actor: str
    command_id: UUID | None
    correlation_id: UUID | None
    data: dict[str, Any]
    leaf_index: int | None
    sentence: str


class Differing(Answer):
    """A field of the state that is not as it was."""

    field: str
    then: Any
    now: Any


class ProvenBy(Answer):
    """The head that proves every event of a history."""

    size: int
    position: int
    at: AwareDatetime


class AuditedHistory(Answer):
    """The events until then, the state that they had made, the state of now, and what differs.

    `proven` is null while some event of the whole history is not proven by the last head.
    """

    ok: Literal[True] = True
    order_id: UUID
    order_number: str | None
    kind: Literal["order", "bank_payment", "support_case"]
    events: list[AuditedEvent]
    #: Of the whole history.
    versions: int
    state: dict[str, Any]
    state_now: dict[str, Any]
    differs: list[Differing]
    proven: ProvenBy | None


class ProofShown(Answer):
    """Whether one event is proven."""

    position: int
    leaf_index: int | None
    verified: bool


class HeadShown(Answer):
    """A signed head; only its note is signed. `root` is in base64."""

    size: int
    position: int
    root: str
    at: AwareDatetime
    note: str


class HistoryProven(Answer):
    """The proofs of a history by one head, and why it is not proven where it is not."""

    ok: Literal[True] = True
    events: list[ProofShown]
    head: HeadShown | None
    verified: bool
    reason: str | None


class BundleGiven(Answer):
    """A bundle: `vignettes audit check` checks it, and docs/auditing.md tells its form."""

    ok: Literal[True] = True
    bundle: dict[str, Any]


class Heads(Answer):
    """Signed heads, and the fingerprint of the key that they are checked with."""

    ok: Literal[True] = True
    origin: str
    fingerprint: str
    heads: list[HeadShown]


class FindingShown(Answer):
    """What is wrong, in a sentence; and where, as far as that can be told."""

    kind: str
    told: str
    position: int | None
    until: int | None
    index: int | None
    belongs_at: int | None
    order_id: UUID | None
    version: int | None
    topic: str | None
    head: int | None


class LogVerified(Answer):
    """What a comparison of the log with all heads has found: `verified` where nothing is wrong.

    `size` events were compared, the first `covered` of them with heads; `more` differ beyond those that are named.
    """

    ok: Literal[True] = True
    verified: bool
    size: int
    covered: int
    heads: int
    fingerprint: str
    findings: list[FindingShown]
    more: int
    began_at: AwareDatetime


class LookShown(Answer):
    """Who has looked at what, and when."""

    id: int
    looked_at: AwareDatetime
    actor: str
    what: str
    order_id: UUID | None
    details: dict[str, Any]


class Looks(Answer):
    """Looks, the newest first."""

    ok: Literal[True] = True
    looks: list[LookShown]


REPLY_OF_LOOK: dict[type[Message], type[Answer]] = {
    FindAudited: AuditedOrders,
    AskAuditedHistory: AuditedHistory,
    ProveHistory: HistoryProven,
    ExportBundle: BundleGiven,
    AskHeads: Heads,
    VerifyLog: LogVerified,
    AskLooks: Looks,
}
