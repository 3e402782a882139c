"""Up to which amounts refunds are approved without a person, as operators write it."""

import re

_LIMIT = re.compile(r"(?P<currency>[A-Z]{3})\s+(?P<whole>[0-9]{1,9})(?:\.(?P<cents>[0-9]{2}))?", re.ASCII)


def limits(text: str) -> dict[str, int]:
    """Return the largest amount, in minor units, that needs no person, by currency. Raises ValueError.

    `EUR 50, CZK 1200.00`; what is not named always needs one.
    """
    found = [_LIMIT.fullmatch(each.strip()) for each in text.split(",") if each.strip()]
    read = {each["currency"]: int(each["whole"] + (each["cents"] or "00")) for each in found if each}
    if len(read) != len(found):
        raise ValueError("is not a list such as EUR 50, CZK 1200, with each currency once")
    return read
