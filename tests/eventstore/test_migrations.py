"""Numbered files bring any database to today's form, once each, whoever runs them and how many at a time."""

import itertools
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from eventstore_helpers import DOMAIN, NOON, a_vault, all_views, an_order, ask, fold, record
from vignettes.eventstore import migrations as module
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.migrations import Migration, MigrationChanged, migrate, migrations, pending
from vignettes.eventstore.orders import Orders
from vignettes.projections.emails import EmailsView, message_id
from vignettes.projections.rebuild import Rebuild
from vignettes.runtime.viewing import install_views

_OWNERS = """
SELECT 'schema ' || nspname, pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = ANY(%(schemas)s)
UNION ALL
SELECT c.relkind::text || ' ' || c.oid::regclass, pg_get_userbyid(c.relowner)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ANY(%(schemas)s)
UNION ALL
SELECT 'function ' || p.oid::regprocedure, pg_get_userbyid(p.proowner)
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = ANY(%(schemas)s)
"""
_OURS = (
    "SELECT nspname::text FROM pg_namespace"
    " WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public')"
)

_names = itertools.count(1)


@pytest.fixture
def empty(postgres):
    """A database that has nothing in it."""
    name = f"empty_{next(_names)}"
    postgres.ensure_database(name)
    yield postgres.url(name)
    ask(postgres.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def applied(url):
    return ask(url, "SELECT number, name FROM public.vignettes_migrations ORDER BY number")


def test_an_empty_database_comes_to_todays_form(empty):
    """Every file is applied in order and kept in the ledger, and the log can be used."""
    assert migrate(empty) == migrations()
    assert applied(empty) == [(each.number, each.name) for each in migrations()]
    assert [each.number for each in migrations()] == list(range(1, len(migrations()) + 1))
    log = Orders(empty, a_vault())
    assert record(log, an_order()) == [1]
    log.close()


def test_a_second_time_does_nothing(empty):
    """A restart migrates again; there is nothing left to do, and nothing is done."""
    migrate(empty)
    before = ask(empty, "SELECT oid FROM pg_class ORDER BY oid")
    times = ask(empty, "SELECT applied_at FROM public.vignettes_migrations ORDER BY number")
    assert migrate(empty) == []
    assert ask(empty, "SELECT applied_at FROM public.vignettes_migrations ORDER BY number") == times
    assert ask(empty, "SELECT oid FROM pg_class ORDER BY oid") == before


def test_a_later_file_is_added_to_what_is_there(empty, monkeypatch):
    """Old data stay; only the new file runs."""
    migrate(empty)
    later = Migration(9000, "later", "CREATE TABLE view.later (); INSERT INTO view.later DEFAULT VALUES")
    monkeypatch.setattr(module, "migrations", lambda: [*migrations(), later])
    assert migrate(empty) == [later]
    assert ask(empty, "SELECT count(*) FROM view.later") == [1]
    assert ask(empty, "SELECT tableowner FROM pg_tables WHERE tablename = 'later'") == ["vignettes_owner"]


def test_a_changed_migration_is_refused_by_name(empty, monkeypatch):
    """The database has another form than the file says; a new file is the way, and nothing is applied."""
    migrate(empty)
    first, second, third, *rest = migrations()
    changed = Migration(third.number, third.name, third.sql + "-- as if nobody had run it")
    new = Migration(9000, "new", "CREATE TABLE view.new ()")
    monkeypatch.setattr(module, "migrations", lambda: [first, second, changed, *rest, new])
    with pytest.raises(MigrationChanged, match="0003 log"):
        migrate(empty)
    with psycopg.connect(empty) as connection, pytest.raises(MigrationChanged, match="0003 log"):
        pending(connection)
    assert applied(empty)[-1] != (9000, "new")


def test_a_migration_that_fails_leaves_no_trace(empty, monkeypatch):
    """Those before it stay, itself is undone, and the next run goes on from there."""
    broken = Migration(9000, "broken", "CREATE TABLE view.half (); SELECT 1 / 0")
    monkeypatch.setattr(module, "migrations", lambda: [*migrations(), broken])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty)
    assert ask(empty, "SELECT to_regclass('view.half')") == [None]
    monkeypatch.undo()
    assert migrate(empty) == []
    assert len(applied(empty)) == len(migrations())


def test_several_at_the_same_time_apply_each_file_once(empty):
    """Every process of a new version migrates when it starts."""
    with ThreadPoolExecutor(4) as threads:
        done = list(threads.map(migrate, [empty] * 4))
    assert sorted(done, key=len) == [[], [], [], migrations()]
    assert len(applied(empty)) == len(migrations())


def test_databases_of_one_server_are_migrated_side_by_side(postgres):
    """Roles belong to the server: two databases want them at the same moment."""
    names = [f"side_{number}" for number in range(3)]
    for name in names:
        postgres.ensure_database(name)
    with ThreadPoolExecutor(len(names)) as threads:
        done = list(threads.map(migrate, map(postgres.url, names)))
    assert done == [migrations()] * len(names)
    for name in names:
        ask(postgres.url("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def test_everything_of_ours_belongs_to_the_owner_role(database):
    """No login of a service owns anything, whoever ran the migration."""
    ours = ask(database, _OURS)
    assert set(ours) == {"log", "clock", "view", "edition", "effect", "ledger", "audit", "read", "personal"}
    with psycopg.connect(database) as connection:
        owners = connection.execute(_OWNERS, {"schemas": ours}).fetchall()
    assert len(owners) > 30
    named = {what for what, _ in owners}
    assert {"function view.switch(integer)", "function view.show(view.editions)"} <= named
    assert [what for what, owner in owners if owner != "vignettes_owner"] == []


_MAIL_OF_THEN = """
INSERT INTO view.emails (order_id, version, kind, message_id, recipient, language, facts, called_at, position)
VALUES (%s, 1, 'placed', %s, '', 'en', '{}', %s, %s)
"""
_TRIED_THEN = "INSERT INTO effect.mails (message_id, order_id, attempts, sent_at) VALUES (%s, %s, 1, %s)"
_MAILS = "SELECT message_id, kind, position, called_at, attempts, sent_at FROM effect.mails ORDER BY position"


async def test_no_mail_is_called_for_again_when_views_become_editions(empty, monkeypatch):
    """What was sent stays sent, what waited waits once, and the publisher goes on where it was.

    Before the migration the views know three of four orders: the mail of the first was sent, that of the second
    tried, that of the third not yet.
    """
    monkeypatch.setattr(module, "migrations", lambda: migrations()[:6])
    migrate(empty)
    log, placed = Orders(empty, a_vault()), [an_order() for _ in range(4)]
    positions = record(log, *placed)
    log.close()
    mails = [message_id(order.id, 1, "placed", DOMAIN) for order in placed]
    for order, mail, position in list(zip(placed, mails, positions, strict=True))[:3]:
        ask(empty, _MAIL_OF_THEN, order.id, mail, NOON, position)
    ask(empty, _TRIED_THEN, mails[0], placed[0].id, NOON)
    ask(empty, _TRIED_THEN, mails[1], placed[1].id, None)
    ask(empty, "INSERT INTO view.positions (view, position) VALUES ('published', 2), ('emails', 3)")
    monkeypatch.undo()

    assert [each.number for each in migrate(empty)] == [each.number for each in migrations()[6:]]
    assert install_views(empty) == ["emails"]
    assert ask(empty, "SELECT count(*) FROM read.emails") == [3]  # read as before, until it is built anew
    tried = [(1, NOON), (1, None), (0, None), (0, None)]
    expected = [
        (mail, "placed", position, NOON, *what)
        for mail, position, what in zip(mails, positions, tried, strict=True)
    ]
    assert ask(empty, _MAILS) == expected[:3]
    vault = a_vault()
    await fold(empty, vault, *all_views(vault))
    assert ask(empty, _MAILS) == expected[:3]
    assert await Rebuild(conninfo(empty, "vignettes_projector"), EmailsView(DOMAIN, vault), vault).run()
    assert ask(empty, _MAILS) == expected
    states = "SELECT state FROM read.emails ORDER BY position"
    assert ask(empty, states) == ["sent", "retrying", "waiting", "waiting"]
    published = "SELECT position, version, state FROM view.editions WHERE view = 'published'"
    assert ask(empty, published) == [(2, 1, "live")]
