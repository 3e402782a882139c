"""The forms of an order's page against the running service: corrected, started, withdrawn from, readdressed."""

import asyncio
import re
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from urllib.parse import urlsplit

import httpx
import pytest

from forms import words
from order_page_helpers import filled, sent
from payment_codes import painted, scanned
from service import until
from vignettes.services.web import linked

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(autouse=True)
def patient(monkeypatch):
    """Let pages wait for the views as long as a busy machine may take."""
    monkeypatch.setattr(linked, "PATIENCE_SECONDS", 15.0)


@asynccontextmanager
async def a_browser(service):
    base = f"http://127.0.0.1:{service.settings.http_port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False, timeout=30) as http:

        async def is_there():
            with suppress(httpx.ConnectError):
                return await http.get("/healthz")

        await until(is_there)  # the roles start side by side
        yield http


def path_of(placed):
    return urlsplit(placed["manage_url"]).path


async def commands(service, order_id):
    reply = await service.ask("orders.v1.history", order_id=order_id)
    return [(event["type"], event["actor"]) for event in reply["events"]]


async def test_a_correction_shows_what_will_be_registered_and_its_price_before_it_counts(service):
    placed = await service.place()
    await service.pay(placed)
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/correct")
        preview = await sent(http, form, plate="1AB 2345", country="SK", product="CZ-30D")
        text = words(preview.text)
        assert "Is this right?" in text
        assert "<strong>1AB 2345</strong>" in preview.text
        assert "Slovakia" in text
        assert "You would still have to pay CZK 180.00. The registration waits for it." in text
        assert [each for each, _ in await commands(service, placed["order_id"])] == [
            "OrderPlaced",
            "PaymentReceived",
        ]

        answers = await asyncio.gather(*(sent(http, preview, step="confirm") for _ in range(2)))
        assert [(each.status_code, each.headers["location"]) for each in answers] == [(303, page)] * 2
        assert await commands(service, placed["order_id"]) == [
            ("OrderPlaced", "unnamed"),
            ("PaymentReceived", "unnamed"),
            ("DetailsCorrected", "customer"),
        ]
        after = words((await http.get(page)).text)
        assert "1AB 2345" in after
        assert "Still to be paid: CZK 180.00" in after

        again = await sent(http, preview, step="confirm")
        assert (again.status_code, again.headers["location"]) == (303, page)


async def test_a_form_of_an_order_that_has_changed_since_shows_the_new_state_and_asks_again(service):
    placed = await service.place()
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/correct")
        preview = await sent(http, form, plate="1AB 2345")
        await service.command("correct_details", order_id=placed["order_id"], changes={"product": "CZ-1D"})
        stale = await sent(http, preview, step="confirm")
        assert stale.status_code == 409
        assert "Your order has changed since you opened this form" in words(stale.text)
        assert (await sent(http, stale, step="confirm")).status_code == 303
    row = await service.status(placed["order_id"])
    assert (row["plate"], row["product"]) == ("1AB 2345", "CZ-10D")


@pytest.mark.case(35, 36, 40)
async def test_a_start_before_the_money_is_a_wish_and_pressed_twice_the_answer_is_the_same(service):
    placed = await service.place()
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/start")
        assert "as soon as your money is here" in words(form.text)
        pressed = [await sent(http, form) for _ in range(2)]
        assert [(each.status_code, each.headers["location"]) for each in pressed] == [(303, page)] * 2
        assert "You asked us to start at once" in words((await http.get(page)).text)
        assert await service.history(placed["order_id"]) == ["OrderPlaced", "StartWished"]

        await service.pay(placed)
        row = await service.status(placed["order_id"], "issued")
        assert row["consent_text_version"]
        again = await sent(http, form)
        assert (again.status_code, again.headers["location"]) == (303, page)
        late = words((await http.get(f"{page}/correct")).text)
        assert "The order can no longer be corrected" in late
        assert "In Czechia the driver can correct it once, with the authorisation code." in late
        issued = await http.get(page)
        assert row["vignette_number"] in words(issued.text)
        document = await http.get(f"{page}/document")
        assert document.status_code == 200
        assert document.headers["content-disposition"].startswith('attachment; filename="vignette-')
        assert document.headers["x-content-type-options"] == "nosniff"


@pytest.mark.case(35)
async def test_a_start_pressed_twice_at_once_starts_once(service):
    placed = await service.place()
    await service.pay(placed)
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/start")
        pressed = await asyncio.gather(*(sent(http, form) for _ in range(3)))
        assert {(each.status_code, each.headers["location"]) for each in pressed} == {(303, page)}
        history = await service.history(placed["order_id"])
        assert history.count("RegistrationStarted") == 1


@pytest.mark.case(33)
async def test_another_address_renews_the_link_and_leads_to_the_new_page(service):
    """Pressed twice it leads there twice; whoever keeps the old link finds nothing."""
    placed = await service.place(email="wrogn@example.com")
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/email")
        assert "wrogn@example.com" in words(form.text)
        pressed = await asyncio.gather(*(sent(http, form, email="right@example.com") for _ in range(2)))
        [new] = {each.headers["location"] for each in pressed}
        assert new != page
        assert (await sent(http, form, email="right@example.com")).headers["location"] == new
        assert (await sent(http, form, email="third@example.com")).status_code == 404
        assert (await http.get(page)).status_code == 404
        assert "They go to right@example.com." in words((await http.get(new)).text)
    mails = await service.inbox(lambda all_: len({m["headers"]["X-Mail-Kind"] for m in all_}) > 1)
    assert {"address_changed", "placed"} <= {m["headers"]["X-Mail-Kind"] for m in mails}


async def test_a_withdrawal_takes_two_steps_gives_the_money_back_and_is_acknowledged(service):
    placed = await service.place()
    await service.pay(placed)
    page = path_of(placed)
    async with a_browser(service) as http:
        assert "Withdraw from the contract here" in words((await http.get(page)).text)
        statement = await http.get(f"{page}/withdraw")
        text = words(statement.text)
        assert placed["order_number"] in text
        assert "We confirm the receipt at once, with its day and time, to driver@example.com." in text
        assert "Confirm withdrawal" in text
        done = await sent(http, statement, name="A. Driver")
        assert (done.status_code, done.headers["location"]) == (303, page)
        after = words((await http.get(page)).text)
        assert "You have withdrawn from the contract" in after
        assert "We return CZK 399.00 to you." in after
        assert (await sent(http, statement)).headers["location"] == page
    assert "OrderWithdrawn" in await service.history(placed["order_id"])
    await service.mail_kinds("withdrawn")


async def test_after_the_start_a_withdrawal_is_told_why_not(service):
    placed = await service.place()
    await service.pay(placed)
    page = path_of(placed)
    async with a_browser(service) as http:
        statement = await http.get(f"{page}/withdraw")
        await service.command("start_registration", order_id=placed["order_id"])
        late = await sent(http, statement)
        assert late.status_code == 409
        assert "You can no longer withdraw here" in words(late.text)
        assert "Nothing was changed" in words(late.text)
        assert "OrderWithdrawn" not in await service.history(placed["order_id"])


async def test_a_day_that_has_passed_since_it_was_chosen_is_told_beside_its_field(service):
    """And stays there, as it was typed."""
    placed = await service.place()
    page = path_of(placed)
    async with a_browser(service) as http:
        form = await http.get(f"{page}/correct")
        day = (await service.day(0)).isoformat()
        preview = await sent(http, form, day=day)
        assert "Is this right?" in words(preview.text)
        await service.advance(days=1)
        refused = await sent(http, preview, step="confirm")
        assert refused.status_code == 422
        earliest = (await service.now() + timedelta(hours=1)).date()
        assert f"This vignette can begin on {earliest.day} Mar {earliest.year} at the earliest." in words(
            refused.text
        )
        assert filled(refused)["day"] == day


async def test_the_link_of_a_reply_opens_the_page_and_a_renewed_one_closes_it(service):
    """At once: nobody has to wait for the views, and the old link is void when the reply says so."""
    placed = await service.place()
    corrected = await service.command("correct_email", order_id=placed["order_id"], email="right@example.com")
    async with a_browser(service) as http:
        answers = [await http.get(path_of(each)) for each in (corrected, placed)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert placed["order_number"] in answers[0].text
    [code] = re.findall(r"<svg.*?</svg>", answers[0].text, re.DOTALL)
    assert scanned(painted(code)) == placed["payment"]["spayd"]
