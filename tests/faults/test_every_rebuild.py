"""Every view is built anew, again and again, beside a service at work: the same tables each time, and no mail twice."""

import asyncio
import io
import sqlite3
from contextlib import closing

import pytest
from rich.console import Console

import eventstore_helpers
from eventstore_helpers import an_order, ask, stories, tables
from faults.nodes import told
from service import running_service, until
from vignettes.eventstore.orders import Orders
from vignettes.runtime import parts
from vignettes.runtime.rebuilding import rebuild

ROLES = ("projecting", "mailing", "sandbox")
WITHIN_SECONDS = 240
_VIEWS = "SELECT view FROM view.editions WHERE state = 'live' AND tables <> '{}' ORDER BY view"
_UNDER_WAY = """
SELECT (SELECT count(*) FROM read.projection_lag WHERE events_behind > 0 AND view <> 'published')
     + (SELECT count(*) FROM read.emails WHERE state IN ('waiting', 'retrying'))
"""


@pytest.mark.case(54)
@pytest.mark.fault(15)
@pytest.mark.parametrize(
    ("times", "orders"),
    [
        pytest.param(1, 0, id="short"),
        pytest.param(10, 1_000, id="long", marks=[pytest.mark.faults, pytest.mark.timeout(1200)]),
    ],
)
async def test_views_built_anew_are_what_they_were(
    database, nats_server, tmp_path, times, orders, seed, record
):
    """Row by row; no mail that has left leaves again, and one that is called for later leaves once (I6, I7)."""
    async with running_service(database, nats_server.url, tmp_path / "data", ROLES) as service:
        tell_stories(database, service.settings)
        if orders:
            with told(database, seed, 5_000, orders=orders, keys_of_the_service=True) as telling:
                await asyncio.to_thread(telling.ended)
        before, left = await rested(database), arrived(tmp_path)
        differing, rebuilt = set(), ask(database, _VIEWS) * times
        for view in rebuilt:
            await asyncio.to_thread(rebuild, service.settings, view, Console(file=io.StringIO()))
            after = await rested(database)
            differing |= {name for name in before if after[name] != before[name]}
        again = len(arrived(tmp_path)) - len(left)
        tell_stories(database, service.settings, [an_order()])
        await rested(database)
        later = len(arrived(tmp_path)) - len(left) - again
    record(
        test=15,
        faults=len(rebuilt),
        what="every view rebuilt beside the service",
        broken=len(differing),
        doubled=again,
        rows=sum(map(len, before.values())),
        mails=len(left),
    )
    assert differing == set()
    assert (again, len(set(left))) == (0, len(left))
    assert later == 1, "whoever sends mails does not any more"


def tell_stories(database, settings, told=None):
    """Append the past of some orders with the keys of the service."""
    log = Orders(database, parts.vault(settings))
    eventstore_helpers.record(log, *(told or stories()))
    log.close()


async def rested(database):
    """Return every row of every view, when nothing is under way any more."""

    async def look():
        return ask(database, _UNDER_WAY) == [0]

    await until(look, WITHIN_SECONDS)
    return tables(database)


def arrived(folder):
    """Return the ids of all mails that arrived."""
    with closing(sqlite3.connect(folder / "data" / "sandbox" / "inbox.sqlite")) as inbox:
        return [message_id for (message_id,) in inbox.execute("SELECT message_id FROM messages")]
