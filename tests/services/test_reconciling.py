"""The stream against the log: what it has lost is found, and published once more under the same ids."""

from dataclasses import replace
from typing import NamedTuple

import nats
import pytest

from eventstore_helpers import a_vault, ask, lead, projecting, record, stories
from service import until
from vignettes.messages import events
from vignettes.services import reconciling, streams
from vignettes.services.publishing import PublishedView
from vignettes.services.reconciling import NeverPublished, Reconciling, Unanswered

#: As in production it would be two minutes: the stream remembers for so long what it has been given.
WINDOW_SECONDS = 1.0
LONGER_SECONDS = 3.0
DURABLE = "shop"


class Told(NamedTuple):
    """A message, as consumers get it."""

    id: str
    headers: dict
    body: bytes


@pytest.fixture
async def client(nats_server):
    connected = await nats.connect(nats_server.url)
    await streams.ensure(connected)
    jetstream = connected.jetstream()
    known = (await jetstream.stream_info(events.STREAM)).config
    await jetstream.update_stream(replace(known, duplicate_window=WINDOW_SECONDS))
    yield connected
    await connected.close()


@pytest.fixture
async def connection(database):
    async with await projecting(database) as connected:
        yield connected


@pytest.fixture
async def published(orders, connection, client):
    """Publish orders that have met every event, and let a consumer that remembers where it is take all of them."""
    record(orders, *stories())
    following = await lead(connection, a_vault(), PublishedView(client.jetstream()))
    while (await following.advance()).more:
        pass
    return await consumed(client)


async def consumed(client):
    """Return what the durable consumer has not had yet, and acknowledge it."""
    shop = await client.jetstream().pull_subscribe(events.SUBJECTS, durable=DURABLE, stream=events.STREAM)
    waiting = (await shop.consumer_info()).num_pending
    messages = await shop.fetch(waiting, timeout=10) if waiting else []
    for message in messages:
        await message.ack_sync()
    return [Told(m.headers["Nats-Msg-Id"], m.headers, m.data) for m in messages]


@pytest.fixture
def steps():
    """What was told of the progress."""
    return []


@pytest.fixture
def reconciling_(connection, client, steps):
    return Reconciling(connection, client, lambda *step: steps.append(step))


async def delete(client, *sequences):
    for sequence in sequences:
        await client.jetstream().delete_msg(events.STREAM, sequence)


def by_id(told):
    return told.id


def counts(found):
    return (found.missing, found.repeated, found.strange)


async def test_a_whole_stream_holds_every_published_event_once(published, reconciling_, monkeypatch):
    """However many pages it is read in."""
    monkeypatch.setattr(reconciling, "_PAGE", 7)
    found = await reconciling_.compare()
    assert (found.events, found.messages) == (len(published), len(published))
    assert counts(found) == (0, 0, 0)


async def test_half_of_the_stream_is_published_again_under_the_same_ids(
    published, client, reconciling_, steps
):
    """To the byte; a consumer that was there before gets just what was lost. The stream says "duplicate" at first."""
    lost, first = published[::2], await client.jetstream().get_msg(events.STREAM, seq=1)
    await delete(client, *range(1, len(published) + 1, 2))
    found = await reconciling_.compare()
    assert counts(found) == (len(lost), 0, 0)
    assert found.named[0].startswith("position 1 ")
    await remembered_and_gone(client, first)
    done = await reconciling_.republish(found, a_vault())
    assert (done.published, done.refused) == (len(lost), 0)
    assert done.waited_seconds > LONGER_SECONDS
    assert any(what.startswith("waiting until the stream forgets") for what, _, _ in steps)
    # What the stream remembered comes after what it had forgotten by then.
    assert sorted(await consumed(client), key=by_id) == sorted(lost, key=by_id)
    assert counts(await reconciling_.compare()) == (0, 0, 0)


async def remembered_and_gone(client, message):
    """Let the stream remember a message from this moment on, and not have it: it may have forgotten it meanwhile.

    For as long as a busy machine may take to publish it anew.
    """
    known = (await client.jetstream().stream_info(events.STREAM)).config
    await client.jetstream().update_stream(replace(known, duplicate_window=LONGER_SECONDS))
    await until(lambda: forgotten(client.jetstream(), message))
    await delete(client, (await client.jetstream().stream_info(events.STREAM)).state.last_seq)


async def test_a_server_that_does_not_answer_is_told_as_such(published, client, reconciling_, monkeypatch):
    """And not as if the whole examination had taken too long."""
    await delete(client, 1)
    found = await reconciling_.compare()
    monkeypatch.setattr(reconciling, "_PATIENCE_SECONDS", 0)
    with pytest.raises(Unanswered, match="acknowledged nothing for 0 s, after 0 that are in the stream now"):
        await reconciling_.republish(found, a_vault())
    monkeypatch.setattr(reconciling, "_PAGE_SECONDS", 0)
    with pytest.raises(Unanswered, match="sent nothing for 0 s"):
        await reconciling_.compare()


async def test_a_stream_that_is_gone_is_filled_anew_without_a_wait(published, client, reconciling_):
    """What was made anew remembers no ids."""
    await client.jetstream().delete_stream(events.STREAM)
    await streams.ensure(client)
    found = await reconciling_.compare()
    assert counts(found) == (len(published), 0, 0)
    done = await reconciling_.republish(found, a_vault())
    assert (done.published, done.refused, done.waited_seconds) == (len(published), 0, 0.0)
    assert {told.id: told for told in await consumed(client)} == {told.id: told for told in published}


@pytest.mark.thorough
async def test_what_another_has_published_meanwhile_is_not_waited_for(published, client, reconciling_):
    """Answered "duplicate", it is looked for, and is there."""
    await client.jetstream().purge_stream(events.STREAM)
    found = await reconciling_.compare()
    await reconciling_.republish(found, a_vault())
    again = await reconciling_.compare()
    again.marks = reconciling.Marks(again.upto)  # as if it had looked before the other began
    again.missing = again.events
    done = await reconciling_.republish(again, a_vault())
    assert (done.published, done.refused, done.waited_seconds) == (len(published), 0, 0.0)
    assert counts(await reconciling_.compare()) == (0, 0, 0)


async def test_an_event_twice_and_a_message_of_no_event_are_told_apart(published, client, reconciling_):
    """The first is as it may be; the second comes from elsewhere, or from a log that was."""
    jetstream = client.jetstream()
    first = await jetstream.get_msg(events.STREAM, seq=1)
    await until(lambda: forgotten(jetstream, first))
    unknown = first.headers | {"Nats-Msg-Id": "other:1", "ce-id": "other:1"}
    await jetstream.publish(first.subject, first.data, stream=events.STREAM, headers=unknown)
    await jetstream.publish(first.subject, b"{}", stream=events.STREAM)
    found = await reconciling_.compare()
    assert counts(found) == (0, 1, 2)
    assert found.named == ["other:1 is not in the log", "a message without id is not in the log"]


async def forgotten(jetstream, message):
    """Publish a message again, and tell whether it was stored."""
    answer = await jetstream.publish(
        message.subject, message.data, stream=events.STREAM, headers=message.headers
    )
    return not answer.duplicate


async def test_what_waits_in_the_publisher_is_not_missing(published, database, client, reconciling_):
    """An event that can't be digested was never published, nor what follows it: that is told of the views."""
    [last] = ask(database, "SELECT max(notification_id) FROM log.events WHERE starts_with(topic, 'order.')")
    ask(
        database,
        """INSERT INTO view.parked (edition, order_id, position, version, topic, error)
           SELECT e.id, l.originator_id, l.notification_id, l.originator_version, l.topic, 'x'
           FROM view.editions e, log.events l WHERE e.view = 'published' AND l.notification_id = %s""",
        last,
    )
    await delete(client, (await client.jetstream().stream_info(events.STREAM)).state.last_seq)
    assert counts(await reconciling_.compare()) == (0, 0, 0)


async def test_a_database_in_which_nothing_was_ever_published_is_told_as_such(database, reconciling_):
    """There is nothing to compare with."""
    ask(database, "UPDATE view.editions SET state = 'retired' WHERE view = 'published'")
    with pytest.raises(NeverPublished):
        await reconciling_.compare()
