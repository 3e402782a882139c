"""What customers do on the page of their order, with a phone in their hand: in a real browser, on the whole service."""

import re

import pytest
from playwright.async_api import Page, expect

from accessible import is_for_everybody
from browsing import DESKTOP
from order_states import issued, scheduled, unreachable
from service import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
#: In the suite the other way is gone where it counts most; `make thorough` goes it everywhere.
without_scripts = pytest.param(False, id="no scripts", marks=pytest.mark.thorough)
with_and_without_scripts = pytest.mark.parametrize(
    "scripts", [pytest.param(True, id="scripts"), without_scripts]
)

LINK = re.compile(r"http://127\.0\.0\.1:\d+/o/\S+")


async def the_mail(service, placed, kind):
    """Return an order's mail of a kind, once it has arrived."""

    def wanted(mail):
        head = mail["headers"]
        return (head["X-Mail-Kind"], head.get("X-Order-Number")) == (kind, placed["order_number"])

    messages = await service.inbox(lambda all_: any(map(wanted, all_)))
    return next(filter(wanted, messages))


async def headline(page: Page, text: str):
    await expect(page.get_by_role("heading", level=1)).to_have_text(text)


async def press(page: Page, name: str):
    await page.get_by_role("button", name=name).click()


async def follow(page: Page, name: str):
    await page.get_by_role("link", name=name).first.click()


async def recorded(service, placed):
    return await service.history(placed["order_id"])


# --- finding an order


@with_and_without_scripts
async def test_a_lost_link_is_mailed_to_whoever_knows_plate_and_address(service, open_page, scripts):
    placed = await service.place(vehicle={"country": "DE", "plate": f"HH-BR {scripts + 471}"})
    page = await open_page("/", scripts=scripts)
    await page.get_by_role("combobox", name="Country of registration").select_option("DE")
    await page.get_by_role("textbox", name="Number plate").fill(f"hh br{scripts + 471}")
    await page.get_by_role("textbox", name="E-mail address").fill("driver@example.com")
    await page.get_by_role("button", name="Send me the link").first.click()
    await headline(page, "Please look into your mailbox")
    mail = await the_mail(service, placed, "link")
    await page.goto(LINK.search(mail["text"])[0])
    await headline(page, "Waiting for your payment")
    await expect(page.get_by_text(placed["order_number"]).first).to_be_visible()


@pytest.mark.thorough
@pytest.mark.case(31)
@with_and_without_scripts
async def test_whoever_mistyped_the_address_opens_the_page_by_the_payments_reference(
    service, open_page, scripts
):
    plate = f"HH-TY {scripts + 471}"
    placed = await service.place(vehicle={"country": "DE", "plate": plate}, email="drivr@example.com")
    page = await open_page("/", scripts=scripts)
    await page.get_by_text("Our e-mails do not reach you?").click()
    form = page.locator("form", has=page.get_by_role("button", name="Open my order"))
    await form.get_by_label("Country of registration").select_option("DE")
    await form.get_by_label("Number plate").fill(plate)
    await form.get_by_label("Day of the order").fill((await service.day(0)).isoformat())
    await form.get_by_label("Payment reference").fill(placed["payment"]["variable_symbol"])
    await press(page, "Open my order")
    await headline(page, "Waiting for your payment")


@pytest.mark.thorough
async def test_a_stranger_sees_the_same_page_whatever_is_found(service, open_page):
    """To the letter, but for the secrets of the forms."""
    vehicle = {"country": "DE", "plate": "HH-ST 471"}
    await service.place(vehicle=vehicle)
    seen = []
    for plate in (vehicle["plate"], "HH-NO 471"):
        page = await open_page("/")
        await page.get_by_role("combobox", name="Country of registration").select_option("DE")
        await page.get_by_role("textbox", name="Number plate").fill(plate)
        await page.get_by_role("textbox", name="E-mail address").fill("driver@example.com")
        await page.get_by_role("button", name="Send me the link").first.click()
        await headline(page, "Please look into your mailbox")
        seen.append(await page.locator("main").inner_text())
    assert seen[0] == seen[1]


# --- correcting it


@pytest.mark.thorough
@with_and_without_scripts
async def test_a_mistyped_plate_is_corrected(service, open_page, scripts):
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    await follow(page, "Correct the order")
    await page.get_by_label("Number plate").fill("1AB 2367")
    await page.get_by_role("button").first.click()
    await headline(page, "Is this right?")
    assert "DetailsCorrected" not in await recorded(service, placed)
    await press(page, "Yes, change my order")
    await headline(page, "Paid. We do the rest.")
    await expect(page.locator(".plate strong").first).to_have_text("1AB 2367")
    assert (await recorded(service, placed)).count("DetailsCorrected") == 1


@pytest.mark.thorough
@with_and_without_scripts
async def test_what_a_dearer_vignette_costs_is_shown_before_it_counts(service, open_page, scripts):
    """CZK 399 are paid; thirty days cost 180 more."""
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    await follow(page, "Correct the order")
    await page.locator("select[name=product]").select_option("CZ-30D")
    await page.get_by_role("button").first.click()
    await expect(page.get_by_text("You would still have to pay CZK 180.00.")).to_be_visible()
    assert "DetailsCorrected" not in await recorded(service, placed)
    await press(page, "No, go back")
    await expect(page.locator("select[name=product]")).to_have_value("CZ-30D")
    await page.get_by_role("button").first.click()
    await press(page, "Yes, change my order")
    await headline(page, "A part of the payment is missing")
    await expect(page.get_by_role("heading", name="CZK 180.00")).to_be_visible()


@pytest.mark.thorough
@pytest.mark.case(40)
async def test_once_it_is_registered_the_page_says_why_not_and_what_is_still_possible(service, open_page):
    placed = await issued(service)
    page = await open_page(placed["manage_url"] + "/correct")
    await headline(page, "The order can no longer be corrected")
    await expect(page.get_by_text("authorisation code").first).to_be_visible()


# --- starting it


@pytest.mark.thorough
@pytest.mark.case(34)
@with_and_without_scripts
async def test_the_link_to_start_at_once_only_opens_what_a_button_then_does(service, open_page, scripts):
    placed = await scheduled(service)
    mail = await the_mail(service, placed, "paid")
    start = next(link for link in LINK.findall(mail["text"]) if link.endswith("/start"))
    page = await open_page(start, scripts=scripts)
    await expect(page.get_by_text("you can no longer withdraw from the contract")).to_be_visible()
    assert "RegistrationStarted" not in await recorded(service, placed)
    await press(page, "Start at once")
    await expect(page).to_have_url(placed["manage_url"])
    assert (await recorded(service, placed)).count("RegistrationStarted") == 1


@pytest.mark.case(35)
@with_and_without_scripts
async def test_starting_in_two_windows_starts_once(service, open_page, scripts):
    """And with a double click in each."""
    placed = await scheduled(service)
    first = await open_page(placed["manage_url"] + "/start", scripts=scripts)
    second = await first.context.new_page()
    await second.goto(placed["manage_url"] + "/start")
    for page in (first, second):
        await page.get_by_role("button", name="Start at once").dblclick()
        await expect(page).to_have_url(placed["manage_url"])
    await service.status(placed["order_id"], "issued")
    assert (await recorded(service, placed)).count("RegistrationStarted") == 1


@pytest.mark.thorough
@pytest.mark.case(36)
async def test_a_start_before_the_payment_is_kept_as_a_wish(service, open_page):
    placed = await service.place()
    page = await open_page(placed["manage_url"])
    await follow(page, "Start at once")
    await press(page, "Start at once")
    await expect(page.get_by_text("You asked us to start at once")).to_be_visible()
    await service.pay(placed)
    await headline(page, "Registered")


# --- withdrawing


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_withdrawing_takes_two_steps_and_is_acknowledged_by_mail(service, open_page, scripts):
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    if scripts:  # axe is one
        await is_for_everybody(page)
    await follow(page, "Withdraw from the contract here")
    await expect(page.get_by_text("You get CZK 399.00 back")).to_be_visible()
    assert "OrderWithdrawn" not in await recorded(service, placed)
    await press(page, "Confirm withdrawal")
    await headline(page, "You have withdrawn from the contract")
    await expect(page.get_by_text("We return CZK 399.00 to you")).to_be_visible()
    mail = await the_mail(service, placed, "withdrawn")
    assert "399.00" in mail["text"]
    assert (await recorded(service, placed)).count("OrderWithdrawn") == 1


# --- following it


@pytest.mark.thorough
async def test_an_open_page_changes_with_the_order_and_is_not_loaded_again(service, open_page):
    placed = await service.place()
    page = await open_page(placed["manage_url"])
    await page.evaluate("window.isStillTheSame = true")
    await headline(page, "Waiting for your payment")
    await service.pay(placed)
    await headline(page, "Paid. We do the rest.")
    await expect(page.get_by_role("status")).to_have_text("Paid. We do the rest.")
    await service.command("start_registration", order_id=placed["order_id"])
    await headline(page, "Registered")
    assert await page.evaluate("window.isStillTheSame")


@pytest.mark.thorough
async def test_without_scripts_loading_it_again_shows_what_is_new(service, open_page):
    placed = await service.place()
    page = await open_page(placed["manage_url"], scripts=False)
    await service.pay(placed)
    await headline(page, "Waiting for your payment")
    await page.reload()
    await headline(page, "Paid. We do the rest.")


@pytest.mark.thorough
async def test_what_somebody_types_stays_while_the_page_around_it_changes(service, open_page):
    """Not a letter is lost, nor the place where the next one goes."""
    placed = await unreachable(service)
    page = await open_page(placed["manage_url"])
    box = page.get_by_label("Your e-mail address")
    await box.press_sequentially("right@")
    await service.command("start_registration", order_id=placed["order_id"])
    await headline(page, "Registered")
    await page.keyboard.type("example.com")
    await expect(box).to_have_value("right@example.com")


@pytest.mark.thorough
async def test_a_page_whose_link_was_renewed_elsewhere_says_so(service, open_page):
    placed = await service.place()
    page = await open_page("/")
    async with page.expect_response("**/events"):
        await page.goto(placed["manage_url"])
    await service.command("correct_email", order_id=placed["order_id"], email="other@example.com")
    await expect(page.get_by_text("The link of this page was replaced by a new one.")).to_be_visible()


# --- its address, and support


@pytest.mark.thorough
@pytest.mark.case(33)
@with_and_without_scripts
async def test_another_address_gets_the_mails_and_the_page_goes_on_by_its_new_link(
    service, open_page, scripts
):
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    await follow(page, "Change the e-mail address")
    await page.get_by_label("New e-mail address").fill(f"new{scripts:d}@example.com")
    await press(page, "Use this address")
    await headline(page, "Paid. We do the rest.")
    assert page.url != placed["manage_url"]

    async def sent_again():
        found = await service.ask("sandbox.v1.inbox", to=f"new{scripts:d}@example.com")
        return any(page.url in LINK.findall(mail["text"]) for mail in found["messages"])

    await until(sent_again)


@pytest.mark.thorough
@pytest.mark.case(52)
@with_and_without_scripts
async def test_an_address_whose_mails_come_back_is_corrected_where_it_is_told(service, open_page, scripts):
    placed = await unreachable(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    await expect(page.get_by_role("heading", name="Our e-mails do not reach you")).to_be_visible()
    await page.get_by_label("Your e-mail address").fill("right@example.com")
    await press(page, "Use this address")
    await headline(page, "Paid. We do the rest.")
    await expect(page.get_by_role("heading", name="Our e-mails do not reach you")).to_have_count(0)


@pytest.mark.thorough
@with_and_without_scripts
async def test_support_knows_from_the_page_what_a_question_is_about(service, open_page, scripts):
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], scripts=scripts)
    await follow(page, "Write to us here")
    await expect(page.get_by_label("Your e-mail address")).to_have_value("driver@example.com")
    await page.get_by_label("How can we help?").fill("May I take a trailer along?")
    await press(page, "Send")
    await headline(page, "We have your request")
    cases = await service.ask("support.v1.cases", order_id=placed["order_id"])
    [case] = cases["cases"]
    assert (case["message"], case["plate"]) == (
        "May I take a trailer along?",
        await plate_of(service, placed),
    )


@pytest.mark.thorough
@pytest.mark.case(56)
@with_and_without_scripts
async def test_support_takes_a_question_of_somebody_who_knows_next_to_nothing(service, open_page, scripts):
    page = await open_page("/support", scripts=scripts)
    await page.get_by_label("How can we help?").fill(f"Where is my order? ({scripts})")
    await press(page, "Send")
    await expect(page.get_by_role("alert")).to_be_visible()
    await page.get_by_label("Your e-mail address").fill("lost@example.com")
    await press(page, "Send")
    await headline(page, "We have your request")

    async def listed():  # by a view, a moment after the answer
        cases = await service.ask("support.v1.cases")
        return f"Where is my order? ({scripts})" in [case["message"] for case in cases["cases"]]

    assert await until(listed)


async def plate_of(service, placed):
    return (await service.status(placed["order_id"]))["plate"]


# --- by keyboard


async def tab_to(page: Page, selector: str):
    """Press Tab until something of this selector has the focus, as somebody would who looks for it."""
    for _ in range(60):
        await page.keyboard.press("Tab")
        if await page.locator(f":focus:is({selector})").count():
            return
    pytest.fail(f"Tab does not come to {selector}")


@pytest.mark.thorough
async def test_a_plate_is_corrected_without_a_mouse(service, open_page):
    placed = await scheduled(service)
    page = await open_page(placed["manage_url"], DESKTOP)
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_text("Skip to the content")
    await page.keyboard.press("Enter")
    await tab_to(page, "a[href$='/correct']")
    await page.keyboard.press("Enter")
    await tab_to(page, "[name=plate]")
    await page.keyboard.press("ControlOrMeta+A")
    await page.keyboard.type("1AB 2367")
    await page.keyboard.press("Enter")
    await headline(page, "Is this right?")
    await tab_to(page, "[value=confirm]")
    await page.keyboard.press("Enter")
    await expect(page.locator(".plate strong").first).to_have_text("1AB 2367")
