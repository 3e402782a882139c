"""Two sizes of one fault test: a few faults in the suite, and all that are demanded under `faults`."""

import pytest


def sizes(short: int, long: int, name: str = "cuts") -> pytest.MarkDecorator:
    """Return what runs a test twice, with so many faults each."""
    marks = [pytest.mark.faults, pytest.mark.timeout(900)]
    return pytest.mark.parametrize(
        name, [pytest.param(short, id="short"), pytest.param(long, id="long", marks=marks)]
    )
