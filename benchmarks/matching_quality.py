"""W9: how well it was matched, and how far a count of wrong matches can be trusted."""

import math
from collections.abc import Iterable

from benchmarks.figures import Point
from benchmarks.matching_noise import KINDS

_CONFIDENCE = 0.95
_HALVINGS = 60
_RIGHT = frozenset(kind.name for kind in KINDS if kind.right)


def wrong(point: Point) -> int:
    """Return how many were matched with what was not meant."""
    return _sum(point, "wrong", point.tallies)


def matched(point: Point) -> int:
    """Return how many were matched."""
    return _sum(point, "matched", point.tallies)


def review_rate(point: Point) -> float:
    """Return the share of all that a person must decide on."""
    return 1 - matched(point) / _sum(point, "entries", point.tallies)


def automatic_rate(point: Point) -> float:
    """Return the share that needs no person, of those whose reference, amount and currency are right."""
    right = _RIGHT & point.tallies.keys()
    return _sum(point, "matched", right) / _sum(point, "entries", right)


def upper_bound(wrong: int, of: int) -> float:
    """Return the rate that is not exceeded, with a confidence of 95 % (Clopper and Pearson, one-sided).

    It is the rate with which so few among so many would be seen in one case of twenty only; 3 ÷ `of` for none.
    """
    if wrong >= of:
        return 1.0
    low, high = wrong / of, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if _at_most(wrong, of, middle) > 1 - _CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(wrong: int, of: int, rate: float) -> float:
    """Return how likely it is that no more than so many are seen."""
    ways = math.lgamma(of + 1)
    logs = (
        ways - math.lgamma(k + 1) - math.lgamma(of - k + 1) + k * math.log(rate) + (of - k) * math.log1p(-rate)
        for k in range(wrong + 1)
    )  # fmt: skip
    return math.fsum(map(math.exp, logs))


def _sum(point: Point, what: str, kinds: Iterable[str]) -> int:
    return sum(point.tallies[kind][what] for kind in kinds)
