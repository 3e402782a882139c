"""The pages of the documentation: complete, true to the models, the same every time; no server is needed for them."""

import html
import json
import re
import shlex
from urllib.parse import urlsplit

import httpx
import pytest
from eventsourcing.domain import AggregateEvent
from fastapi.routing import iter_route_contexts
from pydantic import TypeAdapter
from typer.testing import CliRunner

from vignettes.domain import errors
from vignettes.eventstore.codec import _adapter, event_classes
from vignettes.messages import events
from vignettes.runtime.cli import app as cli
from vignettes.services.asyncapi import contract, document
from vignettes.services.contact import Contact
from vignettes.services.error_codes import TO_DO, error_codes, refusals
from vignettes.services.event_catalogue import catalogue, recorded
from vignettes.services.event_examples import SAID
from vignettes.services.event_origins import ORIGINS
from vignettes.services.web.app import create_app
from vignettes.services.web.customers import Customers
from vignettes.services.web.following import Following
from vignettes.services.web.http_operations import PAGES
from vignettes.services.web.throttling import Throttle
from vignettes.services.web.visits import Visits
from vignettes.services.web.webhooks import Webhooks

PAGES_OF_DOCS = ("/docs", "/docs/asyncapi", "/docs/events", "/docs/openapi")
DOCUMENTS = ("/docs/asyncapi.json", "/docs/events.json", "/docs/openapi.json")
CATALOGUE = catalogue()
#: What no request leads to is told in words, which begin with the role.
ROLES = ("payments", "support")


def an_app(asyncapi=document):
    """An application with all its pages, and nothing behind them."""
    following = Following(None, "")
    customers = Customers(
        None, Contact(None, None), Visits("http://docs.example"), None, Throttle(), following
    )
    return create_app(None, [], None, asyncapi, customers=customers, webhooks=Webhooks({}, None))


def asking(app):
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://docs.example")


APP = an_app()


@pytest.fixture(scope="module")
def written():
    """Every page, written once."""
    return {}


@pytest.fixture
async def page(written):
    async def page(path):
        if path not in written:
            async with asking(APP) as http:
                answer = await http.get(path)
            assert answer.status_code == 200
            written[path] = answer.text
        return written[path]

    return page


# --- all pages


async def test_the_overview_leads_to_every_page_and_document(page):
    links = set(re.findall(r'href="(/docs[^"#]*)"', await page("/docs")))
    assert {*PAGES_OF_DOCS, *DOCUMENTS} <= links
    for link in links:
        assert await page(link)


@pytest.mark.parametrize("path", PAGES_OF_DOCS)
async def test_pages_need_nothing_from_elsewhere(page, path):
    """No inline scripts or styles, no addresses of other sites: the policy would refuse them."""
    text = await page(path)
    assert re.findall(r"<script[^>]*>", text) == re.findall(r'<script src="/static/docs\.js[^>]*>', text)
    assert "style=" not in text
    assert not re.findall(r'(?:src|href)="(?!/|#|data:,)', text)


@pytest.mark.parametrize("path", PAGES_OF_DOCS)
async def test_every_link_within_the_documentation_leads_to_something(page, path):
    for link in set(re.findall(r'href="((?:/docs[^"?]*)?#[^"]+)"', await page(path))):
        target = urlsplit(link)
        assert f'id="{target.fragment}"' in await page(target.path or path), link


@pytest.mark.parametrize("path", PAGES_OF_DOCS)
async def test_no_two_places_of_a_page_have_one_name(page, path):
    names = re.findall(r'\bid="([^"]+)"', await page(path))
    assert len(names) == len(set(names))


async def test_a_page_writes_texts_as_texts():
    """Whatever stands in the document is shown, never obeyed; also what is looked for."""
    described = document()
    described["info"]["description"] = "<script>alert(1)</script> `<b>`"
    async with asking(an_app(lambda: described)) as http:
        text = (await http.get("/docs/asyncapi", params={"find": '"><script>'})).text
    assert text.count("<script") == 1
    assert "&lt;script&gt;alert(1)" in text
    assert "<code>&lt;b&gt;</code>" in text


# --- messages


async def test_the_page_of_messages_shows_every_subject_message_and_schema(page):
    text, described = await page("/docs/asyncapi"), document()
    for channel in described["channels"].values():
        assert channel["address"] is None or channel["address"] in text
    messages = set(described["components"]["messages"])
    for name in messages:
        assert name == "Refused" or f'.{name}">{name}</h4>' in text
    for name in set(described["components"]["schemas"]) - messages - {"Refused", "Problem"}:
        assert f'id="schema-{name}"' in text
    assert 'id="orders.v1.place.Place.vehicle"' in text


async def test_a_subject_is_found_by_its_letters_and_by_a_field(page):
    found = re.compile(r'<h3 id="([^"]+)"')
    assert found.findall(await page("/docs/asyncapi?find=V1.PLACE"))[0] == "orders.v1.place"
    by_field = found.findall(await page("/docs/asyncapi?find=vignette_number"))
    assert {"orders.events.v1.vignette-issued", "orders.events.v1.validity-changed"} <= set(by_field)
    assert "orders.v1.place" not in by_field
    nothing = await page("/docs/asyncapi?find=no-such-thing")
    assert "0 with “no-such-thing”" in nothing
    assert 'id="requests"' not in nothing


async def test_commands_can_be_copied_as_they_stand(page):
    """What a shell makes of them is the subject, and the example as JSON."""
    text = await page("/docs/asyncapi?find=orders.v1.request_refund")
    [line] = re.findall(r"<code>(vignettes ask .*?)</code>", text)
    words = shlex.split(html.unescape(line))
    assert words[:3] == ["vignettes", "ask", "orders.v1.request_refund"]
    assert json.loads(words[3])["reason"] == "journey cancelled"


def test_every_code_of_a_refusal_is_told_of_with_what_to_do():
    beyond_the_domain = {"invalid_request"}
    assert {each.code for each in refusals()} | beyond_the_domain == set(TO_DO)
    told = {text for each in error_codes() for text in each.texts}
    assert told == {each.__doc__ for each in refusals()}
    assert errors.NotPaid.__doc__ in told


# --- events


def test_every_stored_event_is_in_the_catalogue():
    topics = [each["topic"] for each in CATALOGUE["stored"]]
    beginnings = {"order.created", "bank-payment.created", "support-case.created"}
    assert set(topics) | beginnings == set(event_classes())
    assert set(SAID) == set(ORIGINS) == set(recorded().values())


def test_every_published_event_is_in_the_catalogue_and_follows_from_a_stored_one():
    assert [each["type"] for each in CATALOGUE["published"]] == list(events.EVENTS)
    assert all(len(each["because_of"]) == 1 for each in CATALOGUE["published"])
    of_orders = [each for each in CATALOGUE["stored"] if each["about"] == "order"]
    assert {each["published_as"] for each in of_orders} == set(events.EVENTS)


@pytest.mark.parametrize("event_class", SAID, ids=lambda each: each.__qualname__)
def test_the_example_of_a_stored_event_is_what_a_history_would_tell(event_class: type[AggregateEvent]):
    """Read by the form of its bytes and written again, it is the same."""
    envelope = {
        "v": 1,
        "at": "2026-12-10T09:02:11Z",
        "by": "shop",
        "cmd": None,
        "cor": None,
        "data": SAID[event_class],
    }
    form: TypeAdapter = _adapter(event_class)
    read = form.validate_json(json.dumps(envelope))
    assert form.dump_python(read, mode="json")["data"] == SAID[event_class]


@pytest.mark.parametrize("event", CATALOGUE["published"], ids=lambda each: each["type"])
def test_the_example_of_a_published_event_is_valid(event):
    events.EVENTS[event["type"]].model_validate_json(json.dumps(event["example"]))


def test_every_event_has_a_meaning_and_an_origin_that_is_answered():
    answered = {one.subject for one in contract().answered}
    for event in CATALOGUE["stored"]:
        assert event["meaning"].endswith("."), event["topic"]
        assert "originator_id" not in event["meaning"], event["topic"]
        assert event["because_of"], event["topic"]
        for origin in event["because_of"]:
            assert origin.get("request") in answered or origin["role"].startswith(ROLES), event["topic"]


def test_personal_fields_are_told_apart():
    placed = CATALOGUE["stored"][0]
    assert placed["personal"] == {
        "details.vehicle.plate": "vehicle",
        "details.vehicle.normal": "vehicle",
        "email": "contact",
    }
    assert not [each for each in CATALOGUE["published"] if "email" in each["example"]]


async def test_the_page_of_events_shows_every_one_with_its_personal_fields(page):
    text = await page("/docs/events")
    for event in CATALOGUE["stored"]:
        assert f'id="{event["topic"]}"' in text
        for path in event["personal"]:
            assert f'id="{event["topic"]}.{path}"' in text, path
    for event in CATALOGUE["published"]:
        assert f'id="published-{event["type"]}"' in text


async def test_an_event_is_found_by_a_field(page):
    text = await page("/docs/events?find=act_by")
    assert re.findall(r'<h3 id="([^"]+)"', text) == ["order.person-called.v1", "published-person-called"]


# --- HTTP


async def test_every_page_that_is_served_is_described(page):
    """Forms are sent by browsers; what they are opened by is described."""
    described = json.loads(await page("/docs/openapi.json"))["paths"]
    served = {each.path for each in iter_route_contexts(APP.routes) if "GET" in (each.methods or ())}
    assert served - set(described) == set()
    assert {each.path for each in PAGES if each.tag != "staff"} <= served
    assert "/o/{token}" in await page("/docs/openapi")


async def test_every_operation_tells_what_it_is_for_and_what_may_be_answered(page):
    for path, operations in json.loads(await page("/docs/openapi.json"))["paths"].items():
        for operation in operations.values():
            assert operation["summary"]
            assert operation["responses"], path
            assert "422" not in operation["responses"]


async def test_the_document_of_messages_is_served_for_programs(page):
    assert json.loads(await page("/docs/asyncapi.json")) == json.loads(json.dumps(document()))
    assert json.loads(await page("/docs/events.json")) == json.loads(json.dumps(CATALOGUE))


# --- the command line


def test_the_catalogue_is_printed_for_people_and_for_programs():
    run = CliRunner()
    assert json.loads(run.invoke(cli, ["events", "--json"]).stdout) == json.loads(json.dumps(CATALOGUE))
    assert "order.placed" in run.invoke(cli, ["events"]).stdout
