"""What customers do in that year: commands over NATS, many under way, each asked until it is answered."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid5

from faults.crew import Asking
from service import until

_NAMESPACE = UUID("0f4ac6c1-6ad2-5f2a-9c55-1f6f8d1f2a10")
_TOGETHER = 200
_TOLD_WITHIN = 60
#: What a customer may hear without anything being wrong: it was too late, too early, or over.
REFUSALS = {
    "place": set(),
    "receive_payment": set(),
    "correct_details": {"already_started", "conflict", "invalid_request"},
    "start_registration": {"conflict", "too_early"},
    "request_refund": {"not_refundable", "not_paid"},
    "accept_twin": {"conflict"},
}


@dataclass
class Known:
    """What a customer knows of the own order."""

    order_id: str
    total: int
    currency: str


class _Asking(Asking):
    """Goes on when the broker has died, too."""

    async def _once(self, subject, body, wait):
        try:
            return await super()._once(subject, body, wait)
        except OSError:
            self.met["broken_off"] += 1
            await asyncio.sleep(wait)
            return None


class Customers:
    """Do what is planned for an instant, all of them at once, each in the order planned."""

    def __init__(self, client, plan, seed):
        self._plan = plan
        self._seed = seed
        self._asking = _Asking(client)
        self._known = {}
        self._gate = asyncio.Semaphore(_TOGETHER)
        self._now = None
        #: How often each command was answered how.
        self.answers = Counter()
        self.wrong = []

    @property
    def unanswered(self):
        """How many requests had to be asked again."""
        return sum(count for how, count in self._asking.met.items() if how != "answered")

    async def act(self, at, acts):
        """Do all of this instant."""
        self._now, by_order = at, {}
        for each in acts:
            by_order.setdefault(each.order, []).append(each)
        async with asyncio.TaskGroup() as customers:
            for each in by_order.values():
                customers.create_task(self._one_after_the_other(each))

    async def _one_after_the_other(self, acts):
        async with self._gate:
            for act in acts:
                await getattr(self, f"_{act.name}")(self._plan.wishes[act.order], act.value)

    # --- each of them

    async def _place(self, wish, _):
        order = {
            "product": wish.product,
            "vehicle": {"country": "CZ", "plate": wish.plate},
            "valid_from": wish.valid_from,
            "email": f"driver{wish.number}@example.com",
            "language": "en",
        }
        reply = await self._ask("place", wish, order)
        if reply["ok"]:
            total = reply["price"]["total"]
            self._known[wish.number] = Known(reply["order_id"], total["amount"], total["currency"])

    async def _pay(self, wish, part):
        number, of = part
        known = self._known[wish.number]
        half = known.total // 2
        amount = known.total if of == 1 else half if number == 1 else known.total - half
        await self._transfer(wish, amount, f"{number}")

    async def _transfer(self, wish, amount, part):
        known = self._known[wish.number]
        payment = {
            "payment_id": f"year-{wish.number}-{part}",
            "amount": {"amount": amount, "currency": known.currency},
            "method": "card",
            "received_at": self._now.isoformat(),
        }
        reply = await self._on(wish, "receive_payment", **payment)
        if reply["ok"] and reply["status"] == "on_hold":
            await self._held(wish)
        elif wish.twin_of is not None and reply["ok"]:
            await self._until_told(wish)

    async def _held(self, wish):
        """Answer the question after another start."""
        if wish.if_held == "refund":
            await self._refund(wish, None)
        elif wish.if_held == "new_start":
            await self._on(wish, "correct_details", changes={"valid_from": _anew(wish, self._now)})

    async def _until_told(self, wish):
        """Wait until a twin is held. Real time passes for it, whatever the simulated clock makes of it next."""
        first = self._known[wish.twin_of]
        if (await self._status(first))["status"] not in {"scheduled", "registering", "issued"}:
            return

        async def look():
            return (await self._status(self._known[wish.number]))["status"] != "scheduled"

        await until(look, _TOLD_WITHIN)

    async def _correct(self, wish, changes):
        reply = await self._on(wish, "correct_details", changes=changes)
        if reply["ok"] and reply["status"] == "partially_paid":
            rest = (await self._status(self._known[wish.number], reply["position"]))["outstanding"]
            await self._transfer(wish, rest, "rest")

    async def _start(self, wish, _):
        if wish.number not in self._known:
            return
        consent = {
            "kind": "immediate_performance",
            "text_version": "2027-01",
            "given_at": self._now.isoformat(),
        }
        await self._on(wish, "start_registration", consent=consent)

    async def _refund(self, wish, _):
        await self._on(wish, "request_refund")

    async def pay_back(self, owed):
        """Let accounting pay what nobody asked for: a part of the price, or all of it where the authority refused."""
        for order_id, amount, currency in owed:
            refund = {"refund_id": f"back-{order_id}", "amount": {"amount": amount, "currency": currency}}
            command = {
                "command_id": str(uuid5(_NAMESPACE, f"back {order_id}")),
                "order_id": order_id,
                **refund,
            }
            await self._asking.settled("orders.v1.confirm_refund", command)

    async def _accept_twin(self, wish, _):
        await self._on(wish, "accept_twin")

    # --- asking

    async def _on(self, wish, name, **body):
        return await self._ask(name, wish, {"order_id": self._known[wish.number].order_id, **body})

    async def _ask(self, name, wish, body):
        about = f"{self._seed} {wish.number} {name} {json.dumps(body, sort_keys=True)}"
        command = {"command_id": str(uuid5(_NAMESPACE, about)), "actor": "year", **body}
        reply = json.loads(await self._asking.settled(f"orders.v1.{name}", command))
        code = "ok" if reply["ok"] else reply["error"]["code"]
        self.answers[name, code] += 1
        if code != "ok" and code not in REFUSALS[name]:
            self.wrong.append(
                f"order {wish.number}: {name} at {self._now:%Y-%m-%d %H:%M} was answered {reply}"
            )
        return reply

    async def _status(self, known, position=None):
        question = {"order_id": known.order_id} | ({} if position is None else {"min_position": position})

        async def look():
            reply = json.loads(await self._asking.settled("orders.v1.status", question))
            return reply["order"] if reply["ok"] else None

        return await until(look, _TOLD_WITHIN)  # the view may not know it yet


def _anew(wish, now):
    """Return a start that can be kept: three days from now, or what product and authority ask for."""
    day = now + timedelta(days=20 if wish.product in {"AT-2M", "AT-1Y"} else 3)
    if wish.product == "BG-1D":
        return day.isoformat()
    if wish.product == "BG-WE":
        day += timedelta(days=(4 - day.weekday()) % 7)
    return day.date().isoformat()
