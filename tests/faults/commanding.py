"""Customers who place orders and pay them, so many commands a second, whatever the service makes of it."""

import asyncio
import json
import os
import signal
import sys
import time
from collections import Counter
from itertools import count
from uuid import uuid4

import nats
from nats.errors import Error

from faults.apart import wait_for_the_start
from service import BEGINNING

_ORDER = {
    "product": "CZ-10D",
    "valid_from": "2027-03-17",
    "email": "driver@example.com",
    "language": "en",
}


class Customers:
    """Each places one order, and pays it."""

    def __init__(self, client):
        self._client = client
        self.met = Counter()
        self.waited = []
        self._serials = count(1)

    async def one(self, between):
        # Each has a vehicle of its own: a second order for the same one and the same days would be held.
        vehicle = {"country": "CZ", "plate": f"T{os.getpid():x}{next(self._serials)}"}
        placed = await self._ask("place", {**_ORDER, "vehicle": vehicle})
        if placed:
            await asyncio.sleep(between)
            payment = {
                "order_id": placed["order_id"],
                "payment_id": str(uuid4()),
                "amount": placed["price"]["total"],
                "method": "card",
                "received_at": BEGINNING.isoformat(),
            }
            await self._ask("receive_payment", payment)

    async def _ask(self, name, body):
        began, request = time.monotonic(), json.dumps({"command_id": str(uuid4()), **body}).encode()
        try:
            answer = json.loads((await self._client.request(f"orders.v1.{name}", request, timeout=10)).data)
        except Error as error:
            self.met[type(error).__name__] += 1
            return None
        self.waited.append(time.monotonic() - began)
        self.met["ok" if answer["ok"] else answer["error"]["code"]] += 1
        return answer if answer["ok"] else None


async def main(nats_url, per_second):
    """Let customers come until told to end, and then until each has his answers."""
    stop, client = asyncio.Event(), await nats.connect(nats_url)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    customers, under_way = Customers(client), []
    await asyncio.to_thread(wait_for_the_start)
    began = time.monotonic()
    while not stop.is_set():
        under_way.append(asyncio.create_task(customers.one(0.2)))
        await asyncio.sleep(max(0.0, began + len(under_way) * 2 / per_second - time.monotonic()))
    seconds = time.monotonic() - began
    await asyncio.gather(*under_way)
    await client.close()
    waited = sorted(customers.waited)
    told = {
        "per_second": round(customers.met["ok"] / seconds),
        "p99_ms": round(waited[len(waited) * 99 // 100] * 1000),
        "seconds": round(seconds, 1),
        "met": customers.met,
    }
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
