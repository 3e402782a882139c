"""Amounts of money in minor units of one currency; mixing currencies is an error, never a conversion."""

from dataclasses import dataclass
from functools import lru_cache

from vignettes.domain.errors import InvalidValue


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount` in minor units (cents, halers) of the ISO 4217 `currency`; may be negative in sums."""

    amount: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        added = self._same(other)
        return _of(self.amount + added, self.currency) if added else self

    def __sub__(self, other: "Money") -> "Money":
        taken = self._same(other)
        return _of(self.amount - taken, self.currency) if taken else self

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return f"{self.amount / 100:.2f} {self.currency}"

    def positive(self) -> "Money":
        """Return this amount, or zero where it is negative."""
        return self if self.amount >= 0 else zero(self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise InvalidValue(f"{other.currency} in place of {self.currency}.", field="amount.currency")
        return other.amount


def zero(currency: str) -> Money:
    """Return no money at all of one currency."""
    return _of(0, currency)


@lru_cache(
    maxsize=10_000
)  # sums of prices are few, and a fold of the log comes to the same ones again and again
def _of(amount: int, currency: str) -> Money:
    return Money(amount, currency)
