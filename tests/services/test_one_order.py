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
