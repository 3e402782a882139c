"""What NATS, nats-py and FastStream would lose, merge or give up in silence, and that we don't let them."""

import asyncio
import json
import os
import signal
from datetime import datetime
from functools import partial
from uuid import UUID, uuid4

import nats
import psycopg
import pytest
from faststream.nats import NatsBroker
from nats.errors import NoRespondersError
from nats.js.api import StreamConfig
from psycopg import sql

from service import running_service, until
from vignettes.messages import events
from vignettes.projections.view import Interrupted
from vignettes.runtime import bootstrap
from vignettes.runtime.embedded import PortInUse
from vignettes.runtime.link import Link
from vignettes.runtime.settings import load_settings
from vignettes.services import calling, publishing, pulling, streams
from vignettes.services.subscribing import known

WEDNESDAY = "2030-06-05T08:00:00+00:00"
TODAY = "2030-06-05"
WITHOUT_DEADLINES = [role for role in (*bootstrap.ROLES, bootstrap.SANDBOX) if role != "deadlines"]


@pytest.fixture
def start(database, nats_server, tmp_path):
    """Start the service without a last chance to correct: a same-day order is due when it is paid."""

    def start(roles=None):
        return running_service(database, nats_server.url, tmp_path / "data", roles, same_day_grace_seconds=0)

    return start


async def same_day(service):
    """Order and pay a vignette for today, and return its id."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    placed = await service.place(valid_from=TODAY)
    await service.pay(placed)
    return placed["order_id"]


def rows(database, query):
    with psycopg.connect(database) as connection:
        return connection.execute(query).fetchall()


async def everything(service, stream):
    """Return the messages of a stream, oldest first."""
    jetstream = service.client.jetstream()
    last = (await jetstream.stream_info(stream)).state.last_seq
    return [await jetstream.get_msg(stream, seq=number) for number in range(1, last + 1)]


async def published(service, count):
    """Wait until so many events have reached the stream, and return its messages."""

    async def look():
        messages = await everything(service, events.STREAM)
        return messages if len(messages) >= count else None

    return await until(look)


# --- only acknowledged work counts


async def test_a_trigger_outlives_a_database_that_is_down(start, database, postgres, monkeypatch):
    """Its handler fails until the database is back; FastStream's own policy would have thrown it away."""
    monkeypatch.setattr(calling, "_ATTEMPTS", 1)
    monkeypatch.setattr(calling, "_TIMEOUT", 0.3)
    monkeypatch.setattr(pulling, "AGAIN_AFTER_SECONDS", 0.1)

    def allow_connections(answer):
        name = psycopg.conninfo.conninfo_to_dict(database)["dbname"]
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
            allow = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
            admin.execute(allow.format(sql.Identifier(name), sql.Literal(answer)))
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )

    async with start(WITHOUT_DEADLINES) as service:
        order_id = await same_day(service)
        jetstream = service.client.jetstream()
        allow_connections(False)
        body = {
            "order_id": order_id,
            "generation": 1,
            "due_at": WEDNESDAY,
            "rule": "grace",
            "emitted_at": WEDNESDAY,
        }
        await jetstream.publish(
            "registrations.triggers.v1.CZ", json.dumps(body).encode(), stream="REGISTRATIONS"
        )

        async def delivered_again():
            return (await jetstream.consumer_info("REGISTRATIONS", "registration")).num_redelivered

        await until(delivered_again)
        allow_connections(True)
        await service.status(order_id, "issued")
        assert (await service.history(order_id)).count("RegistrationStarted") == 1


async def test_events_wait_for_their_stream(start, database, monkeypatch):
    """While it is missing, the publisher's position stands still; then all arrive, in order, under their ids."""
    position = "SELECT position FROM view.editions WHERE view = 'published' AND state = 'live'"
    async with start() as service:
        before = (await service.place())["position"]
        await until(lambda: asyncio.sleep(0, rows(database, position) == [(before,)]))
        await service.client.jetstream().delete_stream(events.STREAM)
        placed = await service.place()
        await service.pay(placed)
        await service.mail_kinds("placed", "paid")  # everybody else goes on
        assert rows(database, position) == [(before,)]
        await streams.ensure(service.client)
        messages = await published(service, 2)
        ids = [message.headers["Nats-Msg-Id"] for message in messages]
        assert ids == [f"{placed['order_id']}:1", f"{placed['order_id']}:2"]


async def answers(service, subject):
    """Tell whether somebody answers there by now."""
    try:
        return await service.client.request(subject, b"", timeout=5)
    except NoRespondersError:
        return None


@pytest.mark.thorough
async def test_a_trigger_waits_for_its_stream(start, database):
    """While it is missing, nothing is noted as fired; the registration role finds its consumer again by itself."""
    fired = "SELECT order_id::text FROM effect.triggers"
    async with start() as service:
        await until(
            partial(answers, service, "$SRV.PING.vignettes-registration")
        )  # its consumer is there by then
        await service.client.jetstream().delete_stream(events.TRIGGER_STREAM)
        order_id = await same_day(service)
        await service.status(order_id, "scheduled")
        await service.mail_kinds("paid")
        assert rows(database, fired) == []
        await streams.ensure(service.client)
        await service.status(order_id, "issued")
        assert rows(database, fired) == [(order_id,)]
        [trigger] = await everything(service, events.TRIGGER_STREAM)
        assert trigger.headers["Nats-Msg-Id"] == f"{order_id}:1"


async def test_a_publish_that_nobody_acknowledges_is_not_done(nats_server, monkeypatch):
    """No stream takes it: an error at once, and never a message that is gone."""
    monkeypatch.setattr(publishing, "_ACKNOWLEDGED_WITHIN", 2.0)
    client = await publishing_client(nats_server)
    view = publishing.PublishedView(client.jetstream())
    view._waiting.append(("orders.events.v1.order-placed.1", {"Nats-Msg-Id": "1:1"}, b"{}"))
    with pytest.raises(Interrupted, match="NoStreamResponseError"):
        await view.settle()
    await client.close()


async def publishing_client(nats_server):
    link = Link()
    return await bootstrap.connect(load_settings(nats_url=nats_server.url), link, "test")


# --- streams are ours


async def test_streams_are_created_once_and_found_as_they_were_made(nats_server):
    """Every process ensures them; one that somebody has limited since would forget, and is refused."""
    client = await publishing_client(nats_server)
    await streams.ensure(client)
    await streams.ensure(client)
    jetstream = client.jetstream()
    limited = (await jetstream.stream_info(events.STREAM)).config.evolve(max_msgs=10)
    await jetstream.update_stream(limited)
    with pytest.raises(streams.StreamDiffers, match="max_msgs"):
        await streams.ensure(client)
    await client.close()


@pytest.mark.parametrize("name", [events.STREAM, events.TRIGGER_STREAM])
async def test_a_stream_of_another_form_is_refused_and_left_as_it_is(start, nats_server, name):
    """FastStream would widen it in silence; we don't start."""
    client = await publishing_client(nats_server)
    jetstream = client.jetstream()
    await jetstream.add_stream(StreamConfig(name=name, subjects=["others.>"]))
    with pytest.raises(streams.StreamDiffers, match=name):
        await streams.ensure(client)
    with pytest.raises(streams.StreamDiffers, match=name):
        async with start() as service:
            await until(lambda: asyncio.sleep(0, service.serving.done()))
    assert (await jetstream.stream_info(name)).config.subjects == ["others.>"]
    await client.close()


# --- connections


async def started_again(server):
    """Start it; a client that tries to reach the free port meanwhile may hold it for a moment by meeting itself."""
    try:
        server.start()
    except PortInUse:
        return False
    return True


async def test_the_service_answers_again_after_nats_was_killed(start, nats_server):
    """The same port, the same files: acknowledged messages are there, and work goes on."""
    async with start() as service:
        first = await service.place()
        before = await published(service, 1)
        os.kill(nats_server.pid, signal.SIGKILL)
        await until(lambda: asyncio.sleep(0, not nats_server.running))
        await until(lambda: started_again(nats_server))
        await service.client.close()
        service.client = await nats.connect(nats_server.url)
        assert (await service.ask("orders.v1.status", order_id=first["order_id"]))["ok"]
        order_id = await same_day(service)
        await service.status(order_id, "issued")
        after = await published(service, 5)
        assert after[0].headers == before[0].headers
        await service.client.close()


async def is_announced(client, role):
    """Tell whether a role is found by micro discovery."""
    try:
        return await client.request(f"$SRV.PING.vignettes-{role}", b"", timeout=1)
    except NoRespondersError:
        return False


@pytest.mark.parametrize("whose", ["ours", "FastStream's"])
async def test_a_connection_that_is_closed_for_good_ends_the_process(start, monkeypatch, whose):
    """Whoever watches it starts another: a process without NATS would only look alive.

    FastStream's own pull loop spins on a closed connection, so that not even its callback would be heard.
    """
    connections = {}

    async def connect(*given):
        connections["ours"] = await connect_as_ever(*given)
        return connections["ours"]

    class Broker(NatsBroker):
        async def start(self):
            await super().start()
            connections["FastStream's"] = await self.connect()

    connect_as_ever = bootstrap.connect
    monkeypatch.setattr(bootstrap, "connect", connect)
    monkeypatch.setattr(bootstrap, "NatsBroker", Broker)
    ended = False
    with pytest.raises(bootstrap.NatsConnectionLost):  # noqa: PT012  # where the block ends
        async with start(["registration"]) as service:
            await until(lambda: asyncio.sleep(0, len(connections) == 2))
            # Only then does nothing of its start need the connection any more.
            await until(lambda: is_announced(service.client, "registration"))
            await connections[whose].close()
            ended = await until(lambda: asyncio.sleep(0, service.serving.done()))
    assert ended


def test_nobody_stops_reconnecting():
    """The library gives up after 60 attempts."""
    assert Link().options("test")["max_reconnect_attempts"] == -1


# --- what other services are told

SECRETS = (
    "driver@example.com",
    "other@example.com",
    "2A22345",
    "2A2 2345",
    "1AB2345",
    "1AB 2345",
    "Anna",
    "gone",
)


async def moved_and_called(service):
    """Bring a start forward and back, take it for a twin, and start it with an authority that is not there."""
    placed = await service.place()
    await service.pay(placed)
    named = {"order_id": placed["order_id"]}
    over_its_time = {"begins_at": "2030-06-11T08:00:00+00:00", "ends_at": "2030-06-11T14:00:00+00:00"}
    outage = {"id": str(uuid4()), "country": "CZ", **over_its_time}
    await service.command("regard_outage", **named, outage=outage)
    await service.command("regard_outage", **named, outage=outage, withdrawn=True)
    await service.command("change_terms", **named, lead_hours=48)
    await service.command("hold_as_twin", **named, twin=str(uuid4()))
    await service.command("accept_twin", **named)
    await service.ask("sandbox.v1.authority", mode="down")
    await service.command("start_registration", **named)
    last = (await service.ask("orders.v1.history", **named))["events"][-1]
    call = {"generation": last["data"]["generation"], "why": "authority_down", "act_by": WEDNESDAY}
    await service.command("call_person", **named, **call)
    await service.ask("sandbox.v1.authority", mode="ok")
    await service.status(placed["order_id"], "issued")
    validity = {"valid_from": "2030-06-13T00:00:00+02:00", "valid_until": "2030-06-23T00:00:00+02:00"}
    await service.command("record_validity", **named, **validity)
    return placed["order_id"]


@pytest.mark.thorough
async def test_published_events_are_cloud_events_of_the_published_language(start):
    """Every type that one life and another can have: headers, form, order, and nothing about a person."""
    async with start() as service:
        await service.ask("sandbox.v1.authority", mode="reject", times=1)
        first = await same_day(service)
        await service.status(first, "action_needed")
        await service.command("correct_email", order_id=first, email="other@example.com", actor="Anna")
        await service.command("correct_details", order_id=first, changes={"plate": "1AB 2345"})
        await service.status(first, "issued")
        second = await service.place()
        await service.command("start_registration", order_id=second["order_id"])
        await service.pay(second, booked=False)
        await service.pay(second, amount={"amount": 100, "currency": "CZK"})
        await service.command("request_refund", order_id=second["order_id"], reason="Anna is gone")
        moved = await moved_and_called(service)
        third = await service.place()
        await service.advance(days=60)
        await service.command("erase", order_id=third["order_id"])
        log = [
            {**event, "order_id": order_id}
            for order_id in (first, second["order_id"], moved, third["order_id"])
            for event in (await service.ask("orders.v1.history", order_id=order_id))["events"]
        ]
        messages = await published(service, len(log))
    assert len(messages) == len(log)
    for message, event in zip(messages, sorted(log, key=lambda event: event["position"]), strict=True):
        kind = message.headers["ce-type"]
        assert message.subject == f"orders.events.v1.{kind}.{event['order_id']}"
        assert message.headers == {
            "ce-specversion": "1.0",
            "ce-id": f"{event['order_id']}:{event['version']}",
            "ce-source": "/vignettes/orders",
            "ce-type": kind,
            "ce-time": message.headers["ce-time"],
            "ce-subject": event["order_id"],
            "content-type": "application/json",
            "Nats-Msg-Id": f"{event['order_id']}:{event['version']}",
            "Nats-Expected-Stream": events.STREAM,
            "Vignettes-Position": str(event["position"]),
        }
        assert datetime.fromisoformat(message.headers["ce-time"]) == datetime.fromisoformat(
            event["recorded_at"]
        )
        body = events.EVENTS[kind].model_validate_json(message.data)
        assert (body.order_id, body.version) == (UUID(event["order_id"]), event["version"])
        assert type(body).__name__ == event["type"]
        said = f"{message.subject} {message.headers} {message.data.decode()}"
        assert not [secret for secret in SECRETS if secret in said]
    told = {message.headers["ce-type"] for message in messages}
    elsewhere = {
        "surplus-set-aside",
        "surplus-returned",
        "order-refunded",
        "hold-released",
        "payment-reversed",
        "payment-taken-back",
        "payout-approved",
        "payout-ordered",
        "payout-failed",
        "link-requested",
        "mail-returned",
        "order-withdrawn",
    }
    assert told >= events.EVENTS.keys() - elsewhere


async def test_triggers_are_of_the_published_form(start):
    """Who is due, by which generation and rule; under an id that the stream knows again."""
    async with start() as service:
        order_id = await same_day(service)
        await service.status(order_id, "issued")
        [message] = await everything(service, events.TRIGGER_STREAM)
        trigger = events.Trigger.model_validate_json(message.data)
        order = await service.status(order_id)
    assert message.subject == "registrations.triggers.v1.CZ"
    assert message.headers["Nats-Msg-Id"] == f"{order_id}:1"
    assert (trigger.order_id, trigger.generation, trigger.rule) == (UUID(order_id), 1, "grace")
    assert datetime.fromisoformat(order["paid_at"]) <= trigger.due_at <= trigger.emitted_at


async def test_a_subscription_is_known_to_the_server_before_it_counts(nats_server, monkeypatch):
    """A flush alone writes its ping ahead of the subscription that waits to be written."""
    client, written = await nats.connect(nats_server.url), []
    wire = client._transport
    write, write_all = wire.write, wire.writelines
    monkeypatch.setattr(wire, "write", lambda data: (written.append(data), write(data)))
    monkeypatch.setattr(wire, "writelines", lambda lines: (written.extend(lines), write_all(lines)))
    await client.subscribe("anything")
    await known(client)
    await client.close()
    said = b"".join(written)
    assert said.index(b"SUB anything") < said.rindex(b"PING")


async def test_a_message_that_could_not_be_sent_takes_no_place_of_the_next_ones(nats_server):
    """nats-py has places for so many acknowledgements, and never frees that of a message which it failed to send."""
    client = await nats.connect(
        nats_server.url, pending_size=0, max_reconnect_attempts=-1, reconnect_time_wait=0.05
    )
    jetstream = client.jetstream(publish_async_max_pending=2)
    await jetstream.add_stream(StreamConfig(name=events.STREAM, subjects=[events.SUBJECTS]))
    publisher = publishing.PublishedView(jetstream)
    publisher._waiting.append((events.SUBJECTS.replace(">", "one"), {}, b"{}"))
    nats_server.stop()
    await until(lambda: _is(client.is_reconnecting))
    for _ in range(3):
        with pytest.raises(Interrupted):
            await publisher.settle()
    nats_server.start()
    await until(lambda: _is(client.is_connected))
    await publisher.settle()
    assert (await jetstream.stream_info(events.STREAM)).state.messages == 1
    await client.close()


async def _is(so):
    return so
