"""Amounts of money in minor units of one currency; mixing currencies is an error, never a conversion."""

from dataclasses import dataclass

from vignettes.domain.errors import InvalidValue


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """`amount` in minor units (cents, halers) of the ISO 4217 `currency`; may be negative in sums."""

    amount: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        return Money(self.amount + self._same(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.amount - self._same(other), self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.amount < self._same(other)

    def __bool__(self) -> bool:
        return self.amount != 0

    def __str__(self) -> str:
        return f"{self.amount / 100:.2f} {self.currency}"

    def positive(self) -> "Money":
        """Return this amount, or zero where it is negative."""
        return Money(max(0, self.amount), self.currency)

    def _same(self, other: "Money") -> int:
        if other.currency != self.currency:
            raise InvalidValue(f"{other.currency} in place of {self.currency}.", field="amount.currency")
        return other.amount


def zero(currency: str) -> Money:
    """Return no money at all of one currency."""
    return Money(0, currency)
