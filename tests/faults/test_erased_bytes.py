"""Fault 14: erased is erased: no file of database, streams, sandbox or logs holds a byte of it (I11)."""

import asyncio
import json
from dataclasses import dataclass

import pytest

from eventstore_helpers import ask, empty_views, fold, tables
from faults.customers import GONE, KEPT, STORIES, Customer, all_is_told, marks
from faults.household import ALL_ROLES, household
from faults.searching import every_form, files_with, plain
from service import until
from vignettes.domain.personal import DataClass
from vignettes.runtime import erasing, parts
from vignettes.runtime.keys import root_of

INBOX, REGISTER = "sandbox/inbox.sqlite", "sandbox/authority.sqlite"


@dataclass(frozen=True)
class Size:
    """How many orders, in which processes the roles run, and in which forms the bytes are searched for."""

    orders: int
    processes: tuple
    forms: callable


SHORT = Size(len(STORIES), (ALL_ROLES,), plain)
LONG = Size(200, tuple((role,) for role in ALL_ROLES), every_form)


@pytest.mark.parametrize(
    "size",
    [
        pytest.param(SHORT, id="short"),
        pytest.param(LONG, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(900)]),
    ],
)
@pytest.mark.fault(14)
async def test_no_byte_of_an_erased_order_is_left(data_dir, size, record):
    """Half of the orders are erased: they are found nowhere, their history still reads, the others are as before."""
    half = size.orders // 2
    customers = [Customer(number, GONE if number < half else KEPT) for number in range(size.orders)]
    gone, kept = customers[:half], customers[half:]
    async with household(data_dir, size.processes) as running:
        database, service = running.settings.database_url, running.service
        for customer in customers:
            await customer.orders(service)
        for customer in customers:
            await customer.ended(service)
            await customer.asks(service)
        await all_is_told(database)
        _is_in_the_sandbox_only(data_dir, GONE)
        _is_in_the_sandbox_only(data_dir, KEPT)
        before = await _known_of(service, database, kept)

        await _erase(running, gone)

        await _forgotten_by_support(service, gone)
        await all_is_told(database)
        await _forgotten_by_the_authority(service, gone)
        assert await _known_of(service, database, kept) == before
        for customer in gone:
            await _reads_without_its_person(service, customer)
        running.stop_roles()
        await _views_are_as_if_made_today(running.settings)
        ask(database, "CHECKPOINT")
        ask(database, "VACUUM")
        running.stop_servers()
        forms = [form for mark in marks(GONE) for form in size.forms(mark)]
        found = files_with(data_dir, forms)
        files = [path for path in data_dir.rglob("*") if path.is_file()]
        record(
            test=14,
            what=f"orders erased of {size.orders}; every byte of every file searched for what was in them",
            faults=half,
            broken=len(found),
            forms=len(forms),
            files=len(files),
            megabytes=sum(path.stat().st_size for path in files) // 2**20,
        )
        assert found == {}
        _is_in_the_sandbox_only(data_dir, KEPT)
        numbers = [customer.order["order_number"].encode() for customer in gone]
        still = {path.split("/")[0] for path in files_with(data_dir, numbers)}
        assert still >= {"postgres", "nats"}, "the search finds nothing there"
        assert {"pg_wal", "store"} <= {part for path in files for part in path.parts}


def _is_in_the_sandbox_only(data_dir, mark):
    """Mails and vehicles are where they were sent, and readable there; nowhere else."""
    found = files_with(data_dir, [form for each in marks(mark) for form in plain(each)])
    stems = {path.removesuffix("-wal") for path in found}
    assert stems == {INBOX, REGISTER}, found


async def _known_of(service, database, customers):
    """Return all that is told of these orders, and all that their neighbours hold."""
    ids = [customer.order_id for customer in customers]
    rows = [
        ask(database, f"SELECT to_jsonb(t) FROM read.{view} t WHERE order_id = ANY(%s) ORDER BY t::text", ids)
        for view in ("order_status", "emails", "deadlines")
    ]
    histories = [await service.ask("orders.v1.history", order_id=each) for each in ids]
    numbers = [customer.order["order_number"] for customer in customers]
    mails = [(await service.ask("sandbox.v1.inbox", order_number=each))["messages"] for each in numbers]
    vehicles = [row for row in await service.registrations() if row["order_id"] in ids]
    cases = [await customer.case(service) for customer in customers]
    assert all([*rows[:2], histories, vehicles, *mails, *(case["thread"] for case in cases)])
    return rows, histories, mails, vehicles, cases


async def _erase(running, customers):
    """Erase the first as an operator types it, the others by what that calls."""
    first, *others = (customer.order["order_number"] for customer in customers)
    typed = running.run("erase", first, "--yes", "--json")
    assert await asyncio.to_thread(typed.wait, 60) == 0, running.log.read_text()[-2000:]
    for number in others:
        reply = await erasing.erase(running.settings, number, list(DataClass), "operator")
        assert reply["ok"], reply


async def _forgotten_by_the_authority(service, customers):
    ids = {customer.order_id for customer in customers}

    async def look():
        return {row["plate"] for row in await service.registrations() if row["order_id"] in ids} == {""}

    await until(look)


async def _forgotten_by_support(service, customers):
    """The cases let go of whom they concern by themselves, after the orders; what was written is null then."""

    async def look():
        cases = [await customer.case(service) for customer in customers]
        texts = {said["text"] for case in cases for said in case["thread"]}
        known = {case["case"][name] for case in cases for name in ("email", "plate", "message")}
        return texts | known == {None}

    await until(look)


async def _reads_without_its_person(service, customer):
    """Every event and the state they make: null where somebody was."""
    history = await service.ask("orders.v1.history", order_id=customer.order_id)
    told = json.dumps(history)
    assert not [mark for mark in marks(GONE) if mark in told]
    assert history["events"][0]["data"]["email"] is None
    assert history["events"][0]["data"]["details"]["vehicle"]["plate"] is None
    assert history["events"][-1]["type"] == "PersonalDataErased"
    assert history["state"]["email"] is None
    assert history["state"]["erased"] == ["contact", "vehicle"]
    status = (await service.ask("orders.v1.status", order_id=customer.order_id))["order"]
    assert (status["email"], status["plate"], status["rejection_reason"]) == (None, None, None)


async def _views_are_as_if_made_today(settings):
    """Thrown away and made from the log again, with what keys are left, they are what they were (I6)."""
    database, vault = settings.database_url, parts.vault(settings)
    before = tables(database)
    empty_views(database)
    await fold(database, vault, *parts.views(settings, vault, root_of(settings, database)))
    assert tables(database) == before
