"""Merkle trees as RFC 9162 (Certificate Transparency, version 2) defines them, section 2.1.

A tree of `size` leaves is asked for its nodes through `node(level, number)`: the hash of the complete subtree of
2**level leaves that begins at leaf number * 2**level. Whoever keeps the tree decides where these come from.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

HASH_BYTES = 32
#: The root of a tree without leaves.
EMPTY = hashlib.sha256(b"").digest()

Node = Callable[[int, int], bytes]


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of one leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of two subtrees side by side. Never that of a leaf: the first byte tells them apart."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def folded(hashes: bytes) -> bytes:
    """Return the hash of the complete subtree over a power of two of hashes that lie side by side."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        # `node_hash` written out: a proof hashes a thousand pairs.
        hashes = b"".join(
            [hashlib.sha256(b"\x01" + hashes[at : at + 2 * HASH_BYTES]).digest() for at in pairs]
        )
    return hashes


class Frontier:
    """A tree that leaves are added to: the complete subtrees along its right edge, and nothing else of it."""

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Begin with a tree of `size` leaves, its complete subtrees from the left: one for each 1 in binary `size`."""
        self.size = size
        self._peaks = list(peaks)

    @classmethod
    def of(cls, size: int, node: Node) -> "Frontier":
        """Return the right edge of a tree that somebody keeps."""
        begin, peaks = 0, []
        for level in reversed(range(size.bit_length())):
            if size >> level & 1:
                peaks.append(node(level, begin >> level))
                begin += 1 << level
        return cls(size, peaks)

    def add(self, leaf: bytes) -> None:
        """Add one leaf, by its hash."""
        number, peak = self.size, leaf
        while number & 1:
            peak, number = node_hash(self._peaks.pop(), peak), number >> 1
        self._peaks.append(peak)
        self.size += 1

    @property
    def root(self) -> bytes:
        """The hash of the whole tree."""
        if not self._peaks:
            return EMPTY
        *rest, root = self._peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def root_of(size: int, node: Node) -> bytes:
    """Return the hash of a tree."""
    return Frontier.of(size, node).root


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Return what makes the tree's root out of the leaf `index`: the hashes beside its path, from the leaf upwards.

    Raises ValueError for a leaf that is not in the tree.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    begin, end, proof = 0, size, []
    while end - begin > 1:
        middle = begin + _left(end - begin)
        if index < middle:
            proof.append(_range(middle, end, node))
            end = middle
        else:
            proof.append(_range(begin, middle, node))
            begin = middle
    return proof[::-1]


def root_by_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Return the root that a proof leads to from the hash of a leaf (RFC 9162, 2.1.3.2).

    Raises ValueError for a proof of another length than such a leaf's.
    """
    if not 0 <= index < size:
        raise ValueError(f"A tree of {size} leaves has no leaf {index}.")
    number, last, root = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            raise ValueError("The proof is too long.")
        if number & 1 or number == last:
            root = node_hash(beside, root)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            root = node_hash(root, beside)
        number, last = number >> 1, last >> 1
    if last:
        raise ValueError("The proof is too short.")
    return root


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Return what shows that the tree of `new` leaves begins with the one of `old` leaves (RFC 9162, 2.1.4.1).

    Raises ValueError when the old tree is empty, or larger than the new one.
    """
    if not 0 < old <= new:
        raise ValueError(f"A tree of {new} leaves does not begin with one of {old}.")
    begin, end, proof, is_whole = 0, new, list[bytes](), True
    while old != end:
        middle = begin + _left(end - begin)
        if old <= middle:
            proof.append(_range(middle, end, node))
            end = middle
        else:
            proof.append(_range(begin, middle, node))
            begin, is_whole = middle, False
    return [*([] if is_whole else [_range(begin, end, node)]), *reversed(proof)]


def verified_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Tell whether a proof shows that the new tree begins with the old one (RFC 9162, 2.1.4.2)."""
    if not 0 < old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    was = now = path[0]
    for beside in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            was, now = node_hash(beside, was), node_hash(beside, now)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            now = node_hash(now, beside)
        number, last = number >> 1, last >> 1
    return last == 0 and (was, now) == (old_root, new_root)


def _left(leaves: int) -> int:
    """Return how many of two or more leaves are in the left subtree: the largest power of two that is smaller."""
    return 1 << (leaves - 1).bit_length() - 1


def _range(begin: int, end: int, node: Node) -> bytes:
    """Return the hash of the subtree over leaves `begin` to `end`, as a tree's proof splits it."""
    leaves = end - begin
    if leaves & (leaves - 1) == 0:
        level = leaves.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _left(leaves)
    return node_hash(_range(begin, middle, node), _range(middle, end, node))
