"""The cases of the domain's rules: each is shown by a test that carries its number."""

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
TIME, MONEY, CUSTOMER, REGISTRATION = range(1, 17), range(17, 31), range(31, 45), range(45, 57)


def marked() -> Iterator[int]:
    """Return the numbers in `pytest.mark.case(...)`, from the source of every test: of slow ones too."""
    for path in TESTS.rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "mark.case" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.case":
                yield from (ast.literal_eval(number) for number in node.args)


def test_each_case_of_time_money_customer_and_registration_is_shown():
    """A case that loses its last test is missed here. 39 is both the customer's and money's."""
    assert {*TIME, *MONEY, *CUSTOMER, *REGISTRATION} - set(marked()) == set()
