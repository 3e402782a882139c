"""Auditors at their page, with the whole service behind it: by slider and by button, on a phone and at a desk."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from accessible import is_for_everybody
from browsing import DESKTOP, PHONE
from order_states import scheduled
from service import until
from staff_helpers import token_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]

#: What happened to it, in this order.
STORY = (
    "OrderPlaced",
    "PaymentReceived",
    "DetailsCorrected",
    "EmailCorrected",
    "RegistrationStarted",
    "VignetteIssued",
    "PersonalDataErased",
)
EVENTS = len(STORY)
PLACED, PAID, CORRECTED = 1, 2, 3
#: The first day of it, before the correction and now.
DAYS = ["2027-03-17", "2027-03-19"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def order(service):
    """Give an order that was paid, corrected twice, issued and erased, once all of it is proven by a head."""
    placed = await scheduled(service, vehicle={"country": "CZ", "plate": "1AB 2345"})
    order_id = placed["order_id"]
    day = (await service.day(9)).isoformat()
    await service.command("correct_details", order_id=order_id, actor="customer", changes={"valid_from": day})
    await service.command("correct_email", order_id=order_id, actor="customer", email="else@example.com")
    await service.command("start_registration", order_id=order_id, actor="customer")
    await service.status(order_id, "issued")
    await service.command("erase", order_id=order_id, actor="officer", classes=["contact"])
    assert tuple(await service.history(order_id)) == STORY

    async def is_proven():
        reply = await service.ask("audit.v1.prove", actor="test", order_id=order_id)
        return reply["ok"] and reply["verified"]

    await until(is_proven, 60)
    return placed


@pytest_asyncio.fixture(loop_scope="module")
async def signed_in(open_page, service):
    """Give what opens an address of staff in a browser that somebody has signed in with."""

    async def open_one(address, device=DESKTOP, role="auditor", **different):
        page = await open_page(address, device, **different)
        await page.locator("#token").fill(token_of(service, role))
        await page.get_by_role("button", name="Sign in").click()
        await page.wait_for_url(f"**{address}")
        return page

    return open_one


async def audited(signed_in, order, device=DESKTOP, **different):
    return await signed_in(f"/audit/{order['order_id']}", device, **different)


async def move_to(page, version):
    await page.locator("#version").focus()
    await page.keyboard.press("Home")
    for _ in range(version - 1):
        await page.keyboard.press("ArrowRight")
    await expect(page.locator("#then")).to_have_attribute("data-version", str(version))


# ------------------------------------------------------------ what auditors do


@pytest.mark.parametrize("device", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_an_order_is_found_by_its_number_and_read(signed_in, order, device):
    page = await signed_in("/audit", device)
    await page.locator("#find").fill(order["order_number"])
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("h1")).to_contain_text(f"Order {order['order_number']}")
    await expect(page.locator(".proofs")).to_contain_text(f"All {EVENTS} events are proven")
    await expect(page.locator("#story > li")).to_have_count(EVENTS)
    await expect(page.locator("#story .badge.good")).to_have_count(EVENTS)
    await expect(page.locator(f"#v{PLACED}")).to_contain_text("was placed")


async def test_the_slider_moves_in_time_as_it_is_moved(signed_in, order, service):
    page = await audited(signed_in, order)
    await expect(page.get_by_role("button", name="Show", exact=True)).to_be_hidden()
    await move_to(page, PAID)
    await expect(page.locator(".differs", has_text="details.start.day").locator("td")).to_have_text(DAYS)
    await expect(page.locator(f"#v{PAID}")).to_have_class("current")
    await expect(page.locator("#story .later")).to_have_count(EVENTS - PAID)
    assert "PaymentReceived" in await page.locator("#version").get_attribute("aria-valuetext")
    await expect(page).to_have_url(f"{service.settings.public_url}/audit/{order['order_id']}?version={PAID}")
    await page.reload()
    await expect(page.locator("#then")).to_have_attribute("data-version", str(PAID))
    await page.locator(f"#v{CORRECTED} .to").click()
    await expect(page.locator("#then")).to_have_attribute("data-version", str(CORRECTED))


async def test_without_scripts_a_button_does_the_same(signed_in, order):
    page = await audited(signed_in, order, scripts=False)
    await page.locator("#version").press("Home")
    await page.get_by_role("button", name="Show", exact=True).click()
    await expect(page.locator("#then")).to_have_attribute("data-version", "1")
    await expect(page.locator(".differs", has_text="details.start.day").locator("td")).to_have_text(DAYS)
    await page.locator(f"#v{CORRECTED} .to").click()
    await expect(page.locator("#then")).to_have_attribute("data-version", str(CORRECTED))


async def test_nobody_s_data_is_shown_sealed_or_erased(signed_in, order):
    page = await audited(signed_in, order)
    text = await page.content()
    assert "driver@example.com" not in text
    assert "1AB" not in text
    await page.locator("#then details").evaluate("each => each.open = true")
    await expect(page.locator("#then .fields > div", has_text="details.vehicle.plate")).to_contain_text(
        "sealed"
    )
    await expect(page.locator("#then .fields > div", has_text="email").first).to_contain_text("erased")


async def test_a_bundle_is_taken_along(signed_in, order):
    page = await audited(signed_in, order)
    async with page.expect_download() as waiting:
        await page.get_by_role("button", name="Export the bundle").click()
    download = await waiting.value
    path = await download.path()
    assert order["order_id"] in path.read_text(encoding="utf-8")


async def test_every_look_is_on_record_with_the_member_s_name(signed_in, order):
    page = await audited(signed_in, order)
    await move_to(page, PLACED)
    await page.get_by_role("link", name="Who looked at it").click()
    first = page.locator("tbody tr", has_text="version 1").first
    await expect(first).to_contain_text("staff:auditor")
    await expect(first).to_contain_text("history")


async def test_whoever_is_signed_out_meanwhile_is_led_to_the_way_in(browser, service, order):
    """In a browser that may complain: it is refused what its script asks for."""
    async with await browser.new_context(**DESKTOP, base_url=service.settings.public_url) as context:
        page = await context.new_page()
        await page.goto(f"/audit/{order['order_id']}")
        await page.locator("#token").fill(token_of(service, "auditor"))
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.locator("#version")).to_be_visible()
        await context.clear_cookies(name="staff")
        await page.locator("#version").press("Home")
        await expect(page.locator("#token")).to_be_visible()


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_others_of_the_staff_are_not_shown_it(open_page, service, role):
    page = await open_page("/audit", DESKTOP)
    await page.locator("#token").fill(token_of(service, role))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.locator("h1")).to_have_text("Not for your role")
    await expect(page.get_by_role("link", name="Audit")).to_have_count(0)
    await page.get_by_role("button", name="Sign out").click()
    await expect(page.locator("#token")).to_be_visible()


# ------------------------------------------------------------ how it is made


async def is_fit(page):
    """See that everybody can use all of it, what is folded as well."""
    await page.locator("details").evaluate_all("all => all.forEach(each => { each.open = true; })")
    await is_for_everybody(page)


async def test_everybody_can_use_the_pages_of_auditors(signed_in, order):
    page = await signed_in("/audit", PHONE)
    for below in ("", "/looks", "/nothing", "/{order_id}?version=1"):
        await page.goto(f"/audit{below.format(**order)}")
        await is_fit(page)


async def test_what_is_looked_for_stands_in_no_address(signed_in, service):
    page = await signed_in("/audit", PHONE)
    await page.locator("#find").fill("nobody@example.com")
    await page.get_by_role("button", name="Find").click()
    await expect(page.locator("#found-title")).to_have_text("Nothing found")
    await expect(page).to_have_url(f"{service.settings.public_url}/audit")
    await is_fit(page)


async def test_everybody_can_use_the_way_in(open_page):
    page = await open_page("/sign-in", PHONE)
    await is_fit(page)
    await page.locator("#token").fill("vst_wrong")
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("opens nothing")
    await is_fit(page)
