"""Links to orders: good at once, void at once, and nothing for those without one; looking changes nothing."""

import asyncio
from uuid import uuid4

import pytest
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import HOUR, NOON, an_order, ask, pay, record
from forms import BROWSER, words
from order_page_helpers import BELOW, LINKS, a_pool, browsing, following, link, told
from vignettes.services.web import linked

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@pytest.fixture
def patient(monkeypatch):
    """Let pages wait for the views as long as a busy machine may take."""
    monkeypatch.setattr(linked, "PATIENCE_SECONDS", 15.0)


async def test_head_is_answered_as_get_is_without_the_page(shown):
    order = an_order()
    whole = await shown(order)
    head = await shown(order, method="HEAD")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(whole.content))


@pytest.mark.case(34)
async def test_no_opening_of_a_link_changes_anything(shown, http, database):
    """Scanners of mails open every one of them. Not in the log, and not beside it: the web may read only."""
    order = pay(an_order())
    order.note_returned_mail(1, "placed", "permanent", None, NOON + HOUR)
    await shown(order)

    names = ("log.events", "log.commands", "effect.mails", "view.order_status", "view.order_pages")

    def tables():
        return [ask(database, f"SELECT to_jsonb(t)::text FROM {name} t ORDER BY 1") for name in names]

    before = tables()
    for below in BELOW:
        for method in ("GET", "HEAD"):
            answer = await http.request(method, link(order) + below)
            known = below not in {"/events", "/document"}  # nobody follows here, and there is no document
            assert (answer.status_code, below) == (200 if known else 404, below)
    assert tables() == before


@pytest.mark.thorough
@pytest.mark.parametrize("headers", [BROWSER, {"Accept": "application/json"}], ids=["person", "program"])
async def test_a_wrong_cut_or_old_link_is_a_page_that_is_not_there(database, orders, vault, headers):
    """The same to the byte as any other address that there never was, by every method and below every link."""
    order, pool = an_order(), a_pool(database)
    old = link(order)
    await told(database, orders, vault, order)
    order.correct_email("right@example.com", NOON)
    await told(database, orders, vault, order)
    wrong = (old, link(order)[:-1], link(order) + "A", LINKS.manage(uuid4(), 1), "/o/%00", "/o/%F0%9F%98%80")
    async with browsing(pool, following=following(database, pool)) as http:
        assert (await http.get(link(order))).status_code == 200
        for method in METHODS:
            unknown = await http.request(method, "/o/never/was", headers=headers)
            assert unknown.status_code == 404
            for address in (f"{each}{below}" for each in wrong for below in BELOW):
                answer = await http.request(method, address, headers=headers)
                assert (method, address, answer.status_code, answer.content) == (
                    method,
                    address,
                    404,
                    unknown.content,
                )
                assert {**answer.headers, "date": ""} == {**unknown.headers, "date": ""}


async def test_a_page_that_is_not_there_says_where_to_look(http):
    """In the language of the browser, for no order is known."""
    french = await http.get("/o/x", headers={"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"})
    assert "notre dernier e-mail contient celui qui est valable" in words(french.text)
    english = await http.get("/o/x")
    assert "our last e-mail has the one that is valid" in words(english.text)
    assert '<a class="button" href="/">Find your order</a>' in english.text


@pytest.mark.usefixtures("patient")
async def test_a_link_is_good_as_soon_as_the_order_is_on_record(database, orders, http, vault):
    """Whoever is sent to the page at once finds it: it waits for the views."""
    order = an_order()
    record(orders, order)
    asked = asyncio.create_task(http.get(link(order)))
    await asyncio.sleep(0)
    await told(database, orders, vault, order)
    assert (await asked).status_code == 200


@pytest.mark.thorough
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
