"""The HTTP interface held against its own OpenAPI document: whatever is asked, the answer is one that it tells of."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import schemathesis
from hypothesis import strategies as st
from nats.aio.client import Client
from schemathesis import checks

from eventstore_helpers import HOUR, NOON, a_vault, an_order, pay
from hostile.bodies import SECRET
from notices import SECRET as SIGNING
from notices import SIGNED_AT
from order_page_helpers import CONTACT, ORIGIN, PAYEE, a_pool, link, nobody, told
from service import set_clock
from vignettes.services.asyncapi import document
from vignettes.services.notices.signed_json import SignedJson
from vignettes.services.web.app import HEADERS, create_app
from vignettes.services.web.customers import Customers
from vignettes.services.web.serving import serving
from vignettes.services.web.throttling import Throttle
from vignettes.services.web.visits import Visits
from vignettes.services.web.webhooks import Webhooks

#: A role that is not there is what /readyz tells by 503; the others have no reason for one here.
_UNREADY = "/readyz"
checks.load_all_checks()
_CONFORMANCE = checks.CHECKS.get_by_names(
    [
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
    ]
)
_CLOSED = {name: [text] for name, text in HEADERS.items() if name != "Cache-Control"}
_NO_FORMS = (b"\xff", b"%", b"a=%FF", b"a=%00", b"&" * 40, b"\x00" * 100, "a=ž".encode())
_PAGES = (
    "/",
    "/open",
    "/support",
    "/o/{token}",
    "/o/{token}/email",
    "/webhooks/shop",
    "/docs",
    "/nowhere",
    "/static/x",
)
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH")
_TEXT = st.text(st.characters(codec="utf-8"), max_size=40) | st.sampled_from(
    [
        f"<script>{SECRET}</script>",
        f"{SECRET}\x00",
        "' OR 1=1 --",
        "../../etc/passwd",
        "%00",
        "\u202e",
        "x" * 3_000,
    ]
)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30).map(str.strip)
_HEADERS = st.dictionaries(
    st.sampled_from(
        (
            "Accept-Language",
            "Cookie",
            "Origin",
            "Content-Type",
            "X-Forwarded-For",
            "Accept",
            "Webhook-Signature",
            "Range",
        )
    ),
    _VALUES
    | st.sampled_from(
        ["visit=" + "A" * 43, "en;q=1e400", "application/json", "t=1,v1=" + "0" * 64, "bytes=0-"]
    ),
    max_size=3,
)


@asynccontextmanager
async def _served(database: str) -> AsyncIterator[httpx.URL]:
    """Serve the pages of customers and the webhooks of one provider; nobody answers commands."""
    customers = Customers(PAYEE, CONTACT, Visits(ORIGIN), nobody, Throttle())
    shop = SignedJson("shop", [SIGNING], 300, lambda: float(SIGNED_AT), test=False)

    async def take(_):
        raise AssertionError("nothing here is signed")

    webhooks = Webhooks({"shop": shop}, take)
    async with a_pool(database) as pool:
        app = create_app(Client(), (), pool, document, customers=customers, webhooks=webhooks)
        async with serving(app) as port:
            yield app.openapi(), httpx.URL(f"http://127.0.0.1:{port}")


async def test_every_answer_is_one_that_the_document_tells_of(database, tries):
    """No error of ours, no status that is not told of, no other form; and closed against other sites."""
    async with _served(database) as (told_of, url):
        operations = [found.ok() for found in schemathesis.openapi.from_dict(told_of).get_all_operations()]

        def conforms(case):
            answer = case.call(base_url=str(url), timeout=30)
            errors = [] if case.path == _UNREADY else [checks.not_a_server_error]
            case.validate_response(answer, checks=[*errors, *_CONFORMANCE])
            assert {name: answer.headers.get(name.lower()) for name in _CLOSED} == _CLOSED

        cases = st.one_of([operation.as_strategy() for operation in operations])
        await asyncio.to_thread(tries, cases, conforms, few=12, share=0.01)


async def test_whatever_is_sent_to_a_page_it_is_no_error_of_ours_and_none_of_it_is_obeyed(
    database, orders, tries
):
    """Also to those of an order whose link is known, by every method and with any form."""
    set_clock(database, NOON + HOUR)
    order = pay(an_order())
    await told(database, orders, a_vault(), order)
    asked = st.tuples(
        st.sampled_from(_METHODS),
        st.sampled_from(_PAGES),
        st.lists(st.tuples(_TEXT, _TEXT), max_size=4),
        _HEADERS,
    )
    async with _served(database) as (_, url):
        with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:

            def harmless(request):
                method, path, fields, headers = request
                path = path.replace("/o/{token}", link(order))
                form = {} if method in {"GET", "HEAD"} else {"data": dict(fields)}
                answer = http.request(method, path, params=dict(fields[:2]), headers=headers, **form)
                assert answer.status_code < 500, answer.text[:300]
                assert "<script>secret" not in answer.text
                assert answer.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]

            await asyncio.to_thread(tries, asked, harmless, few=25, share=0.01)


async def test_a_form_of_any_bytes_is_refused_as_one_that_is_not_ours(database):
    async with _served(database) as (_, url), httpx.AsyncClient(base_url=url, trust_env=False) as http:
        for content in _NO_FORMS:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            assert (await http.post("/", content=content, headers=headers)).status_code in {400, 403}
