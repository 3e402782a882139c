"""The whole life of an order through the running service, and its erasing down to the last neighbour."""

import pytest

from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_an_order_lives_from_placing_to_vignette(service):
    """Placed a week ahead, paid, registered twelve hours before it begins, issued, and told so by four mails."""
    placed = await service.place()
    paid = await service.pay(placed)
    assert paid["status"] == "scheduled"
    await service.advance(days=7)
    order = await service.status(placed["order_id"], "issued")
    [registration] = await service.registrations()
    assert registration["number"] == order["vignette_number"]
    await service.mail_kinds("placed", "paid", "started", "issued")


async def test_an_erased_order_is_gone_everywhere(service):
    """In the status, the history, the mails, the neighbours' files; its number and its money stay."""
    placed = await service.place()
    order = {"order_id": placed["order_id"]}
    await service.pay(placed)
    await service.command("start_registration", **order)
    await service.status(placed["order_id"], "issued")
    await service.mail_kinds("placed", "paid", "started", "issued")

    erased = await service.command("erase", **order)
    assert (erased["ok"], erased["status"]) == (True, "issued")

    row = (await service.ask("orders.v1.status", **order, min_position=erased["position"]))["order"]
    assert (row["email"], row["plate"], row["received"]) == (None, None, 39900)
    history = await service.ask("orders.v1.history", **order)
    assert "driver@example.com" not in str(history)
    assert "2A2" not in str(history)
    assert history["state"]["erased"] == ["contact", "vehicle"]

    async def forgotten():
        mails = (await service.ask("orders.v1.emails", **order))["emails"]
        plates = {each["plate"] for each in await service.registrations()}
        return not await service.inbox() and plates == {""} and {mail["to"] for mail in mails} == {None}

    await until(forgotten)
    for mail in (await service.ask("orders.v1.emails", **order))["emails"]:
        assert "2A2" not in mail["subject"]
        assert placed["order_number"] in mail["subject"]
