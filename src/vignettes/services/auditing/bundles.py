"""Bundles: one history with its proofs, in one JSON file that is checked anywhere, with nothing but the public key.

    {"form": "vignettes-audit-bundle/1",
     "exported_at": time, "code_version": of the program that exported it,
     "about": {"kind": "order" | "bank_payment" | "support_case", "id": uuid, "number": text or null},
     "events": [{"position", "version", "topic", "state": base64 of the stored bytes,
                 "index": of the leaf, "proof": [base64 hashes, from the leaf upwards]}, ...],
     "head": the signed note that all proofs lead to, "key": {"fingerprint", "pem"},
     "row": the row of read.order_status less what is personal, null where there is none,
     "fold": the same columns as they follow from those of the events that the row knows,
     "differs": the columns in which these two differ, null without a row,
     "digest": SHA-256 of all the rest}

`digest` is over the rest as JSON with sorted keys, without white space, in UTF-8; it guards against damage, and whoever
forges a bundle can make another. What is proven is what the head binds: the events, their order and their places.
That there were no later events is not: a bundle tells how things stood at some version. Texts under keys stay sealed.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, TypeAdapter

from vignettes.domain.errors import DomainError
from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.eventstore import heads
from vignettes.eventstore.codec import Kept, Recorded
from vignettes.eventstore.ledger import Row
from vignettes.eventstore.upcasting import IN_THE_CLEAR
from vignettes.projections import order_status
from vignettes.services.auditing import sealed
from vignettes.services.auditing.proving import Proven, ProvenEvent

FORM: Final = "vignettes-audit-bundle/1"
_JSON: TypeAdapter[Any] = TypeAdapter(Any)


class WrittenInTheClear(DomainError):
    """Its first events hold personal data in the clear, from before there were keys: no bundle may carry them away."""

    code = "conflict"


class NotProven(DomainError):
    """A bundle needs a proof for each event."""

    code = "unavailable"


def _decoded(text: object) -> object:
    return base64.b64decode(text, validate=True) if isinstance(text, str) else text


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


#: Bytes as base64.
Base64 = Annotated[bytes, BeforeValidator(_decoded), PlainSerializer(_text)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class About(_Part):
    """Whose history it is."""

    kind: Literal["order", "bank_payment", "support_case"]
    id: UUID
    number: str | None


class BundledEvent(_Part):
    """One event as it is stored, and the proof that it is in the log at this place."""

    position: int
    version: int
    topic: str
    state: Base64
    index: int
    proof: list[Base64]


class BundledKey(_Part):
    """The public key that the head was signed with, and its fingerprint."""

    fingerprint: str
    pem: str


class Bundle(_Part):
    """One history with its proofs."""

    form: Literal["vignettes-audit-bundle/1"]
    exported_at: datetime
    code_version: str
    about: About
    events: Annotated[list[BundledEvent], Field(min_length=1)]
    head: str
    key: BundledKey
    row: dict[str, Any] | None
    fold: dict[str, Any] | None
    differs: list[str] | None
    digest: str

    def rows(self) -> list[Row]:
        """Return the events as rows of the log."""
        return [
            Row(each.position, self.about.id, each.version, each.topic, each.state) for each in self.events
        ]


def made(proven: Proven, pem: str, row: Mapping[str, Any] | None, exported_at: datetime) -> dict[str, Any]:
    """Return a bundle as JSON. Raises WrittenInTheClear, and NotProven while some event is not."""
    rows = [each.row for each in proven.events]
    if any(each.topic in IN_THE_CLEAR for each in rows):
        raise WrittenInTheClear
    if proven.reason:
        raise NotProven(proven.reason)
    events = sealed.read(rows)
    told = shown_row(row) if row is not None else None
    fold = fold_of(events, told)
    bundle = {
        "form": FORM,
        "exported_at": exported_at.astimezone(UTC).isoformat(),
        "code_version": version("vignettes"),
        "about": about(sealed.fold(events)),
        "events": [_event(each) for each in proven.events],
        "head": proven.note,
        "key": {"fingerprint": heads.fingerprint(heads.read_public(pem)), "pem": pem},
        "row": told,
        "fold": fold,
        "differs": differing(told, fold),
    }
    return {**bundle, "digest": digest_of(bundle)}


def _event(proven: ProvenEvent) -> dict[str, Any]:
    row = proven.row
    return {
        "position": row.position,
        "version": row.version,
        "topic": row.topic,
        "state": _text(row.state),
        "index": proven.leaf,
        "proof": [_text(each) for each in proven.proof or ()],
    }


def about(kept: Kept | None) -> dict[str, Any]:
    """Return whose history it is, as a bundle tells it."""
    if isinstance(kept, Order):
        return {"kind": "order", "id": str(kept.id), "number": kept.number}
    if isinstance(kept, BankPayment):
        return {"kind": "bank_payment", "id": str(kept.id), "number": None}
    assert kept is not None  # noqa: S101  # who asks has events; for the type only
    return {"kind": "support_case", "id": str(kept.id), "number": kept.number}


def shown_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of read.order_status less what is personal, as JSON that is the same however it was read."""
    told = {name: _in_utc(value) for name, value in row.items() if name not in order_status.SEALED}
    shown: dict[str, Any] = _JSON.dump_python(told, mode="json")
    return shown


def _in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def fold_of(events: Iterable[Recorded], row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return what the row must be by those events that it knows, or by all; None for what is no order's."""
    known = [each for each in events if row is None or each.position <= row["position"]]
    order = sealed.fold(known)
    return shown_row(order_status.row(order, known[-1].position)) if isinstance(order, Order) else None


def differing(row: Mapping[str, Any] | None, fold: Mapping[str, Any] | None) -> list[str] | None:
    """Return the columns that are not what the events say; None where there is no row."""
    if row is None:
        return None
    expected = fold or {}
    columns = row.keys() | expected.keys()
    return sorted(each for each in columns if row.get(each) != expected.get(each))


def digest_of(bundle: Mapping[str, Any]) -> str:
    """Return the digest of a bundle, whatever digest it carries."""
    rest = {name: value for name, value in bundle.items() if name != "digest"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
