"""A day as people on duty may have one: orders by the hundred, a burst at noon, and one of each that waits for them."""

import asyncio
import base64
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import count, cycle
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import psycopg

from bank_files import camt053, entry, statement, transaction
from order_states import (
    Placed,
    action_needed,
    on_hold,
    partially_paid,
    refund_pending,
    registering,
    scheduled,
)
from service import Service, until

#: Most drive to the neighbours; at noon all that begin on one day become due in one instant.
PRODUCTS = ("CZ-10D", "AT-10D", "CZ-1D", "SI-7D", "HU-10D", "CZ-30D", "AT-1D", "RO-30D", "CZ-365D")
_AT_ALL_HOURS = (3, 19, 8, 14, 22, 11, 6)
#: So that they are due in the very moments at which the clock stops on its way through a day.
_AT_OUR_STOPS = (7, 13)
_SOFIA = ZoneInfo("Europe/Sofia")
_plates = count(1000)
_TOGETHER = 24
#: What is under way ends within seconds; a machine that has much else to do may need longer.
_QUIET_SECONDS = 60.0


async def busy_days(service: Service, days: int, orders_a_day: int, today: int) -> dict[str, Placed]:
    """Let so many days pass with orders on each, then begin today, and return those that wait, by what for.

    Moves the clock. On the last day but three some start late, as after an outage of our own.
    """
    await waiting_for_the_bank(service)
    for day in range(days):
        await _a_day(service, orders_a_day, is_late=day == days - 4)
    await _ordered(service, _wished(await service.now(), today, _AT_ALL_HOURS))
    await _paid_by_bank(service, 12)
    return await one_of_each(service)


async def _a_day(service: Service, orders: int, *, is_late: bool) -> None:
    """Let a day pass from morning to morning: some order for today, some pay at their bank, most start at noon."""
    morning = await service.now()
    noon = datetime.combine(morning.date(), time(11), UTC)
    await _ordered(service, [("CZ-1D", morning.date().isoformat())] * 2)
    await _ordered(service, _wished(morning, orders, _AT_OUR_STOPS))
    await _paid_by_bank(service, 2)
    for stop in (
        morning + timedelta(minutes=2),
        noon + timedelta(hours=-1, seconds=2),
        noon + (timedelta(minutes=9) if is_late else timedelta(seconds=2)),
        noon + timedelta(hours=6, seconds=2),
        noon + timedelta(hours=12, seconds=2),
        noon + timedelta(hours=20),
    ):
        await moved(service, stop)


def _wished(now: datetime, number: int, at: Sequence[int]) -> list[tuple[str, str]]:
    """Return what is ordered and for when: most for a day, some for tomorrow at these hours."""
    days, products, hours = cycle((1, 2, 1, 3, 1, 2, 1, 4)), cycle(PRODUCTS), cycle(at)
    wished = []
    for each in range(number):
        if each % 3:
            wished.append((next(products), (now + timedelta(days=next(days))).date().isoformat()))
        else:
            begins = datetime.combine((now + timedelta(days=1)).date(), time(next(hours)), _SOFIA)
            wished.append(("BG-1D", begins.isoformat()))
    return wished


async def one_of_each(service: Service) -> dict[str, Placed]:
    """Make what waits for somebody: with an authority, for an answer, on hold, in review, unanswered."""
    made = {
        "registering": await registering(service),
        "rejected": await action_needed(service),
        "held": await on_hold(service),
        "refund": await refund_pending(service),
        "underpaid": await partially_paid(service),
        "nearly": await service.place(),
        "returned": await scheduled(service, email="nobody@example.com"),
    }
    await waiting_for_the_bank(service, made["nearly"])
    await service.ask(
        "support.v1.open",
        command_id=uuid4(),
        topic="question",
        channel="page",
        language="en",
        order_id=made["registering"]["order_id"],
        email="driver@example.com",
        message="We leave tonight. Is it registered yet?",
    )
    await _bounced(service, "nobody@example.com")
    return made


async def _bounced(service: Service, to: str) -> None:
    """Let the first mail to an address come back; of all mails there are too many for one message."""

    async def look() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await service.ask("sandbox.v1.inbox", to=to))["messages"]
        return found

    [first, *_] = await until(look)
    await service.ask("sandbox.v1.bounce", message_id=first["message_id"], kind="hard")


async def waiting_for_the_bank(service: Service, *nearly: Placed) -> None:
    """Import a statement: money with a mistyped symbol for each of these orders, and some that names none."""
    day = (await service.now()).date().isoformat()
    lines = [_line(placed, f"/VS{_mistyped(placed['payment']['variable_symbol'])}", day) for placed in nearly]
    strange = entry(
        "1250.00", currency="CZK", reference=uuid4().hex[:16], day=day, details=transaction("for the road")
    )
    await _told(service, [*lines, strange])


async def _told(service: Service, lines: Sequence[str]) -> None:
    """Import a statement."""
    content = base64.b64encode(camt053(statement(*lines, name=uuid4().hex))).decode()
    told = {"command_id": uuid4(), "actor": "accounting", "file_name": "statement.xml", "content": content}
    reply = await service.ask("payments.v1.import", **told)
    assert reply["ok"], reply


def _line(placed: Placed, text: str, day: str) -> str:
    total = placed["price"]["total"]
    said = {"currency": total["currency"], "reference": uuid4().hex[:16], "day": day}
    return entry(f"{total['amount'] / 100:.2f}", **said, details=transaction(text))


def _mistyped(symbol: str) -> str:
    """Return a reference with two digits swapped, as people do."""
    place = next(at for at in range(3, len(symbol) - 1) if symbol[at] != symbol[at + 1])
    return symbol[:place] + symbol[place + 1] + symbol[place] + symbol[place + 2 :]


async def _ordered(service: Service, wished: Sequence[tuple[str, str]]) -> None:
    """Place orders, and have them paid; so many at a time."""
    for begin in range(0, len(wished), _TOGETHER):
        await asyncio.gather(*(_paid(service, *each) for each in wished[begin : begin + _TOGETHER]))


async def _placed(service: Service, product: str, valid_from: str) -> Placed:
    vehicle = {"country": "CZ", "plate": f"5C5 {next(_plates)}"}
    placed = await service.place(product=product, valid_from=valid_from, vehicle=vehicle)
    assert placed["ok"], placed
    return placed


async def _paid(service: Service, product: str, valid_from: str) -> None:
    await service.pay(await _placed(service, product, valid_from))


async def _paid_by_bank(service: Service, number: int) -> None:
    day = (await service.day(5)).isoformat()
    placed = [await _placed(service, "CZ-10D", day) for _ in range(number)]
    today = (await service.now()).date().isoformat()
    await _told(service, [_line(each, f"/VS{each['payment']['variable_symbol']}", today) for each in placed])
    for each in placed:
        await service.status(each["order_id"], "scheduled")


async def moved(service: Service, to: datetime) -> None:
    """Move the clock once every mail has left and every start was answered: what is under way gets late by it."""
    await until(lambda: _is_quiet(service), _QUIET_SECONDS)
    await service.ask("sandbox.v1.clock", now=to.isoformat())


async def _is_quiet(service: Service) -> bool:
    with psycopg.connect(service.settings.database_url) as connection:
        row = connection.execute(
            "SELECT mails = 0 AND (SELECT max(events_behind) = 0 FROM read.projection_lag)"
            " AND NOT EXISTS (SELECT FROM read.order_status WHERE status = 'registering') FROM read.mails_waiting"
        ).fetchone()
    return row == (True,)
