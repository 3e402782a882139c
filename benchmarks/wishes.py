"""What is ordered: drawn from a seed, so that every run orders the same."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

PRODUCT = "CZ-10D"
#: The Czech authority sells 30 days ahead; a start within the lead would begin registration by itself.
_DAYS_AHEAD = (2, 28)
_VERSION_4 = 0x4000_8000_0000_0000_0000
_RANDOM_BITS = (1 << 128) - 1 - 0xF000_C000_0000_0000_0000
_LENGTH = timedelta(days=10)


@dataclass(frozen=True, slots=True)
class Wish:
    """One driver's order, and what the outside says of it later."""

    product: str
    plate: str
    valid_from: str
    valid_until: str
    email: str
    payment_id: str
    number: str
    reference: str


def of(rng: random.Random) -> Wish:
    """Draw an order."""
    start = datetime.now(UTC).date() + timedelta(days=rng.randint(*_DAYS_AHEAD))
    drawn = rng.randrange(10**9)
    return Wish(
        product=PRODUCT,
        # Nobody else's: a second order for the same vehicle and days would be held.
        plate=f"{rng.getrandbits(40):010X}",
        valid_from=start.isoformat(),
        valid_until=(start + _LENGTH).isoformat(),
        email=f"driver-{drawn}@example.com",
        payment_id=an_id(rng),
        number=f"CZ-{drawn:09}",
        reference=f"authority-{drawn:09}",
    )


def an_id(rng: random.Random) -> str:
    """Draw a UUID that nobody else draws; as text, because a client has no other use for it."""
    digits = f"{rng.getrandbits(128) & _RANDOM_BITS | _VERSION_4:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
