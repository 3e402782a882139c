"""The sandbox's remote control over NATS: move the clock, set the authority's faults, read the inbox."""

from datetime import timedelta
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, model_validator

from vignettes.domain.errors import InvalidValue
from vignettes.messages.forms import Instant, Message, wrong
from vignettes.sandbox.authority import Authority
from vignettes.sandbox.bouncing import Bounce, Bouncing
from vignettes.sandbox.clock import MovableClock
from vignettes.sandbox.faults import REJECTIONS, Mode
from vignettes.sandbox.inbox import Inbox
from vignettes.services.edge import Endpoints

QUEUE = "sandbox"


class MoveClock(Message):
    """Read the clock, set it, or advance it; never backwards."""

    now: Instant | None = None
    advance_seconds: Annotated[float, Field(ge=0, le=10 * 366 * 86400)] | None = None

    @model_validator(mode="after")
    def _moves_once(self) -> Self:
        if self.now is not None and self.advance_seconds is not None:
            raise wrong("advance_seconds", "takes now or advance_seconds, not both")
        return self


class Now(BaseModel):
    """The service's time."""

    now: AwareDatetime


class AskAuthority(Message):
    """Read the authority's register, set how it behaves for its next `times` calls, or let it change a validity."""

    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = None
    mode: str | None = None
    times: Annotated[int, Field(ge=1)] | None = None
    reason: str | None = None
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: int | None = None
    reference: Annotated[str, Field(min_length=1, max_length=100)] | None = None
    order_id: UUID | None = None
    valid_until: (
        Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}(T[\d:.]+(Z|[+-]\d{2}:\d{2}))?$")] | None
    ) = None

    @model_validator(mode="after")
    def _names_a_mode(self) -> Self:
        if self.mode is not None and self.mode not in set(Mode):
            raise wrong("mode", f"is not one of {', '.join(Mode)}")
        if self.mode is None and (self.country or self.times or self.how):
            raise wrong("mode", "is needed with country, times, reason, share or seed")
        if self.reason is not None and self.reason not in REJECTIONS:
            raise wrong("reason", f"is not one of {', '.join(REJECTIONS)}")
        return self

    @model_validator(mode="after")
    def _names_what_changes(self) -> Self:
        named = [each for each in (self.reference, self.order_id) if each is not None]
        if len(named) != (self.valid_until is not None):
            raise wrong("valid_until", "is given with reference or order_id, and they with it")
        return self

    @property
    def how(self) -> dict[str, Any]:
        """What further is said of the mode."""
        said = {"reason": self.reason, "share": self.share, "seed": self.seed}
        return {name: value for name, value in said.items() if value is not None}


class Register(BaseModel):
    """Everything that the authority has registered."""

    registrations: list[dict[str, Any]]


class AskInbox(Message):
    """Read the mails that arrived, in order."""

    to: str | None = None
    order_number: str | None = None


class Arrived(BaseModel):
    """The mails, in order of arrival."""

    messages: list[dict[str, Any]]


class BounceMail(Message):
    """Let a mail that arrived come back, as its recipient's mail server, or its reader, would have it."""

    message_id: Annotated[str, Field(min_length=1, max_length=998)]
    kind: str

    @model_validator(mode="after")
    def _names_a_kind(self) -> Self:
        if self.kind not in set(Bounce):
            raise wrong("kind", f"is not one of {', '.join(Bounce)}")
        return self


class Bounced(BaseModel):
    """Where the report went: the address that the mail was sent from."""

    to: str


class Control:
    """Answers the subjects of the sandbox."""

    def __init__(self, clock: MovableClock, authority: Authority, inbox: Inbox, bouncing: Bouncing) -> None:
        self._clock = clock
        self._authority = authority
        self._inbox = inbox
        self._bouncing = bouncing

    def register(self, endpoints: Endpoints) -> None:
        """Answer the subjects of the sandbox."""
        endpoints.answer("sandbox.v1.clock", QUEUE, MoveClock, Now, self._move)
        endpoints.answer("sandbox.v1.authority", QUEUE, AskAuthority, Register, self._ask_authority)
        endpoints.answer("sandbox.v1.inbox", QUEUE, AskInbox, Arrived, self._ask_inbox)
        endpoints.answer("sandbox.v1.bounce", QUEUE, BounceMail, Bounced, self._bounce)

    async def _move(self, request: MoveClock, _: UUID | None) -> Now:
        if request.now is not None:
            return Now(now=await self._clock.move(to=request.now))
        if request.advance_seconds is not None:
            return Now(now=await self._clock.move(by=timedelta(seconds=request.advance_seconds)))
        return Now(now=await self._clock.now())

    async def _ask_authority(self, request: AskAuthority, _: UUID | None) -> Register:
        if request.mode is not None:
            self._authority.set_mode(request.country, request.mode, request.times, **request.how)
        if request.valid_until is not None:
            reference = request.reference or str(request.order_id)
            self._authority.register.change(reference, request.valid_until)
        return Register(registrations=self._authority.registrations())

    async def _ask_inbox(self, request: AskInbox, _: UUID | None) -> Arrived:
        return Arrived(messages=self._inbox.messages(request.to, request.order_number))

    async def _bounce(self, request: BounceMail, _: UUID | None) -> Bounced:
        mail = self._inbox.message(request.message_id)
        if mail is None:
            raise InvalidValue("No mail with this Message-ID has arrived.", field="message_id")
        self._bouncing.deliver(Bounce(request.kind), mail, await self._clock.now())
        return Bounced(to=mail["sender"])
