"""Tells a history: its events as sentences, how things stood at some moment, and what differs from now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg.sql import SQL, Identifier

from vignettes.domain.errors import DomainError
from vignettes.domain.order import Order
from vignettes.eventstore import heads
from vignettes.eventstore.codec import Recorded, UnknownEvent, UnreadableEvent
from vignettes.messages import audit
from vignettes.projections import order_status
from vignettes.services.auditing import bundles, sealed
from vignettes.services.auditing.proving import Proven, ProvenEvent, proven
from vignettes.services.auditing.sentences import sentence

_ROW: LiteralString = "SELECT {columns} FROM read.order_status WHERE order_id = %s"


class HistoryNotFound(DomainError):
    """There is no such order, bank payment or case."""

    code = "not_found"


class UnreadableHistory(DomainError):
    """An event of it can't be read: it was tampered with, or written by a later release. Verify the log."""

    code = "conflict"


@dataclass(frozen=True, slots=True)
class Story:
    """A history, with a proof for each event."""

    events: Sequence[Recorded]
    proven: Proven


async def read(connection: AsyncConnection, order_id: UUID, key: Ed25519PublicKey) -> Story:
    """Read a history. Raises HistoryNotFound or UnreadableHistory."""
    found = await proven(connection, order_id, key)
    if not found.events:
        raise HistoryNotFound(field="order_id")
    try:
        return Story(sealed.read(each.row for each in found.events), found)
    except (UnknownEvent, UnreadableEvent) as error:
        raise UnreadableHistory(str(error)) from None


def told(story: Story, until: datetime | None, version: int | None) -> audit.AuditedHistory:
    """Tell a history until a time or a version."""
    erased = sealed.erased_by(story.events)
    then = [each for each in story.events if _is_by(each, until, version)]
    kept, before = _folded(story.events), _folded(then)
    now = sealed.state_of(kept, erased)
    state = sealed.state_of(before, erased) if then else {}
    differs = [
        audit.Differing(field=field, then=was, now=is_) for field, was, is_ in sealed.differing(state, now)
    ]
    about = bundles.about(kept)
    return audit.AuditedHistory(
        order_id=kept.id,
        order_number=about["number"],
        kind=about["kind"],
        events=[_event(*each, erased) for each in zip(then, story.proven.events, strict=False)],
        versions=len(story.events),
        state=state,
        state_now=now,
        differs=differs,
        proven=_head(story.proven),
    )


def _is_by(event: Recorded, until: datetime | None, version: int | None) -> bool:
    return (until is None or event.recorded_at <= until) and (version is None or event.version <= version)


def _folded(events: Sequence[Recorded]) -> Any:
    try:
        return sealed.fold(events)
    except Exception as error:
        raise UnreadableHistory(
            f"Its events do not follow from one another: {type(error).__name__}."
        ) from error


def _event(event: Recorded, proof: ProvenEvent, erased: frozenset[Any]) -> audit.AuditedEvent:
    return audit.AuditedEvent(
        position=event.position,
        version=event.version,
        type=event.type,
        recorded_at=event.recorded_at,
        actor=event.envelope.actor,
        command_id=event.envelope.command_id,
        correlation_id=event.envelope.correlation_id,
        data=sealed.said(event, erased),
        leaf_index=proof.leaf,
        sentence=sentence(event),
    )


def _head(found: Proven) -> audit.ProvenBy | None:
    head = found.head
    if head is None or not found.verified:
        return None
    return audit.ProvenBy(size=head.size, position=head.position, at=head.at)


async def row_of(connection: AsyncConnection, story: Story) -> dict[str, Any] | None:
    """Return the row of read.order_status less what is personal; None where there is none."""
    order = _folded(story.events)
    if not isinstance(order, Order):
        return None
    names = [name for name in order_status.row(order, 0) if name not in order_status.SEALED]
    query = SQL(_ROW).format(columns=SQL(", ").join(map(Identifier, names)))
    async with connection.cursor(row_factory=dict_row) as cursor:
        await cursor.execute(query, (order.id,), prepare=False)
        return await cursor.fetchone()


async def bundle(
    connection: AsyncConnection, story: Story, key: Ed25519PublicKey, exported_at: datetime
) -> Mapping[str, Any]:
    """Return a bundle. Raises NotProven while some event is not."""
    row = await row_of(connection, story)
    return bundles.made(story.proven, heads.public_pem(key), row, exported_at)
