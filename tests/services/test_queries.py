"""The queries over NATS: where an order stands, what happened to it, and its mails."""

from datetime import datetime
from functools import partial
from uuid import uuid4

import psycopg
import pytest
import pytest_asyncio

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEDNESDAY = "2030-06-05T08:00:00+00:00"
NOBODY = "00000000-0000-4000-8000-000000000000"
VEHICLE = {"country": "CZ", "plate": "2A2 2345"}
MAIL = {
    "kind", "to", "language", "subject", "state", "message_id", "called_at", "sent_at", "returned_at", "return_kind",
}  # fmt: skip
EVENT = {"position", "version", "type", "recorded_at", "actor", "command_id", "correlation_id", "data"}


@pytest_asyncio.fixture(loop_scope="module")
async def service(service):
    """Begin on a Wednesday morning, whenever the tests are run."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    return service


async def _hold_up_the_followers(connection):
    """Lock every live edition; false until there is one of each, and no follower at work on it.

    Never waiting for a lock: the followers run in this very process.
    """
    query = "SELECT view FROM view.editions WHERE state = 'live' FOR UPDATE SKIP LOCKED"
    held = connection.execute(query).fetchall()
    if {view for (view,) in held} >= {"order_status", "emails", "deadlines"}:
        return True
    connection.rollback()
    return False


def refusal(reply):
    assert reply["ok"] is False
    return reply["error"]["code"], reply["error"]["field"]


async def test_status_is_the_row_of_the_view_by_id_and_by_number(service):
    """Every column that SQL readers see, and how much of the log it knows."""
    placed = await service.place(vehicle=VEHICLE)
    by_id = await service.ask("orders.v1.status", order_id=placed["order_id"])
    by_number = await service.ask("orders.v1.status", order_number=placed["order_number"])
    assert by_id.keys() == {"ok", "order", "as_of_position"}
    assert by_id["order"] == by_number["order"]
    with psycopg.connect(service.settings.database_url) as connection:
        cursor = connection.execute("SELECT * FROM read.order_status")
        columns = {column.name for column in cursor.description}
    assert by_id["order"].keys() == columns
    shown = {"order_number": placed["order_number"], "email": "driver@example.com", "plate": VEHICLE["plate"]}
    assert shown.items() <= by_id["order"].items()


async def test_whoever_writes_reads_it_with_min_position(service):
    """No polling: the position of the reply is enough, every time."""
    placed = await service.place()
    for number in range(10):
        paid = await service.pay(placed, amount={"amount": 100, "currency": "CZK"})
        asked = {"order_id": placed["order_id"], "min_position": paid["position"]}
        reply = await service.ask("orders.v1.status", **asked)
        assert reply["as_of_position"] >= paid["position"]
        assert (reply["order"]["version"], reply["order"]["received"]) == (number + 2, 100 * (number + 1))


@pytest.mark.thorough
async def test_an_order_that_no_view_knows_yet_is_not_said_to_be_missing(service):
    """While the followers are held up: `unavailable`, and no mails; `not_found` is for what the log lacks."""
    with psycopg.connect(service.settings.database_url) as connection:
        await until(partial(_hold_up_the_followers, connection))
        placed = await service.place()
        held_up = await service.ask("orders.v1.status", order_id=placed["order_id"])
        mails = await service.ask("orders.v1.emails", order_id=placed["order_id"])
        assert await service.history(placed["order_id"]) == ["OrderPlaced"]
    assert held_up["error"]["code"] == "unavailable"
    assert mails == {"ok": True, "order_id": placed["order_id"], "emails": []}
    known = {"order_id": placed["order_id"], "min_position": placed["position"]}
    assert (await service.ask("orders.v1.status", **known))["ok"]


@pytest.mark.thorough
async def test_a_position_that_is_far_off_is_not_pretended(service):
    """After two seconds the row comes as it is, with the position it really knows."""
    placed = await service.place()
    asked = {"order_id": placed["order_id"], "min_position": placed["position"] + 1000}
    reply = await service.ask("orders.v1.status", **asked)
    assert reply["as_of_position"] == placed["position"]


async def test_history_tells_each_event_with_its_envelope_and_personal_data(service):
    """Who asked, by which command, at which position; the driver's data in the clear."""
    placed = await service.place(actor="web", vehicle=VEHICLE)
    await service.command("correct_email", order_id=placed["order_id"], email="new@example.com", actor="Anna")
    reply = await service.ask("orders.v1.history", order_id=placed["order_id"])
    assert reply.keys() == {"ok", "order_id", "events", "state"}
    first, second = reply["events"]
    assert first.keys() == EVENT
    assert (first["type"], first["actor"], first["command_id"]) == (
        "OrderPlaced",
        "web",
        placed["command_id"],
    )
    assert (first["version"], first["position"]) == (1, placed["position"])
    assert (first["data"]["email"], second["data"]["email"]) == ("driver@example.com", "new@example.com")
    assert first["data"]["details"]["vehicle"]["plate"] == VEHICLE["plate"]
    assert (reply["state"]["email"], reply["state"]["version"]) == ("new@example.com", 2)


async def test_history_shows_the_state_as_it_was(service):
    """At a version, and at a time: before the correction the old plate stood in it."""
    placed = await service.place(vehicle=VEHICLE)
    order = {"order_id": placed["order_id"]}
    before = await service.advance(hours=1)
    await service.advance(hours=1)
    await service.command("correct_details", **order, changes={"plate": "1AB 2345"})
    await service.pay(placed)
    then = [
        await service.ask("orders.v1.history", **order, version=1),
        await service.ask("orders.v1.history", **order, until=before.isoformat()),
    ]
    now = await service.ask("orders.v1.history", **order)
    for reply in then:
        assert [event["type"] for event in reply["events"]] == ["OrderPlaced"]
        assert reply["state"]["details"]["vehicle"]["plate"] == VEHICLE["plate"]
        assert reply["state"]["status"] == "awaiting_payment"
    assert now["state"]["details"]["vehicle"]["plate"] == "1AB 2345"
    assert now["state"]["status"] == "scheduled"


async def test_a_mail_that_only_a_later_build_finds_is_told_as_not_called(service):
    """A view that was built anew calls for nothing, and says so in the published form."""
    placed = await service.place()

    async def sent():
        reply = await service.ask("orders.v1.emails", order_id=placed["order_id"])
        return [each["state"] for each in reply["emails"]] == ["sent"]

    await until(sent)
    with psycopg.connect(service.settings.database_url) as connection:
        connection.execute("DELETE FROM effect.mails WHERE order_id = %s", (placed["order_id"],))
    reply = await service.ask("orders.v1.emails", order_id=placed["order_id"])
    assert [each["state"] for each in reply["emails"]] == ["not_called"]


async def test_an_order_whose_first_event_waits_is_told_as_that(service):
    """At once, and not as if the view were only late."""
    placed = await service.place()
    await service.status(placed["order_id"])
    with psycopg.connect(service.settings.database_url) as connection:
        [number] = connection.execute(
            "SELECT id FROM view.editions WHERE view = 'order_status' AND state = 'live'"
        ).fetchone()
        connection.execute(
            f"DELETE FROM edition.order_status_{number} WHERE order_id = %s", (placed["order_id"],)
        )
        connection.execute(
            "INSERT INTO view.parked (edition, order_id, position, version, topic, error)"
            " VALUES (%s, %s, %s, 1, '', '')",
            (number, placed["order_id"], placed["position"]),
        )
    reply = await service.ask("orders.v1.status", order_id=placed["order_id"])
    assert reply["error"]["code"] == "unavailable"
    assert "it waits" in reply["error"]["message"]


async def test_emails_tells_what_was_called_for_and_whether_it_left(service):
    """The same Message-ID as in the inbox, and the subject as sent."""
    placed = await service.place(language="de")
    [arrived] = await service.mail_kinds("placed")

    async def sent():  # the mail arrives a moment before that is on record
        reply = await service.ask("orders.v1.emails", order_id=placed["order_id"])
        return reply["emails"] if reply["emails"][0]["state"] == "sent" else None

    [mail] = await until(sent)
    assert mail.keys() == MAIL
    assert (mail["kind"], mail["to"], mail["language"]) == ("placed", "driver@example.com", "de")
    assert (mail["message_id"], mail["subject"]) == (arrived["message_id"], arrived["subject"])
    assert datetime.fromisoformat(mail["sent_at"]) >= datetime.fromisoformat(mail["called_at"])


async def test_what_is_not_there_is_not_found(service):
    """Each query names the field by which it was asked; a number with wrong digits finds nothing either."""
    for query in ("status", "history", "emails"):
        assert refusal(await service.ask(f"orders.v1.{query}", order_id=NOBODY)) == ("not_found", "order_id")
    by_number = await service.ask("orders.v1.status", order_number="V1234567890")
    assert refusal(by_number) == ("not_found", "order_number")


async def test_what_can_not_be_asked_is_refused_by_field(service):
    """Two names for one order, two ends of one history, and fields that no query has."""
    order = {"order_id": str(uuid4())}
    now = {"until": WEDNESDAY}
    replies = {
        "order_id": await service.ask("orders.v1.status"),
        "min_position": await service.ask("orders.v1.status", **order, min_position=-1),
        "version": await service.ask("orders.v1.history", **order, **now, version=1),
        "until": await service.ask("orders.v1.history", **order, until="yesterday"),
        "plate": await service.ask("orders.v1.emails", **order, plate="2A2 2345"),
    }
    for field, reply in replies.items():
        assert refusal(reply) == ("invalid_request", field)
        assert reply["command_id"] is None
