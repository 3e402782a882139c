"""The pictures of the page for people on duty: after some days with some hundred orders, at seven in the morning."""

from pathlib import Path

import psycopg
from playwright.async_api import Browser, Page

from ops_states import busy_days
from service import Service
from staff_helpers import token_of
from tools.screens_pages import Shot, page_for, save

DAYS, ORDERS_A_DAY, TODAY = 8, 10, 150

SHOTS = (
    Shot("ops-desktop-en", "en", device="desktop"),
    Shot("ops-desktop-en-dark", "en", device="desktop", dark=True),
    Shot("ops-phone-en", "en"),
)
# What no order of the sandbox does by itself: a view that could not digest one of its events.
_PARK = """
INSERT INTO view.parked (edition, order_id, position, version, topic, error)
SELECT e.id, l.originator_id, l.notification_id, 1, l.topic, 'ValueError in see, projections/lookup.py:61'
FROM view.editions e, log.events l
WHERE e.view = 'lookup' AND e.state = 'live' AND l.topic LIKE 'order.placed%' ORDER BY l.notification_id DESC LIMIT 1
"""


async def take(browser: Browser, service: Service, folder: Path) -> None:
    """Take them into a folder. Moves the clock by days."""
    await busy_days(service, DAYS, ORDERS_A_DAY, TODAY)
    await service.advance(minutes=7)
    with psycopg.connect(str(service.settings.database_url)) as connection:
        connection.execute(_PARK)
    for shot in SHOTS:
        async with page_for(browser, shot) as page:
            await _sign_in(page, service)
            await save(page, folder / f"{shot.name}.png")


async def _sign_in(page: Page, service: Service) -> None:
    await page.goto(f"{service.settings.public_url}/sign-in?to=/ops")
    await page.locator("[name=token]").fill(token_of(service, "operator"))
    await page.locator("main button").first.click()
    await page.locator("#promises").wait_for()
