"""What people typed into a form, read by the rules of the domain; what can't be taken is told by its field."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from pydantic import TypeAdapter, ValidationError

from vignettes.domain import references
from vignettes.domain.errors import InvalidValue
from vignettes.domain.vehicle import Vehicle
from vignettes.messages.forms import Email
from vignettes.messages.links import Day

_EMAIL: TypeAdapter[str] = TypeAdapter(Email)
_DAY: TypeAdapter[date] = TypeAdapter(Day)
#: What is longer is no plate, whatever its letters, and looking at each of them takes time.
_LONGEST_PLATE: Final = 40


@dataclass(frozen=True, slots=True)
class Wrong:
    """Why a field can't be taken: a code that the template `fields.html` puts into words, and what it names."""

    code: str
    named: str = ""


@dataclass(slots=True)
class Typed:
    """Reads the fields of a form. An empty one is None; of one that can't be taken `wrong` tells why."""

    fields: Mapping[str, str]
    wrong: dict[str, Wrong] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """Return a field without what surrounds it."""
        return self.fields[name].strip()

    def need(self, *names: str) -> None:
        """Note which of these were left empty."""
        self.wrong |= {name: Wrong("missing") for name in names if not self.text(name)}

    def vehicle(self) -> Vehicle | None:
        """Read `country` and `plate`."""
        if not (self.text("country") and self.text("plate")):
            return None
        try:
            return Vehicle.of(self.text("country"), self.text("plate"))
        except InvalidValue as refusal:
            name = (refusal.field or "").rpartition(".")[2]
            self.wrong[name] = _wrong_plate(self.text("plate")) if name == "plate" else Wrong("form")
            return None

    def email(self) -> str | None:
        """Read `email`."""
        text = self.text("email")
        try:
            return _EMAIL.validate_python(text) if text else None
        except ValidationError:
            self.wrong["email"] = Wrong("form")
            return None

    def day(self) -> date | None:
        """Read `ordered_on`, as browsers send days."""
        text = self.text("ordered_on")
        try:
            return _DAY.validate_python(date.fromisoformat(text)) if text else None
        except ValueError:  # pydantic's refusal is one too
            self.wrong["ordered_on"] = Wrong("form")
            return None

    def order_number(self, name: str) -> str | None:
        """Read an order's number, from the number itself or from a reference made of it."""
        number = references.parse_number(self.text(name))
        if self.text(name) and number is None:
            self.wrong[name] = Wrong("form")
        return number


def _wrong_plate(plate: str) -> Wrong:
    """Name the letter that can be part of no plate, for from another alphabet it may look like one that can."""
    if len(plate) > _LONGEST_PLATE:
        return Wrong("length")
    for letter in unicodedata.normalize("NFKC", plate):
        if not _fits(letter):
            code = f"U+{ord(letter):04X}"
            return Wrong("letter", f"{letter} ({code})" if letter.isprintable() else code)
    return Wrong("length")


def _fits(letter: str) -> bool:
    try:
        Vehicle.of("CZ", f"AA{letter}")
    except InvalidValue:
        return False
    return True
