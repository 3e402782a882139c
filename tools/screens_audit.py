"""The pictures of the pages for auditors: an order of some days, as it was before its correction, and the way in."""

from datetime import datetime
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from service import Service, until
from staff_helpers import token_of
from tools.screens_pages import Shot, page_for, save

#: The moment that is shown: paid, and not corrected yet.
PAID = 2

SHOTS = (
    Shot("audit-desktop-en", "en", device="desktop"),
    Shot("audit-desktop-en-dark", "en", device="desktop", dark=True),
    Shot("audit-phone-en", "en"),
)
WAY_IN = Shot("sign-in-desktop-en", "en", device="desktop")
PROVEN_WITHIN_SECONDS = 60.0


async def take(browser: Browser, service: Service, folder: Path) -> None:
    """Take them into a folder. Moves the clock by days."""
    order = await _order(service)
    for shot in SHOTS:
        async with page_for(browser, shot) as page:
            await _sign_in(page, service, f"/audit/{order['order_id']}?version={PAID}")
            await page.locator("#v1 summary").click()
            await save(page, folder / f"{shot.name}.png")
    async with page_for(browser, WAY_IN) as page:
        await page.goto(f"{service.settings.public_url}/sign-in?to=/audit")
        await save(page, folder / f"{WAY_IN.name}.png")


async def _order(service: Service) -> dict[str, Any]:
    """Return an order that was paid, corrected and issued, once all of it is proven."""
    placed = await service.place(actor="shop", vehicle={"country": "DE", "plate": "M-KA 7345"}, language="de")
    order_id = placed["order_id"]
    await service.advance(minutes=4)
    await service.pay(placed, actor="bank")
    await service.advance(hours=9)
    day = (await service.day(9)).isoformat()
    corrected = await service.command(
        "correct_details", order_id=order_id, actor="customer", changes={"valid_from": day}
    )
    await service.advance(hours=2)
    await service.command("correct_email", order_id=order_id, actor="support", email="driver@example.org")
    due = datetime.fromisoformat(corrected["due"]) - await service.now()
    await service.advance(seconds=due.total_seconds())
    await service.status(order_id, "issued")

    async def is_proven() -> bool:
        reply = await service.ask("audit.v1.prove", actor="screens", order_id=order_id)
        return bool(reply["ok"] and reply["verified"])

    await until(is_proven, PROVEN_WITHIN_SECONDS)
    return placed


async def _sign_in(page: Page, service: Service, to: str) -> None:
    await page.goto(service.settings.public_url + to)
    await page.locator("[name=token]").fill(token_of(service, "auditor"))
    await page.locator("main button").first.click()
    await page.locator("#then").wait_for()
