"""Announced outages of authorities: on record with who announced them, and in the plans of the orders they concern."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg.rows import dict_row

from service import until

WEDNESDAY = "2030-06-05T08:00:00+00:00"
#: Over the mark of whatever begins on the 12th: noon in Prague.
NIGHT = {"begins_at": "2030-06-11T08:00:00+00:00", "ends_at": "2030-06-11T14:00:00+00:00"}
MARK = datetime(2030, 6, 11, 10, tzinfo=UTC)


@pytest.fixture
async def service(service):
    """Begin on a Wednesday morning, whenever the tests are run."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    return service


async def announce(service, **different):
    outage = {"command_id": str(uuid4()), "actor": "operations", "country": "CZ", **NIGHT}
    return await service.ask("outages.v1.announce", **{**outage, **different})


async def paid(service, **different):
    placed = await service.place(**{"valid_from": "2030-06-12", **different})
    return placed["order_id"], datetime.fromisoformat((await service.pay(placed))["due"])


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
async def test_an_outage_brings_forward_what_is_planned_and_what_is_paid_later(service):
    """An hour before it begins; the ledger says which outage, when it was due without, and the customer is told."""
    order_id, due = await paid(service)
    elsewhere, _ = await paid(service, product="SK-10D")
    assert due == MARK
    outage = await announce(service)
    before = datetime.fromisoformat(NIGHT["begins_at"]) - timedelta(hours=1)
    await due_at(service, order_id, before)
    first, second = ledger(service, order_id)
    assert (first["rule"], first["outcome"]) == ("lead", "superseded")
    assert (second["rule"], second["due_at"], second["unmoved_at"]) == ("outage", before, MARK)
    assert second["outage_id"] == outage["outage_id"]
    later, known = await paid(service)
    assert known == before
    assert [row["rule"] for row in ledger(service, elsewhere)] == ["lead"]
    await service.ask("sandbox.v1.clock", now=before.isoformat())
    for each in (order_id, later):
        order = await service.status(each, "issued")
        assert order["started_rule"] == "outage"
    mails = [mail["subject"] for mail in await service.inbox()]
    assert len([subject for subject in mails if "earlier" in subject.lower()]) == 1, mails


@pytest.mark.case(15)
async def test_an_outage_that_was_withdrawn_brings_nothing_forward_any_more(service):
    """The plan is again what it was; both facts stay, each with its actor."""
    order_id, due = await paid(service)
    outage = await announce(service, note="maintenance")
    await due_at(service, order_id, datetime.fromisoformat(NIGHT["begins_at"]) - timedelta(hours=1))
    named = {"command_id": str(uuid4()), "outage_id": outage["outage_id"], "actor": "the other shift"}
    assert (await service.ask("outages.v1.withdraw", **named))["withdrawn_by"] == "the other shift"
    await due_at(service, order_id, due)
    assert [row["rule"] for row in ledger(service, order_id)] == ["lead", "outage", "lead"]
    assert (await service.ask("outages.v1.list"))["outages"] == []
    [kept] = (await service.ask("outages.v1.list", all=True))["outages"]
    assert (kept["announced_by"], kept["withdrawn_by"], kept["note"]) == (
        "operations",
        "the other shift",
        "maintenance",
    )


async def test_an_outage_is_refused_by_the_field_that_is_wrong_and_recorded_once(service):
    """An end before its beginning, a country that we don't serve, no actor; and the same command once more."""
    wrong = {
        "ends_at": {"ends_at": NIGHT["begins_at"]},
        "country": {"country": "FR"},
        "actor": {"actor": None},
        "begins_at": {"begins_at": "2030-06-11 08:00"},
    }
    for name, different in wrong.items():
        refused = await announce(service, **different)
        assert (refused["error"]["code"], refused["error"]["field"]) == ("invalid_request", name)
    command_id = str(uuid4())
    assert await announce(service, command_id=command_id) == await announce(service, command_id=command_id)
    other = await announce(service, command_id=command_id, country="SK")
    assert other["error"]["code"] == "command_id_reused"
    second = await announce(service)
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
    service,
):
    """A warning when it is placed; another country or another week is no twin; then one start for each."""
    same = {"vehicle": {"country": "CZ", "plate": "7T7 7777"}}
    first, _ = await paid(service, **same)
    await service.status(first, "scheduled")
    other_week, _ = await paid(service, **same, valid_from="2030-07-05")
    other_country, _ = await paid(service, **same, product="SK-10D")
    placed = await service.place(**same, valid_from="2030-06-20")
    assert placed["warnings"] == ["same_vehicle_and_period"]
    for _ in range(2):  # one that nobody has paid is no reason for a warning
        assert (await service.place(**same, valid_from="2030-08-01"))["warnings"] == []
    await service.pay(placed)
    second = placed["order_id"]
    held = await service.status(second, "on_hold")
    assert held["hold_reason"] == "same_vehicle_and_period"
    for each in (first, other_week, other_country):
        assert (await service.status(each))["status"] == "scheduled"
    reply = await service.command("accept_twin", order_id=second, actor="support")
    assert reply["status"] == "scheduled"
    await service.ask("sandbox.v1.clock", now="2030-06-19T10:00:00+00:00")
    for each in (first, second):
        await service.status(each, "issued")
    assert (await service.history(second)).count("OrderHeld") == 1
