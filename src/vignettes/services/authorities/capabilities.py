"""What an authority can be asked, when, and how fast: the same for the port, and in each authority's file."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from vignettes.domain.catalogue import zone

Seconds = Annotated[float, Field(gt=0, le=3600)]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Form(BaseModel):
    """Strict, and silent on what stands in a file: some of it lets somebody in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


def _known_zone(name: str) -> str:
    try:
        zone(name)
    except (OSError, ValueError):
        raise ValueError("is no IANA time zone") from None
    return name


class Limits(Form):
    """How long one call may take, and how many there may be. The lease of an order follows from it."""

    timeout_seconds: Annotated[float, Field(gt=0, le=60)] = 8.0
    connect_seconds: Seconds = 2.0
    silence_seconds: Seconds = 5.0
    #: How long after a call that was lost the authority may still be at work on it: it is not asked before.
    settled_after_seconds: Annotated[float, Field(ge=0, le=3600)] = 0.0
    rate_per_minute: Annotated[float, Field(gt=0)] = 600.0
    burst: Annotated[int, Field(ge=1)] = 60
    concurrency: Annotated[int, Field(ge=1, le=200)] = 16


class Pace(Form):
    """The pauses between attempts: doubling from the first to the longest, and after `quick` of them the later ones."""

    first_seconds: Seconds
    longest_seconds: Seconds
    later_seconds: Seconds
    quick: Annotated[int, Field(ge=1, le=100)] = 10

    def pause(self, tries: int) -> float:
        """Return the seconds after so many attempts, less what jitter takes off."""
        if tries > self.quick:
            return self.later_seconds
        return min(self.first_seconds * 2.0 ** (tries - 1), self.longest_seconds)


class Breaker(Form):
    """After so many failures in a row nobody calls for a while, which doubles up to the longest."""

    failures: Annotated[int, Field(ge=1)] = 5
    first_seconds: Seconds = 5.0
    longest_seconds: Seconds = 60.0


class Rechecking(Form):
    """How often it is asked whether what it issued is still so; with `every_days` 0 never."""

    every_days: Annotated[int, Field(ge=0, le=366)] = 7
    per_minute: Annotated[int, Field(ge=1, le=1000)] = 20


class Hours(Form):
    """Open on these days from then until before then; without `until` to the end of the day."""

    days: tuple[Weekday, ...] = _WEEK
    opens: Annotated[time, Field(alias="from")] = time.min
    until: time | None = None

    def include(self, local: datetime) -> bool:
        """Tell whether a local time falls into them."""
        at = local.time()
        return (
            _WEEK[local.weekday()] in self.days
            and self.opens <= at
            and (self.until is None or at < self.until)
        )


class Opening(Form):
    """When the authority takes calls, in its own zone; without any hours: always."""

    zone: Annotated[str, AfterValidator(_known_zone)] = "UTC"
    hours: tuple[Hours, ...] = ()

    def open_at(self, at: datetime) -> bool:
        """Tell whether it takes calls at that instant."""
        local = at.astimezone(zone(self.zone))
        return not self.hours or any(hours.include(local) for hours in self.hours)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What the registration service must know of an authority before it calls."""

    finds_by: Literal["reference", "vehicle"]
    tells_cover: bool
    documents: bool
    opening: Opening
    limits: Limits
    retrying: Pace
    asking: Pace
    breaker: Breaker
    rechecking: Rechecking

    @property
    def is_asked_again(self) -> bool:
        """Tell whether it is asked about what it has issued: only where it knows that by our reference."""
        return self.finds_by == "reference" and self.rechecking.every_days > 0
