"""The checker is proved: a whole case gives nothing, and each seeded corruption is found by its own invariant."""

import ast
import asyncio
import base64
import json
import shutil
import subprocess
import sys
from types import SimpleNamespace
from uuid import uuid4

import psycopg
import pytest

from bank_files import balance, camt053, entry, statement
from checker import case as cases
from checker import checking, record
from checker.__main__ import main
from eventstore_helpers import DOMAIN, Orders, a_vault, all_views, fold, stories
from eventstore_helpers import record as append
from faults import casefile
from faults.clients import Clients
from faults.seeded import CORRUPTIONS
from faults.spoiling import Copy
from service import running_service, until
from vignettes.runtime.embedded import EmbeddedNats

#: Of these clients some ask for what is refused, some pay in two parts, some want their money back.
SEED = 39
COMMANDS = 50
ISSUED = 3
#: Who takes part: pages and metrics are none of it, a stub stands for the latter.
ROLES = (
    "ordering",
    "projecting",
    "deadlines",
    "registration",
    "payments",
    "mailing",
    "publishing",
    "auditing",
    "sandbox",
)
CHECKER = casefile.PROGRAM
INVARIANTS = {f"I{number}" for number in range(1, 12)}


@pytest.fixture(scope="module")
def whole(copied, tmp_path_factory):
    """Give the folder of a case: some thirty orders of clients, one of them erased, and one paid through the bank."""
    folder = tmp_path_factory.mktemp("case")
    server = EmbeddedNats(folder / "nats", 0)
    server.start()
    with copied() as database:
        try:
            asyncio.run(_lived(database, server, folder))
        finally:
            server.stop()
        yield folder / "case"


async def _lived(database, server, folder):
    case = folder / "case"
    async with running_service(database, server.url, folder / "data", ROLES) as service:
        clients = Clients(server.url, SEED, case / "journal.jsonl", per_second=60)
        await _shopped(service, clients)
        await _paid_through_the_bank(service, case / "bank")
        await _erased(service, case)
        (case / "metrics.txt").write_text("vignettes_up 1\n")
        log = folder / "service.log"
        log.write_text('{"event": "registration.started"}\n')
        await casefile.collect(SimpleNamespace(settings=service.settings, log=log), clients, case)


async def _shopped(service, clients):
    """Let clients shop until some have what they wanted, and one has heard a no."""
    stop = asyncio.Event()
    shopping = asyncio.create_task(clients.run(stop))

    async def enough():
        is_much = clients.settled >= COMMANDS and clients.refused
        return is_much and len(await service.registrations()) >= ISSUED

    await until(enough, seconds=60)
    stop.set()
    await shopping
    assert not clients.unsettled


async def _paid_through_the_bank(service, folder):
    placed = await service.place()
    symbol = f"<RmtInf><Ustrd>/VS/{placed['payment']['variable_symbol']}</Ustrd></RmtInf>"
    paid = entry("399.00", details=f"<TxDtls><Refs/>{symbol}</TxDtls>")
    balances = balance("OPBD", "0.00") + balance("CLBD", "399.00")
    folder.mkdir()
    (folder / "statement.xml").write_bytes(camt053(statement(paid, balances=balances)))
    content = base64.b64encode((folder / "statement.xml").read_bytes()).decode()
    reply = await service.ask(
        "payments.v1.import", command_id=uuid4(), actor="tests", file_name="s.xml", content=content
    )
    assert reply["ok"], reply
    await service.status(placed["order_id"], "scheduled")


async def _erased(service, case):
    """Erase an order of the clients that was issued, and wait until the authority has forgotten it as well."""
    issued = await until(lambda: _issued(service, case))
    reply = await service.command("erase", order_id=issued, classes=["contact", "vehicle"])
    assert reply["ok"], reply

    async def forgotten():
        rows = await service.registrations()
        return any(row["order_id"] == issued and not row["plate"] for row in rows)

    await until(forgotten)


async def _issued(service, case):
    placed = (json.loads(line) for line in (case / "journal.jsonl").read_text().splitlines())
    for line in placed:
        if line["outcome"] == "ok" and line["subject"] == "orders.v1.place":
            status = await service.status(line["reply"]["order_id"])
            if status["status"] == "issued":
                return line["reply"]["order_id"]
    return None


# --- a whole case


def test_a_whole_case_gives_nothing(whole):
    """Run as the program that it is: every invariant has looked at something, and found nothing."""
    report = casefile.check(whole)
    assert report.whole, report.text
    assert report.counts.keys() == INVARIANTS
    assert all(report.counts.values()), report.text
    assert "not in the case" not in report.text


async def test_the_fold_knows_every_event_of_an_order(database, tmp_path):
    """Rows of all stories that there are, and the mails they call for, follow from the checker's own fold too."""
    vault = a_vault()
    log = Orders(database, vault)
    append(log, *stories())
    await fold(database, vault, *all_views(vault))
    log.close()
    (tmp_path / "case.json").write_text(json.dumps({"database_url": database, "mail_domain": DOMAIN}))
    found = checking.verdicts(cases.opened(tmp_path), record.read(database))
    said = {verdict.invariant: list(verdict.lines()) for verdict in found}
    for invariant in ("I2", "I3", "I5", "I6", "I7"):
        assert len(said[invariant]) == 1, said[invariant]


# --- a corrupted one


@pytest.mark.thorough
@pytest.mark.parametrize("name", CORRUPTIONS)
def test_what_was_changed_is_found(whole, tmp_path, name):
    """By its own invariant, and by no other; what was rewritten in the log may break others, too."""
    wanted = CORRUPTIONS[name]
    folder = tmp_path / "case"
    shutil.copytree(whole, folder)
    with psycopg.connect(cases.opened(whole).database_url) as connection:
        wanted.spoil(Copy(connection, folder))
        found = checking.verdicts(cases.opened(folder), record.of(connection))
        connection.rollback()
    finders = {verdict.invariant for verdict in found if verdict.findings}
    if wanted.rewrites_the_log:
        assert wanted.found_by <= finders
    else:
        assert finders == wanted.found_by


def test_each_invariant_is_hit():
    """At least once, and twenty kinds altogether."""
    assert set().union(*(each.found_by for each in CORRUPTIONS.values())) == INVARIANTS
    assert len(CORRUPTIONS) >= 20


def test_the_program_tells_what_it_found(whole, tmp_path):
    """Exit code 1, one line for each invariant, and each finding with its order."""
    folder = tmp_path / "case"
    shutil.copytree(whole, folder)
    registered = json.loads((folder / "authority.json").read_text())
    registered["registrations"].append({**registered["registrations"][-1], "number": "XX1"})
    (folder / "authority.json").write_text(json.dumps(registered))
    ran = _run(folder)
    assert ran.returncode == 1
    assert len([line for line in ran.stdout.splitlines() if line.startswith("I")]) == len(INVARIANTS)
    order = registered["registrations"][-1]["order_id"]
    assert "doubled: registered 2 times" in ran.stdout
    assert f"[{order}]" in ran.stdout


# --- misuse


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("case.json", None, "is not there"),
        ("case.json", "no JSON", "can't be read"),
        ("case.json", "{}", "names no database_url"),
        (
            "case.json",
            '{"database_url": "postgresql://127.0.0.1:1/none?connect_timeout=2"}',
            "can't be read as",
        ),
        ("journal.jsonl", "{", "can't be read"),
        ("inbox.json", "[]", "holds no list of messages"),
    ],
)
def test_what_is_no_case_is_refused(tmp_path, capsys, file, content, said):
    """Exit code 2 and the reason, never a clean bill."""
    (tmp_path / "case.json").write_text('{"database_url": "postgresql://127.0.0.1:1/none"}')
    (tmp_path / file).unlink(missing_ok=True)
    if content is not None:
        (tmp_path / file).write_text(content)
    assert main([str(tmp_path)]) == casefile.MISUSED
    assert said in capsys.readouterr().err


def test_it_shares_nothing_with_what_it_checks():
    """Its modules import the standard library, psycopg and one another."""
    allowed = sys.stdlib_module_names | {"psycopg", "checker"}
    for path in CHECKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


def _run(folder):
    return subprocess.run(
        [sys.executable, "-I", str(CHECKER), str(folder)], capture_output=True, text=True, check=False
    )
