"""`audit.v1.*`, asked of the running service: nothing personal, nothing unproven, and every look on record."""

import json
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from eventstore_helpers import ask
from follower_helpers import spoil
from service import running_service, until
from vignettes.domain import references
from vignettes.eventstore import heads
from vignettes.messages import audit
from vignettes.messages.replies import REPLY_OF, Refused
from vignettes.runtime.auditing import written
from vignettes.runtime.embedded import EmbeddedNats
from vignettes.services.auditing import desk
from vignettes.services.auditing.checking_bundles import check

pytestmark = pytest.mark.asyncio(loop_scope="module")

ACTOR = "staff:auditor-1"
PLATE, EMAIL = "7X7 9876", "audited.driver@example.com"
EARLIER = "SELECT count(*) FROM log.events WHERE notification_id < %s"
FORMS = {each.subject: REPLY_OF[each] for each in audit.REPLY_OF_LOOK}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(copied, tmp_path_factory):
    """Run what answers auditors, and what there is to audit; a head is signed each second."""
    folder = tmp_path_factory.mktemp("auditing")
    nats_server = EmbeddedNats(folder / "nats", 0)
    nats_server.start()
    with copied() as database:
        roles = ("ordering", "projecting", "auditing", "sandbox")
        data = folder / "data"
        async with running_service(database, nats_server.url, data, roles, head_seconds=1) as running:
            yield running
    nats_server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def order(service):
    """Give an order that was paid a day after it was placed."""
    placed = await service.place(vehicle={"country": "CZ", "plate": PLATE}, email=EMAIL)
    await service.advance(days=1)
    await service.pay(placed)
    await service.status(placed["order_id"], "scheduled")
    return placed


@pytest.fixture
def look(service):
    """Ask, as somebody of the staff; the answer must be of the published form."""

    async def look(name, **body):
        reply = await service.ask(f"audit.v1.{name}", **{"actor": ACTOR, **body})
        form = FORMS[f"audit.v1.{name}"] if reply["ok"] else Refused
        form.model_validate_json(json.dumps(reply))
        return reply

    return look


def public_key(service):
    return heads.read_public((service.settings.heads_folder / "ledger.pub").read_text())


async def proven(look, order):
    """Wait until a head covers all of an order."""

    async def looked():
        reply = await look("prove", order_id=order["order_id"])
        return reply if reply["verified"] else None

    return await until(looked)


async def test_an_order_is_found_by_whatever_somebody_has_in_hand(look, order):
    number = order["order_number"]
    for query in (
        *(number, number.lower(), order["order_id"], order["command_id"]),
        *(references.variable_symbol(number), references.creditor_reference(number)),
        *(number[:5], number[1:7]),
    ):
        [found] = (await look("find", query=query))["orders"]
        assert (found["order_id"], found["order_number"]) == (order["order_id"], number), query


async def test_who_types_what_there_is_not_finds_nothing(look):
    """And of what could be anybody's address, nothing is kept."""
    for query in (EMAIL, PLATE, "V1000000064", str(uuid4()), "123", "%", "' OR 1=1 --"):
        assert (await look("find", query=query))["orders"] == []
    kept = json.dumps((await look("looks"))["looks"])
    assert EMAIL not in kept
    assert PLATE not in kept


async def test_a_history_tells_who_did_what_and_is_proven(look, order, service):
    await proven(look, order)
    reply = await look("history", order_id=order["order_id"])
    assert [event["type"] for event in reply["events"]] == ["OrderPlaced", "PaymentReceived"]
    assert [event["leaf_index"] for event in reply["events"]] == [
        ask(service.settings.database_url, EARLIER, event["position"])[0] for event in reply["events"]
    ]
    placed = reply["events"][0]
    assert placed["sentence"].startswith(f"Order {order['order_number']} was placed: CZ-10D")
    assert placed["command_id"] == order["command_id"]
    assert reply["state"] == reply["state_now"]
    assert reply["differs"] == []
    assert reply["proven"]["size"] >= 2


async def test_nothing_personal_is_told(look, order):
    """That it is there is told, and not what it says."""
    reply = await look("history", order_id=order["order_id"])
    assert reply["events"][0]["data"]["email"] == {"sealed": True}
    assert reply["state"]["details"]["vehicle"] == {
        "country": "CZ",
        "plate": {"sealed": True},
        "normal": {"sealed": True},
    }
    bundle = (await look("export", order_id=order["order_id"]))["bundle"]
    for personal in (EMAIL, PLATE, PLATE.replace(" ", "")):
        assert personal not in json.dumps([reply, bundle])


async def test_a_history_can_be_seen_as_it_was_then(look, order):
    """By a time, or by how much had happened; and what differs from now is told."""
    now = await look("history", order_id=order["order_id"])
    paid_at = datetime.fromisoformat(now["events"][1]["recorded_at"])
    then = await look(
        "history", order_id=order["order_id"], until=(paid_at - timedelta(minutes=1)).isoformat()
    )
    assert then == await look("history", order_id=order["order_id"], version=1)
    assert [event["type"] for event in then["events"]] == ["OrderPlaced"]
    assert then["versions"] == 2
    assert then["state"]["status"] == "awaiting_payment"
    assert then["state_now"]["status"] == "scheduled"
    differs = {each["field"]: (each["then"], each["now"]) for each in then["differs"]}
    assert differs["status"] == ("awaiting_payment", "scheduled")
    assert differs["account.received.amount"] == (0, order["price"]["total"]["amount"])
    assert "details.product" not in differs


async def test_before_it_was_placed_there_was_nothing(look, order):
    reply = await look("history", order_id=order["order_id"], until="2001-01-01T00:00:00Z")
    assert (reply["events"], reply["state"]) == ([], {})
    assert reply["differs"]


async def test_each_event_is_proven_by_a_signed_head(look, order, service):
    reply = await proven(look, order)
    assert [each["verified"] for each in reply["events"]] == [True, True]
    head = heads.opened(reply["head"]["note"], public_key(service))
    assert head.size == reply["head"]["size"]


async def test_an_event_that_was_tampered_with_is_not_proven(look, order, service):
    """Whatever it says now: its place in the ledger tells."""
    await proven(look, order)
    url, order_id = service.settings.database_url, UUID(order["order_id"])
    was = spoil(url, order_id, 2, "state", b"{}")
    reply = await look("prove", order_id=order["order_id"])
    history = await look("history", order_id=order["order_id"])
    spoil(url, order_id, 2, "state", was)
    assert [each["verified"] for each in reply["events"]] == [True, False]
    position = reply["events"][1]["position"]
    assert reply["reason"].startswith(f"Positions {position} are not what the newest head was signed of")
    assert history["error"]["code"] == "conflict"
    assert "Verify the log." in history["error"]["message"]


async def test_a_bundle_waits_for_the_head_that_covers_it(look, service):
    """Asked for at once, it comes a second later, complete."""
    placed = await service.place()
    bundle = (await look("export", order_id=placed["order_id"]))["bundle"]
    checked = check(written(bundle).encode(), public_key(service), None)
    assert checked.problems == []


async def test_what_no_message_can_carry_is_refused_with_the_way_out(look, order, monkeypatch):
    monkeypatch.setattr(desk, "_LONGEST_REPLY", 500)
    await proven(look, order)
    for name in ("history", "export"):
        error = (await look(name, order_id=order["order_id"]))["error"]
        assert error["code"] == "conflict"
        assert f"`vignettes audit {name}`" in error["message"]


async def test_heads_are_told_with_the_key_that_checks_them(look, order, service):
    await proven(look, order)
    reply = await look("heads", limit=1)
    [head] = reply["heads"]
    assert reply["fingerprint"] == heads.fingerprint(public_key(service))
    assert heads.opened(head["note"], public_key(service)).origin == reply["origin"]


async def test_the_log_is_verified_from_within(look, order):
    await proven(look, order)

    async def compared():
        reply = await look("verify")
        assert reply["ok"] or reply["error"]["code"] == "unavailable", reply  # it is still at it
        return reply if reply["ok"] else None

    reply = await until(compared)
    assert (reply["verified"], reply["findings"]) == (True, [])
    assert 0 < reply["covered"] <= reply["size"]


async def test_every_look_is_on_record_before_it_is_answered(look, order):
    """Also one that finds nothing, and this one."""
    missing = str(uuid4())
    assert (await look("history", order_id=missing))["error"]["code"] == "not_found"
    await look("prove", order_id=order["order_id"])
    looks = (await look("looks", limit=3))["looks"]
    assert [(each["what"], each["order_id"]) for each in looks] == [
        ("looks", None),
        ("prove", order["order_id"]),
        ("history", missing),
    ]
    assert {each["actor"] for each in looks} == {ACTOR}
    [last, *_] = (await look("looks", order_id=missing))["looks"]
    assert last["what"] == "looks"


async def test_whoever_does_not_say_who_looks_is_refused(service):
    reply = await service.ask("audit.v1.heads")
    assert (reply["ok"], reply["error"]["field"]) == (False, "actor")


async def test_a_time_and_a_version_are_not_given_together(look, order):
    reply = await look("history", order_id=order["order_id"], until="2027-01-01T00:00:00Z", version=1)
    assert reply["error"]["field"] == "version"
