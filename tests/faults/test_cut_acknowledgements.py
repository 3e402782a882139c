"""Fault 2: the connection to NATS is cut in the place of an acknowledgement; what was not told is stored once."""

import asyncio
import json
import random
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from uuid import uuid4

import nats
import pytest

from eventstore_helpers import NOON, a_vault, an_order, ask, details, pay
from eventstore_helpers import record as put_on_record
from faults.answers import Answers
from faults.proxy import From, Pass, before_nats
from faults.sizes import sizes
from follower_helpers import following
from service import set_clock, until
from vignettes.eventstore.connections import conninfo
from vignettes.messages import events
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.view import Interrupted
from vignettes.runtime.link import Link
from vignettes.services import deadlines, emitting, publishing, streams
from vignettes.services.deadlines import BATCH, Deadlines
from vignettes.services.emitting import Emitter
from vignettes.services.publishing import PublishedView

pytestmark = pytest.mark.usefixtures("quiet")

#: How many events or triggers are on their way at most when the connection is cut.
MOST_TOGETHER = 5
#: Their patience with the stream, which lost acknowledgements use up: five and ten seconds in the service.
PATIENCE_SECONDS = 0.2
#: How much one connection holds here of what is not acknowledged; thousands in the service.
PLACES, BODY = 10, b" " * 1000
AWAY_SECONDS = 5


@pytest.fixture(autouse=True)
def _hurry(monkeypatch):
    # Nobody takes the triggers here: the service would send them again after a while.
    monkeypatch.setattr(deadlines, "AGAIN_SECONDS", 3600)
    for module in (publishing, emitting):
        monkeypatch.setattr(module, "_ACKNOWLEDGED_WITHIN", PATIENCE_SECONDS)


@asynccontextmanager
async def through_cuts(nats_server, stream):
    """Connect to NATS through a proxy that cuts acknowledgements of a stream when told; also give it as it is."""
    sign = f'{{"stream":"{stream}","seq"'.encode()

    def is_acknowledgement(sender, message):
        return sender is From.SERVER and sign in message.replace(b" ", b"")

    answers = Answers()
    plain = await nats.connect(nats_server.url)
    await streams.ensure(plain)
    async with before_nats(nats_server.url, answers.judge) as proxy:
        patient = {**Link().options("vignettes test"), "reconnect_time_wait": 0.02}
        client = await nats.connect(f"nats://127.0.0.1:{proxy.port}", **patient)
        try:
            yield client, plain, answers, partial(answers.arm, is_acknowledgement)
        finally:
            await client.close()
            await plain.close()


@asynccontextmanager
async def at_work(piece):
    """Let a piece of a role do its work until the block ends."""
    task = asyncio.create_task(piece.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def all_of(client, stream):
    """Return every message of a stream, in its order: its id, and what it says."""
    jetstream = client.jetstream()
    count = (await jetstream.stream_info(stream)).state.messages
    found = [await jetstream.get_msg(stream, seq=number) for number in range(1, count + 1)]
    return [(each.headers["Nats-Msg-Id"], json.loads(each.data)) for each in found]


@sizes(5, 500)
@pytest.mark.fault(2)
async def test_events_whose_acknowledgement_is_lost_are_published_once(
    database, orders, nats_server, cuts, seed, record
):
    """The publisher sends them again under the same ids, and the stream knows them (I9)."""
    chance = random.Random(seed)
    async with through_cuts(nats_server, events.STREAM) as (client, plain, answers, arm):
        async with following(database, a_vault(), PublishedView(client.jetstream())):
            for _ in range(cuts):
                many = chance.randint(1, MOST_TOGETHER)
                arm(spared=chance.randrange(many))
                positions = put_on_record(orders, *(an_order() for _ in range(many)))
                await until(lambda last=positions[-1]: _published_up_to(database, last))
        told = [message_id for message_id, _ in await all_of(plain, events.STREAM)]
    wanted = ask(
        database,
        "SELECT originator_id || ':' || originator_version FROM log.events ORDER BY notification_id",
    )
    record(
        test=2,
        what="NATS cut in the place of an acknowledgement of published events",
        faults=answers.cut,
        lost=len(set(wanted) - set(told)),
        doubled=len(told) - len(set(told)),
        events=len(wanted),
        copies_that_the_stream_knew=answers.known,
    )
    assert answers.cut == cuts
    assert told == wanted
    assert answers.known >= cuts


async def _published_up_to(database, position):
    reached = "SELECT 1 FROM view.editions WHERE view = 'published' AND state = 'live' AND position >= %s"
    return ask(database, reached, position)


@sizes(4, 500)
@pytest.mark.fault(2)
async def test_triggers_whose_acknowledgement_is_lost_are_sent_once(
    database, orders, nats_server, cuts, seed, record
):
    """One alone and many in a batch: the deadline is noted as fired when the stream is known to have it (I8)."""
    chance, sent = random.Random(seed), 0
    set_clock(database, NOON + timedelta(days=6, hours=6))
    async with through_cuts(nats_server, events.TRIGGER_STREAM) as (client, plain, answers, arm):
        firing = Deadlines(
            conninfo(database, "vignettes_projector"), "registration", Emitter(client).emit, BATCH
        )
        async with following(database, a_vault(), DeadlinesView()), at_work(firing):
            for _ in range(cuts):
                arm()
                many = chance.randint(1, MOST_TOGETHER)
                put_on_record(orders, *(pay(an_order(details())) for _ in range(many)))
                sent += many
                await until(lambda count=sent: _fired(database, count))
        told = [message_id for message_id, _ in await all_of(plain, events.TRIGGER_STREAM)]
    wanted = ask(database, "SELECT order_id || ':' || generation FROM effect.triggers")
    record(
        test=2,
        what="NATS cut in the place of an acknowledgement of triggers",
        faults=answers.cut,
        lost=sent - len(set(told)),
        doubled=len(told) - len(set(told)),
        triggers=sent,
        copies_that_the_stream_knew=answers.known,
    )
    assert answers.cut == cuts
    assert len(wanted) == sent
    assert sorted(told) == sorted(wanted)


async def _fired(database, count):
    return ask(database, "SELECT count(*) FROM effect.triggers") == [count]


@pytest.mark.thorough
async def test_after_a_long_time_without_nats_the_publisher_goes_on(nats_server):
    """nats-py has so many places for what is not acknowledged, and keeps that of what it failed to send."""
    async with before_nats(nats_server.url, lambda: lambda *_: Pass.ON) as proxy:
        away = {"reconnect_time_wait": AWAY_SECONDS, "pending_size": 2 * len(BODY)}
        url = f"nats://127.0.0.1:{proxy.port}"
        client = await nats.connect(url, **{**Link().options("vignettes test"), **away})
        await streams.ensure(client)
        view = PublishedView(client.jetstream(publish_async_max_pending=PLACES))
        view._waiting = [(events.subject("order-placed", uuid4()), {}, BODY)]
        await view.settle()
        proxy.hang_up()
        await until(lambda: _is_away(client))
        for _ in range(2 * PLACES):
            with pytest.raises(Interrupted):
                await view.settle()
        await until(lambda: _is_published(view))
        await client.close()


async def _is_away(client):
    return not client.is_connected


async def _is_published(view):
    try:
        await view.settle()
    except Interrupted:
        return False
    return True
