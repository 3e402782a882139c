"""The page for people on duty in a real browser: up to date by itself, and of use with scripts or without."""

import pytest
import pytest_asyncio
from playwright.async_api import expect

from accessible import is_for_everybody
from browsing import DESKTOP, PHONE
from ops_states import one_of_each
from order_states import on_hold, refund_pending
from service import until
from staff_helpers import token_of

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]

#: Lets what is sent end otherwise; of an answer that really fails a browser would complain in its console.
_SENT = """(ends) => {
    const ENDS = {
        refused: async () => new Response("", { status: 403 }),
        cut: async () => { throw new Error("cut"); },
    };
    window.known = window.fetch;
    window.fetch = (address, how) => how.method === "POST" ? ENDS[ends]() : window.known(address, how);
}"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def waiting(service):
    """Give one order of each kind that waits for somebody."""
    return await one_of_each(service)


@pytest_asyncio.fixture(loop_scope="module")
async def open_ops(service, open_page):
    """Give what opens the page for the member of a role."""

    async def open_one(role="operator", device=DESKTOP, *, scripts=True):
        page = await open_page("/sign-in?to=/ops", device, scripts=scripts)
        await page.locator("[name=token]").fill(token_of(service, role))
        await page.locator("main button").first.click()
        await expect(page.locator("h1")).to_have_text("Operations")
        return page

    return open_one


async def test_everybody_can_use_it(waiting, open_ops):
    page = await open_ops(device=PHONE)
    await expect(page.locator("#returned li").first).to_be_visible()
    await is_for_everybody(page)


@pytest.mark.parametrize("where", ["#cases h3 a", "#money h3 a", "#held h3 a"])
async def test_everybody_can_use_what_it_leads_to(waiting, open_ops, where):
    page = await open_ops(device=PHONE)
    await page.locator(where).first.click()
    await expect(page.locator("main p a").first).to_have_text("Operations")
    await is_for_everybody(page)


async def test_what_waits_appears_by_itself(service, open_ops):
    """Without a click, and what somebody has opened stays open meanwhile."""
    page = await open_ops()
    await page.locator("#due-table summary").click()
    held = await on_hold(service)
    entry = page.locator(f"[id='held-{held['order_id']}']")
    await expect(entry).to_contain_text(held["order_number"])
    await expect(page.locator("#due-table table")).to_be_visible()
    await expect(page.locator("#live")).to_have_text("live")


async def test_what_is_typed_is_not_taken_away(service, waiting, open_ops):
    """While the page goes on looking, and another list grows."""
    page = await open_ops()
    await page.locator("#money summary").first.click()
    await page.locator("#money [name=order]").first.fill("V65")
    held = await on_hold(service)
    await expect(page.locator(f"[id='held-{held['order_id']}']")).to_be_visible()
    await expect(page.locator("#money [name=order]").first).to_have_value("V65")


@pytest.mark.parametrize("scripts", [True, False])
async def test_what_is_pressed_is_done(service, open_ops, scripts):
    """Beside the entry stands why not, and above all what was done, once the entry is gone."""
    placed = await refund_pending(service)
    page = await open_ops(scripts=scripts)
    entry = page.locator(f"[id='refunds-{placed['order_id']}.refund']")
    if (
        not scripts
    ):  # one look is for all, and a few seconds old at the most: the page is loaded anew until it has come
        await until(lambda: _is_there_anew(page, entry))
    await entry.get_by_role("button", name="Approve", exact=True).click()
    await expect(entry.locator(".notice")).to_contain_text("account")
    await entry.locator("summary").click()
    await entry.locator("[name=account]").fill("CZ6508000000192000145399")
    await entry.get_by_role("button", name="Approve to another account").click()
    await expect(page.locator("#notice")).to_contain_text("Approved")
    await expect(page.locator("#notice")).to_contain_text(placed["order_number"])
    await expect(entry).to_have_count(0)


async def test_a_form_that_is_not_taken_says_so_beside_it(service, open_ops):
    """And what was typed is still there to be read."""
    placed = await refund_pending(service)
    page = await open_ops()
    entry = page.locator(f"[id='refunds-{placed['order_id']}.refund']")
    await entry.locator("summary").click()
    await entry.locator("[name=account]").fill("CZ65 typed")
    await page.evaluate(_SENT, "refused")
    await entry.get_by_role("button", name="Approve to another account").click()
    await expect(entry.locator(".notice")).to_contain_text("nothing was done")
    await expect(entry.locator("[name=account]")).to_have_value("CZ65 typed")


async def test_without_an_answer_the_same_form_waits_to_be_pressed_again(service, open_ops):
    """Whatever the board shows meanwhile: a fresh form would be another command."""
    first = await on_hold(service)
    page = await open_ops()
    entry = page.locator(f"[id='held-{first['order_id']}']")
    button = entry.get_by_role("button", name="Release")
    command = await entry.locator("[name=command_id]").input_value()
    await page.evaluate(_SENT, "cut")
    await button.click()
    await expect(entry.locator(".notice")).to_contain_text("press again")
    await page.evaluate("() => { window.fetch = window.known }")
    await refund_pending(service)
    await expect(page.locator("#wanted")).to_contain_text("Refunds to approve")
    await expect(entry.locator("[name=command_id]")).to_have_value(command)
    await button.click()
    await expect(page.locator("#notice")).to_contain_text("Released")


async def _is_there_anew(page, entry):
    await page.reload()
    return await entry.count()


async def test_two_days_ahead_are_looked_at_by_a_link(open_ops):
    page = await open_ops(scripts=False)
    await page.locator(".choice a").click()
    await expect(page.locator("#due-title")).to_have_text("Due in the next 48 hours")


async def test_a_viewer_is_shown_what_waits_without_buttons(waiting, open_ops):
    page = await open_ops("viewer")
    await expect(page.locator("#held li").first).to_be_visible()
    await expect(page.locator("main button")).to_have_count(0)
