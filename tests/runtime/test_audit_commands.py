"""`vignettes audit verify | heads | export | check | history | looks`, as auditors use them."""

import asyncio
import json

import psycopg
import pytest
from typer.testing import CliRunner

from auditing import OTHER_KEY, PUBLIC, file_of, keep, signed
from eventstore_helpers import (
    NOON,
    a_database,
    a_vault,
    all_views,
    an_order,
    ask,
    fold,
    issue,
    pay,
    record,
    start,
)
from vignettes.eventstore import heads
from vignettes.eventstore.orders import Orders
from vignettes.runtime import auditing, logs
from vignettes.runtime.cli import app
from vignettes.services.auditing.outside import HEADS_FILE, KEY_FILE, HeadsFolder

PRINT = heads.fingerprint(PUBLIC)


@pytest.fixture(scope="module")
def orders(postgres, tmp_path_factory):
    """A log of three orders, with its heads in a folder."""
    with a_database(postgres, "audit_commands") as url:
        log = Orders(url, a_vault())
        log.url, log.folder = url, tmp_path_factory.mktemp("kept") / "heads"
        log.issued = issue(start(pay(an_order(email="driver@example.com"))))
        record(log, an_order(), an_order(), log.issued)
        keep(url)
        HeadsFolder(log.folder, PUBLIC).prepare()
        (log.folder / HEADS_FILE).write_text(file_of(signed(url)))
        yield log
        log.close()


@pytest.fixture
def run(monkeypatch):
    """Run a command in this process: a process of its own for each would take most of the time."""
    monkeypatch.setattr(logs, "configure", lambda *_: None)

    def run(settings, *words):
        told = {f"VIGNETTES_{name.upper()}": str(value) for name, value in settings.items()}
        result = CliRunner().invoke(app, words, env=told)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        said = result.stdout if "--json" in words else " ".join(result.stdout.split())
        return result.exit_code, said, " ".join(result.stderr.split())

    return run


@pytest.fixture
def told(run):
    """Run a command and read its JSON."""

    def told(settings, *words):
        code, said, complained = run(settings, *words, "--json")
        assert code == 0, complained
        return json.loads(said)

    return told


@pytest.fixture
def settings(orders, tmp_path):
    return {
        "database_url": orders.url,
        "heads_folder": orders.folder,
        "data_dir": tmp_path,
        "head_seconds": 1,
    }


def test_what_nobody_touched_is_verified(run, settings, orders):
    """By the folder of heads, by a file, and with the key pinned; and it is told on what that stands."""
    code, said, complained = run(settings, "audit", "verify")
    assert code == 0, complained
    assert said.startswith(f"6 events compared, 1 of 1 heads agree (key {PRINT[:16]}...).")
    assert "Verified: the log is what was signed." in said
    file = orders.folder / HEADS_FILE
    code, said, _ = run(settings, "audit", "verify", "--heads", str(file), "--fingerprint", PRINT, "--json")
    verdict = json.loads(said)
    assert code == 0
    assert (verdict["verified"], verdict["events"], verdict["covered"], verdict["findings"]) == (
        True,
        6,
        6,
        [],
    )


def test_what_was_changed_is_named(run, settings, orders):
    """With exit code 1, for people and for programs."""
    guard = "ALTER TABLE log.events {} TRIGGER events_are_for_ever"
    [(position, state)] = ask(
        orders.url, "SELECT notification_id, state FROM log.events ORDER BY 1 OFFSET 3 LIMIT 1"
    )
    change = "UPDATE log.events SET state = %s WHERE notification_id = %s"
    try:
        ask(orders.url, guard.format("DISABLE"))
        ask(orders.url, change, b"{}", position)
        code, said, _ = run(settings, "audit", "verify")
        assert code == 1
        assert "NOT verified" in said
        assert f"The event at position {position} was changed: it is version" in said
        code, said, _ = run(settings, "audit", "verify", "--json")
        [finding] = json.loads(said)["findings"]
        assert (code, finding["kind"], finding["position"]) == (1, "changed", position)
    finally:
        ask(orders.url, change, state, position)
        ask(orders.url, guard.format("ENABLE ALWAYS"))


def test_a_key_that_is_not_the_one_is_told(run, settings, orders, tmp_path):
    """By its fingerprint before anything is read; without it, by the signatures of the heads."""
    other = tmp_path / "other.pub"
    other.write_text(heads.public_pem(OTHER_KEY.public_key()))
    code, _, complained = run(settings, "audit", "verify", "--key", str(other), "--fingerprint", PRINT)
    assert code == 1
    assert "Refused: The key's fingerprint is" in complained
    code, said, _ = run(settings, "audit", "verify", "--key", str(other))
    assert code == 1
    assert "Not one of 1 heads was signed by this key" in said


def test_heads_that_are_not_there_are_told(run, settings, tmp_path):
    code, _, complained = run({**settings, "heads_folder": tmp_path}, "audit", "verify")
    assert code == 1
    assert f"There is no public key in {tmp_path / KEY_FILE}" in complained


def test_a_bundle_checks_anywhere(run, told, settings, orders, tmp_path):
    """On a machine that has the file and the key: no setting is read, and nobody is asked."""
    asyncio.run(fold(orders.url, vault := a_vault(), *all_views(vault)))
    file, number = tmp_path / "bundle.json", orders.issued.number
    exported = told(settings, "audit", "export", number, "--out", str(file))
    assert exported == {"file": str(file), "events": 4, "differs": []}
    elsewhere = {"http_port": "none", "database_url": "nowhere"}
    key = str(orders.folder / KEY_FILE)
    code, said, _ = run(elsewhere, "audit", "check", str(file), "--key", key)
    assert code == 0
    assert f"Order {number}" in said
    assert "Proven: all 4 events are in the log by the head of 6 events" in said
    checked = told(elsewhere, "audit", "check", str(file), "--fingerprint", PRINT)
    assert (checked["ok"], checked["problems"], checked["events"]) == (True, [], 4)
    file.write_text(file.read_text().replace('"version": 2', '"version": 3'))
    code, said, _ = run(elsewhere, "audit", "check", str(file), "--key", key)
    assert code == 1
    assert "It was damaged or changed after it was exported" in said


def test_a_bundle_comes_alone_where_no_file_is_named(run, settings, orders):
    """So that it can be piped on."""
    code, said, _ = run(settings, "audit", "export", str(orders.issued.id), "--actor", "auditor-1")
    assert (code, json.loads(said)["about"]["number"]) == (0, orders.issued.number)


def test_an_event_that_no_head_covers_is_named(run, settings, orders, monkeypatch):
    """After a while: a head might have come."""
    monkeypatch.setattr(auditing, "_LONGER", -0.9)
    order = an_order()
    [position] = record(orders, order)
    code, _, complained = run(settings, "audit", "export", order.number)
    assert code == 1
    assert f"No head covers positions {position} yet" in complained


def test_a_history_is_told_as_it_was_then(run, settings, orders):
    until = NOON.isoformat()
    code, said, _ = run(settings, "audit", "history", orders.issued.number, "--version", "1")
    assert code == 0
    assert f"Order {orders.issued.number} was placed: CZ-10D" in said
    assert "Proven by the head of 6 events" in said
    assert "1 of 4 events. Status then: awaiting_payment." in said
    code, said, _ = run(settings, "audit", "history", orders.issued.number, "--until", until, "--json")
    story = json.loads(said)
    assert (code, len(story["events"]), story["differs"]) == (0, 4, [])
    assert story["state"]["email"] == {"sealed": True}


def test_heads_are_listed_with_their_signatures(run, told, settings, orders):
    [head] = told(settings, "audit", "heads")["heads"]
    assert (head["size"], head["signed"]) == (6, True)
    code, said, _ = run(settings, "audit", "heads")
    assert code == 0
    assert "good" in said


def test_every_look_is_listed_with_who_looked(told, settings, orders):
    order = an_order()
    record(orders, order)
    told(settings, "audit", "history", order.number, "--actor", "auditor-1")
    told(settings, "audit", "verify", "--actor", "auditor-1")
    looks = (told(settings, "audit", "looks", "--limit", "3", "--actor", "bea"))["looks"]
    assert [(each["actor"], each["what"]) for each in looks] == [
        ("bea", "looks"),
        ("auditor-1", "verify"),
        ("auditor-1", "history"),
    ]
    assert looks[2]["order_id"] == str(order.id)


def test_what_somebody_wrote_is_shown_as_it_is(run, settings, tmp_path):
    """No text in the log can hide itself, or break the terminal of whoever looks."""
    name = "[/x] [conceal]joe\x1b[8m"
    run(settings, "audit", "looks", "--actor", name)
    code, said, _ = run(settings, "audit", "looks", "--limit", "2")
    assert (code, "[/x] [conceal]joe\ufffd[8m" in said) == (0, True), said
    folder = tmp_path / "[/x]"
    folder.mkdir(parents=True)
    code, _, complained = run({**settings, "heads_folder": folder}, "audit", "verify")
    assert code == 1
    assert f"There is no public key in {folder / KEY_FILE}" in complained


def test_misuse_is_told_as_such(misused, orders, tmp_path):
    here = tmp_path / "here.json"
    here.write_text("{}")
    assert "Give --key, or the --fingerprint" in misused("audit", "check", str(here))
    assert "is not written over" in misused("audit", "export", "V6562305984", "--out", str(here))
    assert "--until or --version" in misused(
        "audit", "history", "V6562305984", "--until", "2026-01-01", "--version", "1"
    )
    assert "is no time" in misused("audit", "history", "V6562305984", "--until", "yesterday")


def test_an_order_that_there_is_not_is_refused(run, settings):
    code, _, complained = run(settings, "audit", "history", "V1000000064")
    assert code == 1
    assert "Refused: There is no such order" in complained
    code, _, complained = run(settings, "audit", "history", "V1000000065")
    assert code == 2


def test_some_heads_are_enough_for_who_collects_them(run, settings, orders, tmp_path):
    """An auditor's own: twice, or not all of them. Of a whole file it is told that it was cut; none prove nothing."""
    record(orders, an_order())
    keep(orders.url)
    second = signed(orders.url)[-1]
    mine = tmp_path / "mine.jsonl"
    mine.write_text(file_of([second, second]))
    words = ("audit", "verify", "--heads", str(mine), "--key", str(orders.folder / KEY_FILE))
    code, said, _ = run(settings, *words)
    assert code == 1
    assert "those were cut" in said
    code, said, _ = run(settings, *words, "--partial")
    assert code == 0, said
    mine.write_text("")
    code, said, _ = run(settings, *words, "--partial")
    assert code == 1
    assert "No head is kept outside that could prove anything." in said


def test_without_a_setting_it_goes_to_the_server_of_vignettes_run(orders, tmp_path):
    """There is none here: it is looked for in the folder where it would be."""
    told = {"VIGNETTES_DATA_DIR": str(tmp_path), "VIGNETTES_HEADS_FOLDER": str(orders.folder)}
    result = CliRunner().invoke(app, ["audit", "heads"], env=told)
    assert isinstance(result.exception, psycopg.OperationalError)
    assert str(tmp_path / "postgres" / "run") in str(result.exception)
