"""The tree of RFC 9162, against its definition written down once more, and against values that others published."""

import hashlib

import pytest

from vignettes.eventstore.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_by_inclusion,
    root_of,
    verified_consistency,
)

SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32, 33, 64, 70]
LEAVES = [leaf_hash(bytes([number])) for number in range(70)]
# The test vectors that Certificate Transparency's own implementations share: leaves, and the root of all eight.
SHARED = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
SHARED_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


def defined(leaves):
    """Say what a tree's root is, as section 2.1.1 does."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    left = 1
    while left * 2 < len(leaves):
        left *= 2
    return node_hash(defined(leaves[:left]), defined(leaves[left:]))


def node(level, number):
    """Give the nodes of a tree over LEAVES; of one that is not complete, none."""
    below = LEAVES[number << level : (number + 1) << level]
    assert len(below) == 1 << level, "only complete subtrees are asked for"
    return defined(below)


def grown(leaves):
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree


@pytest.mark.parametrize(("size", "root"), SHARED_ROOTS.items())
def test_roots_are_those_that_other_implementations_find(size, root):
    assert grown(leaf_hash(bytes.fromhex(each)) for each in SHARED[:size]).root.hex() == root


@pytest.mark.parametrize("size", [0, *SIZES])
def test_a_tree_that_grows_has_the_root_of_its_definition(size):
    assert grown(LEAVES[:size]).root == root_of(size, node) == defined(LEAVES[:size])


@pytest.mark.parametrize("size", SIZES)
def test_every_leaf_is_proven_and_no_other_in_its_place(size):
    root = defined(LEAVES[:size])
    for index in range(size):
        proof = inclusion_proof(index, size, node)
        assert root_by_inclusion(index, size, LEAVES[index], proof) == root
        assert root_by_inclusion(index, size, LEAVES[index - 1], proof) != root or size == 1
        assert not proof or root_by_inclusion(index, size, LEAVES[index], [b"x" * 32, *proof[1:]]) != root


@pytest.mark.parametrize("size", SIZES)
def test_a_tree_begins_with_each_smaller_one(size):
    root = defined(LEAVES[:size])
    for old in range(1, size + 1):
        proof = consistency_proof(old, size, node)
        was = defined(LEAVES[:old])
        assert verified_consistency(old, size, was, root, proof)
        assert not verified_consistency(old, size, leaf_hash(b"another"), root, proof)
        assert not verified_consistency(old, size, was, leaf_hash(b"another"), proof)
        assert not verified_consistency(old, size, was, root, [*proof, b"x" * 32])


@pytest.mark.parametrize(("index", "size", "length"), [(0, 1, 1), (3, 8, 2), (3, 8, 4), (6, 7, 3)])
def test_a_proof_of_another_length_is_none(index, size, length):
    with pytest.raises(ValueError, match=r"too (long|short)"):
        root_by_inclusion(index, size, LEAVES[0], [b"x" * 32] * length)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 3), (3, 3)])
def test_a_leaf_that_is_not_there_has_no_proof(index, size):
    with pytest.raises(ValueError, match="has no leaf"):
        inclusion_proof(index, size, node)
    with pytest.raises(ValueError, match="has no leaf"):
        root_by_inclusion(index, size, LEAVES[0], [])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_a_tree_begins_with_no_larger_one_and_with_none(old, new):
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(old, new, node)
    assert not verified_consistency(old, new, LEAVES[0], LEAVES[0], [])
