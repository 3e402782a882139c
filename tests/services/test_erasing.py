"""Erasing an order, from the command to the last neighbour."""

from service import until


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
