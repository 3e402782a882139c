"""Vignettes that were issued are asked about again: slowly, while nothing else waits, as long as they hold."""

from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from authorities import impatient
from eventstore_helpers import (
    DAY,
    HOUR,
    NOON,
    a_vault,
    an_order,
    ask,
    details,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
)
from service import running_service, until
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.authorities.capabilities import Rechecking
from vignettes.services.authorities.files import bundled
from vignettes.services.registering.ledger import Door
from vignettes.services.registering.rechecking import due

WEEK = 7 * DAY
WEDNESDAY = "2030-06-05T08:00:00+00:00"
BEGIN, END, LATER = "2030-06-12", "2030-06-21", "2030-07-01"
_RECORDED = """
INSERT INTO effect.registrations (order_id, started_at, country, state, rechecked_at)
SELECT order_id, started_at, country, 'recorded', %s FROM view.order_status
"""


def door(per_minute=20, every_days=7):
    known = replace(
        bundled().capabilities, rechecking=Rechecking(every_days=every_days, per_minute=per_minute)
    )
    return Door("CZ", known)


def set_clock(database, at):
    ask(database, "UPDATE clock.shift SET ahead = %s - clock_timestamp()", at)


def a_minute_later(database):
    ask(database, "UPDATE effect.authorities SET rechecked_at = rechecked_at - interval '1 min'")


@pytest.fixture
def issued(database, orders):
    """Put vignettes on record that were issued at noon and hold for ten days; return their orders' ids."""

    async def recorded(count):
        told = [issue(start(pay(an_order(details(1, plate=f"2A2 {n}"))))) for n in range(1000, 1000 + count)]
        record(orders, *told)
        await fold(database, (vault := a_vault()), OrderStatusView(vault))
        ask(database, _RECORDED, NOON)
        ask(database, "INSERT INTO effect.authorities (country, tokens) VALUES ('CZ', 1)")
        set_clock(database, NOON + WEEK)
        return [order.id for order in told]

    return recorded


@pytest.fixture
async def connection(database):
    async with await projecting(database) as connection:
        yield connection


async def asked_about(connection, door):
    return {each.order_id for each in await due(connection, door)}


async def test_each_is_asked_about_when_a_week_has_passed(issued, connection, database):
    """Not before; and one that gets no answer comes again in an hour."""
    ids = set(await issued(2))
    set_clock(database, NOON + WEEK - HOUR)
    assert await asked_about(connection, door()) == set()
    set_clock(database, NOON + WEEK)
    assert await asked_about(connection, door()) == ids
    a_minute_later(database)
    assert await asked_about(connection, door()) == set()
    set_clock(database, NOON + WEEK + 1.01 * HOUR)
    assert await asked_about(connection, door()) == ids


async def test_so_many_are_asked_about_in_a_minute_by_all_processes_together(issued, connection, database):
    """The rest comes a minute later."""
    ids = set(await issued(3))
    first = await asked_about(connection, door(per_minute=2))
    assert len(first) == 2
    async with await projecting(database) as another:
        assert await asked_about(another, door(per_minute=2)) == set()
    a_minute_later(database)
    assert await asked_about(connection, door(per_minute=2)) == ids - first


@pytest.mark.parametrize(
    "otherwise",
    [
        "INSERT INTO effect.registrations (order_id, started_at, country) SELECT gen_random_uuid(), now(), 'CZ'",
        "UPDATE effect.authorities SET state = 'open'",
    ],
    ids=["another order waits", "the authority is not called"],
)
async def test_nothing_is_asked_while_there_is_better_to_do(issued, connection, database, otherwise):
    """Orders whose vignettes are not registered yet come first, and an authority that is down gets no more calls."""
    await issued(1)
    ask(database, otherwise)
    assert await asked_about(connection, door()) == set()


@pytest.mark.parametrize(
    "over",
    [
        "UPDATE clock.shift SET ahead = ahead + interval '3 days'",
        "UPDATE personal.keys SET vehicle_view = NULL",
    ],
    ids=["it has run out", "the vehicle was erased"],
)
async def test_what_nobody_needs_to_know_is_never_asked(issued, connection, database, over):
    """And not looked at again."""
    await issued(1)
    ask(database, over)
    assert await asked_about(connection, door()) == set()
    assert ask(database, "SELECT rechecked_at = 'infinity' FROM effect.registrations") == [True]


def test_an_authority_is_asked_by_our_reference_or_not_at_all():
    """And not where its file says so."""
    assert door().capabilities.is_asked_again
    assert not door(every_days=0).capabilities.is_asked_again
    assert not replace(door().capabilities, finds_by="vehicle").is_asked_again


# --- with the service


@asynccontextmanager
async def a_week_after_the_issue(database, nats_server, tmp_path, *, change):
    """Issue a vignette, let the authority think differently of it, and let a week pass."""
    folder = impatient(tmp_path / "authorities")
    roles = ("ordering", "projecting", "registration", "sandbox")
    async with running_service(
        database, nats_server.url, tmp_path / "data", roles, authorities_dir=folder
    ) as service:
        await service.ask("sandbox.v1.clock", now=WEDNESDAY)
        placed = await service.place(valid_from=BEGIN)
        await service.pay(placed)
        order_id = placed["order_id"]
        await service.command("start_registration", order_id=order_id)
        order = await service.status(order_id, "issued")
        await change(service, order_id)
        await service.advance(days=7)
        yield service, order


async def rechecked(service):
    """Wait until the authority has told how it stands."""
    query = "SELECT rechecked_at > '2030-06-12' FROM effect.registrations"

    async def look():
        return ask(service.settings.database_url, query) == [True]

    await until(look)


@pytest.mark.case(51)
async def test_a_validity_that_the_authority_has_changed_comes_on_record_within_a_week(
    database, nats_server, tmp_path
):
    """As an event of the order, from which the mail follows; asked again it is no news (case 51)."""

    async def longer(service, order_id):
        await service.ask("sandbox.v1.authority", order_id=order_id, valid_until=LATER)

    async with a_week_after_the_issue(database, nats_server, tmp_path, change=longer) as (service, order):

        async def changed():
            return (await service.status(order["order_id"]))["vignette_valid_until"].startswith(LATER)

        await until(changed)
        await rechecked(service)
        a_minute_later(database)
        await service.advance(days=7)
        await rechecked(service)
        history = await service.history(order["order_id"])
        assert history.count("ValidityChanged") == 1
        now = await service.status(order["order_id"])
        assert now["vignette_valid_from"] == order["vignette_valid_from"]
        [row] = await service.registrations()
        assert row["requests"] == 1


async def test_a_validity_that_can_not_be_is_an_alarm(database, nats_server, tmp_path, capfd):
    """It ends before it begins: nothing is recorded, and nothing registered again. A person must ask."""

    async def reversed_(service, order_id):
        await service.ask("sandbox.v1.authority", order_id=order_id, valid_until="2030-06-01")

    async with a_week_after_the_issue(database, nats_server, tmp_path, change=reversed_) as (service, order):
        await rechecked(service)
        assert (await service.history(order["order_id"]))[-1] == "VignetteIssued"
    assert "vignette.not_as_issued" in capfd.readouterr().out
