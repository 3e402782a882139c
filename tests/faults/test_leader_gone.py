"""Fault 7, the publisher alone: the server that leads its stream dies, and what was acknowledged is still there."""

import asyncio
import gc
import time

import nats
import pytest

from eventstore_helpers import a_vault, an_order, ask
from eventstore_helpers import record as put_on_record
from faults.quorum import Quorum
from follower_helpers import following
from service import until
from vignettes.messages import events
from vignettes.runtime.link import Link
from vignettes.services import publishing, streams
from vignettes.services.publishing import PublishedView

_EACH = 20
_GOES_ON_WITHIN_SECONDS = 30
_WANTED = "SELECT originator_id || ':' || originator_version FROM log.events ORDER BY notification_id"
_REACHED = "SELECT 1 FROM view.editions WHERE view = 'published' AND state = 'live' AND position >= %s"


@pytest.fixture
def leavings():
    """Collect what nats-py leaves of a connection that broke here, where the warning is expected."""
    yield
    gc.collect()


@pytest.fixture
def quorum(tmp_path):
    quorum = Quorum(tmp_path / "quorum", [(name, None) for name in ("a", "b", "c")])
    try:
        quorum.start()
        yield quorum
    finally:
        quorum.stop()


@pytest.mark.fault(7)
@pytest.mark.usefixtures("leavings", "quiet")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
async def test_events_go_on_when_the_leader_of_their_stream_dies(
    database, orders, quorum, seed, record, monkeypatch
):
    """Two of three go on by themselves; nobody has forgotten what was acknowledged, and nothing is there twice (I9)."""
    monkeypatch.setattr(publishing, "_ACKNOWLEDGED_WITHIN", 0.5)
    client = await nats.connect(quorum.url.split(","), **Link().options("vignettes test"))
    await streams.ensure(client, 3, {events.STREAM})
    async with following(database, a_vault(), PublishedView(client.jetstream())):
        await published(database, put_on_record(orders, *(an_order() for _ in range(_EACH))))
        leader = quorum.named((await client.jetstream().stream_info(events.STREAM)).cluster.leader)
        since = time.monotonic()
        leader.kill()
        await published(database, put_on_record(orders, *(an_order() for _ in range(_EACH))))
        away = time.monotonic() - since
    told = await until(lambda: ids(client))
    await client.close()
    wanted = ask(database, _WANTED)
    record(
        test=7,
        what="kill the leader of the stream of orders",
        faults=1,
        lost=len(set(wanted) - set(told)),
        doubled=len(told) - len(set(told)),
        worst_recovery_s=away,
    )
    assert told == wanted
    assert away < _GOES_ON_WITHIN_SECONDS


async def published(database, positions):
    """Wait until the publisher has heard that the stream has them all."""

    async def look():
        return ask(database, _REACHED, positions[-1])

    await until(look, seconds=2 * _GOES_ON_WITHIN_SECONDS)


async def ids(client):
    """Return the id of every message of the stream, in its order."""
    jetstream = client.jetstream()
    count = (await jetstream.stream_info(events.STREAM)).state.messages
    asked = (jetstream.get_msg(events.STREAM, seq=number) for number in range(1, count + 1))
    return [message.headers["Nats-Msg-Id"] for message in await asyncio.gather(*asked)]
