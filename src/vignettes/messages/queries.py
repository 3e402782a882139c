"""Queries, by request/reply."""

from typing import Annotated, ClassVar, Self
from uuid import UUID

from pydantic import Field, model_validator

from vignettes.messages.forms import Email, Instant, Line, Message, one_of, wrong


class Query(Message):
    """What every query may carry."""

    subject: ClassVar[str]

    actor: Line | None = None


class AskStatus(Query):
    """Where an order stands. `min_position` waits up to 2 s until the view has it."""

    subject = "orders.v1.status"

    order_id: UUID | None = None
    order_number: Line | None = None
    min_position: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _names_one_order(self) -> Self:
        one_of(order_id=self.order_id, order_number=self.order_number)
        return self


class AskHistory(Query):
    """Every event of an order, and its state: now, at a time, or at a version."""

    subject = "orders.v1.history"

    order_id: UUID
    until: Instant | None = None
    version: int | None = Field(default=None, ge=1)

    @model_validator(mode="after")
    def _ends_once(self) -> Self:
        if self.until is not None and self.version is not None:
            raise wrong("version", "takes until or version, not both")
        return self


class AskEmails(Query):
    """The mails of an order."""

    subject = "orders.v1.emails"

    order_id: UUID


class FindOrders(Query):
    """Orders that somebody knows enough of: a plate with its country, an address, or both, as they are now."""

    subject = "orders.v1.find"

    plate: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    country: Annotated[str, Field(min_length=1, max_length=3)] | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _knows_something(self) -> Self:
        if self.plate is None and self.email is None:
            raise wrong("plate", "needs a plate with its country, an email, or both")
        if (self.plate is None) != (self.country is None):
            raise wrong("plate" if self.plate is None else "country", "plate and country go together")
        return self


QUERIES: tuple[type[Query], ...] = (AskStatus, AskHistory, AskEmails, FindOrders)
