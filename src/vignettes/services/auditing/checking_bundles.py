"""Checks a bundle with nothing but a public key: no server, no settings, no network."""

import hmac
import json
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pydantic import ValidationError

from vignettes.domain.order import Order
from vignettes.eventstore import heads
from vignettes.eventstore.codec import Recorded, UnknownEvent, UnreadableEvent
from vignettes.eventstore.heads import ForgedHead, Head, WrongLedgerKey
from vignettes.eventstore.ledger import hash_of
from vignettes.eventstore.merkle import root_by_inclusion
from vignettes.eventstore.orders import order_id_of
from vignettes.services.auditing import bundles, sealed
from vignettes.services.auditing.bundles import Bundle, BundledEvent


class NoBundle(Exception):
    """This is no bundle."""


@dataclass(slots=True)
class Checked:
    """What a check has come to. Without problems, every event is proven by the head."""

    bundle: Bundle
    head: Head | None = None
    events: list[Recorded] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        return not self.problems


def check(data: bytes, key: Ed25519PublicKey | None, fingerprint: str | None) -> Checked:
    """Check a bundle against a public key, or the one that it brings along, whose fingerprint is known.

    Raises NoBundle for what is none.
    """
    bundle, told = _read(data)
    checked = Checked(bundle)
    checked.problems += _damage(bundle, told)
    trusted = _key(bundle, key, fingerprint, checked.problems)
    if trusted is not None:
        checked.head = _head(bundle, trusted, checked.problems)
    if checked.head is not None:
        checked.problems += _unproven(bundle, checked.head)
    checked.problems += _gaps(bundle.events)
    checked.events = _events(bundle, checked.problems)
    if checked.events:
        checked.problems += _content(bundle, checked.events)
    return checked


def _read(data: bytes) -> tuple[Bundle, dict[str, Any]]:
    try:
        told = json.loads(data, object_pairs_hook=_each_once)
        return Bundle.model_validate_json(data), told
    except ValidationError as error:
        where = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, where["loc"]))
        raise NoBundle(f"{NoBundle.__doc__} {place or 'All of it'}: {where['msg']}.") from None
    except (ValueError, RecursionError) as error:
        raise NoBundle(f"{NoBundle.__doc__} {error}") from None


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("A name stands in it twice.")
    return dict(pairs)


def _damage(bundle: Bundle, told: dict[str, Any]) -> Iterator[str]:
    if not hmac.compare_digest(bundles.digest_of(told), bundle.digest):
        yield "It was damaged or changed after it was exported: its digest is another."


def _key(
    bundle: Bundle, key: Ed25519PublicKey | None, fingerprint: str | None, problems: list[str]
) -> Ed25519PublicKey | None:
    """Return the key to check with, if it can be trusted: ours, or the bundle's with the fingerprint we know."""
    try:
        brought = heads.read_public(bundle.key.pem)
    except WrongLedgerKey as error:
        problems.append(f"The key in it can't be read: {error}")
        return key
    if heads.fingerprint(brought) != bundle.key.fingerprint:
        problems.append("The fingerprint in it is not that of the key in it.")
    if key is not None and heads.fingerprint(key) != heads.fingerprint(brought):
        problems.append("It was exported for another key than this one.")
    if key is None and heads.fingerprint(brought) != fingerprint:
        problems.append(f"The key in it is not the one of fingerprint {fingerprint}.")
        return None
    return key or brought


def _head(bundle: Bundle, key: Ed25519PublicKey, problems: list[str]) -> Head | None:
    try:
        return heads.opened(bundle.head, key)
    except ForgedHead:
        problems.append("Its head was not signed by the key.")
        return None


def _unproven(bundle: Bundle, head: Head) -> Iterator[str]:
    for row, event in zip(bundle.rows(), bundle.events, strict=True):
        try:
            root = root_by_inclusion(event.index, head.size, hash_of(row), event.proof)
        except (ValueError, struct.error) as error:
            yield f"Version {event.version}: {error}"
            continue
        if root != head.root:
            yield f"Version {event.version} at position {event.position} is not in the log that was signed."


def _gaps(events: Sequence[BundledEvent]) -> Iterator[str]:
    for due, event in enumerate(events, start=1):
        if event.version != due:
            yield f"Version {event.version} stands where {due} must be."
    for before, event in pairwise(events):
        if event.position <= before.position or event.index <= before.index:
            yield f"Version {event.version} lies before version {before.version} in the log."


def _events(bundle: Bundle, problems: list[str]) -> list[Recorded]:
    try:
        return sealed.read(bundle.rows())
    except (UnknownEvent, UnreadableEvent) as error:
        problems.append(f"An event can't be read: {error}")
        return []


def _content(bundle: Bundle, events: Sequence[Recorded]) -> Iterator[str]:
    """Tell what does not follow from the events: whose they are, and the columns that they give."""
    try:
        kept = sealed.fold(events)
        fold = bundles.fold_of(events, bundle.row)
    except Exception as error:  # noqa: BLE001  # whatever the domain makes of a history that never was
        yield f"The events do not follow from one another: {type(error).__name__}."
        return
    if bundles.about(kept) != bundle.about.model_dump(mode="json"):
        yield "It tells of another order than its events do."
    if isinstance(kept, Order) and order_id_of(kept.number) != kept.id:
        yield "The order's number is not that of its id."
    if fold != bundle.fold:
        yield "The columns in it are not those that its events give."
    if bundles.differing(bundle.row, fold) != bundle.differs:
        yield "It does not tell rightly where the view's row differs."
    elif bundle.differs:
        yield f"The view's row is not what the events say: {', '.join(bundle.differs)}."
