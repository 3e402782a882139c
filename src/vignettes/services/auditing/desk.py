"""The auditors' desk: finds, tells and proves histories, verifies the log. It changes nothing, and holds no keys.

Every question is put on record before it is answered.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel
from pydantic_core import to_json

from vignettes.domain.errors import DomainError
from vignettes.eventstore import heads
from vignettes.messages import audit, replies
from vignettes.services.auditing import looking, seeking, stories
from vignettes.services.auditing.giving import exported, heads_of, shown
from vignettes.services.auditing.proving import Proven, proven
from vignettes.services.auditing.stories import HistoryNotFound
from vignettes.services.auditing.verification import Verification
from vignettes.services.edge import Endpoints

QUEUE: Final = "audit"
#: How long an export waits for a head at most, whoever asks waits as well.
_LONGEST_WAIT = 20.0
#: In bytes: a message of NATS may have 1 MB, with its headers (`max_payload`).
_LONGEST_REPLY = 1_000_000


class TooLong(DomainError):
    """It is longer than a message may be: take it with `vignettes audit export`, or `vignettes audit history`."""

    code = "conflict"


class AuditDesk:
    """Answers the subjects of auditing, as `vignettes_auditor`."""

    def __init__(
        self,
        pool: AsyncConnectionPool,
        key: Ed25519PublicKey,
        origin: str,
        verification: Verification,
        head_seconds: float,
    ) -> None:
        """Take a pool, the key that heads are checked with, and how soon after an event there is one."""
        self._pool = pool
        self._key = key
        self._origin = origin
        self._verification = verification
        self._patience = min(head_seconds + 5.0, _LONGEST_WAIT)

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subjects."""
        for request, handle in (
            (audit.FindAudited, self._find),
            (audit.AskAuditedHistory, self._history),
            (audit.ProveHistory, self._prove),
            (audit.ExportBundle, self._export),
            (audit.AskHeads, self._heads),
            (audit.VerifyLog, self._verify),
            (audit.AskLooks, self._looks),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _find(self, asked: audit.FindAudited, _: UUID | None) -> BaseModel:
        wanted = seeking.understood(asked.query)
        async with self._looking(asked, "find", None, by=wanted.kind, query=wanted.kept) as connection:
            found = await seeking.orders(connection, wanted)
        return audit.AuditedOrders(orders=[audit.AuditedOrder(**each) for each in found])

    async def _history(self, asked: audit.AskAuditedHistory, _: UUID | None) -> BaseModel:
        until = asked.until.isoformat() if asked.until else None
        async with self._looking(
            asked, "history", asked.order_id, until=until, version=asked.version
        ) as connection:
            story = await stories.read(connection, asked.order_id, self._key)
        return _fitting(stories.told(story, asked.until, asked.version))

    async def _prove(self, asked: audit.ProveHistory, _: UUID | None) -> BaseModel:
        async with self._looking(asked, "prove", asked.order_id) as connection:
            found = await proven(connection, asked.order_id, self._key)
        if not found.events:
            raise HistoryNotFound(field="order_id")
        return _proof(found)

    async def _export(self, asked: audit.ExportBundle, _: UUID | None) -> BaseModel:
        async with self._looking(asked, "export", asked.order_id):
            pass
        bundle = await exported(self._pool.connection, asked.order_id, self._key, self._patience)
        return _fitting(audit.BundleGiven(bundle=bundle))

    async def _heads(self, asked: audit.AskHeads, _: UUID | None) -> BaseModel:
        async with self._looking(asked, "heads", None, limit=asked.limit) as connection:
            found = await heads_of(connection, asked.limit)
        return audit.Heads(origin=self._origin, fingerprint=heads.fingerprint(self._key), heads=found)

    async def _verify(self, asked: audit.VerifyLog, _: UUID | None) -> BaseModel:
        async with self._looking(asked, "verify", None):
            pass
        began_at, verdict = await self._verification.verdict()
        return audit.LogVerified(
            verified=verdict.verified,
            size=verdict.events,
            covered=verdict.covered,
            heads=verdict.heads,
            fingerprint=verdict.fingerprint,
            findings=[audit.FindingShown(**asdict(each)) for each in verdict.findings],
            more=verdict.more,
            began_at=began_at,
        )

    async def _looks(self, asked: audit.AskLooks, _: UUID | None) -> BaseModel:
        async with self._looking(asked, "looks", asked.order_id, limit=asked.limit) as connection:
            found = await looking.looks(connection, asked.limit, asked.order_id)
        return audit.Looks(looks=[audit.LookShown(**each) for each in found])

    @asynccontextmanager
    async def _looking(
        self, asked: audit.Look, what: str, order_id: UUID | None, **details: Any
    ) -> AsyncIterator[AsyncConnection]:
        """Give a connection once the look is on record."""
        async with self._pool.connection() as connection:
            await looking.note(connection, asked.actor, what, order_id, **details)
            yield connection


def _fitting(reply: BaseModel) -> BaseModel:
    """Return a reply that a message can carry. Raises TooLong."""
    if len(to_json(reply)) > _LONGEST_REPLY:
        raise TooLong
    return reply


def _proof(found: Proven) -> audit.HistoryProven:
    return audit.HistoryProven(
        events=[
            audit.ProofShown(position=each.row.position, leaf_index=each.leaf, verified=each.verified)
            for each in found.events
        ],
        head=shown(found.head, found.note) if found.head and found.note else None,
        verified=found.verified,
        reason=found.reason,
    )
