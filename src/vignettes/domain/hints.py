"""What makes an order worth suggesting for a payment that does not name it. None of this is ever enough for a match."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from rapidfuzz import fuzz

_EMAIL = re.compile(r"(?<![\w.+@-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.)+[a-z]{2,24}", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_PLATE, _LONGEST_PLATE = 5, 9
_MOST_WORDS_OF_A_PLATE = 3
_NEAR = timedelta(days=14)
_ALIKE = 85


def emails(text: str) -> tuple[str, ...]:
    """Return what looks like e-mail addresses, each once."""
    return tuple(dict.fromkeys(_EMAIL.findall(text)))


def plates(text: str) -> tuple[str, ...]:
    """Return what could be plates, in normal form and each once: letters and digits, up to three words together."""
    words = [word.upper() for word in _WORD.findall(unicodedata.normalize("NFKC", text))]
    return tuple(dict.fromkeys(filter(_could_be_plate, _neighbours_joined(words))))


def _neighbours_joined(words: list[str]) -> Iterator[str]:
    for place in range(len(words)):
        for count in range(1, _MOST_WORDS_OF_A_PLATE + 1):
            yield "".join(words[place : place + count])


def _could_be_plate(word: str) -> bool:
    has_both = any(map(str.isdigit, word)) and any(map(str.isalpha, word))
    return _SHORTEST_PLATE <= len(word) <= _LONGEST_PLATE and has_both


def has_email(text: str | None, email: str | None) -> bool:
    """Tell whether the address is in the text."""
    if not text or not email:
        return False
    return email.casefold() in map(str.casefold, emails(text))


def has_plate(text: str | None, plate: str | None) -> bool:
    """Tell whether the plate is in the text, in whatever blocks."""
    if not text or not plate:
        return False
    return not set(plates(text)).isdisjoint(plates(plate))


def is_like(payer: str | None, email: str | None) -> bool:
    """Tell whether a payer's name is much like an address: "Novák Jan" and jan.novak@example.com."""
    if not payer or not email:
        return False
    name, address = _words(payer), _words(email.partition("@")[0])
    return fuzz.token_sort_ratio(name, address) >= _ALIKE


def _words(text: str) -> str:
    """Return its words in small letters without accents or digits."""
    bare = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return " ".join(re.findall("[a-z]+", bare.casefold()))


def is_near(booked_on: date, placed_at: datetime) -> bool:
    """Tell whether an order was placed in the two weeks before."""
    return timedelta(days=-1) <= booked_on - placed_at.date() <= _NEAR
