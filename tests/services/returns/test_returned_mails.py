"""A mail that comes back, from the recipient's mail server to the page of its order (case 52)."""

import httpx
import pytest

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def mails_of(service, order_id):
    reply = await service.ask("orders.v1.emails", order_id=order_id)
    return {mail["kind"]: mail for mail in reply["emails"]}


@pytest.mark.case(52)
@pytest.mark.parametrize(("kind", "why"), [("hard", "permanent"), ("complaint", "complaint")])
async def test_an_order_is_told_of_a_mail_that_comes_back(service, kind, why):
    """Found by the address that it was sent from; on record once, and shown with the list of its mails."""
    placed = await service.place()
    [mail] = await service.inbox(lambda all_: len(all_) == 1)
    reply = await service.ask("sandbox.v1.bounce", message_id=mail["message_id"], kind=kind)
    assert reply == {"to": mail["sender"]}

    async def told():
        history = (await service.ask("orders.v1.history", order_id=placed["order_id"]))["events"]
        return [event["data"] for event in history if event["type"] == "MailReturned"]

    [returned] = await until(told)
    assert (returned["why"], returned["mail_kind"]) == (why, "placed")
    assert (await mails_of(service, placed["order_id"]))["placed"]["state"] == "returned"
    assert (await service.ask("sandbox.v1.bounce", message_id=mail["message_id"], kind=kind))["to"]
    assert len(await told()) == 1


async def test_what_the_sandbox_can_not_return_is_refused(service):
    """A mail that never arrived, and a way that no mail comes back."""
    unknown = await service.ask("sandbox.v1.bounce", message_id="<1@nowhere.example>", kind="hard")
    assert (unknown["error"]["code"], unknown["error"]["field"]) == ("invalid_request", "message_id")
    wrong = await service.ask("sandbox.v1.bounce", message_id="<1@nowhere.example>", kind="odd")
    assert (wrong["error"]["code"], wrong["error"]["field"]) == ("invalid_request", "kind")


@pytest.mark.thorough
async def test_metrics_count_what_came_back(service):
    """By what was made of it; what there was none of is told as zero."""
    await service.place()
    [mail] = await service.inbox(lambda all_: len(all_) == 1)
    await service.ask("sandbox.v1.bounce", message_id=mail["message_id"], kind="soft")

    async def counted():
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.settings.http_port}") as http:
            lines = (await http.get("/metrics")).text.splitlines()
        return 'vignettes_mail_reports_total{outcome="soft"} 1.0' in lines and (
            'vignettes_mail_reports_total{outcome="set_aside"} 0.0' in lines
        )

    await until(counted)
