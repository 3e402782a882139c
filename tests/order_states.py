"""Orders as customers may find theirs: in every status, and in what can come between."""

from collections.abc import Awaitable, Callable, Mapping
from itertools import count
from typing import Any
from uuid import uuid4

from service import Service

Placed = dict[str, Any]
State = Callable[..., Awaitable[Placed]]

_twins = count(2345)
#: From the order to its day is a week, and from there it waits two for its money.
UNPAID_DAYS = 23


async def awaiting_payment(service: Service, **different: Any) -> Placed:
    return await service.place(**different)


async def partially_paid(service: Service, **different: Any) -> Placed:
    placed = await service.place(**different)
    part = placed["price"]["total"] | {"amount": 10_050}
    await service.pay(placed, amount=part)
    return await _as(service, placed, "partially_paid")


async def scheduled(service: Service, **different: Any) -> Placed:
    placed = await service.place(**different)
    await service.pay(placed)
    return await _as(service, placed, "scheduled")


async def on_hold(service: Service, **different: Any) -> Placed:
    """Paid, but another paid order is for the same vehicle and the same days."""
    vehicle = different.pop("vehicle", {"country": "CZ", "plate": f"7T7 {next(_twins)}"})
    await scheduled(service, vehicle=vehicle, **different)
    placed = await service.place(vehicle=vehicle, **different)
    await service.pay(placed)
    return await _as(service, placed, "on_hold")


async def registering(service: Service, **different: Any) -> Placed:
    """Nothing is heard of Slovakia's authority from here on."""
    await service.ask("sandbox.v1.authority", mode="down", country="SK")
    placed = await _started(service, product="SK-10D", **different)
    return await _as(service, placed, "registering")


async def issued(service: Service, **different: Any) -> Placed:
    placed = await _started(service, **different)
    return await _as(service, placed, "issued")


async def action_needed(service: Service, **different: Any) -> Placed:
    await service.ask("sandbox.v1.authority", mode="reject", times=1, country="CZ")
    placed = await _started(service, **different)
    return await _as(service, placed, "action_needed")


async def refund_pending(service: Service, **different: Any) -> Placed:
    placed = await scheduled(service, **different)
    await service.command("withdraw", order_id=placed["order_id"])
    return await _as(service, placed, "refund_pending")


async def refunded(service: Service, **different: Any) -> Placed:
    placed = await refund_pending(service, **different)
    refund = {"refund_id": str(uuid4()), "amount": placed["price"]["total"]}
    await service.command("confirm_refund", order_id=placed["order_id"], **refund)
    return await _as(service, placed, "refunded")


async def expired(service: Service, **different: Any) -> Placed:
    """Moves the clock."""
    placed = await service.place(**different)
    await service.advance(days=UNPAID_DAYS)
    return await _as(service, placed, "expired")


async def owing(service: Service, **different: Any) -> Placed:
    """The bank took the money back once the vignette was there."""
    placed = await service.place(**different)
    payment_id = str(uuid4())
    await service.pay(placed, payment_id=payment_id)
    await service.command("start_registration", order_id=placed["order_id"])
    await _as(service, placed, "issued")
    await service.command("reverse_payment", order_id=placed["order_id"], payment_id=payment_id)
    return placed


async def unreachable(service: Service, **different: Any) -> Placed:
    """The mails come back."""
    placed = await scheduled(service, **different)
    mails = await service.inbox(lambda all_: any(_is_of(placed, mail) for mail in all_))
    [first, *_] = [mail for mail in mails if _is_of(placed, mail)]
    returned = {"message_id": first["message_id"], "why": "permanent", "status": "5.1.1"}
    await service.command("note_returned_mail", order_id=placed["order_id"], **returned)
    return placed


async def _started(service: Service, **different: Any) -> Placed:
    placed = await service.place(**different)
    await service.pay(placed)
    await service.command("start_registration", order_id=placed["order_id"])
    return placed


async def _as(service: Service, placed: Placed, status: str) -> Placed:
    await service.status(placed["order_id"], status)
    return placed


def _is_of(placed: Placed, mail: dict[str, Any]) -> bool:
    return mail["headers"].get("X-Order-Number") == placed["order_number"]


#: By the name of each; the one that moves the clock comes first.
STATES: Mapping[str, State] = {
    "expired": expired,
    "awaiting_payment": awaiting_payment,
    "partially_paid": partially_paid,
    "scheduled": scheduled,
    "on_hold": on_hold,
    "registering": registering,
    "issued": issued,
    "action_needed": action_needed,
    "refund_pending": refund_pending,
    "refunded": refunded,
    "owing": owing,
    "unreachable": unreachable,
}
