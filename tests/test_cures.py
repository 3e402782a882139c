"""The list of cures is true: each stands where it says, once, and the tests that it names are there."""

import pytest
from tools import cures

ALL = cures.cures()


@pytest.mark.parametrize("cure", ALL, ids=lambda each: each.trap)
def test_each_cure_stands_where_the_list_says(cure):
    """Else `make cures` would take out nothing."""
    whole = (cures.ROOT / cure.file).read_text()
    assert cures.taken_out(cure, whole) != whole


@pytest.mark.parametrize("cure", ALL, ids=lambda each: each.trap)
def test_the_tests_that_tell_exist(cure):
    for tests in cure.red:
        place, _, chosen = tests.partition(" -k ")
        found = [file.read_text() for file in _files(cures.ROOT / place)]
        assert found
        assert not chosen or any(chosen.partition("-")[0] in text for text in found)


def _files(place):
    return sorted(place.rglob("test_*.py")) if place.is_dir() else [place]


def test_a_cure_that_is_not_as_listed_is_refused():
    [cure, *_] = ALL
    with pytest.raises(ValueError, match="has 0 times"):
        cures.taken_out(cure, "")
