"""The stream of heads: what it has lost is published once more, under the same ids."""

from dataclasses import replace

import nats
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection

from eventstore_helpers import NOON
from vignettes.eventstore import heads
from vignettes.eventstore.connections import READ_ONLY, conninfo
from vignettes.eventstore.heads import Head
from vignettes.messages import events
from vignettes.services import streams
from vignettes.services.auditing.handing_out import hand_out
from vignettes.services.auditing.outside import Stream
from vignettes.services.reconciling_heads import LostHeads

WINDOW_SECONDS = 1.0
SIZES = (3, 7, 8, 20, 21)
INSERT = "INSERT INTO ledger.heads (size, position, root, at, note) VALUES (%s, %s, %s, %s, %s)"


@pytest.fixture
async def client(nats_server):
    connected = await nats.connect(nats_server.url)
    await streams.ensure(connected)
    jetstream = connected.jetstream()
    known = (await jetstream.stream_info(events.HEAD_STREAM)).config
    await jetstream.update_stream(replace(known, duplicate_window=WINDOW_SECONDS))
    yield connected
    await connected.close()


@pytest.fixture
async def lost(database, client):
    """Sign heads, hand them out to the stream, and one more that was not handed out yet."""
    key = Ed25519PrivateKey.generate()
    url = conninfo(database, "vignettes_ledger")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        for size in SIZES:
            await sign(connection, key, size)
        await hand_out(connection, Stream(client.jetstream(), key.public_key()), key.public_key())
        await sign(connection, key, SIZES[-1] + 1)
    reading = conninfo(database, "vignettes_auditor", options=READ_ONLY)
    async with await AsyncConnection.connect(reading, autocommit=True) as connection:
        yield LostHeads(connection, client, key.public_key(), lambda *_: None)


async def sign(connection, key, size):
    head = Head("test", size, bytes(32), size, NOON)
    await connection.execute(INSERT, (size, size, head.root, NOON, heads.sign(head, key)))


async def stored(client):
    jetstream = client.jetstream()
    last = (await jetstream.stream_info(events.HEAD_STREAM)).state.last_seq
    return [await jetstream.get_msg(events.HEAD_STREAM, seq=number) for number in range(last - 1, last + 1)]


async def test_lost_heads_are_published_again(lost, client):
    """Those that the stream only remembers too; what was not handed out yet is not missing."""
    assert (list(await lost.missing()), lost.signed) == ([], len(SIZES))
    before = await stored(client)
    for sequence in (4, 5):
        await client.jetstream().delete_msg(events.HEAD_STREAM, sequence)
    assert list(await lost.missing()) == [20, 21]
    await lost.publish(await lost.missing())
    assert list(await lost.missing()) == []
    after = await stored(client)
    assert [(m.headers["Nats-Msg-Id"], m.data) for m in after] == [
        (m.headers["Nats-Msg-Id"], m.data) for m in before
    ]
