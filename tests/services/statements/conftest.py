"""Reading bytes as a bank file."""

from io import BytesIO

import pytest

from vignettes.domain.entry import BankEntry
from vignettes.services import statements


@pytest.fixture
def entries():
    """Return the entries of a file's bytes."""

    def read(data: bytes, **options) -> list[BankEntry]:
        items = statements.read(BytesIO(data), **options)
        return [item for item in items if isinstance(item, BankEntry)]

    return read


@pytest.fixture
def summed():
    """Return the statements of a file's bytes, after the check that an import begins with."""
    return lambda data, **options: statements.check(BytesIO(data), **options).statements


@pytest.fixture
def refusal():
    """Return the words in which a file is refused."""

    def refused(data: bytes, **options) -> str:
        with pytest.raises(statements.BadFile) as caught:
            statements.check(BytesIO(data), **options)
        assert caught.value.code == "invalid_request"
        return str(caught.value)

    return refused
