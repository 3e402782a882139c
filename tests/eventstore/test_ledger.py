"""Leaves and tiles: the same tree, however it was cut into batches and taken up again."""

import random
from uuid import UUID

import pytest

from vignettes.eventstore import ledger
from vignettes.eventstore.ledger import MissingTile, Row, TileNodes, Tree
from vignettes.eventstore.merkle import Frontier, inclusion_proof, leaf_hash, root_by_inclusion, root_of

ROW = Row(258, UUID(int=1), 3, "order.placed.v2", b'{"v":1}')
LEAVES = [leaf_hash(str(number).encode()) for number in range(66_000)]


def kept(leaves, batches=()):
    """Keep a tree as a process does that is stopped and started again, and return its tiles."""
    tiles, tree, begin = {}, Tree(), 0
    for end in [*batches, len(leaves)]:
        for leaf in leaves[begin:end]:
            tree.add(leaf)
        for tile, hashes in tree.changed().items():
            assert hashes.startswith(tiles.get(tile, b"")), "a tile is only ever extended"
            tiles[tile] = hashes
        tree = Tree(end, {tile: tiles[tile] for tile in ledger.edge_tiles(end)})
        begin = end
    return tiles


def root(leaves):
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree.root


def test_a_leaf_is_all_of_a_row_and_never_another_rows():
    """Fixed for ever: heads that were signed rest on it."""
    assert ledger.leaf(*ROW) == (
        (258).to_bytes(8) + UUID(int=1).bytes + (3).to_bytes(8) + (15).to_bytes(4) + b'order.placed.v2{"v":1}'
    )
    others = [ROW._replace(topic="order.placed.v", state=b'2{"v":1}'), ROW._replace(position=259)]
    assert ledger.hash_of(ROW) not in {ledger.hash_of(each) for each in others}


@pytest.mark.parametrize("size", [1, 255, 256, 257, 65_535, 65_536, 66_000])
def test_tiles_hold_the_tree(size):
    assert root_of(size, TileNodes(kept(LEAVES[:size]))) == root(LEAVES[:size])


def test_stopping_and_starting_again_makes_the_same_tiles():
    batches = sorted(random.Random(20261123).sample(range(1, 66_000), 40))
    assert kept(LEAVES, batches) == kept(LEAVES)


def test_what_did_not_change_is_not_written_again():
    tree = Tree(65_600, {tile: kept(LEAVES[:65_600])[tile] for tile in ledger.edge_tiles(65_600)})
    tree.add(LEAVES[65_600])
    assert {tile.level for tile in tree.changed()} == {0}
    assert tree.changed() == {}


def test_a_tree_of_before_is_read_from_the_tiles_of_today():
    """Tiles only grow: what a smaller tree was is still in them."""
    assert root_of(300, TileNodes(kept(LEAVES[:1000]))) == root(LEAVES[:300])


def test_a_proof_needs_few_tiles_and_these_are_named():
    tiles = kept(LEAVES)
    needed = ledger.tiles_for([40_000], 66_000)
    assert len(needed) <= 5
    proof = inclusion_proof(40_000, 66_000, TileNodes({tile: tiles[tile] for tile in needed}))
    assert root_by_inclusion(40_000, 66_000, LEAVES[40_000], proof) == root(LEAVES)


def test_a_tile_that_is_not_there_is_told_by_its_place():
    with pytest.raises(MissingTile, match="Tile 0 of level 0, from hash 0 on"):
        root_of(2, TileNodes(kept(LEAVES[:1])))
