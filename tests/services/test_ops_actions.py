"""Everything that can be done from the page for people on duty, once, against the running service.

The role of deadlines is away: what is due is late then, until somebody starts it.
"""

import asyncio
import re
from contextlib import suppress
from html import unescape
from urllib.parse import quote
from uuid import uuid4

import httpx
import psycopg
import pytest
import pytest_asyncio

from forms import words
from ops_states import waiting_for_the_bank
from order_states import action_needed, refund_pending, registering, scheduled
from service import running_service, until
from staff_helpers import signed_in
from vignettes.runtime.bootstrap import ROLES, SANDBOX
from vignettes.runtime.embedded import EmbeddedNats

pytestmark = pytest.mark.asyncio(loop_scope="module")

_FORM = re.compile(r"<form.*?</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)"')
STARTING_SECONDS = 60.0
IBAN = "CZ6508000000192000145399"


@pytest.fixture(scope="module")
def one_database(copied):
    with copied() as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(one_database, tmp_path_factory):
    folder = tmp_path_factory.mktemp("ops")
    server = EmbeddedNats(folder / "nats", 0)
    server.start()
    roles = [*(role for role in ROLES if role not in {"deadlines", "auditing"}), SANDBOX]
    try:
        async with running_service(one_database, server.url, folder / "data", roles) as running:
            await until(lambda: _answers(running), STARTING_SECONDS)
            yield running
    finally:
        server.stop()


async def _answers(service):
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{service.settings.public_url}/healthz")).is_success
    return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def operator(service):
    http = await signed_in(service, "operator")
    yield http
    await http.aclose()


async def entry(http, list_, key):
    """Wait for an entry of a list, and return its form: where it goes, and what it holds."""

    address = f"/ops/{list_}/{quote(key)}"

    async def look():
        page = (await http.get("/ops")).text
        return next((form for form in _FORM.findall(page) if f'action="{address}"' in form), None)

    form = await until(look)
    return address, {name: unescape(value) for name, value in _HIDDEN.findall(form)}, form


async def press(http, list_, key, act, **typed):
    """Press a button of an entry twice, as people do: it is done once, and said so both times."""
    address, fields, _ = await entry(http, list_, key)
    first, second = await asyncio.gather(
        *(http.post(address, data={**fields, "act": act, **typed}) for _ in range(2))
    )
    assert (first.status_code, second.status_code) == (200, 200), words(first.text)
    return words(first.text)


async def actors(service, order_id, kind):
    """Return who is on record for the events of one kind of an order."""
    reply = await service.ask("orders.v1.history", order_id=order_id)
    return [event["actor"] for event in reply["events"] if event["type"] == kind]


def rows(service, question, *values):
    with psycopg.connect(service.settings.database_url, autocommit=True) as connection:
        found = connection.execute(question, values)
        return found.fetchall() if found.description else []


async def test_a_late_registration_is_started(service, operator):
    placed = await scheduled(service, valid_from=(await service.day(1)).isoformat())
    rows(service, "UPDATE clock.shift SET ahead = ahead + interval '4 hours'")
    assert "It stands as registering now." in await press(operator, "late", placed["order_id"], "start")
    assert await actors(service, placed["order_id"], "RegistrationStarted") == ["staff:operator"]
    await service.status(placed["order_id"], "issued")


@pytest.mark.thorough
async def test_a_person_is_called_for_a_stuck_registration(service, operator):
    placed = await registering(service)
    rows(service, "UPDATE clock.shift SET ahead = ahead + interval '6 minutes'")
    told = await press(operator, "stuck", placed["order_id"], "call")
    assert "The call for a person is on record." in told
    assert await actors(service, placed["order_id"], "PersonCalled") == ["staff:operator"]


@pytest.mark.thorough
async def test_a_rejected_order_is_tried_again_and_another_paid_back(service, operator):
    again, back = await action_needed(service), await action_needed(service)
    await press(operator, "rejected", again["order_id"], "start")
    await service.status(again["order_id"], "issued")
    await press(operator, "rejected", back["order_id"], "refund")
    await service.status(back["order_id"], "refund_pending")
    assert await actors(service, back["order_id"], "RefundRequested") == ["staff:operator"]


@pytest.mark.thorough
async def test_a_second_order_for_the_same_vehicle_is_released(service, operator):
    vehicle = {"country": "CZ", "plate": "7T7 4711"}
    first, second = await scheduled(service, vehicle=vehicle), await scheduled(service, vehicle=vehicle)
    await service.command("hold_as_twin", order_id=second["order_id"], twin=first["order_id"])
    assert "Released: scheduled." in await press(operator, "held", second["order_id"], "release")
    assert await actors(service, second["order_id"], "TwinAccepted") == ["staff:operator"]


@pytest.mark.thorough
async def test_a_refund_is_approved_and_goes_into_a_file_for_the_bank(service, operator):
    """Nobody knows the payer's account; the refusal says so where it was asked for, and then it is typed."""
    placed = await refund_pending(service)
    key = f"{placed['order_id']}.refund"
    address, fields, _ = await entry(operator, "refunds", key)
    refused = await operator.post(address, data={**fields, "act": "approve"})
    assert refused.status_code == 409
    assert re.search(
        rf'id="refunds-{key}".*?class="notice act".*?</li>\s*(<li id="refunds|</ul>)', refused.text, re.DOTALL
    )
    assert "Approved" in await press(operator, "refunds", key, "approve", account=IBAN)

    address, fields, _ = await entry(operator, "payouts", "CZK.approved")
    first, second = [await operator.post(address, data={**fields, "act": "pay_out"}) for _ in range(2)]
    assert first.headers["content-type"] == "application/xml"
    assert "attachment" in first.headers["content-disposition"]
    assert placed["order_number"].encode() in first.content
    assert first.content == second.content


@pytest.mark.thorough
async def test_money_in_review_is_allocated_by_its_suggestion_by_hand_or_sent_back(service, operator):
    by_button, by_hand = await service.place(), await service.place()
    await waiting_for_the_bank(service, by_button, by_hand)

    async def payments():
        return (
            rows(service, "SELECT payment_id, suggestions FROM read.review_queue ORDER BY currency, amount")[
                :3
            ]
            or None
        )

    async def all_three():
        found = await payments()
        return found if found and len(found) == 3 else None

    found = await until(all_three)
    of = {
        each["allocations"][0]["order_id"]: str(payment_id)
        for payment_id, suggestions in found
        for each in suggestions[:1]
    }
    strange = next(str(payment_id) for payment_id, suggestions in found if not suggestions)

    key = of[by_button["order_id"]]
    _, _, form = await entry(operator, "money", key)
    [first, *_] = re.findall(r'value="(allocate:[^"]+)"', form)
    assert by_button["order_number"] in first
    assert "One mistake of a typist" in words(form)
    assert "Allocated" in await press(operator, "money", key, first)
    await service.status(by_button["order_id"], "scheduled")

    key = of[by_hand["order_id"]]
    page = await operator.get(f"/ops/money/{key}")
    assert "Jan Novák" in words(page.text)  # on a page of its own, which somebody has opened
    await press(operator, "money", key, "allocate", order=by_hand["order_number"])
    await service.status(by_hand["order_id"], "scheduled")

    assert "It is to go back" in await press(operator, "money", strange, "return")


@pytest.mark.thorough
async def test_a_case_is_read_answered_and_closed(service, operator):
    placed = await service.place()
    asked = {"topic": "question", "channel": "page", "language": "en", "order_id": placed["order_id"]}
    cases = [
        await service.ask(
            "support.v1.open", command_id=uuid4(), **asked, email="driver@example.com", message=text
        )
        for text in ("When does it start?", "Thank you")
    ]
    answered, closed = (each["case_id"] for each in cases)
    await press(operator, "cases", closed, "close")
    page = await operator.get(f"/ops/cases/{answered}")
    assert "When does it start?" in words(page.text)
    fields = dict(_HIDDEN.findall(next(form for form in _FORM.findall(page.text) if "text-hint" in form)))
    empty = await operator.post(f"/ops/cases/{answered}", data={**fields, "act": "answer", "text": " "})
    assert (empty.status_code, "Write what the customer is to read." in words(empty.text)) == (422, True)
    done = await operator.post(
        f"/ops/cases/{answered}", data={**fields, "act": "answer", "text": "Tomorrow."}
    )
    assert done.status_code == 200, words(done.text)
    await service.mail_kinds("case_answered")


@pytest.mark.thorough
async def test_a_mail_that_is_put_off_is_sent_at_once_and_one_that_never_arrives_is_noted(service, operator):
    first, second = await service.place(), await service.place()
    mails = "SELECT message_id FROM read.emails WHERE order_id = %s AND state = 'sent'"
    ids = []
    for placed in (first, second):
        [[message_id]] = await until(lambda placed=placed: _found(service, mails, placed["order_id"]))
        ids.append(message_id)
    # As if the mail server had not taken them, an hour ago.
    rows(
        service,
        "UPDATE effect.mails SET sent_at = NULL, attempts = 4, last_error = 'SMTPConnectError',"
        " called_at = clock.now() - interval '1 hour', retry_at = clock_timestamp() + interval '1 hour'"
        " WHERE message_id = ANY(%s)",
        ids,
    )
    keys = [each.strip("<>") for each in ids]
    assert "It is tried at once." in await press(operator, "mails", keys[0], "resend")
    await until(lambda: _found(service, mails, first["order_id"]))
    assert "Noted" in await press(operator, "mails", keys[1], "note")
    assert await actors(service, second["order_id"], "MailReturned") == ["staff:operator"]
    kept = rows(
        service, "SELECT subject, actor FROM read.interventions WHERE about ->> 'message_id' = %s", ids[0]
    )
    assert kept == [("mails.v1.resend", "staff:operator")]


async def _found(service, question, *values):
    return rows(service, question, *values)


@pytest.mark.thorough
async def test_a_mail_that_came_back_is_sent_again(service, operator):
    placed = await service.place(email="full@example.com")
    mail = await until(lambda: _first_mail(service, "full@example.com"))
    await service.ask("sandbox.v1.bounce", message_id=mail["message_id"], kind="hard")
    assert "It is sent again at once" in await press(
        operator, "returned", mail["message_id"].strip("<>"), "resend"
    )

    async def arrived_twice():
        return len((await service.ask("sandbox.v1.inbox", to="full@example.com"))["messages"]) > 1

    await until(arrived_twice)
    assert await actors(service, placed["order_id"], "MailReturned") == ["mailing"]


async def _first_mail(service, to):
    return next(iter((await service.ask("sandbox.v1.inbox", to=to))["messages"]), None)


@pytest.mark.thorough
async def test_parked_orders_are_tried_again(service, operator):
    """Two that were parked by mistake; each is tried alone."""
    placed = [await service.place() for _ in range(2)]
    for each in placed:
        await service.status(each["order_id"])
    rows(
        service,
        "INSERT INTO view.parked (edition, order_id, position, version, topic, error)"
        " SELECT e.id, l.originator_id, l.notification_id, 1, l.topic, 'ValueError in see, views.py:1'"
        " FROM view.editions e, log.events l"
        " WHERE e.view = 'lookup' AND e.state = 'live' AND l.originator_id = ANY(%s)",
        [each["order_id"] for each in placed],
    )
    key = f"lookup.{placed[0]['order_id']}"
    assert "Tried at once: 1." in await press(operator, "parked", key, "retry")
    await until(lambda: _found(service, "SELECT 1 FROM read.parked_events HAVING count(*) = 1"))
    await press(operator, "parked", f"lookup.{placed[1]['order_id']}", "retry")
    await until(lambda: _found(service, "SELECT 1 FROM read.parked_events HAVING count(*) = 0"))


async def test_what_happened_to_an_order_is_told_without_its_person(service, operator):
    placed = await service.place(email="driver@example.com", vehicle={"country": "CZ", "plate": "9Z9 4242"})
    told = (await operator.get(f"/ops/orders/{placed['order_id']}")).text
    assert "OrderPlaced" in told
    assert placed["order_number"] in told
    assert "driver@example.com" not in told
    assert "9Z9" not in told
    assert (await operator.get(f"/ops/orders/{uuid4()}")).status_code == 404


async def test_commands_of_people_on_duty_are_refused_when_they_change_nothing(service):
    """Each with the reason; and under an id that stands for another command."""
    placed = await service.place()
    [[message_id]] = await until(
        lambda: _found(
            service,
            "SELECT message_id FROM read.emails WHERE order_id = %s AND state = 'sent'",
            placed["order_id"],
        )
    )

    async def resend(message_id, command_id=None):
        body = {"command_id": command_id or uuid4(), "actor": "staff:duty-1", "message_id": message_id}
        return await service.ask("mails.v1.resend", **body)

    assert (await resend("<nobody@example.com>"))["error"]["code"] == "not_found"
    left = (await resend(message_id))["error"]
    assert (left["code"], left["message"].endswith("It has left, and did not come back.")) == (
        "conflict",
        True,
    )
    rows(
        service,
        "UPDATE effect.mails SET returned_at = clock.now(), return_kind = 'complaint' WHERE message_id = %s",
        message_id,
    )
    assert (await resend(message_id))["error"]["message"].endswith("Whoever got it called it spam.")
    command_id = uuid4()
    none = await service.ask(
        "projections.v1.retry", command_id=command_id, actor="staff:duty-1", view="lookup"
    )
    assert (none["ok"], none["orders"]) == (True, 0)
    assert (await resend(message_id, command_id))["error"]["code"] == "command_id_reused"
