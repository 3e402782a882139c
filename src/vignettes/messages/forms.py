"""The small forms that messages are made of."""

import re
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Literal, Self
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

#: Unicode's categories Cc, Cs, Zl and Zp.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
#: What may stand before the @ without any further look (RFC 5322, dot-atom of letters, digits and the usual signs).
_PLAIN_LOCAL = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*")
_LONGEST_LOCAL = 64
_FIRST_YEAR, _LAST_YEAR = 1970, 9998


class Message(BaseModel):
    """Strict: an unknown or missing field is refused, and nothing is converted but what JSON lacks."""

    # What people wrote must not come back in an error, nor stand in a log.
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def plain_line(text: str) -> str:
    """Refuse controls and line breaks at the edge: some of these texts end in mail headers (CVE-2026-1299)."""
    if found := _CONTROL.search(text):
        raise ValueError(f"holds the control character U+{ord(found[0]):04X}")
    return text


def _mailbox(text: str) -> str:
    """Return the address as it is kept. What stands before the @ is usually plain; domains come again and again."""
    local, at, domain = text.rpartition("@")
    if at and len(local) <= _LONGEST_LOCAL and _PLAIN_LOCAL.fullmatch(local):
        return f"{local}@{_domain(domain)}"
    return _validated(text)


@lru_cache(maxsize=10_000)
def _domain(text: str) -> str:
    return _validated(f"a@{text}").removeprefix("a@")


def _validated(text: str) -> str:
    try:
        # Mail servers that know ASCII only must be able to deliver: the domain is kept as they write it.
        found = validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        # What stands in brackets may quote the address.
        raise ValueError(str(error).partition(" (")[0]) from None
    return found.ascii_email or found.normalized


def _in_calendar(at: datetime) -> datetime:
    """Refuse instants that some zone can't show; whatever reckons with them later may not fail."""
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"lies outside the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return at


Line = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(plain_line)]
#: What people wrote, as banks and providers pass it on.
Text = Annotated[str, Field(max_length=2000), AfterValidator(plain_line)]
AccountNumber = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(plain_line)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_calendar)]
#: ISO 3166 or distinguishing sign; and the plate as on the vehicle, whose letters the domain judges.
Country = Annotated[str, Field(min_length=1, max_length=3), AfterValidator(plain_line)]
Plate = Annotated[str, Field(min_length=1, max_length=40)]
Email = Annotated[str, Field(max_length=254), AfterValidator(plain_line), AfterValidator(_mailbox)]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
MinorUnits = Annotated[int, Field(ge=-(10**15), le=10**15)]


class Amount(Message):
    """Money in minor units."""

    amount: MinorUnits
    currency: Currency


class VehicleForm(Message):
    """A vehicle."""

    country: Country
    plate: Plate


class ConsentForm(Message):
    """What the customer expressly agreed to."""

    kind: Literal["immediate_performance"]
    text_version: Line
    given_at: Instant
    language: Annotated[str, Field(pattern=r"^[a-z]{2}$")] | None = None


class DocumentForm(Message):
    """The authority's own document, as it is kept: `size` in bytes, `digest` of the sealed bytes."""

    media_type: Annotated[str, Field(pattern=r"^[a-z]+/[a-z0-9.+-]{1,60}$")]
    size: Annotated[int, Field(ge=1, le=500_000)]
    digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Span(Message):
    """From `begins_at` until before `ends_at`."""

    begins_at: Instant
    ends_at: Instant

    @model_validator(mode="after")
    def _has_an_end(self) -> Self:
        if self.ends_at <= self.begins_at:
            raise wrong("ends_at", "lies before begins_at")
        return self


class OutageForm(Span):
    """An announced outage of one country's authority."""

    id: UUID
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")]


RejectionCode = Literal[
    "plate_not_accepted", "already_covered", "period_not_accepted", "vehicle_not_accepted", "other"
]
"""Why an authority did not register a vehicle, in words of ours."""


def wrong(field: str, message: str) -> PydanticCustomError:
    """Return a refusal that belongs to no single value, but names the field to look at."""
    return PydanticCustomError("wrong", "{message}", {"field": field, "message": message})


def one_of(**choices: object) -> None:
    """Refuse a message that gives none or several of the fields of which it needs one."""
    given = [name for name, value in choices.items() if value is not None]
    if len(given) != 1:
        raise wrong(next(iter(choices)), f"needs one of {' or '.join(choices)}, and only one")
