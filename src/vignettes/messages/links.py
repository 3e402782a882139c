"""What the web asks for customers who have lost their link, and for the document of an order; by request/reply."""

from datetime import date
from typing import Annotated, ClassVar, Literal, Self
from uuid import UUID

from pydantic import Field, model_validator

from vignettes.messages.answers import Answer
from vignettes.messages.forms import Country, Email, Line, Message, Plate, wrong

Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2200, 1, 1))]


class RequestLink(Message):
    """Mail links of orders to their customers: by order number, or by the vehicle and one thing more.

    Answered alike at once, whatever is found.
    """

    subject: ClassVar[str] = "orders.v1.request_link"

    country: Country | None = None
    plate: Plate | None = None
    email: Email | None = None
    ordered_on: Day | None = None
    order_number: Line | None = None

    @model_validator(mode="after")
    def _knows_enough(self) -> Self:
        if self.order_number is not None:
            return self
        if self.country is None or self.plate is None:
            named = "country" if self.country is None else "plate"
            raise wrong(named, "needs country and plate with an email or ordered_on, or an order_number")
        if self.email is None and self.ordered_on is None:
            raise wrong("email", "needs an email or ordered_on beside country and plate")
        return self


class OpenPage(Message):
    """Give the link of an order to somebody who knows its vehicle, its day and the reference it is paid by."""

    subject: ClassVar[str] = "orders.v1.open_page"

    country: Country
    plate: Plate
    ordered_on: Day
    reference: Line


class AskDocument(Message):
    """The authority's own document of an order's vignette."""

    subject: ClassVar[str] = "orders.v1.document"

    order_id: UUID


class LinkRequestTaken(Answer):
    """The request was taken; whether an order fits is told to its customer only, by mail."""

    ok: Literal[True] = True


class PageOpened(Answer):
    """The link of the one order that fits."""

    ok: Literal[True] = True
    manage_url: str


class DocumentGiven(Answer):
    """A document as it came from the authority; `content` in base64."""

    ok: Literal[True] = True
    media_type: str
    name: Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]+$")]
    content: str
