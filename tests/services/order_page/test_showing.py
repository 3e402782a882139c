"""What the page of an order shows, over real HTTP and on a real database: each state in words, with the ways out."""

import re

import pytest
from stdnum import iban as ibans

from eventstore_helpers import DAY, HOUR, NOON, an_order, an_outage, ask, details, erase, issue, pay, start
from forms import words
from order_page_helpers import CONTACT, LINKS, PAYEE, link
from payment_codes import epc_fields, painted, scanned, spayd_fields
from vignettes.domain.details import Details, Document, Status, Vignette
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.references import creditor_reference, number_from_serial, parse_number, variable_symbol
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.orders import order_id_of
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.services.mails.language import LOCALES, Language
from vignettes.services.web.app import HEADERS
from vignettes.services.web.rendering import rendered


def in_french(serial=1_000_001):
    number = number_from_serial(serial)
    return Order.place(
        order_id_of(number),
        number=number,
        details=details(),
        email="driver@example.com",
        language="fr",
        at=NOON,
    )


def refunded(order):
    order.request_refund("customer", NOON + HOUR)
    order.confirm_refund("back", order.refund, NOON + HOUR)
    return order


def codes(page):
    """Return what banking apps read on a page."""
    return [scanned(painted(svg)) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


async def test_an_unpaid_order_shows_how_to_pay_exactly_the_price(shown):
    order = an_order()
    answer = await shown(order)
    text = words(answer.text)
    assert answer.status_code == 200
    assert f"Order {order.number}" in text
    assert "Waiting for your payment" in text
    assert "<strong>2A2 2345</strong>" in answer.text
    assert "Still to be paid: CZK 399.00" in text
    for told in ("CZ65 0800 0000 1920 0014 5399", variable_symbol(order.number), PAYEE.name):
        assert told in text
    assert creditor_reference(order.number) in text
    [code] = codes(answer.text)
    fields = spayd_fields(code)
    assert ibans.validate(fields["ACC"]) == ibans.compact(EXAMPLE_IBAN)
    assert (fields["AM"], fields["CC"]) == ("399.00", "CZK")
    assert parse_number(fields["X-VS"]) == order.number


async def test_after_a_part_of_the_money_page_and_code_ask_for_the_exact_rest(shown):
    answer = await shown(pay(an_order(), 10_050))
    text = words(answer.text)
    assert "A part of the payment is missing" in text
    assert "We have received CZK 100.50 of CZK 399.00." in text
    assert "Still to be paid: CZK 298.50" in text
    [code] = codes(answer.text)
    assert spayd_fields(code)["AM"] == "298.50"


async def test_euros_are_asked_for_by_the_code_of_the_payments_council(shown):
    order = an_order(details(product="SK-10D"))
    [code] = codes((await shown(order)).text)
    fields = epc_fields(code)
    assert fields["amount"] == f"EUR{order.price.total.amount / 100:.2f}"
    assert (ibans.validate(fields["iban"]), fields["name"]) == (ibans.compact(EXAMPLE_IBAN), PAYEE.name)
    assert parse_number(fields["reference"]) == order.number


async def test_a_currency_without_a_code_is_paid_by_what_is_written(shown):
    answer = await shown(an_order(details(product="HU-10D")))
    assert "Still to be paid: HUF" in words(answer.text)
    assert codes(answer.text) == []


async def test_a_paid_order_asks_for_nothing(shown):
    order = pay(an_order())
    answer = await shown(order)
    assert "Paid" in words(answer.text)
    assert "We register your vehicle with the toll authority on 7 Jun 2026, 12:00 (Europe/Prague)." in words(
        answer.text
    )
    assert codes(answer.text) == []
    assert "IBAN" not in answer.text


async def test_the_page_speaks_the_language_of_the_order(shown):
    answer = await shown(in_french())
    assert '<html lang="fr">' in answer.text
    assert "Reste à payer : 399,00 CZK" in words(answer.text)
    assert "Nous attendons votre paiement" in words(answer.text)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("language", LOCALES)
def test_every_status_is_told_in_words(status, language):
    """And in other words than every other."""
    amounts = {"paid": Money(1, "CZK"), "price_total": Money(2, "CZK"), "refund": None}
    facts = {**amounts, "due_at": None, "withdrawn_at": None, "start_wished": False, "zone": "Europe/Prague"}

    def headline(of):
        text = rendered("order_status.html", Language.best_for(language), facts | {"status": of})
        [found] = re.findall("<h1[^>]*>(.*)</h1>", text)
        return found

    assert [each for each in Status if headline(each) == headline(status)] == [status]


# ------------------------------------------------------------ what happens when, and why then


def steps(page):
    """Return the steps of an order's way as they are read."""
    return [words(each) for each in re.findall(r"<li class=\"(?:done|now|next)\".*?</li>", page, re.DOTALL)]


async def test_the_way_of_a_paid_order_is_told_with_local_times_and_why_it_starts_then(shown):
    page = (await shown(pay(an_order()))).text
    why = "12 hours before the vignette begins, so that you can correct your order for as long as possible."
    assert steps(page) == [
        "Order placed (done) 1 Jun 2026, 12:00 (Europe/Prague)",
        "Payment has arrived (done) 1 Jun 2026, 12:00 (Europe/Prague)",
        f"Registration starts 7 Jun 2026, 12:00 (Europe/Prague) {why}",
        "Registered with the toll authority",
        "Vignette begins 8 Jun 2026, 00:00 (Europe/Prague)",
        "Vignette ends 17 Jun 2026, 23:59 (Europe/Prague)",
    ]
    assert page.count('aria-current="step"') == 1
    assert 'data-until="2026-06-07T10:00:00+00:00"' in page


@pytest.mark.case(9)
async def test_cover_that_would_begin_with_its_registration_is_told_so_from_its_day_on(shown, http, database):
    """Whatever day it was ordered on; once it has started, by what there was then."""
    tomorrow = an_order(details(1))
    assert "Vignette begins 2 Jun 2026, 00:00" in " ".join(steps((await shown(tomorrow)).text))
    ask(database, "UPDATE clock.shift SET ahead = ahead + '1 day'")
    page = (await http.get(link(tomorrow))).text
    assert "Vignette begins at the moment of registration" in " ".join(steps(page))
    assert "Valid from the moment of registration" in words(page)
    assert "Valid from the moment of registration" in words((await http.get(link(tomorrow) + "/start")).text)

    in_time = start(pay(an_order(details(1))))
    assert "Vignette begins 2 Jun 2026, 00:00" in " ".join(steps((await shown(in_time)).text))


async def test_each_rule_is_told_in_words(shown):
    for order, why in (
        (pay(an_order(details(0))), "The vignette begins so soon that we start within five minutes"),
        (pay(an_order(details(40, "AT-1Y"))), "wants this vignette to be bought 18 days before it begins."),
        (pay(an_order(details(183, "CH-1Y"))), "The toll authority does not sell this vignette earlier."),
        (
            pay(an_order(), outages=[an_outage(NOON + 6 * DAY)]),
            "announced an outage, and we start before it.",
        ),
        (start(pay(an_order())), "At once, as you asked us to."),
    ):
        assert why in words((await shown(order)).text)


async def test_the_way_of_a_withdrawn_order_ends_with_the_money(shown):
    order = pay(an_order())
    order.withdraw(None, NOON + HOUR)
    page = (await shown(order)).text
    assert [each.partition(" 1 Jun")[0] for each in steps(page)] == [
        "Order placed (done)",
        "Payment has arrived (done)",
        "Withdrawal received (done)",
        "Money returned to you on its way, a few working days",
    ]
    assert "We received your withdrawal on 1 Jun 2026, 13:00 (Europe/Prague)" in words(page)
    assert "Withdraw from the contract here" not in page


# ------------------------------------------------------------ what needs the driver


async def test_letters_and_digits_that_look_alike_are_named(shown):
    odd = Details("CZ-10D", Vehicle.of("DE", "B-OI 1808"), Start((NOON + 7 * DAY).date()))
    text = words((await shown(pay(an_order(odd)))).text)
    assert "Character 4 is the digit 1. Might it be the letter I?" in text
    assert "Please look at the plate once more" in text


async def test_a_held_order_is_asked_on_the_page_itself(shown):
    late = pay(an_order(details(1)), at=NOON + 3 * DAY)
    answer = await shown(late)
    text = words(answer.text)
    assert "The day on which your vignette was to begin has passed" in text
    assert f'href="{link(late)}/correct">Choose a new start' in answer.text
    assert f'href="{link(late)}/withdraw">Ask for your money back: CZK\xa0399.00' in answer.text
    assert "our last e-mail" not in text


async def test_a_rejected_order_says_why_until_when_and_what_can_be_done(shown):
    order = start(pay(an_order()))
    order.record_rejection("plate_not_accepted", "Plate <b>unknown</b> to us", order.generation, NOON + HOUR)
    answer = await shown(order)
    text = words(answer.text)
    assert "The authority did not accept the plate." in text
    assert "The authority gave this reason: “Plate <b>unknown</b> to us”" in text
    assert "Please do so by 8 Jun 2026, 00:00 (Europe/Prague)." in text
    for way in ("correct", "withdraw", "support"):
        assert f'href="{link(order)}/{way}"' in answer.text


@pytest.mark.case(52)
async def test_mails_that_come_back_are_told_with_the_form_for_another_address(shown, http):
    order = pay(an_order())
    order.note_returned_mail(1, "placed", "permanent", "5.1.1", NOON + HOUR)
    answer = await shown(order)
    text = words(answer.text)
    assert "Our e-mails do not reach you" in text
    assert "The address driver@example.com does not take our e-mails." in text
    assert f'action="{link(order)}/email"' in answer.text
    assert "set-cookie" in answer.headers

    order.correct_email("right@example.com", NOON + 2 * HOUR)
    answer = await shown(order)
    assert "Our e-mails do not reach you" not in answer.text
    assert "set-cookie" not in answer.headers


@pytest.mark.case(28, 29)
async def test_money_that_was_taken_back_is_asked_for_by_what_has_become_of_the_order(shown):
    """By a bank or by ourselves: the page blames nobody, and promises no vignette where there is none."""
    stays, goes_on = "your vignette stays valid, so please pay", "and goes on, so please pay this amount"
    back = "We had returned your money by then, so please pay this amount back."
    for order, title, said in (
        (issue(start(pay(an_order(), payment_id="lost"))), "Still to be paid: CZK 399.00", stays),
        (start(pay(an_order(), payment_id="lost")), "Still to be paid: CZK 399.00", goes_on),
        (refunded(pay(an_order(), payment_id="lost")), "Please pay back: CZK 399.00", back),
    ):
        order.reverse_payment("lost", NOON + DAY)
        text = words((await shown(order)).text)
        assert title in text
        assert variable_symbol(order.number) in text
        assert [each for each in (stays, goes_on, back) if each in text] == [said]
        assert "the company of your card" not in text
        assert "Taken back by your bank" not in text


async def test_a_rejected_order_whose_money_was_taken_back_asks_for_no_money_and_offers_none(shown):
    order = start(pay(an_order(), payment_id="lost"))
    order.record_rejection("plate_not_accepted", "unknown", order.generation, NOON + HOUR)
    order.reverse_payment("lost", NOON + 2 * HOUR)
    answer = await shown(order)
    text = words(answer.text)
    assert "The authority did not accept the plate." in text
    assert "Ask for your money back" not in text
    assert "we return your money" not in text
    assert "IBAN" not in text
    assert codes(answer.text) == []


# ------------------------------------------------------------ the vignette, the money, the mails, support


async def test_an_issued_vignette_is_shown_with_code_document_and_what_the_country_still_allows(shown):
    order = start(pay(an_order()))
    document = Document("application/pdf", 1234, "0" * 64)
    issued = Vignette("CZ-0001", "ref", NOON, NOON + 10 * DAY, "AUTH-77", document)
    order.record_issue(issued, order.generation, NOON + HOUR)
    answer = await shown(order)
    text = words(answer.text)
    assert "Authorisation code AUTH-77" in text
    assert "In Czechia the driver can correct it once, with the authorisation code." in text
    assert f'href="{link(order)}/document" download>' in answer.text
    assert "the order can no longer be cancelled" in text


async def test_official_price_and_fee_stand_apart_and_what_is_over_is_on_its_way_back(shown):
    text = words((await shown(pay(an_order(), 50_000))).text)
    assert (
        "Official price CZK 300.00 Service fee CZK 99.00 Total CZK 399.00 Received from you CZK 500.00"
        in text
    )
    assert "Paid too much, on its way back to you CZK 101.00" in text


@pytest.mark.case(52)
async def test_a_mail_that_was_sent_and_came_back_is_told_as_that(shown, http, database):
    """What somebody only called spam did arrive."""
    order = pay(an_order())
    await shown(order)
    came_back = "UPDATE effect.mails SET sent_at = called_at, attempts = 1, returned_at = called_at, "
    ask(database, came_back + "return_kind = 'permanent' WHERE kind = 'placed'")
    ask(database, came_back + "return_kind = 'complaint' WHERE kind = 'paid'")
    text = words((await http.get(link(order))).text)
    assert "How to pay came back" in text
    assert "Your payment has arrived sent 1 Jun 2026, 12:00 (Europe/Prague)" in text


async def test_mails_are_told_by_their_kind_and_whether_they_have_left(shown, http, database):
    order = pay(an_order())
    await shown(order)
    ask(database, "UPDATE effect.mails SET sent_at = called_at, attempts = 1 WHERE kind = 'placed'")
    ask(database, "UPDATE effect.mails SET attempts = 3 WHERE kind = 'paid'")
    text = words((await http.get(link(order))).text)
    assert "How to pay sent 1 Jun 2026, 12:00 (Europe/Prague)" in text
    assert "Your payment has arrived not taken by your mail server yet, we try again" in text


async def test_support_is_one_step_away_with_the_particulars_filled_in(shown):
    order = pay(an_order())
    page = (await shown(order)).text
    assert f'href="{link(order)}/support"' in page
    [mail] = re.findall(r'href="(mailto:[^"]*)"', page)
    [chat] = re.findall(r'href="(https://wa\.me/[^"]*)"', page)
    assert mail.startswith(f"mailto:{CONTACT.email}?subject={order.number}")
    for particular in (order.number, "2A2%202345", "driver%40example.com", "1%20Jun%202026"):
        assert particular in mail
        assert particular in chat


async def test_what_a_driver_typed_is_shown_and_never_obeyed(shown, database, http, vault):
    """No plate like this is taken down; should one come in by another way, it is a text on every page."""
    order = an_order()
    await shown(order)
    sealed = vault.shown(order.id, DataClass.VEHICLE, "<script>alert(1)</script>")
    ask(database, "UPDATE view.order_status SET plate = %s::bytea", sealed)
    for below in ("", "/correct", "/start", "/withdraw"):
        answer = await http.get(link(order) + below)
        assert answer.status_code == 200
        assert "<script>" not in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in answer.text


async def test_a_page_needs_nothing_from_elsewhere_and_stays_between_us(shown, http):
    """No inline scripts or styles, nothing of other sites; not kept, and not told to anybody."""
    order = an_order()
    answer = await shown(order)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert re.findall("<script[^>]*>(.*?)</script>", answer.text) == [""]
    assert not re.search(r"""\sstyle=|\son\w+=|<style""", answer.text)
    fetched = re.findall(r'<(?:link|script|img)[^>]*(?:src|href)="([^"]*)"', answer.text)
    assert [each.partition("?")[0] for each in fetched] == [
        "data:,",
        "/static/customer.css",
        "/static/order.js",
    ]
    parts = [answer, *[await http.get(each) for each in fetched[1:]]]
    assert sum(len(each.content) for each in parts) < 60_000


async def test_an_erased_vehicle_is_not_shown(shown, database, orders):
    order = an_order()
    order.expire(NOON + 30 * DAY)
    await shown(order)
    erase(database, orders, order)
    for below in ("", "/correct", "/email", "/start", "/withdraw"):
        answer = await shown(order, below)
        assert answer.status_code == 200
        assert "2A2" not in answer.text
        assert "driver@example.com" not in answer.text
    assert "Closed, as it was not paid in time" in words((await shown(order)).text)


async def test_no_token_is_kept_anywhere(shown, database):
    """Its SHA-256 is, from which nobody makes a link."""
    order = an_order()
    await shown(order)
    token = LINKS.token(order.id, order.link_generation)
    [digest] = ask(database, "SELECT encode(digest, 'hex') FROM read.order_pages")
    assert token not in digest
    rows = ask(database, "SELECT to_jsonb(t)::text FROM view.order_pages t")
    rows += ask(database, "SELECT to_jsonb(t)::text FROM view.order_status t")
    rows += ask(database, "SELECT convert_from(state, 'UTF8') FROM log.events")
    assert not [row for row in rows if token in row]
