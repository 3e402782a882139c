"""Customers who keep a journal of what they asked and were told, and who ask again until they know (I1)."""

import asyncio
import json
import random
import string
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import nats
from nats.aio.client import Client
from nats.errors import Error, NoServersError

Json = dict[str, Any]

#: How many commands a customer gives, taken over many of them.
_COMMANDS_EACH = 3
#: More do not shop at the same time, however long the service is away.
_TOGETHER = 200
#: How long an answer is waited for: longer each time, so that those who ask again do not drown a slow machine.
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 8.0
_PAUSE_SECONDS = 0.1
#: How long the service may take to be there.
_STARTS_WITHIN_SECONDS = 120.0
#: How long after the end those who do not know yet go on asking.
SETTLES_WITHIN_SECONDS = 60.0
_DIGITS = string.digits + string.ascii_lowercase
_PRODUCTS = ("CZ-10D", "CZ-30D", "SK-10D", "HU-10D", "RO-10D", "SI-7D")


class Clients:
    """So many commands a second, over NATS, each in the journal with every answer and every silence.

    All chance is drawn from the seed, customer by customer: each is the same whatever the others meet.
    """

    def __init__(self, nats_url: str, seed: int, journal: Path, per_second: float) -> None:
        self._servers = nats_url.split(",")
        self._seed = seed
        self._journal = journal
        self._every = _COMMANDS_EACH / per_second
        self._began_at: datetime | None = None
        self._began = 0.0
        self._over: float | None = None
        #: Commands of which it is not known whether they were carried out.
        self.unsettled: set[str] = set()
        #: What identifies a person or a vehicle, or opens an order's page: to be found in no log, metric or event.
        self.secrets: list[str] = []
        #: How many commands were answered `ok`, how many refused, and the longest time that one waited for its answer.
        self.settled = self.refused = 0
        self.longest_wait = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Shop until told to stop; then ask again what is not known, for a while."""
        client = await self._connected()
        self._journal.parent.mkdir(parents=True, exist_ok=True)
        try:
            await self._shop(client, stop)
        finally:
            await client.close()

    async def _connected(self) -> Client:
        # What goes wrong with the connection is the fault that is tested: the journal tells of it, request by request.
        quiet: Json = {"error_cb": _no_word, "disconnected_cb": _no_word, "reconnected_cb": _no_word}
        lasting: Json = {"max_reconnect_attempts": -1, "reconnect_time_wait": 0.1, "allow_reconnect": True}
        # A server that is cut off hangs up on nobody.
        lasting |= {"ping_interval": 2, "max_outstanding_pings": 2}
        while True:
            with suppress(NoServersError, OSError, Error):
                return await nats.connect(self._servers, **quiet, **lasting)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _shop(self, client: Client, stop: asyncio.Event) -> None:
        loop, number = asyncio.get_running_loop(), 0
        room = asyncio.Semaphore(_TOGETHER)
        await self._know_the_time(client)
        began = loop.time()
        with self._journal.open("a", encoding="utf-8") as journal:
            async with asyncio.TaskGroup() as customers:
                while not stop.is_set():
                    await room.acquire()
                    number += 1
                    customer = _Customer(
                        self, client, random.Random(f"{self._seed} {number}"), number, journal.write
                    )
                    customers.create_task(customer.shop()).add_done_callback(lambda _: room.release())
                    with suppress(TimeoutError):
                        await asyncio.wait_for(
                            stop.wait(), max(0.001, began + number * self._every - loop.time())
                        )
                self._over = loop.time() + SETTLES_WITHIN_SECONDS

    async def _know_the_time(self, client: Client) -> None:
        """Ask the sandbox for the service's time, once; it is counted on from there."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while loop.time() < began + _STARTS_WITHIN_SECONDS:
            with suppress(Error, OSError):
                now = json.loads((await client.request("sandbox.v1.clock", b"{}", timeout=_FIRST_WAIT)).data)
                if "now" in now:  # it may be refused while the sandbox finds its database again
                    self._began_at, self._began = datetime.fromisoformat(now["now"]), loop.time()
                    return
            await asyncio.sleep(_PAUSE_SECONDS)
        raise AssertionError("the sandbox never told the time")

    def now(self) -> datetime:
        """Return the service's time, as long as nobody moves its clock."""
        assert self._began_at is not None
        return self._began_at + timedelta(seconds=asyncio.get_running_loop().time() - self._began)

    @property
    def is_over(self) -> bool:
        """Tell whether it is time to give up."""
        return self._over is not None and asyncio.get_running_loop().time() > self._over

    @property
    def is_closing(self) -> bool:
        """Tell whether nothing new is to be asked."""
        return self._over is not None

    def mark(self) -> str:
        """Return what stands in every address and plate of these customers, and nowhere else."""
        return f"q{_DIGITS[self._seed // 36 % 36]}{_DIGITS[self._seed % 36]}x"

    @property
    def series(self) -> str:
        """Return what ids of payments begin with."""
        return f"{self._seed}-{self.mark()}"


class _Customer:
    """One order from placing to wherever chance takes it."""

    def __init__(
        self,
        clients: Clients,
        client: Client,
        chance: random.Random,
        number: int,
        write: Callable[[str], Any],
    ) -> None:
        self._clients = clients
        self._client = client
        self._chance = chance
        self._number = number
        self._write = write
        self._placed: Json = {}

    async def shop(self) -> None:
        """Order, pay, and change one's mind."""
        reply = await self._command("place", self._wish())
        if not reply.get("ok"):
            return
        self._placed = reply
        self._clients.secrets.append(reply["manage_url"].rpartition("/")[2])
        for act in self._acts():
            if self._clients.is_closing:
                return
            await act()

    def _wish(self) -> Json:
        day = self._clients.now().date() + timedelta(days=self._chance.choice((0, 2, 5, 9, 20)))
        return {
            "product": self._chance.choice(_PRODUCTS),
            "vehicle": {"country": "DE", "plate": self._plate("A")},
            "valid_from": day.isoformat(),
            "email": self._email("a"),
            "language": self._chance.choice(("en", "de", "cs")),
        }

    def _acts(self) -> list[Callable[[], Any]]:
        """Return what this one does after placing, in order."""
        acts: list[Callable[[], Any]] = []
        likely = self._chance.random
        if likely() < 0.1:
            acts.append(self._wish_a_start)
        if likely() < 0.9:
            acts += [self._pay_in_part, self._pay_the_rest] if likely() < 0.15 else [self._pay]
        for act, share in (
            (self._correct_plate, 0.2),
            (self._correct_email, 0.1),
            (self._wish_a_start, 0.3),
            (self._correct_plate, 0.1),
            (self._refund, 0.15),
        ):
            if likely() < share:
                acts.append(act)
        return acts

    # --- each of them

    async def _pay(self) -> None:
        await self._transfer("all", self._placed["price"]["total"]["amount"])

    async def _pay_in_part(self) -> None:
        await self._transfer("part", self._placed["price"]["total"]["amount"] // 3)

    async def _pay_the_rest(self) -> None:
        total = self._placed["price"]["total"]["amount"]
        await self._transfer("rest", total - total // 3)

    async def _transfer(self, part: str, amount: int) -> None:
        currency = self._placed["price"]["total"]["currency"]
        payment = {
            "payment_id": f"{self._clients.series}-{self._number}-{part}",
            "amount": {"amount": amount, "currency": currency},
            "method": "card",
            "received_at": self._clients.now().isoformat(),
        }
        await self._on_order("receive_payment", **payment)

    async def _correct_plate(self) -> None:
        await self._on_order("correct_details", changes={"plate": self._plate(self._chance.choice("BCDE"))})

    async def _correct_email(self) -> None:
        reply = await self._on_order("correct_email", email=self._email("b"))
        if reply.get("ok"):
            self._clients.secrets.append(reply["manage_url"].rpartition("/")[2])

    async def _wish_a_start(self) -> None:
        given_at = self._clients.now().isoformat()
        consent = {"kind": "immediate_performance", "text_version": "2027-01", "given_at": given_at}
        await self._on_order("start_registration", consent=consent)

    async def _refund(self) -> None:
        granted = await self._on_order("request_refund")
        if granted.get("ok") and self._chance.random() < 0.7:
            refund = {"refund_id": f"back-{self._clients.series}-{self._number}", "amount": granted["refund"]}
            await self._on_order("confirm_refund", **refund)

    def _plate(self, which: str) -> str:
        plate = f"{self._clients.mark()}{which} {self._number:05}".upper()
        self._clients.secrets += [plate, plate.replace(" ", "")]
        return plate

    def _email(self, which: str) -> str:
        email = f"{self._clients.mark()}.{self._number}.{which}@example.com"
        self._clients.secrets.append(email)
        return email

    # --- asking

    async def _on_order(self, name: str, **body: Any) -> Json:
        return await self._command(name, {"order_id": self._placed["order_id"], **body})

    async def _command(self, name: str, body: Json) -> Json:
        """Ask under one command_id until there is an answer, or the end; return it, or nothing."""
        command_id = str(UUID(int=self._chance.getrandbits(128), version=4))
        subject, asked = f"orders.v1.{name}", {"command_id": command_id, "actor": "customer", **body}
        loop, attempt, began = asyncio.get_running_loop(), 0, asyncio.get_running_loop().time()
        self._clients.unsettled.add(command_id)
        while not self._clients.is_over:
            reply = await self._once(subject, asked, min(_FIRST_WAIT * 1.5**attempt, _LONGEST_WAIT))
            if reply is not None:
                self._clients.unsettled.discard(command_id)
                self._clients.settled += bool(reply["ok"])
                self._clients.refused += not reply["ok"]
                self._clients.longest_wait = max(self._clients.longest_wait, loop.time() - began)
                return reply
            attempt += 1
            await asyncio.sleep(_PAUSE_SECONDS)
        return {}

    async def _once(self, subject: str, asked: Json, wait: float) -> Json | None:
        """Return an answer that settles it; None for silence, and for what may or may not have been done."""
        try:
            answer = await self._client.request(subject, json.dumps(asked).encode(), timeout=wait)
        except (Error, OSError, TimeoutError):
            self._note(subject, asked, "unknown", None)
            return None
        reply: Json = json.loads(answer.data)
        if not reply["ok"] and reply["error"]["code"] == "unavailable":
            self._note(subject, asked, "unknown", reply)
            return None
        self._note(subject, asked, "ok" if reply["ok"] else "refused", reply)
        return reply

    def _note(self, subject: str, asked: Json, outcome: str, reply: Json | None) -> None:
        line = {
            "at": datetime.now(UTC).isoformat(),
            "subject": subject,
            "command_id": asked["command_id"],
            "body": {name: value for name, value in asked.items() if name != "command_id"},
            "outcome": outcome,
        }
        self._write(json.dumps(line | ({"reply": reply} if reply is not None else {})) + "\n")


async def _no_word(*_: object) -> None:
    """Say nothing of a connection that comes and goes."""
