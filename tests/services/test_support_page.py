"""The form of support: whatever is known is passed on, and nothing is asked for but something to go by."""

import asyncio
import json
import re
from datetime import date
from urllib.parse import unquote, urlencode, urlsplit
from uuid import UUID

import httpx
import pytest
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import DAY, NOON, a_vault, an_order, erase, fold, record
from forms import BROWSER, hidden, send, words
from leaping import LeapingLoop
from service import until
from vignettes.domain.references import number_from_serial
from vignettes.eventstore.connections import conninfo
from vignettes.messages.support import MOST_LETTERS as MOST_OF_A_CASE
from vignettes.projections.emails import EmailsView
from vignettes.projections.order_pages import OrderPagesView
from vignettes.projections.order_status import OrderStatusView
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.services.asyncapi import document
from vignettes.services.calling import NoAnswer
from vignettes.services.contact import Contact
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.web.app import create_app
from vignettes.services.web.customers import Customers
from vignettes.services.web.support_page import MOST_LETTERS
from vignettes.services.web.throttling import Throttle
from vignettes.services.web.visits import Visits

ORIGIN = "https://vignettes.example"
LINKS = Links(ORIGIN, bytes(32))
NUMBER = number_from_serial(1_000_001)
OPENED = {"ok": True, "case_number": "S-2027-0001"}
EVERYTHING = {
    "message": "My plate is wrong.\r\nWhat can I do?",
    "email": "driver@example.com",
    "order_number": NUMBER,
    "country": "CZ",
    "plate": "2A2-2345",
    "ordered_on": "2027-03-10",
}
NOTHING = dict.fromkeys(EVERYTHING, "")


class Asked:
    """What stands for the support desk: remembers what it was asked."""

    def __init__(self):
        self.messages = []
        self.reply = OPENED

    async def __call__(self, message):
        self.messages.append(message)
        if self.reply is None:
            raise NoAnswer
        return self.reply


@pytest.fixture
def asked():
    return Asked()


def an_app(asked, pool):
    payee, contact = (
        Payee("Vignettes", EXAMPLE_IBAN),
        Contact("Help <help@vignettes.example>", "+420 600 000 000"),
    )
    customers = Customers(payee, contact, Visits(ORIGIN), asked, Throttle())
    return create_app(Client(), (), pool, document, customers=customers)


def browser(app, address="203.0.113.7"):
    transport = httpx.ASGITransport(app, client=(address, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=BROWSER)


@pytest.fixture
def app(asked):
    """The application without a database: a stranger's form needs none."""
    return an_app(asked, AsyncConnectionPool("host=/nowhere", open=False))


@pytest.fixture
async def http(app):
    async with browser(app) as http:
        yield http


async def write(http, **typed):
    return await send(http, await http.get("/support"), "/support", **{**NOTHING, **typed})


def told(message):
    """Return what a case is told, without what every case has."""
    body = json.loads(message.model_dump_json(exclude_none=True))
    return {name: body[name] for name in body.keys() - {"command_id", "topic", "language"}}


# ------------------------------------------------------------ what is passed on


async def test_whatever_is_known_is_passed_on(http, asked):
    answer = await write(http, **EVERYTHING)
    assert answer.status_code == 200
    [case] = asked.messages
    assert (case.topic, case.channel, case.language) == ("question", "form", "en")
    assert case.message == "My plate is wrong.\nWhat can I do?"
    assert (case.email, case.order_number, case.ordered_on) == (
        "driver@example.com",
        NUMBER,
        date(2027, 3, 10),
    )
    assert (case.country, case.plate) == ("CZ", "2A2-2345")


async def test_the_page_then_tells_the_number_what_happens_next_and_by_when(http):
    text = words((await write(http, **EVERYTHING)).text)
    assert "Its number is S-2027-0001." in text
    assert "A person reads it and answers by e-mail, usually within one working day." in text
    assert "We have just sent a confirmation to driver@example.com." in text


@pytest.mark.case(56)
@pytest.mark.parametrize("known", [name for name in EVERYTHING if name not in {"message", "country"}])
async def test_a_request_that_lacks_particulars_is_still_a_case(http, asked, known):
    """Case 56: one thing to go by is enough, and no message is needed."""
    answer = await write(http, **{known: EVERYTHING[known]})
    assert answer.status_code == 200
    [case] = asked.messages
    assert told(case) == {"channel": "form", known: EVERYTHING[known]}


@pytest.mark.parametrize("typed", [{}, {"country": "CZ"}, {"email": "  "}])
async def test_a_form_that_says_nothing_is_refused_kindly(http, asked, typed):
    """However often it is sent."""
    answer = await write(http, **typed)
    for _ in range(2):
        assert answer.status_code == 422
        assert "tell us at least your e-mail address, or something about your order" in words(answer.text)
        answer = await send(http, answer, "/support", **{**NOTHING, **typed})
    assert asked.messages == []


@pytest.mark.case(56)
async def test_a_message_without_particulars_is_asked_for_them_once_and_then_taken(http, asked):
    """Case 56: a person may know from the message alone what it is about."""
    answer = await write(http, message="Help!")
    assert answer.status_code == 422
    assert "If you know no more, send it once more as it is." in words(answer.text)
    assert "Help!" in answer.text
    assert asked.messages == []
    answer = await send(http, answer, "/support", **{**NOTHING, "message": "Help!"})
    assert answer.status_code == 200
    assert told(asked.messages[0]) == {"channel": "form", "message": "Help!"}
    assert "If we find your order, we answer to the address of the order." in words(answer.text)


@pytest.mark.parametrize(
    ("typed", "passed_on"),
    [
        ({"plate": "2А2\u202e \x002345"}, {"plate": "2А2\u202e 2345"}),
        (
            {"plate": "'; DROP TABLE orders; --" + "A" * 10_000},
            {"plate": "'; DROP TABLE orders; --" + "A" * 16},
        ),
        ({"order_number": "the one\r\nof Monday"}, {"order_number": "the one of Monday"}),
        ({"country": "XX", "plate": "1"}, {"plate": "1"}),
    ],
)
async def test_what_a_person_will_make_sense_of_is_passed_on_as_it_is(http, asked, typed, passed_on):
    """Another alphabet in a plate may be what the question is about; controls say nothing to anybody."""
    await write(http, **typed)
    [case] = asked.messages
    assert told(case) == {"channel": "form", **passed_on}


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("email", "driver"),
        ("email", "a@example.com\r\nBcc: b@example.com"),
        ("email", "a@b.cz, c@d.cz"),
        ("ordered_on", "last week"),
    ],
)
async def test_what_can_not_be_read_is_named_and_nothing_is_lost(http, asked, field, typed):
    answer = await write(http, **{**EVERYTHING, field: typed})
    assert answer.status_code == 422
    [marked] = re.findall(r'id="support-(\w+)"[^>]* aria-invalid="true" autofocus', answer.text)
    assert marked == field
    assert "What can I do?" in answer.text
    assert asked.messages == []


@pytest.mark.case(56)
async def test_sent_once_more_what_can_not_be_read_is_passed_on_in_the_message(http, asked):
    """Case 56: a person will make sense of it; what can be read stays where it belongs."""
    unread = {**EVERYTHING, "email": "driver\r\nat example", "ordered_on": "the Monday before last"}
    answer = await send(http, await write(http, **unread), "/support", **unread)
    assert answer.status_code == 200
    [case] = asked.messages
    assert (case.email, case.ordered_on, case.plate) == (None, None, "2A2-2345")
    assert case.message == (
        "My plate is wrong.\nWhat can I do?\n"
        "E-mail address: driver at example\nDay of the order: the Monday before last"
    )


async def test_asked_once_it_is_not_asked_again_because_nobody_answered_meanwhile(http, asked):
    asked.reply = None
    answer = await send(http, await write(http, message="Help!"), "/support", message="Help!")
    assert answer.status_code == 503
    asked.reply = OPENED
    assert (await send(http, answer, "/support", message="Help!")).status_code == 200
    assert asked.messages[0] == asked.messages[1]


# ------------------------------------------------------------ messages


async def test_lines_and_all_alphabets_are_kept_and_controls_dropped(http, asked):
    await write(http, email="driver@example.com", message="Dobrý den,\r\n\r\n\tжду\x00 ответа\x07 🚗\u2028!")
    assert asked.messages[0].message == "Dobrý den,\n\n\tжду ответа 🚗!"


async def test_four_thousand_letters_of_any_alphabet_are_taken_and_one_more_is_not(http, asked):
    assert MOST_LETTERS < MOST_OF_A_CASE
    assert (await write(http, email="driver@example.com", message="🚗" * MOST_LETTERS)).status_code == 200
    answer = await write(http, email="driver@example.com", message="Ж" * (MOST_LETTERS + 1))
    assert answer.status_code == 422
    assert "Please keep your message below 4,000 characters." in words(answer.text)
    assert "Ж" * (MOST_LETTERS + 1) in answer.text
    assert "as_it_is" not in answer.text
    assert len(asked.messages) == 1


async def test_a_form_of_any_length_is_not_read_to_its_end(http, asked):
    answer = await write(http, email="driver@example.com", message="A" * 100_000)
    assert answer.status_code == 413
    assert asked.messages == []


@pytest.mark.parametrize(("seconds", "status"), [(25, 200), (40, 408)])
def test_a_long_text_has_its_time_to_arrive_over_a_slow_line(app, seconds, status):
    """In proportion to how long it may be; not for ever."""

    async def slowly(body):
        yield body[:10]
        await asyncio.sleep(seconds)
        yield body[10:]

    async def writing():
        async with browser(app) as http:
            page = await http.get("/support")
            body = urlencode({**hidden(page.text), **EVERYTHING}).encode()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            return await http.post("/support", content=slowly(body), headers=form)

    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        assert runner.run(writing()).status_code == status


async def test_a_script_in_every_field_is_shown_and_never_obeyed(http):
    script = "</textarea><script>alert(1)</script>\"'>"
    answer = await write(http, **dict.fromkeys(EVERYTHING, script))
    assert answer.status_code == 422
    assert "<script" not in answer.text
    assert "&lt;script&gt;" in answer.text


# ------------------------------------------------------------ whose form it is


async def test_looking_asks_nothing(http, asked):
    for method in ("GET", "HEAD"):
        answer = await http.request(method, "/support", params=EVERYTHING)
        assert answer.status_code == 200
        assert "driver@example.com" not in answer.text
    assert asked.messages == []


async def test_a_form_that_is_not_ours_opens_no_case(app, http, asked):
    page = await http.get("/support")
    async with browser(app) as stranger:
        await stranger.get("/support")
        answers = [
            await http.post("/support", data=EVERYTHING),
            await send(stranger, page, "/support", **EVERYTHING),
        ]
        http.headers["Sec-Fetch-Site"] = "cross-site"
        answers.append(await send(http, page, "/support", **EVERYTHING))
    assert [answer.status_code for answer in answers] == [403] * 3
    assert asked.messages == []


async def test_a_form_whose_visit_was_forgotten_is_shown_again_with_all_that_was_typed(http, asked):
    """Browsers that are closed forget it; a long text is not lost by that, and nothing was done yet."""
    page, long = await http.get("/support"), "What can I do? " * 200
    http.cookies.clear()
    answer = await send(http, page, "/support", **{**EVERYTHING, "message": long})
    assert answer.status_code == 403
    assert "Your text is still here: please send it once more." in words(answer.text)
    assert long in answer.text
    assert 'value="2A2-2345"' in answer.text
    assert asked.messages == []
    assert (await send(http, answer, "/support", **EVERYTHING)).status_code == 200


async def test_pressed_twice_it_is_one_case(http, asked):
    """The second press brings the same command, which is answered the same."""
    page = await http.get("/support")
    answers = [await send(http, page, "/support", **EVERYTHING) for _ in range(2)]
    assert answers[0].text == answers[1].text
    assert asked.messages[0] == asked.messages[1]


async def test_without_an_answer_the_text_stays_and_is_sent_again_as_the_same(http, asked):
    """The case may be on record, although nobody said so."""
    asked.reply = None
    answer = await write(http, **EVERYTHING)
    assert answer.status_code == 503
    assert "We can't take your request right now." in words(answer.text)
    assert "What can I do?" in answer.text
    asked.reply = OPENED
    assert (await send(http, answer, "/support", **EVERYTHING)).status_code == 200
    assert asked.messages[0] == asked.messages[1]


async def test_changed_after_it_was_sent_it_may_be_meant_as_a_new_one(http, asked):
    asked.reply = {"ok": False, "error": {"code": "command_id_reused", "message": "", "field": None}}
    answer = await write(http, **EVERYTHING)
    assert answer.status_code == 409
    assert "If you mean it as a new one, please send it again." in words(answer.text)
    asked.reply = OPENED
    assert (await send(http, answer, "/support", **EVERYTHING)).status_code == 200
    assert asked.messages[0].command_id != asked.messages[1].command_id


# ------------------------------------------------------------ who asks too often


async def test_one_victims_mailbox_is_not_filled_with_confirmations(app, asked):
    """Whoever writes in its name, from wherever."""
    statuses = []
    for number in range(6):
        async with browser(app, f"203.0.113.{number}") as http:
            statuses.append(
                (
                    await write(http, email="Victim@Example.com" if number % 2 else "victim@example.com")
                ).status_code
            )
    assert statuses == [200] * 5 + [429]
    assert len(asked.messages) == 5


async def test_whoever_writes_too_often_keeps_the_text_and_is_told_how_long_to_wait(http, asked):
    for number in range(10):
        await write(http, email=f"driver{number}@example.com")
    answer = await write(http, **EVERYTHING)
    assert answer.status_code == 429
    assert 3500 < int(answer.headers["retry-after"]) <= 3600
    assert "Please send it again in 60 minutes, or use another way to us below." in words(answer.text)
    assert "What can I do?" in answer.text
    assert len(asked.messages) == 10


async def test_a_flood_of_forms_is_not_even_read(http, asked):
    statuses = [(await http.post("/support", content=b"A" * 10_000)).status_code for _ in range(61)]
    assert statuses[-1] == 429
    assert 429 not in statuses[:-1]


# ------------------------------------------------------------ the other ways


async def test_the_other_ways_are_there_before_anything_was_typed(http):
    text = (await http.get("/support")).text
    assert 'href="mailto:help@vignettes.example"' in text
    assert 'href="https://wa.me/420600000000"' in text


async def test_every_field_has_its_label_and_nothing_is_loaded_from_elsewhere(http):
    text = (await http.get("/support")).text
    labelled = re.findall(r'<label for="([^"]+)"', text)
    assert sorted(labelled) == sorted(re.findall(r'<(?:input|select|textarea) id="([^"]+)"', text))
    assert not re.search(r"""\sstyle=|\son\w+=|<style|<script|src=""", text)


# ------------------------------------------------------------ from an order's page


@pytest.fixture
async def customer(database, asked):
    """Look at pages of orders, with the rights that the web has."""
    url = conninfo(database, "vignettes_reader")
    async with (
        AsyncConnectionPool(url, open=False, min_size=1, kwargs={"autocommit": True}) as pool,
        browser(an_app(asked, pool)) as http,
    ):
        yield http


@pytest.fixture
async def on_record(database, orders):
    """Put an order on record, let the views know, and return where its form of support is."""
    vault = a_vault()

    async def recorded(order):
        record(orders, order)
        await views()
        return urlsplit(LINKS.manage(order.id, order.link_generation)).path + "/support"

    async def views():
        emails = EmailsView("vignettes.example", vault)
        await fold(database, vault, OrderStatusView(vault), OrderPagesView(LINKS.token), emails)

    recorded.views = views
    return recorded


async def test_from_an_orders_page_everything_is_filled_in(customer, on_record, asked):
    order = an_order()
    path = await on_record(order)
    page = await customer.get(path)
    assert 'value="driver@example.com"' in page.text
    for known in (order.number, "2A2 2345", "Czechia, 10 days", "1 Jun 2026"):
        assert known in words(page.text)
    for way in re.findall(r'href="((?:mailto:|https://wa\.me/)[^"]+)"', page.text):
        assert order.number in unquote(way)
        assert "2A2 2345" in unquote(way)
    answer = await send(customer, page, path, message="Help!", email="driver@example.com")
    assert f'href="{path.removesuffix("/support")}"' in answer.text
    assert told(asked.messages[0]) == {
        "channel": "page",
        "order_id": str(order.id),
        "order_number": order.number,
        "country": "CZ",
        "plate": "2A2 2345",
        "ordered_on": "2026-06-01",
        "email": "driver@example.com",
        "message": "Help!",
    }


async def test_a_customer_may_be_answered_elsewhere_or_at_the_address_of_the_order(
    customer, on_record, asked
):
    """Perhaps nothing arrives at that of the order. Neither has to be typed."""
    path = await on_record(an_order())
    for typed in ("other@example.com", ""):
        await send(customer, await customer.get(path), path, message="Help!", email=typed)
    assert [case.email for case in asked.messages] == ["other@example.com", None]


async def test_a_wrong_link_is_the_same_page_that_is_not_there(customer, on_record, asked):
    path = await on_record(an_order())
    unknown = await customer.get("/nowhere")
    page = await customer.get(path)
    wrong = path.replace("/support", "A/support")
    for answer in (await customer.get(wrong), await send(customer, page, wrong, **EVERYTHING)):
        assert (answer.status_code, answer.content) == (404, unknown.content)
    assert asked.messages == []


async def test_the_proof_of_one_form_is_none_for_another(customer, on_record, asked):
    """Neither that of a stranger's form, nor that of another order."""
    one, other = await on_record(an_order()), await on_record(an_order())
    for page in ("/support", other):
        answer = await send(customer, await customer.get(page), one, **EVERYTHING)
        assert answer.status_code == 403
    assert asked.messages == []


async def test_of_an_erased_customer_nothing_is_filled_in(customer, on_record, database, orders):
    order = an_order()
    order.expire(NOON + 30 * DAY)
    path = await on_record(order)
    erase(database, orders, order)
    await on_record.views()
    text = (await customer.get(path)).text
    assert "2A2 2345" not in unquote(text)
    assert "driver@example.com" not in unquote(text)


# ------------------------------------------------------------ the whole service


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.case(56)
async def test_with_an_address_only_a_case_is_opened_and_confirmed(service):
    """Case 56: over all the ways there are, from the form to the mailbox."""
    base = f"http://127.0.0.1:{service.settings.http_port}"
    async with httpx.AsyncClient(base_url=base, headers=BROWSER, trust_env=False, timeout=20) as http:
        page = await until(lambda: found(http, "/support"))
        typed = {"email": "driver@example.com", "message": "I know nothing of my order."}
        answer = await send(http, page, "/support", **{**NOTHING, **typed})
    assert answer.status_code == 200

    async def known():
        cases = (await service.ask("support.v1.cases"))["cases"]
        return [each for each in cases if each["case_number"] in words(answer.text)]

    [case] = await until(known)
    assert (case["email"], case["message"]) == ("driver@example.com", "I know nothing of my order.")
    assert (case["channel"], case["order_number"], case["plate"]) == ("form", None, None)
    [mail] = await service.mail_kinds("case_opened")
    assert case["case_number"] in mail["headers"]["Subject"]


@pytest.mark.asyncio(loop_scope="module")
async def test_from_an_orders_page_the_case_is_that_of_the_order(service):
    placed = await service.place()
    base = f"http://127.0.0.1:{service.settings.http_port}"
    path = urlsplit(placed["manage_url"]).path + "/support"
    async with httpx.AsyncClient(base_url=base, headers=BROWSER, trust_env=False, timeout=20) as http:
        page = await until(lambda: found(http, path))
        await send(http, page, path, message="Help!", email="driver@example.com")

    async def known():
        return (await service.ask("support.v1.cases", order_id=placed["order_id"]))["cases"]

    [case] = await until(known)
    assert (case["order_number"], case["channel"]) == (placed["order_number"], "page")
    assert UUID(case["order_id"]) == UUID(placed["order_id"])


async def found(http, path):
    """Return a page once the service serves, and its views know of it."""
    try:
        answer = await http.get(path)
    except httpx.ConnectError:
        return None
    return answer if answer.status_code == 200 and hidden(answer.text) else None
