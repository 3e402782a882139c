"""Customers whose addresses and plates can be found wherever they were written, and what becomes of their orders."""

from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from eventstore_helpers import ask
from service import Service, until

#: In every address and every plate of those who will be erased, and of those who will not.
GONE, KEPT = "gone7q3xz", "kept9w5jk"
ENDS = {"corrected": "issued", "rejected": "refunded", "refunded": "refunded", "plain": "issued"}
STORIES = tuple(ENDS)


def marks(mark: str) -> list[str]:
    """Return what is in an address, in a plate as typed, and in a plate as registered."""
    return [mark, f"{mark[:4]}-{mark[4:]}".upper(), mark.upper()]


@dataclass
class Customer:
    """One order's person, with a second address and a second plate."""

    number: int
    mark: str
    order: dict[str, Any] = field(default_factory=dict)
    case_id: str = ""

    @property
    def story(self) -> str:
        """What becomes of the order."""
        return STORIES[self.number % len(STORIES)]

    @property
    def order_id(self) -> str:
        return self.order["order_id"]

    def email(self, which: int) -> str:
        return f"{self.mark}.{self.number}.{which}@example.com"

    def plate(self, which: int) -> str:
        return f"{marks(self.mark)[1]} {self.number + 500 * which:03}"

    async def orders(self, service: Service) -> None:
        """Place an order, and tell everything there is to tell about it."""
        vehicle = {"country": "CZ", "plate": self.plate(0)}
        self.order = await service.place(vehicle=vehicle, email=self.email(0))
        assert (await service.pay(self.order))["ok"]
        await getattr(self, f"_{self.story}")(service)

    async def asks(self, service: Service) -> None:
        """Ask support for something on the order's page, and be answered; the case is closed then."""
        told = {"topic": "question", "channel": "page", "language": "en", "order_id": self.order_id}
        # At the order's own address, so that the mails say which order they belong to.
        email = self.email(1 if self.story == "corrected" else 0)
        known = {"email": email, "country": "CZ", "plate": self.plate(0)}
        words = f"Write to {self.email(1)} of {self.plate(1)}"
        case = await self._support(service, "open", **told, **known, message=words)
        self.case_id = case["case_id"]
        await until(lambda: self._shown(service))
        named = {"case_id": self.case_id, "actor": "anna"}
        await self._support(service, "answer", **named, text=f"{words}: we will")
        await self._support(service, "close", **named)

    async def case(self, service: Service) -> dict[str, Any]:
        """Return the case, with all that was written."""
        return await service.ask("support.v1.case", case_id=self.case_id)

    async def _shown(self, service: Service) -> bool:
        return (await self.case(service))["ok"]

    async def _support(self, service: Service, subject: str, **body: Any) -> dict[str, Any]:
        reply = await service.ask(f"support.v1.{subject}", command_id=uuid4(), **body)
        assert reply["ok"], reply
        return reply

    async def _plain(self, service: Service) -> None:
        await self._done(service, "start_registration")

    async def _corrected(self, service: Service) -> None:
        await self._done(service, "correct_email", email=self.email(1))
        await self._done(service, "correct_details", changes={"plate": self.plate(1)})
        await self._done(service, "start_registration")

    async def _rejected(self, service: Service) -> None:
        """The authority is down; its refusal comes by another way, and names the vehicle."""
        await service.ask("sandbox.v1.authority", mode="down")
        await self._done(service, "start_registration")
        generation = (await service.status(self.order_id, "registering"))["generation"]
        await self._done(
            service, "record_rejection", generation=generation, reason=f"{self.plate(0)} is unknown here"
        )
        await service.ask("sandbox.v1.authority", mode="ok")
        await self._refunded(service)

    async def _refunded(self, service: Service) -> None:
        granted = await self._done(service, "request_refund", reason=f"{self.email(0)} drives no more")
        back = {"refund_id": f"back-{self.number}", "amount": granted["refund"]}
        await self._done(service, "confirm_refund", **back)

    async def _done(self, service: Service, command: str, **body: Any) -> dict[str, Any]:
        reply = await service.command(command, order_id=self.order_id, **body)
        assert reply["ok"], reply
        return reply

    async def ended(self, service: Service) -> None:
        """Wait until the order has come to its end."""
        await service.status(self.order_id, ENDS[self.story])


async def all_is_told(database: str) -> None:
    """Wait until every view knows the whole log, and every mail has left."""

    async def look() -> bool:
        behind = "SELECT count(*) FROM read.projection_lag WHERE events_behind > 0"
        waiting = "SELECT count(*) FROM read.emails WHERE state IN ('waiting', 'retrying')"
        return ask(database, behind) == ask(database, waiting) == [0]

    await until(look, seconds=60)
