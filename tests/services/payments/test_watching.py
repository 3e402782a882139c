"""The folder of bank files: each file is taken in once it is whole, by one process, and put away."""

import asyncio
import fcntl
from types import SimpleNamespace

import pytest

from bank_imports import CSV_MAP, SAMPLES, Stopped, a_bank, payments
from eventstore_helpers import ask
from vignettes.domain.errors import Unavailable
from vignettes.services.payments import watching
from vignettes.services.payments.watching import Watching

CONTENT = {sample.name: sample.content for sample in SAMPLES}
MONDAY = CONTENT["monday.xml"]


@pytest.fixture
async def bank(database):
    async with a_bank(database) as bank:
        yield bank


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "bank"


@pytest.fixture
async def watch(bank, folder):
    """Watch the folder, which has been looked at once."""
    watching = Watching(folder, bank.files)
    await watching.look()
    return watching


def names(folder):
    return {
        each.name: sorted(path.name for path in each.iterdir()) for each in folder.iterdir() if each.is_dir()
    }


def drop(folder, name, content=MONDAY):
    path = folder / "in" / name
    path.write_bytes(content)
    return path


async def test_a_file_is_taken_in_when_it_was_the_same_twice(watch, folder, database):
    """Whoever copies it there may not have ended."""
    path = drop(folder, "monday.xml", MONDAY[:100])
    await watch.look()
    path.write_bytes(MONDAY)
    await watch.look()
    assert names(folder)["in"] == ["monday.xml"]
    await watch.look()
    assert names(folder) == {"in": [], "work": [], "done": ["monday.xml"], "aside": []}
    assert len(payments(database)) == 3
    assert ask(database, "SELECT state, imported_by FROM read.bank_files") == [("imported", "folder")]


@pytest.mark.parametrize("name", [".monday.xml", "monday.xml.part", "monday.tmp"])
async def test_what_has_not_ended_by_its_name_is_left_alone(watch, folder, name):
    drop(folder, name)
    (folder / "in" / "folder").mkdir()
    (folder / "in" / "link").symlink_to(folder / "in" / name)
    for _ in range(3):
        await watch.look()
    assert names(folder)["in"] == sorted([name, "folder", "link"])


async def test_a_bad_file_is_put_aside_with_the_reason_beside_it(watch, folder, database):
    """And one that is right goes on."""
    drop(folder, "wrong.xml", MONDAY.replace(b">850.00<", b">850.01<"))
    drop(folder, "right.sta", CONTENT["account.sta"])
    for _ in range(2):
        await watch.look()
    kept = names(folder)
    assert (kept["aside"], kept["done"]) == (["wrong.xml", "wrong.xml.reason.txt"], ["right.sta"])
    assert "does not add up" in (folder / "aside" / "wrong.xml.reason.txt").read_text()
    assert len(payments(database)) == 2


async def test_two_files_of_one_name_are_both_kept(watch, folder):
    for content in (MONDAY, CONTENT["overlapping.xml"]):
        drop(folder, "today.xml", content)
        for _ in range(2):
            await watch.look()
    assert names(folder)["done"] == ["today-1.xml", "today.xml"]


async def test_a_map_in_the_folder_says_how_csv_is_read(watch, folder, database):
    """Without it nobody can tell what such a file says."""
    drop(folder, "early.csv", CONTENT["account.csv"])
    for _ in range(2):
        await watch.look()
    (folder / "csv.toml").write_text(CSV_MAP)
    drop(folder, "late.csv", CONTENT["account.csv"])
    drop(folder, "monday.xml")
    for _ in range(2):
        await watch.look()
    kept = names(folder)
    assert (kept["aside"], kept["done"]) == (
        ["early.csv", "early.csv.reason.txt"],
        ["late.csv", "monday.xml"],
    )
    assert len(payments(database)) == 5


async def test_what_a_killed_process_has_left_is_taken_up(bank, folder, database):
    """At once: it was whole when it was claimed."""
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "monday.xml").write_bytes(MONDAY)
    await Watching(folder, bank.files).look()
    assert names(folder)["done"] == ["monday.xml"]
    assert len(payments(database)) == 3


@pytest.mark.thorough
async def test_one_of_two_processes_takes_it(bank, folder, watch, database):
    other = Watching(folder, bank.files)
    drop(folder, "monday.xml")
    for _ in range(3):
        await asyncio.gather(watch.look(), other.look())
    assert names(folder)["done"] == ["monday.xml"]
    assert len(payments(database)) == 3


async def test_what_another_process_is_at_is_left_to_it(watch, folder):
    """It holds the file locked for as long as it lives."""
    (folder / "work" / "monday.xml").write_bytes(MONDAY)
    with (folder / "work" / "monday.xml").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        await watch.look()
        assert names(folder)["work"] == ["monday.xml"]
    await watch.look()
    assert names(folder)["done"] == ["monday.xml"]


@pytest.mark.parametrize("error", [Unavailable(), PermissionError(13, "Permission denied"), Stopped()])
async def test_what_can_not_be_taken_in_now_is_tried_again_later(watch, folder, bank, monkeypatch, error):
    """Not at once, and the others are not kept waiting."""
    taken, book = [], bank.importer.book

    async def failing(entries, actor):
        taken.append(entries)
        if len(taken) == 1:
            raise error
        return await book(entries, actor)

    monkeypatch.setattr(bank.importer, "book", failing)
    clock = 0.0
    monkeypatch.setattr(watching, "time", SimpleNamespace(monotonic=lambda: clock))
    drop(folder, "first.xml")
    drop(folder, "second.sta", CONTENT["account.sta"])
    for _ in range(4):
        await watch.look()
    kept = names(folder)
    assert (kept["work"], kept["done"], len(taken)) == (["first.xml"], ["second.sta"], 2)
    clock += 10
    await watch.look()
    assert names(folder)["done"] == ["first.xml", "second.sta"]
