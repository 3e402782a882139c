"""The cases of the domain's rules: each is shown by a test that carries its number."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
TIME, CUSTOMER, REGISTRATION = range(1, 17), range(34, 45), range(45, 52)


def marked() -> Iterator[int]:
    """Return the numbers in `pytest.mark.case(...)`, from the source of every test: of slow ones too."""
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case":
                yield from (ast.literal_eval(number) for number in node.args)


def test_each_case_of_time_customer_and_registration_is_shown():
    """A case that loses its last test is missed here."""
    assert {*TIME, *CUSTOMER, *REGISTRATION} - set(marked()) == set()
