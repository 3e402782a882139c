"""Each kind of bad input has its tests, and they are there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from hostile.ledger import LEDGER

_ROOT = Path(__file__).parents[2]
_ITEMS = [(room, item) for room, items in LEDGER.items() for item in items]


@cache
def _tests_of(path: str) -> frozenset[str]:
    tree = ast.parse((_ROOT / path).read_text(encoding="utf-8"))
    return frozenset(
        each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)
    )


@pytest.mark.parametrize(("room", "item"), _ITEMS)
def test_a_kind_of_bad_input_has_tests_that_are_there(room, item):
    named = LEDGER[room][item]
    assert named
    missing = [each for each in named if each.partition("::")[2] not in _tests_of(each.partition("::")[0])]
    assert missing == []
