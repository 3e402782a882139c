"""What the page for people on duty asks of the views, and how it does without a part that does not come."""

from datetime import timedelta
from uuid import uuid4

import psycopg
import pytest
from psycopg_pool import AsyncConnectionPool

from vignettes.eventstore.connections import conninfo
from vignettes.projections.promises import Promise
from vignettes.services.web import ops_look
from vignettes.services.web.ops_board import NAMED, USUAL_HOURS, board
from vignettes.services.web.ops_look import MOST, Looking

_PROMISED = """
INSERT INTO view.promises (order_id, promise, occasion, rule, began_at, due_at, limit_at, ended_at, outcome, position)
SELECT %s, %s, 1, 'x', now - '2 h'::interval, now - %s, now - '1 h'::interval, now, 'done', 1
FROM (SELECT date_trunc('day', clock.now(), 'UTC') + interval '12 h' AS now) AS noon
"""


@pytest.fixture
async def reader(database):
    async with AsyncConnectionPool(conninfo(database, "vignettes_reader"), open=False) as pool:
        yield pool


@pytest.mark.parametrize("days", [0, 3])
async def test_many_late_mails_do_not_hide_the_one_late_registration(database, reader, days):
    """It was broken before them; and of the mails it is told how many more there are."""
    before = timedelta(days=days)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(_PROMISED, (uuid4(), Promise.AT_THE_MARK, before + timedelta(hours=3)))
        for _ in range(MOST + 2):
            told = (uuid4(), Promise.MAIL_OF_PAYMENT, before + timedelta(hours=2))
            connection.execute(_PROMISED, told)
    cards = {card.number: card for card in board(await Looking(reader).look(), USUAL_HOURS).cards}
    on_time, confirmed = cards[Promise.AT_THE_MARK], cards[Promise.MAIL_OF_PAYMENT]
    assert (on_time.month.broken, len(on_time.broken), on_time.more_broken) == (1, 1, 0)
    assert (len(confirmed.broken), confirmed.more_broken) == (NAMED, MOST + 2 - NAMED)


async def test_without_the_days_that_are_over_all_else_is_shown(reader, monkeypatch):
    """They are not asked for again at once; and come by themselves once they are to be had."""
    known = ops_look._QUERIES["month"]
    monkeypatch.setitem(ops_look._QUERIES, "month", b"SELECT 1 / 0")
    looking = Looking(reader, seconds=0)
    for _ in range(2):
        shown = board(await looking.look(since=0), USUAL_HOURS)
        assert shown.lacks_days
        monkeypatch.setitem(ops_look._QUERIES, "month", known)
    looking._past.put_off(0)
    assert not board(await looking.look(since=0), USUAL_HOURS).lacks_days


async def test_orders_that_have_ended_are_not_counted_at_every_look(reader, monkeypatch):
    """They become more for ever, and so does the time that it takes."""
    asked = []
    query = ops_look._asked

    async def noted(connection, name, now=None):
        asked.append(name)
        return await query(connection, name, now)

    monkeypatch.setattr(ops_look, "_asked", noted)
    looking = Looking(reader, seconds=0)
    monkeypatch.setattr(ops_look, "_TIMES_AS_LONG", 0)
    await looking.look()
    await looking.look()
    assert (asked.count("states"), asked.count("ended")) == (2, 1)
