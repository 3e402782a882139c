"""The commands over NATS: each answers as the contract says, the same however often it is asked."""

import json
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
import pytest_asyncio

from service import running_service

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEDNESDAY = "2030-06-05T08:00:00+00:00"
COMMON = {"ok", "command_id", "order_id", "order_number", "version", "position", "status"}
NOBODY = "00000000-0000-4000-8000-000000000000"
CONSENT = {"kind": "immediate_performance", "text_version": "2030-01", "given_at": WEDNESDAY}


@pytest_asyncio.fixture(loop_scope="module")
async def service(service):
    """Begin on a Wednesday morning, whenever the tests are run; none of them moves the clock."""
    await service.ask("sandbox.v1.clock", now=WEDNESDAY)
    return service


def code(reply):
    """Return a refusal as (code, field); its other parts are those of the contract."""
    assert reply.keys() == {"ok", "command_id", "error"}, reply
    assert reply["ok"] is False
    assert reply["error"]["message"]
    return reply["error"]["code"], reply["error"].get("field")


def money(amount, currency="CZK"):
    return {"amount": amount, "currency": currency}


# --- the table, row by row


async def test_place_answers_price_payment_link_and_warnings(service):
    """Fee and official price apart; a CZK order has a SPAYD text, and the warnings name a doubtful letter."""
    reply = await service.place(vehicle={"country": "CZ", "plate": "1AO 2345"}, consents=[CONSENT])
    assert reply.keys() == COMMON | {"price", "payment", "manage_url", "warnings"}
    assert reply["price"] == {"official": money(30000), "fee": money(9900), "total": money(39900)}
    assert reply["payment"].keys() == {"variable_symbol", "creditor_reference", "spayd"}
    assert reply["payment"]["spayd"].startswith("SPD*1.0*ACC:CZ")
    assert reply["order_number"] == "V" + reply["payment"]["variable_symbol"]
    assert reply["manage_url"].startswith(f"{service.settings.public_url}/o/")
    assert reply["warnings"]
    assert (reply["status"], reply["version"]) == ("awaiting_payment", 1)


async def test_an_order_in_euro_is_paid_by_an_epc_code(service):
    """Slovakia sells in EUR; Swiss francs have neither code."""
    slovak = await service.place(product="SK-10D")
    swiss = await service.place(product="CH-1Y")
    assert slovak["payment"].keys() == {"variable_symbol", "creditor_reference", "epc"}
    assert swiss["payment"].keys() == {"variable_symbol", "creditor_reference"}


async def test_receive_payment_answers_when_registration_is_due(service):
    """Twelve hours before midnight in Prague; nothing is outstanding."""
    reply = await service.pay(await service.place(valid_from="2030-06-12"))
    assert reply.keys() == COMMON | {"due", "outstanding"}
    assert datetime.fromisoformat(reply["due"]) == datetime.fromisoformat("2030-06-11T12:00:00+02:00")
    assert (reply["status"], reply["outstanding"]) == ("scheduled", money(0))


async def test_a_payment_finds_its_order_by_number(service):
    """The number, as printed or as the digits on a bank line; one with wrong digits is refused by name."""
    placed = await service.place()
    symbol = placed["payment"]["variable_symbol"]
    payment = {
        "payment_id": str(uuid4()),
        "amount": money(100),
        "method": "transfer",
        "received_at": WEDNESDAY,
    }
    reply = await service.command("receive_payment", order_number=symbol, **payment)
    assert (reply["order_id"], reply["status"]) == (placed["order_id"], "partially_paid")
    mistyped = placed["order_number"][:-1] + str((int(placed["order_number"][-1]) + 1) % 10)
    wrong = await service.command("receive_payment", order_number=mistyped, **payment)
    assert code(wrong) == ("invalid_request", "order_number")
    both = await service.command(
        "receive_payment", order_id=placed["order_id"], order_number=placed["order_number"], **payment
    )
    assert code(both) == ("invalid_request", "order_id")


async def test_corrections_and_the_start_answer_as_written(service):
    """Details give the new due time, the address a new link, the start only the common part."""
    placed = await service.place()
    order = {"order_id": placed["order_id"]}
    details = await service.command(
        "correct_details", **order, changes={"plate": "1AB 2345", "vehicle_country": "D"}
    )
    email = await service.command("correct_email", **order, email="other@example.com")
    assert details.keys() == COMMON | {"due", "warnings"}
    assert details["due"] is None
    assert email.keys() == COMMON | {"manage_url"}
    assert email["manage_url"] != placed["manage_url"]
    await service.pay(placed)
    started = await service.command("start_registration", **order, consent=CONSENT)
    assert started.keys() == COMMON
    assert started["status"] == "registering"
    assert "RegistrationStarted" in await service.history(placed["order_id"])


async def test_a_refund_answers_its_amount(service):
    """Everything that counts for the order goes back; the order then is closed."""
    placed = await service.place()
    await service.pay(placed)
    order = {"order_id": placed["order_id"]}
    refund = await service.command("request_refund", **order, reason="changed my mind")
    assert refund.keys() == COMMON | {"refund"}
    assert (refund["refund"], refund["status"]) == (money(39900), "refund_pending")
    late = await service.command("correct_details", **order, changes={"plate": "1AB 2345"})
    assert code(late) == ("conflict", None)


# --- the codes of refusal


async def test_an_unknown_order_is_not_found(service):
    """By every command, with the field that named it."""
    payment = {"payment_id": "p", "amount": money(1), "method": "card", "received_at": WEDNESDAY}
    replies = [
        await service.command("receive_payment", order_id=NOBODY, **payment),
        await service.command("correct_details", order_id=NOBODY, changes={"plate": "1AB2345"}),
        await service.command("correct_email", order_id=NOBODY, email="a@example.com"),
        await service.command("start_registration", order_id=NOBODY),
        await service.command("request_refund", order_id=NOBODY),
    ]
    assert [code(reply) for reply in replies] == [("not_found", "order_id")] * 5


@pytest.mark.case(40, 41)
async def test_a_refund_needs_money_and_an_order_that_has_not_started(service):
    """`not_paid` before the money, `not_refundable` after the start; a correction then is `already_started` (40)."""
    placed = await service.place()
    order = {"order_id": placed["order_id"]}
    assert code(await service.command("request_refund", **order)) == ("not_paid", None)
    await service.pay(placed)
    await service.command("start_registration", **order)
    assert code(await service.command("request_refund", **order)) == ("not_refundable", None)
    late = await service.command("correct_details", **order, changes={"plate": "1AB 2345"})
    assert code(late) == ("already_started", None)


async def test_a_payment_id_with_another_amount_is_a_conflict(service):
    """The same id is the same money: two amounts can't both be true."""
    placed = await service.place()
    payment_id = str(uuid4())
    await service.pay(placed, payment_id=payment_id, amount=money(10000))
    other = await service.pay(placed, payment_id=payment_id, amount=money(10001))
    assert code(other) == ("conflict", "payment_id")


@pytest.mark.case(13)
async def test_a_start_before_the_authority_sells_is_refused(service):
    """Czechia sells thirty days ahead; the order stays scheduled for the opening (13)."""
    placed = await service.place(valid_from=(await service.day(60)).isoformat())
    await service.pay(placed)
    early = await service.command("start_registration", order_id=placed["order_id"])
    assert code(early) == ("too_early", None)


async def test_what_is_wrong_in_a_correction_is_named_as_it_was_sent(service):
    """The fields of `changes`, not those of the order."""
    placed = await service.place()
    wrong = {
        "changes.plate": {"plate": "Ж123"},
        "changes.vehicle_country": {"vehicle_country": "QQ"},
        "changes.valid_from": {"valid_from": "2029-01-01"},
        "changes.product": {"product": "CZ-2D"},
    }
    for field, changes in wrong.items():
        reply = await service.command("correct_details", order_id=placed["order_id"], changes=changes)
        assert code(reply) == ("invalid_request", field)


# --- asked again


async def test_the_same_command_answers_byte_for_byte_the_same_even_after_a_restart(
    database, nats_server, tmp_path
):
    """Accepted or refused: the answer is on record with the events, and so is what it was asked for."""
    fixed = {"public_url": "https://vignettes.example"}
    place = {
        "command_id": str(uuid4()),
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": "2A2 2345"},
        "valid_from": "2030-06-12",
        "email": "driver@example.com",
        "language": "en",
    }
    commands = [
        ("orders.v1.place", place),
        ("orders.v1.place", {**place, "command_id": str(uuid4()), "valid_from": "2020-01-01"}),
        ("orders.v1.place", {**place, "command_id": str(uuid4()), "product": "CZ-2D"}),
        (
            "orders.v1.correct_email",
            {"command_id": str(uuid4()), "order_id": NOBODY, "email": "a@example.com"},
        ),
    ]

    async def answers(running):
        return [(await raw(running, subject, body)) for subject, body in commands]

    async with running_service(database, nats_server.url, tmp_path / "data", **fixed) as first:
        await first.ask("sandbox.v1.clock", now=WEDNESDAY)
        once, again = await answers(first), await answers(first)
    roles = ["ordering", "sandbox"]
    async with running_service(database, nats_server.url, tmp_path / "data", roles, **fixed) as second:
        await second.ask("sandbox.v1.clock")
        after_restart = await answers(second)
        commands[:] = [(subject, {**body, "language": "de"}) for subject, body in commands[:3]]
        others = [json.loads(answer) for answer in await answers(second)]
    assert once == again == after_restart
    assert [json.loads(answer)["ok"] for answer in once] == [True, False, False, False]
    assert [code(other) for other in others] == [("command_id_reused", "command_id")] * 3


async def raw(running, subject, body):
    await running.ask("sandbox.v1.clock")  # waits until it answers
    return (await running.client.request(subject, json.dumps(body).encode(), timeout=30)).data


async def test_a_repeated_command_records_one_event(service):
    """Twenty times the same payment, and twenty times the same address."""
    placed = await service.place()
    again = {"command_id": str(uuid4()), "payment_id": str(uuid4()), "received_at": WEDNESDAY}
    first, *rest = [await service.pay(placed, **again) for _ in range(20)]
    assert rest == [first] * 19
    assert await service.history(placed["order_id"]) == ["OrderPlaced", "PaymentReceived"]


async def test_the_actor_is_kept_in_the_history(service):
    """Who asked stands beside the event; another actor passing on the same command changes nothing."""
    placed = await service.place(actor="web")
    again = {"command_id": str(uuid4()), "payment_id": str(uuid4()), "received_at": WEDNESDAY}
    paid = await service.pay(placed, actor="bank import", **again)
    assert await service.pay(placed, actor="support Anna", **again) == paid
    events = (await service.ask("orders.v1.history", order_id=placed["order_id"]))["events"]
    assert [event["actor"] for event in events] == ["web", "bank import"]
    assert events[1]["command_id"] == again["command_id"]


# --- money


async def test_part_of_the_money_is_not_paid_and_a_top_up_completes_it(service):
    """The mail names the exact rest (21)."""
    placed = await service.place()
    part = await service.pay(placed, amount=money(30000))
    assert (part["status"], part["due"], part["outstanding"]) == ("partially_paid", None, money(9900))
    [*_, mail] = await service.mail_kinds("placed", "underpaid")
    assert "99" in mail["text"]
    rest = await service.pay(placed, amount=money(9900))
    assert (rest["status"], rest["outstanding"]) == ("scheduled", money(0))
    assert rest["due"]


async def test_what_is_paid_too_much_is_set_aside(service):
    """The order goes on, the rest waits to go back (22); so does a whole second payment (20)."""
    placed = await service.place()
    assert (await service.pay(placed, amount=money(40000)))["status"] == "scheduled"
    second = await service.pay(placed)
    assert second["status"] == "scheduled"
    known = {"order_id": placed["order_id"], "min_position": second["position"]}
    order = (await service.ask("orders.v1.status", **known))["order"]
    assert (order["received"], order["surplus"], order["outstanding"]) == (79900, 100 + 39900, 0)


async def test_the_same_money_told_twice_counts_once(service):
    """Two commands, one payment_id: the second is welcome and changes nothing (17)."""
    placed = await service.place()
    same = {"payment_id": str(uuid4()), "amount": money(10000)}
    first, second = [await service.pay(placed, **same) for _ in range(2)]
    assert second["ok"]
    assert (second["version"], second["outstanding"]) == (first["version"], money(29900))


async def test_money_that_was_only_announced_pays_for_nothing(service):
    """Kept as a fact (27); booked later under the same id it counts."""
    placed = await service.place()
    payment_id = str(uuid4())
    noticed = await service.pay(placed, payment_id=payment_id, booked=False)
    assert (noticed["status"], noticed["due"]) == ("awaiting_payment", None)
    assert (await service.pay(placed, payment_id=payment_id))["status"] == "scheduled"
    assert await service.history(placed["order_id"]) == ["OrderPlaced", "PaymentNoticed", "PaymentReceived"]


async def test_money_that_can_not_be_is_refused(service):
    """Nothing, less than nothing, or another currency (24)."""
    placed = await service.place()
    for amount in (money(0), money(-1), money(39900, "EUR")):
        assert code(await service.pay(placed, amount=amount))[0] == "invalid_request"


# --- the start


@pytest.mark.case(36)
async def test_a_start_before_the_money_is_a_wish_that_fires_on_its_arrival(service):
    """Kept (36): the vignette follows the money at once, a week before its mark."""
    placed = await service.place()
    wish = await service.command("start_registration", order_id=placed["order_id"], consent=CONSENT)
    assert wish["status"] == "awaiting_payment"
    paid = await service.pay(placed)
    assert await service.now() - datetime.fromisoformat(paid["due"]) < timedelta(minutes=1)
    order = await service.status(placed["order_id"], "issued")
    assert order["started_rule"] == "at_once"


@pytest.mark.case(35)
async def test_the_start_pressed_twice_answers_the_same(service):
    """Two buttons, two commands, one start (35); before the money one wish."""
    placed = await service.place()
    order = {"order_id": placed["order_id"]}
    wishes = [await service.command("start_registration", **order) for _ in range(2)]
    assert [wish["version"] for wish in wishes] == [2, 2]
    paid = await service.place()
    await service.pay(paid)
    starts = [await service.command("start_registration", order_id=paid["order_id"]) for _ in range(2)]
    assert all(start["ok"] for start in starts)
    assert (await service.history(paid["order_id"])).count("RegistrationStarted") == 1


async def test_a_corrected_address_gets_a_new_link_and_the_old_one_is_told(service):
    """The same address again renews nothing (33)."""
    placed = await service.place()
    renewed = await service.command("correct_email", order_id=placed["order_id"], email="new@example.com")
    same = await service.command("correct_email", order_id=placed["order_id"], email="new@example.com")
    assert renewed["manage_url"] not in {placed["manage_url"], ""}
    assert same["manage_url"] == renewed["manage_url"]
    mails = await service.inbox(lambda all_: len(all_) == 3)
    told = {(mail["to"], mail["headers"]["X-Mail-Kind"]) for mail in mails}
    assert told == {
        ("driver@example.com", "placed"),
        ("driver@example.com", "address_changed"),
        ("new@example.com", "placed"),
    }
    [to_the_old] = [m for m in mails if m["headers"]["X-Mail-Kind"] == "address_changed"]
    assert "/o/" not in to_the_old["text"] + to_the_old["html"]
