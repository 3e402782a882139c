"""`vignettes doctor`: what is wrong is found and named, with the words that mend it; nothing makes it wait for ever."""

import asyncio
import io
import json
import threading
from dataclasses import replace
from datetime import timedelta
from functools import partial

import nats
import pytest
from rich.console import Console
from typer.testing import CliRunner

from eventstore_helpers import MASTER, a_vault, ask, lead, projecting, record, stories
from service import settings_for, until
from vignettes.eventstore.connections import conninfo
from vignettes.messages import events
from vignettes.runtime import doctor
from vignettes.runtime.cli import app
from vignettes.runtime.doctoring import clocks, configuration, grants, outside, postgres, secrets_kept, zones
from vignettes.runtime.doctoring.finding import Finding, State
from vignettes.runtime.doctoring.patient import Patient, aside
from vignettes.runtime.embedded import free_port
from vignettes.runtime.keys import root_of
from vignettes.runtime.settings import load_settings
from vignettes.services import streams
from vignettes.services.publishing import PublishedView
from vignettes.services.reconciling import Unanswered

QUIET = Console(file=io.StringIO())


def untold(what, done, of):
    """Show no progress."""


@pytest.fixture
def patient(database, tmp_path):
    """An installation of which only the database answers."""
    (tmp_path / "master.key").write_text(MASTER.hex())
    (tmp_path / "master.key").chmod(0o600)
    settings = load_settings(database_url=database, data_dir=tmp_path)
    return Patient(settings, untold, database_url=database)


def examined(settings, *only, repair=False):
    return doctor.examine(settings, only, QUIET, repair=repair)


def not_well(found):
    return [each for each in found if each.state in {State.WARNING, State.WRONG}]


def states(report):
    """Return the worst that each check has found."""
    order = list(State)
    return {
        name: max(found, key=lambda each: order.index(each.state) % 3).state for name, found in report.checks
    }


# --- the whole


async def test_a_running_service_is_well(service):
    """Every check looks; only what a test's database is without is told: it writes nothing to the disk."""
    await service.pay(await service.place())
    report = await until(partial(well_but_for, service.settings, {("durability", "fsync")}))
    assert [name for name, _ in report.checks] == list(doctor.NAMES)
    found = {(name, each.what): each for name, all_ in report.checks for each in not_well(all_)}
    assert found["durability", "fsync"].do == "Run: ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();"
    assert ("settings", "environment") in found
    assert not report.is_healthy


async def well_but_for(settings, known):
    """Return a report in which nothing else is wrong: roles that are just starting are not all there yet."""
    report = await examined(settings)
    wrong = {
        (name, each.what)
        for name, found in report.checks
        for each in found
        if each.state is State.WRONG and name != "disk"  # which says how full this machine is
    }
    return report if wrong == known else None


@pytest.mark.thorough
async def test_where_nothing_answers_it_says_so_and_ends(tmp_path):
    """What needs a server is not looked at, and the rest is."""
    settings = load_settings(
        database_url=f"postgresql://127.0.0.1:{free_port()}/none",
        nats_url=f"nats://127.0.0.1:{free_port()}",
        smtp_url=f"smtp://127.0.0.1:{free_port()}",
        data_dir=tmp_path,
    )
    report = await asyncio.wait_for(examined(settings), 20)
    worst = states(report)
    assert {name for name, state in worst.items() if state is State.WRONG} == {
        "postgresql", "nats", "keys", "mail",
    }  # fmt: skip
    assert all(worst[name] is State.SKIPPED for name in ("grants", "orders", "views", "roles", "triggers"))
    assert worst["zones"] is State.OK
    told = doctor.as_json(report)
    assert (told["ok"], told["counts"]["wrong"]) == (False, report.count(State.WRONG))
    console = Console(file=io.StringIO(), width=100)
    console.print(doctor.shown(report))
    assert "Do what the arrows say" in console.file.getvalue()


async def test_a_look_that_hangs_or_fails_holds_up_no_other(patient):
    """Each has its time; what goes wrong in looking is told as such."""

    async def hangs(_):
        await asyncio.Event().wait()

    async def hangs_in_a_thread(_):
        await aside(threading.Event().wait)

    async def fails(_):
        raise ValueError("first line\nsecond line")

    async def is_not_answered(_):
        raise TimeoutError

    async def is_left_by_nats(_):
        raise Unanswered("it sent nothing for 30 s")

    for look, told in (
        (hangs, "gave no answer within 0 s"),
        (hangs_in_a_thread, "gave no answer within 0 s"),
        (fails, "ValueError: first line"),
        (is_not_answered, "was not answered in time"),
        (is_left_by_nats, "NATS: it sent nothing for 30 s"),
    ):
        [found] = await doctor._bounded(doctor.Check("it", look, seconds=0.05), patient, repair=False)
        assert (found.state, found.seen) == (State.WRONG, told)


def test_settings_that_are_refused_are_a_finding(monkeypatch):
    """Also for a program that reads it; and the exit code says it."""
    monkeypatch.setenv("VIGNETTES_LEAD_HOURS", "0")
    result = CliRunner().invoke(app, ["doctor", "--json"])
    [found] = json.loads(result.stdout)["checks"]
    assert (result.exit_code, found["check"], found["state"]) == (1, "settings", "wrong")
    assert found["seen"].startswith("VIGNETTES_LEAD_HOURS: '0'")


def test_a_check_that_there_is_not_is_a_misuse(misused):
    assert "health: there are postgresql, settings" in misused("doctor", "--only", "health")


# --- the stream, by the command's own way


async def test_half_of_the_stream_is_found_missing_and_repaired(orders, database, nats_server, tmp_path):
    """Found, repaired and found whole; a stream that is gone is made anew."""
    (tmp_path / "master.key").write_text(MASTER.hex())
    (tmp_path / "master.key").chmod(0o600)
    record(orders, *stories())
    client = await nats.connect(nats_server.url)
    await streams.ensure(client)
    async with await projecting(database) as connection:
        following = await lead(connection, a_vault(), PublishedView(client.jetstream()))
        while (await following.advance()).more:
            pass
    settings = settings_for(database, nats_server.url, tmp_path)
    jetstream = client.jetstream()
    count = (await jetstream.stream_info(events.STREAM)).state.messages
    await jetstream.delete_stream(events.STREAM)
    assert states(await examined(settings, "streams"))["streams"] is State.WRONG
    await streams.ensure(client)
    [_, (_, found)] = (await examined(settings, "orders")).checks
    assert (found[0].state, found[0].do) == (State.WRONG, "Run: vignettes doctor --repair --only orders")
    assert found[0].seen.startswith(f"{count} events are not in the stream (position 1 ")
    [_, (_, found)] = (await examined(settings, "orders", repair=True)).checks
    assert [each.what for each in found] == ["repair", "ORDERS"]
    assert (await jetstream.stream_info(events.STREAM)).state.messages == count
    assert (await examined(settings, "orders")).is_healthy
    await client.close()


async def test_a_stream_of_another_form_is_told(nats_server, tmp_path, database):
    """What a person or a repair has changed, and what it must be."""
    client = await nats.connect(nats_server.url)
    await streams.ensure(client)
    jetstream = client.jetstream()
    known = (await jetstream.stream_info(events.STREAM)).config
    await jetstream.update_stream(replace(known, duplicate_window=5.0, max_msgs=100))
    report = await examined(settings_for(database, nats_server.url, tmp_path), "streams")
    told = {each.what: each.seen for _, found in report.checks for each in not_well(found)}
    assert told == {"ORDERS": "max_msgs is 100, not -1; duplicate_window is 5.0 s, not 120.0 s"}
    await client.close()


# --- rights

#: What somebody did by hand, and what the doctor says to do.
DAMAGES = {
    "REVOKE SELECT ON log.events FROM vignettes_auditor": "GRANT SELECT ON TABLE log.events TO vignettes_auditor;",
    "GRANT UPDATE ON log.events TO vignettes_writer": "REVOKE UPDATE ON TABLE log.events FROM vignettes_writer;",
    "GRANT SELECT (contact) ON personal.keys TO vignettes_auditor": (
        "REVOKE SELECT (contact) ON TABLE personal.keys FROM vignettes_auditor;"
    ),
    "GRANT SELECT ON read.emails TO PUBLIC": "REVOKE SELECT ON TABLE read.emails FROM PUBLIC;",
    "GRANT CREATE ON SCHEMA public TO PUBLIC": "REVOKE CREATE ON SCHEMA public FROM PUBLIC;",
    "REVOKE DELETE ON edition.order_status_1 FROM vignettes_projector": (
        "GRANT DELETE ON TABLE edition.order_status_1 TO vignettes_projector;"
    ),
    "ALTER TABLE log.commands DISABLE TRIGGER answers_are_for_ever": (
        "ALTER TABLE log.commands ENABLE ALWAYS TRIGGER answers_are_for_ever;"
    ),
    "ALTER TABLE log.payments OWNER TO vignettes_admin": "ALTER TABLE log.payments OWNER TO vignettes_owner;",
    "ALTER TABLE log.events ENABLE ROW LEVEL SECURITY": "ALTER TABLE log.events DISABLE ROW LEVEL SECURITY;",
    "CREATE RULE nothing AS ON INSERT TO log.payments DO INSTEAD NOTHING": "DROP RULE nothing ON log.payments;",
    # Any role that is there and is not ours: all databases of a server have the same.
    "GRANT vignettes_owner TO pg_monitor": "REVOKE vignettes_owner FROM pg_monitor;",
    "GRANT vignettes_reader TO pg_monitor": "REVOKE vignettes_reader FROM pg_monitor;",
}


@pytest.mark.thorough
async def test_a_right_that_is_not_as_it_must_be_is_told_with_its_cure(patient, database):
    """To the word: what it says to run makes it well again."""
    assert not_well(await grants.look(patient)) == []
    for damage, cure in DAMAGES.items():
        ask(database, damage)
        told = [each.do for each in not_well(await grants.look(patient))]
        said = next(each for each in told if cure in each)
        ask(database, said.partition(" and then: ")[2] or said.removeprefix("Run: "))
        assert not_well(await grants.look(patient)) == [], damage


async def test_whoever_may_do_all_that_the_owner_may_is_wrong(patient, database):
    """To read, somebody may have been let in on purpose."""
    states_ = {}
    for role in ("vignettes_owner", "vignettes_reader"):
        ask(database, f"GRANT {role} TO pg_monitor")
        [states_[role]] = [each.state for each in not_well(await grants.look(patient))]
        ask(database, f"REVOKE {role} FROM pg_monitor")
    assert states_ == {"vignettes_owner": State.WRONG, "vignettes_reader": State.WARNING}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            """CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger
               LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'""",
            "FUNCTION log.refuse_change()",
        ),
        (
            "ALTER FUNCTION audit.note_look(text, text, uuid, jsonb) RESET ALL",
            "FUNCTION audit.note_look(actor text, what text, order_id uuid, details jsonb)",
        ),
        (
            "CREATE OR REPLACE VIEW read.published AS SELECT messages, position FROM effect.published WHERE false",
            "VIEW read.published",
        ),
    ],
    ids=["trigger", "options", "view"],
)  # fmt: skip
async def test_what_does_something_else_now_is_told_once(patient, database, damage, told):
    """Its name and its rights are as they were."""
    ask(database, damage)
    [found] = not_well(await grants.look(patient))
    assert (found.state, found.seen) == (State.WRONG, f"{told} is not that of the code")


async def test_a_view_of_another_edition_is_the_same_view(patient, database):
    ask(database, "ALTER TABLE edition.order_status_1 RENAME TO order_status_77")
    assert not_well(await grants.look(patient)) == []


# --- one by one


async def test_a_database_that_lacks_a_migration_or_has_a_changed_one_is_told(patient, database):
    ask(database, "DELETE FROM public.vignettes_migrations WHERE number = 13")
    [found] = await postgres.schema(patient)
    assert (found.seen, found.do) == ("not applied: 0013 customers", "Run: vignettes migrate")
    ask(database, "UPDATE public.vignettes_migrations SET sha256 = '' WHERE number = 12")
    [found] = await postgres.schema(patient)
    assert (found.state, "0012 mail_returns" in found.seen) == (State.WRONG, True)


@pytest.mark.parametrize(
    ("seconds", "state"), [(0.9, State.OK), (1.5, State.WARNING), (-29, State.WARNING), (31, State.WRONG)]
)
def test_clocks_may_differ_by_a_second(seconds, state):
    """Over half a minute apart, what happened when can't be told any more."""
    assert clocks._beside("NATS", timedelta(seconds=seconds)).state is state


async def test_a_clock_that_a_sandbox_has_moved_is_wrong_in_production_only(patient, database):
    ask(database, "UPDATE clock.shift SET ahead = '2 hours'")
    assert (await clocks.look(patient))[0] == Finding(
        State.OK, "the service's clock", "is 2 h ahead of the database's: a sandbox has moved it"
    )
    patient.settings = patient.settings.model_copy(update={"environment": "production"})
    assert (await clocks.look(patient))[0].state is State.WRONG


async def test_zones_are_those_of_the_package(patient):
    """Others may differ: ours are used."""
    ours, *others = await zones.look(patient)
    assert (ours.state, "9 instants right" in ours.seen) == (State.OK, True)
    assert [each.what for each in others] == ["this machine's zones", "PostgreSQL's zones"]
    assert zones._others("this machine's", [0] * 9).seen.startswith("are out of date for Europe/Bucharest, ")


async def test_another_master_key_is_told_and_one_that_is_left_over(patient, tmp_path):
    """It must open this database's secrets; the one before it is to go once nothing needs it."""
    secrets_kept_here = patient.settings.master_key_file
    root_of(patient.settings, conninfo(patient.database, "vignettes_writer"))
    assert not_well(await secrets_kept.master(patient)) == []
    before = tmp_path / "before.key"
    before.write_text(secrets_kept_here.read_text())
    before.chmod(0o600)
    left_over = patient.settings.model_copy(update={"previous_master_key_file": before})
    patient.settings = left_over
    assert [each.seen for each in not_well(await secrets_kept.master(patient))] == [
        "nothing is closed by it any more"
    ]
    secrets_kept_here.write_text("ab" * 32)
    patient.settings = left_over.model_copy(update={"previous_master_key_file": None})
    [found] = await secrets_kept.master(patient)
    assert (found.state, found.what) == (State.WRONG, "opens")
    secrets_kept_here.chmod(0o644)
    [found] = await secrets_kept.master(patient)
    assert f"chmod 600 {secrets_kept_here}" in found.seen


async def test_production_with_what_is_meant_for_a_laptop_is_told(patient):
    """Each with the variable to set."""
    patient.settings = patient.settings.model_copy(update={"environment": "production"})
    told = {each.what: each.do for each in await configuration.look(patient)}
    assert told["payee"] == "Set VIGNETTES_PAYEE_IBAN and VIGNETTES_PAYEE_NAME."
    assert told["pages"] == "Set VIGNETTES_PUBLIC_URL to an https:// address."
    assert {"sender", "support"} <= told.keys()


async def test_folders_are_looked_at(patient, tmp_path):
    """A bank folder without its in/ takes nothing in; the room on the disk is told once for one disk."""
    patient.settings = patient.settings.model_copy(update={"bank_folder": tmp_path / "bank"})
    [found] = await outside.bank(patient)
    assert (found.state, found.do) == (State.WRONG, f"Run: mkdir -p {tmp_path / 'bank' / 'in'}")
    (tmp_path / "bank" / "in").mkdir(parents=True)
    [found] = await outside.bank(patient)
    assert found.state is State.OK
    assert len(await outside.disk(patient)) == 1
