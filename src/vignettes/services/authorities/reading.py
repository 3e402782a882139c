"""Reading a registration out of an authority's answer, strictly."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Base64Bytes, BaseModel, ConfigDict, Field, JsonValue, TypeAdapter

from vignettes.services.authorities import Application, Registered
from vignettes.services.authorities.files import Places
from vignettes.services.authorities.templates import at

_LONGEST_REASON = 200

_Word = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,100}$")]
_Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$")]
_Reason = TypeAdapter(Annotated[str, Field(min_length=1)])


class Held(BaseModel):
    """One registration that the authority holds. A part that its file does not place is not looked at."""

    model_config = ConfigDict(hide_input_in_errors=True)

    number: _Word
    reference: _Word
    valid_from: _Date
    valid_until: _Date
    registered_at: AwareDatetime
    plate: str | None = None
    order: str | None = None
    authorisation_code: _Word | None = None
    document: Base64Bytes | None = None

    def registered(self, also: int = 0) -> Registered:
        """Return it as the port shows it."""
        return Registered(
            self.number,
            self.reference,
            self.valid_from,
            self.valid_until,
            self.registered_at,
            self.authorisation_code,
            self.document,
            also,
        )

    def is_of_vehicle(self, application: Application) -> bool:
        """Tell whether it is for that vehicle."""
        return self.plate is None or self.plate == application.plate

    def is_for(self, application: Application) -> bool:
        """Tell whether it is what was applied for: that vehicle, from then on, under our reference."""
        return (
            self.is_of_vehicle(application)
            and self.may_be_ours(application)
            and _same_start(self.valid_from, application.valid_from)
        )

    def may_be_ours(self, application: Application) -> bool:
        """Tell whether it bears our reference, or none is known."""
        return self.order is None or self.order == str(application.order)

    def covers(self, application: Application) -> bool:
        """Tell whether the vehicle is covered by it during the period wanted, and it is somebody else's."""
        overlaps = _not_after(self.valid_from, application.valid_until) and _not_after(
            application.valid_from, self.valid_until
        )
        return self.plate == application.plate and overlaps and self.order != str(application.order)


def held(value: JsonValue, places: Places) -> Held:
    """Return the registration that an answer shows. Raises ValidationError where a part is missing or malformed."""
    parts = {name: at(value, place) for name, place in places if place is not None}
    if places.plate is not None and parts["plate"] is None:
        parts["plate"] = ""  # shown without the plate that it should show: nobody's
    return Held.model_validate(parts)


def line(value: JsonValue) -> str:
    """Return the authority's words as one line of bearable length. Raises ValidationError where there are none."""
    text = _Reason.validate_python(value)
    plain = "".join(character if character.isprintable() else " " for character in text)
    return plain[:_LONGEST_REASON].strip() or "unnamed"


def _same_start(one: str, other: str) -> bool:
    if "T" in one and "T" in other:
        return datetime.fromisoformat(one) == datetime.fromisoformat(other)
    return one == other


def _not_after(one: str, other: str) -> bool:
    """Compare two days, two instants, or of a day and an instant the days as they are written."""
    if "T" in one and "T" in other:
        return datetime.fromisoformat(one) <= datetime.fromisoformat(other)
    return one.partition("T")[0] <= other.partition("T")[0]
