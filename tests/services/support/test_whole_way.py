"""Support all the way, through the running service: asked, acknowledged, answered; and mails that came back."""

from uuid import uuid4

import pytest

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANNA = "support:anna"


async def cases(service, **wanted):
    async def look():
        return (await service.ask("support.v1.cases", **wanted))["cases"]

    return await until(look)


@pytest.mark.case(52)
async def test_a_customer_is_answered_and_a_mail_that_came_back_is_a_case(service):
    """Asked on the order's page, and answered with the link; then the address takes no mail, of neither."""
    placed = await service.place(email="driver@example.com")
    await service.mail_kinds("placed")
    asked = {"topic": "question", "channel": "page", "language": "en", "order_id": placed["order_id"]}
    case = await service.ask(
        "support.v1.open", command_id=uuid4(), **asked, email="driver@example.com", message="When?"
    )
    [acknowledged] = [
        each for each in await service.mail_kinds("case_opened") if _kind(each) == "case_opened"
    ]
    assert case["case_number"] in acknowledged["subject"]
    assert placed["manage_url"] in acknowledged["text"]
    await cases(service, order_id=placed["order_id"])
    answer = {"case_id": case["case_id"], "actor": ANNA, "text": "Tomorrow.\nHave a good journey!"}
    assert (await service.ask("support.v1.answer", command_id=uuid4(), **answer))["ok"]
    [answered] = [
        each for each in await service.mail_kinds("case_answered") if _kind(each) == "case_answered"
    ]
    assert answered["to"] == "driver@example.com"
    assert "Have a good journey!" in answered["text"]

    assert (await service.ask("sandbox.v1.bounce", message_id=answered["message_id"], kind="hard"))["to"]
    [again] = await cases(service, state="open")
    assert (again["case_id"], again["returned"]) == (case["case_id"], "permanent")
    assert (await service.ask("support.v1.close", command_id=uuid4(), actor=ANNA, case_id=case["case_id"]))[
        "ok"
    ]
    await cases(service, state="closed")

    emails = await service.ask("orders.v1.emails", order_id=placed["order_id"])
    returned = {"message_id": emails["emails"][0]["message_id"], "why": "permanent", "status": "5.1.1"}
    assert (await service.command("note_returned_mail", order_id=placed["order_id"], **returned))["ok"]
    [by_us] = await cases(service, state="open")
    assert (by_us["topic"], by_us["order_number"]) == ("mail_returned", placed["order_number"])


def _kind(mail):
    return mail["headers"]["X-Mail-Kind"]
