"""The documentation in a browser: for everybody to use, narrow enough, and its commands to be taken along."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from accessible import UNFOLD, is_for_everybody
from browsing import NARROW, PHONE
from vignettes.services.asyncapi import document
from vignettes.services.web.app import create_app
from vignettes.services.web.serving import serving

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]
PAGES = (
    "/docs",
    "/docs/asyncapi?find=orders.v1.place",
    "/docs/events?find=order.placed",
    "/docs/openapi?find=health",
)
#: Tables and code may be scrolled by themselves; the page is not.
TOO_WIDE = "document.documentElement.scrollWidth > document.documentElement.clientWidth"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def address():
    """The documentation alone needs neither database nor NATS."""
    async with serving(create_app(None, [], None, document), 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser):
    async with await browser.new_context(
        **PHONE, permissions=["clipboard-read", "clipboard-write"]
    ) as context:
        yield await context.new_page()


@pytest.mark.parametrize("path", PAGES)
async def test_everybody_can_use_it(page, address, path):
    await page.goto(address + path)
    await page.locator("details").evaluate_all(UNFOLD)
    await is_for_everybody(page)


async def test_the_longest_pages_are_no_wider_than_the_narrowest_phone(page, address):
    await page.set_viewport_size(NARROW["viewport"])
    for path in ("/docs/asyncapi", "/docs/events", "/docs/openapi"):
        await page.goto(address + path)
        assert not await page.evaluate(TOO_WIDE), path


async def test_a_command_is_copied_whole(page, address):
    await page.goto(f"{address}/docs/asyncapi?find=orders.v1.request_refund")
    await page.get_by_role("button", name="Copy").first.click()
    await expect(page.get_by_role("button", name="Copied")).to_be_visible()
    taken = await page.evaluate("navigator.clipboard.readText()")
    assert taken.startswith("vignettes ask orders.v1.request_refund '{")
    assert taken.endswith("}'")


async def test_what_is_looked_for_is_found_and_shown_again(page, address):
    await page.goto(f"{address}/docs/events")
    await page.get_by_role("searchbox").fill("vignette_number")
    await page.get_by_role("button", name="Find").click()
    await expect(page.get_by_role("status")).to_contain_text("2 with")
    await page.get_by_role("link", name="Show all").click()
    await expect(page.get_by_role("heading", name="OrderPlaced")).to_be_visible()
