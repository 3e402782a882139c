"""Announced outages of authorities: on record with who announced them, and in the plans of the orders they concern."""

from datetime import datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


class Week:
    """The week that begins with a test, and what is announced and ordered in it."""

    def __init__(self, service, wednesday):
        self.service = service
        self._wednesday = wednesday
        #: When whatever begins in a week is due: noon in Prague.
        self.mark = wednesday + timedelta(days=6, hours=2)
        #: The outage that covers it.
        self.begins_at, self.ends_at = self.mark - timedelta(hours=2), self.mark + timedelta(hours=4)

    def day(self, number):
        """Return a day by its distance from the day on which a test begins."""
        return (self._wednesday + timedelta(days=number)).date().isoformat()

    async def announce(self, **different):
        night = {"begins_at": self.begins_at.isoformat(), "ends_at": self.ends_at.isoformat()}
        outage = {"command_id": str(uuid4()), "actor": "operations", "country": "CZ", **night}
        return await self.service.ask("outages.v1.announce", **{**outage, **different})

    async def paid(self, **different):
        placed = await self.service.place(**{"valid_from": self.day(7), **different})
        return placed["order_id"], datetime.fromisoformat((await self.service.pay(placed))["due"])


@pytest.fixture
def week(service, wednesday):
    """No outage of a test before reaches into it."""
    return Week(service, wednesday)


def ledger(service, order_id):
    """The plans of an order, in their order: when, by which rule, because of which outage, and how each ended."""
    with psycopg.connect(service.settings.database_url, row_factory=dict_row) as connection:
        query = """SELECT generation, due_at, rule, outage_id::text, unmoved_at, outcome FROM read.deadlines
                   WHERE order_id = %s AND purpose = 'registration' ORDER BY generation"""
        return connection.execute(query, (order_id,)).fetchall()


async def due_at(service, order_id, due):
    async def look():
        row = (await service.ask("orders.v1.status", order_id=order_id)).get("order", {})
        return row.get("due_at") and datetime.fromisoformat(row["due_at"]) == due

    await until(look)


@pytest.mark.case(15)
async def test_an_outage_brings_forward_what_is_planned_and_what_is_paid_later(service, week):
    """An hour before it begins; the ledger says which outage, when it was due without, and the customer is told."""
    order_id, due = await week.paid()
    elsewhere, _ = await week.paid(product="SK-10D")
    assert due == week.mark
    outage = await week.announce()
    before = week.begins_at - timedelta(hours=1)
    await due_at(service, order_id, before)
    first, second = ledger(service, order_id)
    assert (first["rule"], first["outcome"]) == ("lead", "superseded")
    assert (second["rule"], second["due_at"], second["unmoved_at"]) == ("outage", before, week.mark)
    assert second["outage_id"] == outage["outage_id"]
    later, known = await week.paid()
    assert known == before
    assert [row["rule"] for row in ledger(service, elsewhere)] == ["lead"]
    await service.ask("sandbox.v1.clock", now=before.isoformat())
    for each in (order_id, later):
        order = await service.status(each, "issued")
        assert order["started_rule"] == "outage"
    mails = [mail["subject"] for mail in await service.inbox()]
    assert len([subject for subject in mails if "earlier" in subject.lower()]) == 1, mails


@pytest.mark.case(15)
async def test_an_outage_that_was_withdrawn_brings_nothing_forward_any_more(service, week):
    """The plan is again what it was; both facts stay, each with its actor."""
    order_id, due = await week.paid()
    outage = await week.announce(note="maintenance")
    await due_at(service, order_id, week.begins_at - timedelta(hours=1))
    named = {"command_id": str(uuid4()), "outage_id": outage["outage_id"], "actor": "the other shift"}
    assert (await service.ask("outages.v1.withdraw", **named))["withdrawn_by"] == "the other shift"
    await due_at(service, order_id, due)
    assert [row["rule"] for row in ledger(service, order_id)] == ["lead", "outage", "lead"]
    assert outage["outage_id"] not in await outages(service)
    kept = (await outages(service, all=True))[outage["outage_id"]]
    assert (kept["announced_by"], kept["withdrawn_by"], kept["note"]) == (
        "operations",
        "the other shift",
        "maintenance",
    )


async def outages(service, **asked):
    reply = await service.ask("outages.v1.list", **asked)
    return {each["outage_id"]: each for each in reply["outages"]}


async def test_an_outage_is_refused_by_the_field_that_is_wrong_and_recorded_once(service, week):
    """An end before its beginning, a country that we don't serve, no actor; and the same command once more."""
    wrong = {
        "ends_at": {"ends_at": week.begins_at.isoformat()},
        "country": {"country": "FR"},
        "actor": {"actor": None},
        "begins_at": {"begins_at": f"{week.day(6)} 08:00"},
    }
    for name, different in wrong.items():
        refused = await week.announce(**different)
        assert (refused["error"]["code"], refused["error"]["field"]) == ("invalid_request", name)
    command_id = str(uuid4())
    assert await week.announce(command_id=command_id) == await week.announce(command_id=command_id)
    other = await week.announce(command_id=command_id, country="SK")
    assert other["error"]["code"] == "command_id_reused"
    second = await week.announce()
    once = {"command_id": str(uuid4()), "actor": "operations"}
    done = await service.ask("outages.v1.withdraw", **once, outage_id=command_id)
    assert await service.ask("outages.v1.withdraw", **once, outage_id=command_id) == done
    reused = await service.ask("outages.v1.withdraw", **once, outage_id=second["outage_id"])
    assert reused["error"]["code"] == "command_id_reused"
    nobody = {"command_id": str(uuid4()), "actor": "operations", "outage_id": str(uuid4())}
    assert (await service.ask("outages.v1.withdraw", **nobody))["error"]["code"] == "not_found"
    with (
        psycopg.connect(service.settings.database_url) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("DELETE FROM log.outages")


@pytest.mark.case(48)
async def test_a_second_order_for_the_same_vehicle_and_period_is_held_until_somebody_says_that_both_are_meant(
    service, week
):
    """A warning when it is placed; another country or another week is no twin; then one start for each."""
    same = {"vehicle": {"country": "CZ", "plate": "7T7 7777"}}
    first, _ = await week.paid(**same)
    await service.status(first, "scheduled")
    other_week, _ = await week.paid(**same, valid_from=week.day(30))
    other_country, _ = await week.paid(**same, product="SK-10D")
    placed = await service.place(**same, valid_from=week.day(15))
    assert placed["warnings"] == ["same_vehicle_and_period"]
    for _ in range(2):  # one that nobody has paid is no reason for a warning
        assert (await service.place(**same, valid_from=week.day(57)))["warnings"] == []
    await service.pay(placed)
    second = placed["order_id"]
    held = await service.status(second, "on_hold")
    assert held["hold_reason"] == "same_vehicle_and_period"
    for each in (first, other_week, other_country):
        assert (await service.status(each))["status"] == "scheduled"
    reply = await service.command("accept_twin", order_id=second, actor="support")
    assert reply["status"] == "scheduled"
    await service.ask("sandbox.v1.clock", now=(week.mark + timedelta(days=8)).isoformat())
    for each in (first, second):
        await service.status(each, "issued")
    assert (await service.history(second)).count("OrderHeld") == 1
