"""Every fault test has its number, a short form in the suite and a long one; and what they found is in the table."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from tools.fault_table import KEPT, PAGE, ROOT, Result, results, table, written

TESTS = Path(__file__).parents[1]
NUMBERS = set(range(1, 16))
LONG = ("faults", "scale", "thorough")
#: Decorators and functions that give a test both forms: one marked as long, and one not.
BOTH = ("sizes",)


def forms():
    """Return for each number which forms it has, from the source of every test: of slow ones too."""
    found = defaultdict(set)
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        if "mark.fault(" not in text:
            continue
        module = ast.parse(text)
        for test in ast.walk(module):
            if isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                marks = [*map(ast.unparse, test.decorator_list), *of_the_module(module)]
                for number in numbers_in(marks):
                    found[number] |= forms_of(marks)
    return found


def of_the_module(module):
    """Return what all tests of a module are marked with."""
    assigned = [node for node in module.body if isinstance(node, ast.Assign)]
    return [ast.unparse(node.value) for node in assigned if ast.unparse(node.targets[0]) == "pytestmark"]


def numbers_in(marks):
    calls = [node for mark in marks for node in ast.walk(ast.parse(mark)) if isinstance(node, ast.Call)]
    return [
        ast.literal_eval(each)
        for call in calls
        if ast.unparse(call.func) == "pytest.mark.fault"
        for each in call.args
    ]


def forms_of(marks):
    """Tell whether it is short or long, or both by its parameters: some of these are marked as long."""
    parameters = [mark for mark in marks if mark.startswith(("pytest.mark.parametrize", *BOTH))]
    if any(says_long(mark) for mark in marks if mark not in parameters):
        return {"long"}
    has_both = any(says_long(mark) or mark.startswith(BOTH) for mark in parameters)
    return {"short", "long"} if has_both else {"short"}


def says_long(mark):
    return any(f"mark.{each}" in mark for each in LONG)


def test_each_number_has_a_short_form_and_a_long_one():
    """The suite breaks a little of everything; `make faults` breaks as much as is demanded."""
    found = forms()
    assert {number: found[number] for number in NUMBERS} == {number: {"short", "long"} for number in NUMBERS}
    assert set(found) == NUMBERS


def test_the_table_of_the_page_is_that_of_the_results():
    """Nobody writes a figure there by hand."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.fault_table", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")
    with pytest.raises(ValueError, match="no place for the table"):
        written(PAGE.read_text().replace("faults: begin", "here"), [])


def test_of_each_test_the_last_result_is_in_the_table():
    """What an auditor reads is a line for each test that was run: what it did, and what came of it."""
    known = {"test": 2, "what": "cuts", "faults": 500, "lost": 0, "doubled": 0, "same_id": 500, "broken": 0}
    more = {"name": "one", "worst_recovery_s": 3.44, "seed": 7, "seconds": 9.0, "settings": {}}
    lines = [
        Result(**{**known, **more, "seed": seed, "test": number}).line()
        for number, seed in ((2, 7), (1, 8), (2, 9))
    ]
    assert list(table(results(lines)))[2:] == [
        "| 1 | cuts | 500 | 0 | 0, 500 under one id | 0 | 3.4 s | 8 |",
        "| 2 | cuts | 500 | 0 | 0, 500 under one id | 0 | 3.4 s | 9 |",
    ]


def test_no_kept_result_has_lost_doubled_or_broken_anything():
    """Were there a residue, it would be named on the page, with its reason, and excepted here."""
    kept = results(KEPT.read_text(encoding="utf-8").splitlines())
    assert {each.test for each in kept} <= NUMBERS
    assert [each for each in kept if each.lost or each.doubled or each.broken] == []
