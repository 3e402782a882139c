"""How the pages of customers are made: for everybody to use, narrow enough, light enough, and by ourselves alone."""

from urllib.parse import urljoin

import pytest
import pytest_asyncio
from playwright.async_api import expect

from accessible import cut_off, is_for_everybody
from browsing import NARROW, PHONE
from order_states import STATES, awaiting_payment, one_of_each

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]

#: Their words are long, and look as they should in the two alphabets.
LANGUAGES = ("de", "bg")
FORMS = ("correct", "start", "withdraw", "email", "support")
#: Of every status the page, and the forms as they are before, while and after there is something to change.
PAGES = (
    *STATES,
    *(f"{state}/{form}" for state in ("awaiting_payment", "issued", "expired") for form in FORMS),
)
OTHERS = ("/", "/support", "/nowhere")
MOST_BYTES = 60_000
#: Some paint longer ones on their vehicles, but not much.
WIDEST = {"country": "DE", "plate": "MWMW-MW 4477H"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def links(service):
    """Give the link of an order in every state and language, and of what has no order."""
    placed = await one_of_each(service, *LANGUAGES)
    made = {each: each for each in OTHERS}
    for language, orders in placed.items():
        orders["awaiting_payment"] = await awaiting_payment(service, language=language, vehicle=WIDEST)
        made |= {(name, language): each["manage_url"] for name, each in orders.items()}
    return made


def address(links, name, language):
    state, _, form = name.partition("/")
    if not state:
        return links[name]
    return links[state, language] + (f"/{form}" if form else "")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def one_page(browser):
    """Give a page for all that is only looked at."""
    async with await browser.new_context(**PHONE) as context:
        yield await context.new_page()


@pytest.mark.parametrize("name", [*PAGES, *OTHERS])
async def test_everybody_can_use_it(links, service, one_page, name):
    await one_page.set_viewport_size(PHONE["viewport"])
    await one_page.goto(urljoin(service.settings.public_url, address(links, name, "de")))
    await is_for_everybody(one_page)


# --- pages that only a form leads to


async def send(page, **fields):
    for name, value in fields.items():
        await page.locator(f"[name={name}]:visible").fill(value)
    await page.locator("button:visible").first.click()


async def test_everybody_can_use_what_a_correction_would_cost(links, open_page):
    page = await open_page(address(links, "scheduled/correct", "de"))
    await page.locator("[name=product]").select_option("CZ-30D")
    await send(page, plate="1AB 0O81")
    await expect(page.locator("[value=confirm]")).to_be_visible()
    await is_for_everybody(page)


async def test_everybody_can_use_a_correction_that_can_not_be_taken(links, open_page):
    page = await open_page(address(links, "scheduled/correct", "de"))
    await send(page, plate="1AB Ж345")
    await expect(page.locator("[aria-invalid=true]")).to_be_focused()
    await is_for_everybody(page)


async def test_everybody_can_use_an_address_that_can_not_be_taken(links, open_page):
    page = await open_page(address(links, "scheduled/email", "de"))
    await page.locator("form").evaluate("form => form.noValidate = true")
    await send(page, email="driver@example")
    await expect(page.locator("[aria-invalid=true]")).to_be_focused()
    await is_for_everybody(page)


async def test_everybody_can_use_what_is_said_to_who_has_lost_the_link(links, open_page):
    page = await open_page("/", locale="de-DE")
    await page.locator("[name=country]:visible").select_option("DE")
    await send(page, plate="HH-BR 471")
    await expect(page.get_by_role("alert")).to_be_visible()
    await is_for_everybody(page)
    await send(page, email="driver@example.com")
    await expect(page.locator("[name=reference]")).to_be_visible()
    await is_for_everybody(page)


async def test_everybody_can_use_what_support_answers(links, open_page):
    page = await open_page("/support", locale="de-DE")
    await send(page, message="?")
    await expect(page.get_by_role("alert")).to_be_visible()
    await is_for_everybody(page)
    await send(page, email="lost@example.com")
    await expect(page.locator("form")).to_have_count(0)
    await is_for_everybody(page)


# --- narrow, light, ours


async def test_nothing_is_wider_than_the_narrowest_phone_in_the_other_language_either(links, open_page):
    page = await open_page("about:blank", NARROW, locale="bg")
    too_wide = {}
    for name in (*PAGES, *OTHERS):
        await page.goto(address(links, name, "bg"))
        if found := await cut_off(page):
            too_wide[name] = found
    assert too_wide == {}


async def test_a_page_with_all_it_needs_is_soon_there_on_a_slow_line(links, open_page):
    """As the browser counts what it fetched, with the headers; the largest page that there is, in two-byte letters."""
    for name in ("awaiting_payment", "awaiting_payment/correct", "/support"):
        page = await open_page(address(links, name, "bg"), locale="bg")
        sizes = await page.evaluate(
            """performance.getEntriesByType("navigation").concat(performance.getEntriesByType("resource"))
            .map(each => [each.name, each.transferSize])"""
        )
        assert sum(size for _, size in sizes) < MOST_BYTES, sizes
        assert all(size for _, size in sizes if size is not None)
