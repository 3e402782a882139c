"""The page of an order over real HTTP, on a real database: how to pay, and nothing for those without the link."""

import asyncio
import contextlib
import re
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool
from stdnum import iban as ibans

from eventstore_helpers import (
    DAY,
    NOON,
    a_vault,
    an_order,
    ask,
    details,
    erase,
    fold,
    issue,
    pay,
    record,
    start,
)
from payment_codes import epc_fields, painted, scanned, spayd_fields
from vignettes.domain.details import Status
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.personal import DataClass
from vignettes.domain.references import creditor_reference, number_from_serial, parse_number, variable_symbol
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.orders import order_id_of
from vignettes.projections.order_pages import OrderPagesView
from vignettes.projections.order_status import OrderStatusView
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.services import web
from vignettes.services.asyncapi import document
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.mails.language import CATALOGUES as OF_MAILS
from vignettes.services.mails.language import LOCALES, Language
from vignettes.services.web import order_page
from vignettes.services.web.app import HEADERS, create_app
from vignettes.services.web.order_page import CATALOGUES
from vignettes.services.web.serving import serving

LINKS = Links("", bytes(32))
PAYEE = Payee("Vignettes", EXAMPLE_IBAN)
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
TEMPLATES = Path(web.__file__).parent / "templates"


@contextlib.asynccontextmanager
async def browsing(pool):
    async with (
        pool,
        serving(create_app(Client(), (), pool, document, PAYEE)) as port,
        httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20, headers=BROWSER
        ) as http,
    ):
        yield http


@pytest.fixture
async def http(database):
    """Serve with the rights that the web has."""
    pool = AsyncConnectionPool(
        conninfo(database, "vignettes_reader"), open=False, min_size=1, kwargs={"autocommit": True}
    )
    async with browsing(pool) as http:
        yield http


@pytest.fixture
def vault():
    return a_vault()


@pytest.fixture
async def shown(database, orders, http, vault):
    """Put an order on record, let the views know, and get its page."""

    async def get(order, method="GET"):
        record(orders, order)
        await fold(database, vault, OrderStatusView(vault), OrderPagesView(LINKS.token))
        return await http.request(method, link(order))

    return get


def link(order):
    return LINKS.manage(order.id, order.link_generation)


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


def codes(page):
    """Return what banking apps read on a page."""
    return [scanned(painted(svg)) for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]


def words(page):
    """Return what a person reads on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.replace("&#39;", "'")).replace("\xa0", " ").split())


async def test_an_unpaid_order_shows_how_to_pay_exactly_the_price(shown):
    order = an_order()
    answer = await shown(order)
    text = words(answer.text)
    assert answer.status_code == 200
    assert f"Order {order.number}" in text
    assert "Waiting for your payment" in text
    assert '<strong class="plate">2A2 2345</strong>' in answer.text
    assert "Still to be paid: CZK399.00" in text
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
    assert "We have received CZK100.50 of CZK399.00." in text
    assert "Still to be paid: CZK298.50" in text
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


async def test_an_issued_vignette_is_shown_with_its_number_and_validity(shown):
    order = issue(start(pay(an_order())))
    text = words((await shown(order)).text)
    assert "Registered" in text
    assert f"Number {order.vignette.number}" in text


async def test_the_page_speaks_the_language_of_the_order(shown):
    answer = await shown(in_french())
    assert '<html lang="fr">' in answer.text
    assert "Reste à payer : 399,00 CZK" in words(answer.text)
    assert "Nous attendons votre paiement" in words(answer.text)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("language", LOCALES)
def test_every_status_is_told_in_words(status, language):
    """And in other words than every other."""
    told = {"paid": Money(1, "CZK"), "price_total": Money(2, "CZK"), "due_at": None, "refund": None}

    def headline(of):
        text = order_page._rendered("order_status.html", Language.best_for(language), told | {"status": of})
        [found] = re.findall("<h1>(.*)</h1>", text)
        return found

    assert [each for each in Status if headline(each) == headline(status)] == [status]


async def test_what_a_driver_typed_is_shown_and_never_obeyed(shown, database, http, vault):
    """No plate like this is taken down; should one come in by another way, it is a text."""
    order = an_order()
    await shown(order)
    sealed = vault.shown(order.id, DataClass.VEHICLE, "<script>alert(1)</script>")
    ask(database, "UPDATE view.order_status SET plate = %s::bytea", sealed)
    text = (await http.get(link(order))).text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


async def test_a_page_needs_nothing_from_elsewhere_and_stays_between_us(shown):
    """No scripts, no inline styles, no addresses of other sites; not kept, and not told to anybody."""
    answer = await shown(an_order())
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert (answer.headers["Cache-Control"], answer.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "<script" not in answer.text
    assert not re.search(r"""\sstyle=|\son\w+=|<style""", answer.text)
    assert set(re.findall(r'(?:src|href)="([^"]*)"', answer.text)) == {"/static/order.css"}
    assert "driver@example.com" not in answer.text


async def test_head_is_answered_as_get_is_without_the_page(shown):
    order = an_order()
    whole = await shown(order)
    head = await shown(order, "HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


async def test_no_request_changes_anything(shown, http, database):
    """Not in the log, and not beside it: the web may read only."""
    order = an_order()
    await shown(order)
    before = (
        ask(database, "SELECT count(*) FROM log.events"),
        ask(database, "SELECT count(*) FROM log.commands"),
    )
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH"):
        answer = await http.request(method, link(order))
        assert answer.status_code == (200 if method in {"GET", "HEAD"} else 405)
    after = (
        ask(database, "SELECT count(*) FROM log.events"),
        ask(database, "SELECT count(*) FROM log.commands"),
    )
    assert before == after


@pytest.mark.parametrize("headers", [BROWSER, {"Accept": "application/json"}], ids=["person", "program"])
async def test_a_wrong_cut_or_old_link_is_a_page_that_is_not_there(shown, http, headers):
    """The same to the byte as any other address that there never was."""
    order = an_order()
    old = link(order)
    await shown(order)
    order.correct_email("right@example.com", NOON)
    assert (await shown(order)).status_code == 200
    unknown = await http.get("/nowhere", headers=headers)
    assert unknown.status_code == 404
    another = LINKS.manage(uuid4(), 1)
    for address in (
        old,
        link(order)[:-1],
        link(order) + "A",
        another,
        "/o/",
        "/o/%00",
        "/o/%F0%9F%98%80" * 9,
    ):
        answer = await http.get(address, headers=headers)
        assert (answer.status_code, answer.content) == (404, unknown.content)
        assert {**answer.headers, "date": ""} == {**unknown.headers, "date": ""}


async def test_a_page_that_is_not_there_says_where_to_look(http):
    """In the language of the browser, for no order is known."""
    french = await http.get("/o/x", headers={"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"})
    assert "notre dernier e-mail contient celui qui est valable" in words(french.text)
    assert "our last e-mail has the one that is valid" in words((await http.get("/o/x")).text)


@pytest.fixture
def patient(monkeypatch):
    """Let pages wait for the views as long as a busy machine may take."""
    monkeypatch.setattr(order_page, "PATIENCE_SECONDS", 15.0)


@pytest.mark.usefixtures("patient")
async def test_a_link_is_good_as_soon_as_the_order_is_on_record(database, orders, http, vault):
    """Whoever is sent to the page at once finds it: it waits for the views."""
    order = an_order()
    record(orders, order)
    asked = asyncio.create_task(http.get(link(order)))
    await asyncio.sleep(0)
    await fold(database, vault, OrderStatusView(vault), OrderPagesView(LINKS.token))
    assert (await asked).status_code == 200


async def test_while_the_views_are_behind_no_link_is_said_to_be_wrong(orders, http):
    order = an_order()
    record(orders, order)
    answers = [await http.get(address) for address in (link(order), LINKS.manage(uuid4(), 1))]
    assert [answer.status_code for answer in answers] == [503, 503]
    assert answers[0].content == answers[1].content
    assert "Please try again in a moment" in words(answers[0].text)


async def test_without_a_database_nothing_is_said_to_be_wrong_either():
    pool = AsyncConnectionPool(
        "host=/nowhere", open=False, min_size=0, max_size=1, timeout=0.1, reconnect_timeout=0
    )
    async with browsing(pool) as http:
        answer = await http.get("/o/x")
    assert answer.status_code == 503
    assert "Please try again in a moment" in words(answer.text)


async def test_an_erased_vehicle_is_not_shown(shown, database, orders):
    order = an_order()
    order.expire(NOON + 30 * DAY)
    await shown(order)
    erase(database, orders, order)
    answer = await shown(order)
    assert answer.status_code == 200
    assert "2A2" not in answer.text
    assert "Closed, as it was not paid in time" in words(answer.text)


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


@pytest.mark.usefixtures("patient")
async def test_the_link_of_a_reply_opens_the_page_and_a_renewed_one_closes_it(service):
    """At once: nobody has to wait for the views, and the old link is void when the reply says so."""
    placed = await service.place()
    corrected = await service.command("correct_email", order_id=placed["order_id"], email="right@example.com")
    base = f"http://127.0.0.1:{service.settings.http_port}"
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        answers = [await http.get(urlsplit(each["manage_url"]).path) for each in (corrected, placed)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert placed["order_number"] in answers[0].text
    [code] = codes(answers[0].text)
    assert code == placed["payment"]["spayd"]


# ------------------------------------------------------------ the catalogue


def messages():
    """Every text in English that the pages ask to be translated."""
    methods = [(name, "jinja2.ext:babel_extract") for name in ("order.html", "order_*.html", "missing.html")]
    trimmed = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
    found = extract_from_dir(TEMPLATES, methods, {name: trimmed for name, _ in methods})
    return {str(message) for _, _, message, _, _ in found}


def catalogue(folder, language):
    with (folder / language / "LC_MESSAGES" / "messages.po").open("rb") as lines:
        return {each.id: each for each in read_po(lines, locale=language) if each.id}


@pytest.mark.parametrize("language", [code for code in LOCALES if code != "en"])
def test_every_text_is_translated_and_no_translation_is_left_over(language):
    """Here, or where the mails say the same."""
    ours, theirs = catalogue(CATALOGUES, language), catalogue(OF_MAILS, language)
    assert messages() - theirs.keys() == ours.keys()
    for message in ours.values():
        assert message.string
        assert not message.fuzzy
        facts = [re.findall(r"%\((\w+)\)s", str(text)) for text in (message.id, message.string)]
        assert sorted(facts[0]) == sorted(facts[1])
