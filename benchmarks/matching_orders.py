"""W9: orders that wait for money, each known by its number in a row: whoever knows the seed knows them all."""

import hashlib
from bisect import bisect
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import accumulate

from vignettes.domain.catalogue import product
from vignettes.domain.money import Money
from vignettes.domain.references import number_from_serial

#: The day on which all of it is booked; orders were placed in the ten days up to it.
BOOKED_ON = date(2026, 12, 1)
_DAYS_OPEN = 10
#: What is ordered, in percent: few products, so few prices, and most orders have one of three.
MIX = {
    "CZ-10D": 30, "CZ-1D": 16, "CZ-30D": 8, "CZ-365D": 8, "SK-10D": 10, "SK-1D": 6, "SK-30D": 3, "SK-365D": 3,
    "AT-10D": 8, "AT-1D": 4, "SI-7D": 4,
}  # fmt: skip
# Far from the numbers that the service gives.
_FIRST_SERIAL = 50_000_000

_PRODUCTS, _SHARES = tuple(MIX), tuple(accumulate(MIX.values()))
_FIRST_NAMES = (
    "Jan", "Jiří", "Petr", "Josef", "Pavel", "Martin", "Tomáš", "Jaroslav", "Miroslav", "Zdeněk", "Václav",
    "Michal", "František", "Jakub", "Milan", "Karel", "Lukáš", "David", "Ondřej", "Marek", "Marie", "Jana",
    "Eva", "Hana", "Anna", "Lenka", "Kateřina", "Lucie", "Věra", "Alena", "Petra", "Veronika", "Jaroslava",
    "Martina", "Tereza", "Jitka", "Michaela", "Zuzana", "Monika", "Ivana",
)  # fmt: skip
_BEGINS = (
    "No", "Svo", "Dvo", "Čer", "Pro", "Ku", "Ve", "Ho", "Ma", "Po", "Ji", "Krá", "Be", "Ně", "Ha", "Pa", "Ši",
    "Ko", "Mo", "Ty",
)  # fmt: skip
_ENDS = (
    "vák", "boda", "řák", "ný", "cházka", "čera", "selý", "rák", "reš", "korný", "rát", "lčík", "nek", "mec",
    "jek", "vlík", "mek", "lář", "ravec", "ler",
)  # fmt: skip


@dataclass(frozen=True)
class Open:
    """The n-th order that waits. Its customer's name is known to nobody but the benchmark: orders have no names."""

    seed: str
    n: int

    @cached_property
    def _drawn(self) -> bytes:
        return hashlib.blake2b(f"{self.seed}/{self.n}".encode(), digest_size=16).digest()

    def _below(self, limit: int, place: int) -> int:
        return int.from_bytes(self._drawn[place : place + 4], "big") * limit >> 32

    @property
    def number(self) -> str:
        return number_from_serial(_FIRST_SERIAL + self.n)

    @property
    def product(self) -> str:
        return _PRODUCTS[bisect(_SHARES, self._below(_SHARES[-1], 0))]

    @property
    def amount(self) -> Money:
        return PRICES[self.product]

    @property
    def placed_at(self) -> datetime:
        return datetime.combine(BOOKED_ON, time(8), UTC) - timedelta(
            seconds=self._below(86_400 * _DAYS_OPEN, 4)
        )

    @property
    def name(self) -> str:
        """One of 320,000: as rare as names are among a million people, and all of them equally rare."""
        begin, middle = (_BEGINS[self._below(len(_BEGINS), place)] for place in (8, 6))
        family = begin + middle.lower() + _ENDS[self._drawn[3] % len(_ENDS)]
        return f"{_FIRST_NAMES[self._below(len(_FIRST_NAMES), 12)]} {family}"

    @property
    def plate(self) -> str:
        return f"{self.n % 9 + 1}A{self.n // 9 % 10} {self.n % 10_000:04}"


PRICES = {code: product(code).price_on(BOOKED_ON).total for code in MIX}
