"""The ledger, reckoned anew over the bytes of the log: a Merkle tree (RFC 9162) with the leaves of docs/auditing.md."""

from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from checker.findings import WRONG, Verdict
from checker.record import Event, Record

_TILE = 256


def check(record: Record, verdict: Verdict) -> None:
    """Hold every leaf of the ledger, and the root of every head, against the log as it is."""
    hashes = [_leaf(event) for event in record.events]
    verdict.look("leaves", min(len(hashes), sum(len(tile["hashes"]) // 32 for tile in _leaves_of(record))))
    for tile in _leaves_of(record):
        for place, position in enumerate(tile["positions"]):
            number = tile["number"] * _TILE + place
            kept = bytes(tile["hashes"][place * 32 : place * 32 + 32])
            if number >= len(hashes) or hashes[number] != kept:
                source = record.events[number].source if number < len(record.events) else ""
                verdict.find(WRONG, "an event is not what the ledger has kept of it", source, position)
                return  # all that follows has moved, too
    _heads(record, hashes, verdict)


def _heads(record: Record, hashes: list[bytes], verdict: Verdict) -> None:
    for head in record.heads:
        verdict.look("heads")
        size = head["size"]
        if size > len(hashes):
            verdict.find(
                WRONG, f"a head tells of {size} events, there are {len(hashes)}", "", head["position"]
            )
        elif _root(hashes[:size]) != bytes(head["root"]):
            verdict.find(WRONG, f"the log does not hash to the head of {size}", "", head["position"])


def _leaves_of(record: Record) -> list[dict]:
    return [tile for tile in record.tiles if tile["level"] == 0]


def _leaf(event: Event) -> bytes:
    topic = event.topic.encode()
    head = event.position.to_bytes(8, "big") + UUID(event.source).bytes + event.version.to_bytes(8, "big")
    return sha256(b"\0" + head + len(topic).to_bytes(4, "big") + topic + event.state).digest()


def _root(hashes: Sequence[bytes]) -> bytes:
    """Return the root: a tree of n leaves is split at the largest power of two below n."""
    level = list(hashes)
    while len(level) > 1:
        paired = [
            sha256(b"\1" + one + other).digest() for one, other in zip(level[::2], level[1::2], strict=False)
        ]
        level = paired + level[len(paired) * 2 :]  # a last one without a pair goes up as it is
    return level[0]
