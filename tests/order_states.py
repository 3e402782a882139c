"""Orders as customers may find theirs: in every status, and in what can come between."""

import asyncio
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


async def day_begun(service: Service, **different: Any) -> Placed:
    """Not paid, and the day on which it was to begin is there. Moves the clock."""
    placed = await service.place(valid_from=(await service.day(1)).isoformat(), **different)
    await service.advance(days=1)
    return placed


async def scheduled(service: Service, **different: Any) -> Placed:
    placed = await _paid(service, **different)
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


async def action_needed(service: Service, product: str = "SI-7D", **different: Any) -> Placed:
    """The authority does not take it; nothing else is ordered of this country."""
    await service.ask("sandbox.v1.authority", mode="reject", times=1, country=product[:2])
    placed = await _started(service, product=product, **different)
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
    return await _reversed(service, issued, **different)


async def refunded_then_reversed(service: Service, **different: Any) -> Placed:
    """The bank took the money back once we had returned it."""
    return await _reversed(service, refunded, **different)


async def rejected_then_reversed(service: Service, **different: Any) -> Placed:
    """The bank took the money back while the customer was asked what to do."""
    return await _reversed(service, action_needed, product="HU-10D", **different)


async def unreachable(service: Service, **different: Any) -> Placed:
    """The mails come back."""
    placed = await scheduled(service, **different)
    mails = await service.inbox(lambda all_: any(_is_of(placed, mail) for mail in all_))
    [first, *_] = [mail for mail in mails if _is_of(placed, mail)]
    returned = {"message_id": first["message_id"], "why": "permanent", "status": "5.1.1"}
    await service.command("note_returned_mail", order_id=placed["order_id"], **returned)
    return placed


async def _paid(service: Service, payment_id: str | None = None, **different: Any) -> Placed:
    placed = await service.place(**different)
    await service.pay(placed, payment_id=payment_id or str(uuid4()))
    return placed


async def _reversed(service: Service, state: State, **different: Any) -> Placed:
    payment_id = str(uuid4())
    placed = await state(service, payment_id=payment_id, **different)
    await service.command("reverse_payment", order_id=placed["order_id"], payment_id=payment_id)
    return placed


async def _started(service: Service, **different: Any) -> Placed:
    placed = await _paid(service, **different)
    await service.command("start_registration", order_id=placed["order_id"])
    return placed


async def _as(service: Service, placed: Placed, status: str) -> Placed:
    await service.status(placed["order_id"], status)
    return placed


def _is_of(placed: Placed, mail: dict[str, Any]) -> bool:
    return mail["headers"].get("X-Order-Number") == placed["order_number"]


#: By the name of each.
STATES: Mapping[str, State] = {
    "expired": expired,
    "day_begun": day_begun,
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
    "refunded_then_reversed": refunded_then_reversed,
    "rejected_then_reversed": rejected_then_reversed,
    "unreachable": unreachable,
}


_MOVING_THE_CLOCK = ("expired", "day_begun")


async def one_of_each(service: Service, *languages: str) -> dict[str, dict[str, Placed]]:
    """Place an order for every state, by language and name; those that move the clock before all others."""
    made: dict[str, dict[str, Placed]] = {language: {} for language in languages}
    for name in _MOVING_THE_CLOCK:
        for language in languages:
            made[language][name] = await STATES[name](service, language=language)
    others = {name: state for name, state in STATES.items() if name not in _MOVING_THE_CLOCK}
    for language in languages:
        placed = await asyncio.gather(*(state(service, language=language) for state in others.values()))
        made[language] |= dict(zip(others, placed, strict=True))
    return made
