"""`vignettes status` and `vignettes release`: why registration is due when, and going on with a held order."""

import asyncio
from functools import partial

import pytest
import pytest_asyncio

from service import until
from vignettes.runtime import asking, order_status

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def service(shared_service):
    return await shared_service.anew()


@pytest.fixture
def look(service):
    """Return what the command knows of an order, without a process for it."""

    async def look(placed, **different):
        settings = service.settings.model_copy(update=different)
        reply = await asking.status(settings, placed["order_number"])
        return await asyncio.to_thread(order_status.look, settings, reply)

    return look


def plans(found):
    return [(each.generation, each.purpose, each.outcome) for each in found.ledger]


async def test_an_order_that_waits_for_money_says_so(service, beside, run):
    """What it costs, what it is for, and what was agreed to."""
    consent = {"kind": "immediate_performance", "text_version": "2027-01", "given_at": "2027-03-10T07:59:00Z"}
    placed = await service.place(consents=[consent])
    code, said, complained = await run(beside, "status", placed["order_number"])
    assert code == 0, complained
    for expected in (
        "not due before the money is there",
        "399.00 CZK = 300.00 CZK official + 99.00 CZK fee; received 0.00 CZK; outstanding 399.00 CZK",
        "immediate_performance, text version 2027-01, language en, given 2027-03-10 08:59 Europe/Prague (07:59 UTC)",
        "2027-03-17 00:00 Europe/Prague (2027-03-16 23:00 UTC) to",
    ):
        assert expected in said
    code, _, complained = await run(beside, "status", "V123")
    assert (code, "not_found: order_number:" in complained) == (1, True)


async def test_a_start_that_the_customer_asked_for_is_told_as_such(service, look):
    """With the plan that it came before; without a database all but the ledger is told."""
    placed = await service.place()
    await service.pay(placed)
    await service.command("start_registration", order_id=placed["order_id"])
    await service.status(placed["order_id"], "registering", "issued")
    found = await look(placed, database_url=None)
    assert ", as the customer asked for then. It was due 2027-03-16 12:00 Europe/Prague" in found.why
    assert found.ledger is None


async def test_a_call_for_a_person_is_told_with_what_for(service, look):
    """And until when to act."""
    placed = await service.place()
    await service.pay(placed)
    await service.ask("sandbox.v1.authority", mode="down")
    await service.command("start_registration", order_id=placed["order_id"])
    call = {"generation": 1, "why": "authority_down", "act_by": "2027-03-10T10:00:00Z"}
    called = await service.command("call_person", order_id=placed["order_id"], **call)
    await service.ask("orders.v1.status", order_id=placed["order_id"], min_position=called["position"])
    person = (await look(placed)).person
    assert person.startswith(
        "the authority does not answer, and the time gets short; called 2027-03-10 09:00"
    )
    assert person.endswith("; act by 2027-03-10 11:00 Europe/Prague (10:00 UTC)")


@pytest.mark.thorough
async def test_a_second_order_for_the_same_vehicle_goes_on_when_it_is_released(service, beside, run, look):
    """Who released it stays in the history; one that is not held so is refused."""
    placed = await service.place()
    await service.pay(placed)
    code, _, complained = await run(beside, "release", placed["order_number"])
    assert (code, "conflict" in complained) == (1, True)
    other = await service.place(vehicle={"country": "CZ", "plate": "9Z9 9999"})
    await service.pay(other)
    await service.status(other["order_id"], "scheduled")
    held = await service.command("hold_as_twin", order_id=placed["order_id"], twin=other["order_id"])
    await service.ask("orders.v1.status", order_id=placed["order_id"], min_position=held["position"])
    assert (await look(placed)).why == "not due before the customer has answered"
    code, said, complained = await run(beside, "release", placed["order_number"], "--actor", "ops@day")
    assert code == 0, complained
    assert (
        f"Released: order {placed['order_number']} is scheduled, due 2027-03-16 12:00 Europe/Prague" in said
    )
    [*_, last] = (await service.ask("orders.v1.history", order_id=placed["order_id"]))["events"]
    assert (last["type"], last["actor"]) == ("TwinAccepted", "ops@day")


# --- the clock is moved last


@pytest.mark.thorough
async def test_an_order_tells_why_it_is_due_when_and_every_plan_that_it_had(service, beside, look, told):
    """Planned, planned anew by a correction, and issued: the rule stays explained, and the ledger says how it went."""
    placed = await service.place()
    await service.pay(placed)
    later = {"valid_from": (await service.day(8)).isoformat()}
    await service.command("correct_details", order_id=placed["order_id"], changes=later)
    await until(partial(_has_plans, look, placed, 3))
    assert (await look(placed)).why == (
        "due 2027-03-17 12:00 Europe/Prague (11:00 UTC), by rule lead: starts 2027-03-18 00:00 Europe/Prague "
        "(2027-03-17 23:00 UTC) less 12 h"
    )
    await service.advance(days=8)
    await service.status(placed["order_id"], "issued")
    found = await until(partial(_has_plans, look, placed, 3))
    assert plans(found) == [
        (0, "expiry", "cancelled"),
        (1, "registration", "superseded"),
        (2, "registration", "started"),
    ]
    assert (
        "after it was due. It was due 2027-03-17 12:00 Europe/Prague (11:00 UTC), by rule lead" in found.why
    )
    told_json = await told(beside, "status", placed["order_id"])
    assert (told_json["reason"]["rule"], told_json["reason"]["lead_seconds"]) == ("lead", 43_200)
    assert told_json["ledger"][2]["fired_at"].startswith("2027-03-1")
    assert (told_json["order"]["status"], told_json["person"]) == ("issued", None)


async def _has_plans(look, placed, number):
    found = await look(placed)
    return found if len(found.ledger) == number else None
