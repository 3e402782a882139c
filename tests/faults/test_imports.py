"""Fault 11: every bank file imported three times, shuffled, by processes that are killed at any moment."""

import asyncio
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bank_files import joined, large_camt053
from bank_imports import CSV_MAP, SAMPLES, Sample, a_bank, happened, placing
from eventstore_helpers import MASTER, a_database, ask
from faults import apart
from faults.household import household
from service import until

ENTRIES = 5_000
#: Of the time that a whole import takes, in seconds; those that are killed later have ended before.
LONGEST = 8.0
LARGE = Sample("large.xml", joined(large_camt053(ENTRIES)))
FILES = (*SAMPLES, LARGE, LARGE)
#: What importing alone decides. Matching has its own say in between, at times of its own.
IMPORTED = ("PaymentBooked", "PaymentArrived", "PaymentReversed", "LineRecognised")


def imported(database: str) -> dict[UUID, list[tuple[str, dict[str, Any]]]]:
    """Return what importing has made happen to each payment; not at which version, for matching comes in between."""
    return {payment_id: list(_imported(events)) for payment_id, events in happened(database).items()}


def _imported(events: list[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, said in events:
        if kind in IMPORTED:
            yield kind, {name: value for name, value in said.items() if name != "originator_version"}


@pytest.mark.faults
@pytest.mark.fault(11)
@pytest.mark.case(17)
async def test_three_times_shuffled_and_killed_it_comes_to_the_same_events(data_dir, seed, record):
    """The command that sends the entries is killed, or the service that takes them; in the end each is there once."""
    chance = random.Random(seed)
    folder = data_dir / "files"
    folder.mkdir()
    for sample in FILES:
        (folder / sample.name).write_bytes(sample.content)
    (folder / "map.toml").write_text(CSV_MAP)
    write_key(data_dir)
    three_times = [sample.name for sample in FILES] * 3
    chance.shuffle(three_times)
    killed = ended = replaced = 0
    async with household(data_dir, (("ordering", "projecting"), ("payments",))) as running:
        for name in three_times:
            process = _import(running, folder, name)
            if chance.random() < 0.25:
                await asyncio.sleep(chance.uniform(0.5, 2.0))
                running.replace("payments")
                replaced += 1
            if await _ended_within(process, chance.uniform(0.5, LONGEST)):
                ended += 1
            else:
                killed += 1
            apart.kill(process)
        for name in {sample.name for sample in FILES}:
            process = _import(running, folder, name)
            assert await asyncio.to_thread(process.wait) == 0, running.log.read_text()[-2000:]
        database = running.settings.database_url
        await until(lambda: _placed(database), seconds=60)
        shuffled = imported(database)
        with a_database(running.servers[0], "in_order") as other:
            in_order = await _taken_once(other)
    record(
        test=11,
        what=f"imports of bank files, each three times, shuffled; {killed} of them and {replaced} services killed",
        faults=len(three_times),
        lost=len(in_order.keys() - shuffled.keys()),
        doubled=len(shuffled.keys() - in_order.keys()),
        broken=sum(shuffled.get(payment) != happened for payment, happened in in_order.items()),
        payments=len(shuffled),
        ended=ended,
    )
    assert len(in_order) > ENTRIES
    assert shuffled == in_order


def write_key(data_dir: Path) -> None:
    """Let the service have the master key of tests, which read its log."""
    key = data_dir / "master.key"
    key.write_text(MASTER.hex())
    key.chmod(0o600)


def _import(running, folder, name) -> "subprocess.Popen[str]":
    csv = ("--map", str(folder / "map.toml")) if name.endswith(".csv") else ()
    return running.run("payments", "import", str(folder / name), *csv, "--actor", "tests", "--json")


async def _ended_within(process: "subprocess.Popen[str]", seconds: float) -> bool:
    try:
        await asyncio.to_thread(process.wait, seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


async def _placed(database: str) -> bool:
    return bool(ask(database, "SELECT 1 FROM view.bank_payments WHERE status = 'line_of_notice'"))


async def _taken_once(database: str) -> dict[UUID, list[tuple[str, dict[str, Any]]]]:
    async with a_bank(database) as bank, placing(bank):
        for sample in (*SAMPLES, LARGE):
            taken, _ = await bank.take(sample)
            assert taken.reason is None
        await until(lambda: _placed(database))
        return imported(database)
