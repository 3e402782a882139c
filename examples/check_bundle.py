"""Checks an audit bundle without a line of Vignettes: the file, the ledger's public key, and published standards.

    python examples/check_bundle.py bundle.json ledger.pub

It needs cryptography alone. What it proves: each event is, byte for byte, in the log whose head the key has signed, at
the place that the bundle says, and they are versions 1 to n of one history. docs/auditing.md tells the forms.
"""

import base64
import hashlib
import json
import struct
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

NOTHING_ELSE_IN_A_BUNDLE = {
    *(
        "form",
        "exported_at",
        "code_version",
        "about",
        "events",
        "head",
        "key",
        "row",
        "fold",
        "differs",
        "digest",
    )
}


class Broken(Exception):
    """The bundle does not prove what it says."""


def head_of(note: str, key: Ed25519PublicKey) -> tuple[int, bytes]:
    """Return size and root of a checkpoint that the key has signed (C2SP signed-note, tlog-checkpoint)."""
    text, _, signatures = note.rpartition("\n\n")
    text += "\n"
    origin, size, root, *_ = text.split("\n")
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    key_id = hashlib.sha256(origin.encode() + b"\n\x01" + raw).digest()[:4]
    for line in signatures.splitlines():
        dash, name, signature = line.split(" ")
        signed = base64.b64decode(signature)
        if (dash, name, signed[:4]) == ("\N{EM DASH}", origin, key_id):
            try:
                key.verify(signed[4:], text.encode())
            except InvalidSignature:
                raise Broken("The head was not signed by this key.") from None
            return int(size), base64.b64decode(root)
    raise Broken("The head bears no signature of this key.")


def leaf(order_id: str, event: dict[str, Any]) -> bytes:
    """Return the hash of one row of the log: RFC 9162 over what the row is, in this order."""
    topic = event["topic"].encode()
    fixed = struct.pack(">Q16sQI", event["position"], UUID(order_id).bytes, event["version"], len(topic))
    return hashlib.sha256(b"\x00" + fixed + topic + base64.b64decode(event["state"])).digest()


def root_by(index: int, size: int, known: bytes, proof: list[bytes]) -> bytes:
    """Return the root that an inclusion proof leads to (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        raise Broken("A leaf lies beyond the tree.")
    node, last = index, size - 1
    for sibling in proof:
        if last == 0:
            raise Broken("A proof is too long.")
        if node % 2 or node == last:
            known = hashlib.sha256(b"\x01" + sibling + known).digest()
            while node % 2 == 0 and node:
                node, last = node >> 1, last >> 1
        else:
            known = hashlib.sha256(b"\x01" + known + sibling).digest()
        node, last = node >> 1, last >> 1
    if last:
        raise Broken("A proof is too short.")
    return known


def check(bundle: dict[str, Any], key: Ed25519PublicKey) -> int:
    """Return how many events are proven: all of them. Raises Broken."""
    if bundle["form"] != "vignettes-audit-bundle/1" or set(bundle) != NOTHING_ELSE_IN_A_BUNDLE:
        raise Broken("It is no bundle of a form that is known here.")
    size, root = head_of(bundle["head"], key)
    before = -1
    for version, event in enumerate(bundle["events"], 1):
        proof = [base64.b64decode(each) for each in event["proof"]]
        if root_by(event["index"], size, leaf(bundle["about"]["id"], event), proof) != root:
            raise Broken(f"Version {event['version']} is not in the log that was signed.")
        if event["version"] != version or event["position"] <= before:
            raise Broken(f"Version {version} is missing, or out of order.")
        before = event["position"]
    return len(bundle["events"])


def main(bundle: str, public_key: str) -> None:
    """Tell what a bundle proves."""
    key = load_pem_public_key(Path(public_key).read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise Broken("This is no Ed25519 key.")
    print(f"Proven: {check(json.loads(Path(bundle).read_bytes()), key)} events")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:3])
    except Broken as broken:
        sys.exit(str(broken))
