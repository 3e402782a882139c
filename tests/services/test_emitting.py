"""Triggers to the stream: many with one write to disk, each once, whatever was sent before."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from nats.errors import Error as NatsError

from vignettes.messages import events
from vignettes.runtime.link import Link, connect
from vignettes.runtime.settings import Settings
from vignettes.services import streams
from vignettes.services.emitting import Emitter, NotAcknowledged

NOON = datetime(2030, 6, 11, 10, tzinfo=UTC)


@pytest.fixture
async def client(nats_server):
    client = await connect(Settings(nats_url=nats_server.url), Link(), "test")
    yield client
    await client.close()


def rows(count):
    return [
        {"order_id": uuid4(), "generation": 1, "country": "CZ", "due_at": NOON, "rule": "lead", "now": NOON}
        for _ in range(count)
    ]


async def stored(client):
    return (await client.jetstream().stream_info(events.TRIGGER_STREAM)).state.messages


async def test_a_thousand_triggers_are_one_batch_in_their_order(client):
    """Acknowledged together; each is a message of its own, with its own id."""
    await streams.ensure(client)
    due = rows(1_000)
    await Emitter(client).emit(due)
    assert await stored(client) == 1_000
    last = await client.jetstream().get_msg(events.TRIGGER_STREAM, seq=1_000)
    assert events.Trigger.model_validate_json(last.data).order_id == due[-1]["order_id"]
    assert last.headers["Nats-Msg-Id"] == f"{due[-1]['order_id']}:1"


async def test_what_the_stream_has_already_does_not_keep_the_rest_from_it(client):
    """Whoever died between the stream's yes and our note leaves a batch that is in part known (53)."""
    await streams.ensure(client)
    due = rows(5)
    await Emitter(client).emit(due[:3])
    await Emitter(client).emit(due)
    assert await stored(client) == 5


async def test_triggers_that_no_stream_takes_are_an_error(client):
    """Nobody notes them as fired then; they are sent again."""
    for some in (rows(1), rows(3)):
        with pytest.raises(NatsError):
            await Emitter(client).emit(some)
    await streams.ensure(client)
    await client.jetstream().update_stream(
        (await client.jetstream().stream_info(events.TRIGGER_STREAM)).config, allow_atomic=False
    )
    with pytest.raises(NotAcknowledged):
        await Emitter(client).emit(rows(3))
    assert await stored(client) == 0


async def test_a_stream_of_an_earlier_release_learns_to_take_batches(client):
    """Nothing that is kept in it changes."""
    await streams.ensure(client)
    jetstream = client.jetstream()
    config = (await jetstream.stream_info(events.TRIGGER_STREAM)).config
    await jetstream.update_stream(config, allow_atomic=False)
    await Emitter(client).emit(rows(1))
    await streams.ensure(client)
    await Emitter(client).emit(rows(2))
    assert await stored(client) == 3
