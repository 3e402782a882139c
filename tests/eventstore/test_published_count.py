"""How many events the stream must hold: counted once by the migration, from then on as they are published."""

import pytest

from eventstore_helpers import a_vault, an_order, ask, pay, record
from vignettes.eventstore import migrations as module
from vignettes.eventstore.migrations import migrate, migrations
from vignettes.eventstore.orders import Orders

PUBLISHED = """
INSERT INTO view.editions (view, version, state, position)
SELECT 'published', 1, 'live', max(notification_id) FROM log.events RETURNING id
"""
PARKED = """
INSERT INTO view.parked (edition, order_id, position, version, topic, error)
SELECT %s, originator_id, notification_id, originator_version, topic, 'ValueError' FROM log.events
WHERE originator_id = %s AND originator_version = 2 RETURNING position
"""


@pytest.fixture
def before(postgres, monkeypatch):
    """A database of the release that did not count."""
    postgres.ensure_database("uncounted")
    with monkeypatch.context() as patch:
        patch.setattr(module, "migrations", lambda: [each for each in migrations() if each.number < 18])
        migrate(postgres.url("uncounted"))
    yield postgres.url("uncounted")
    ask(postgres.url("postgres"), "DROP DATABASE uncounted WITH (FORCE)")


def test_what_waits_because_it_can_not_be_digested_is_not_counted(before):
    """It was not published: counted, the stream would be too short for ever, with nothing that is missing in it."""
    log = Orders(before, a_vault())
    parked, whole = pay(an_order()), pay(an_order())
    record(log, parked, whole)
    log.close()
    events = ask(before, "SELECT count(*)::int FROM log.events WHERE originator_id = %s", whole.id)[0]
    waiting = ask(before, "SELECT count(*)::int FROM log.events WHERE originator_id = %s", parked.id)[0] - 1
    assert waiting > 0
    [edition] = ask(before, PUBLISHED)
    ask(before, PARKED, edition, parked.id)
    migrate(before)
    assert ask(before, "SELECT messages::int FROM effect.published") == [events + 1]
