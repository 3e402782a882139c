"""Mail scanners and other robots open whatever is a link, some of them in a browser: nothing comes of it (case 34)."""

import re
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlencode, urljoin

import httpx
import pytest
import pytest_asyncio

from eventstore_helpers import ask
from order_states import one_of_each
from service import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]

ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
#: What nobody fetches over HTTP from us: the way to a person, and what a page or mail carries in itself.
NOT_OURS = ("mailto:", "https://wa.me/", "data:", "cid:")


class Seen(HTMLParser):
    """What a robot finds in a page or a mail: addresses, and what its forms would send."""

    def __init__(self, text):
        super().__init__()
        self.addresses = []
        self.forms = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        known = dict(attrs)
        self.addresses += [
            known[name] for name in ("href", "src", "action", "data-follow") if known.get(name)
        ]
        if tag == "form":
            self.forms.append((known["action"], []))
        elif self.forms and known.get("name"):
            self.forms[-1][1].append((known["name"], known.get("value") or "x"))

    def linked(self, at):
        return {urldefrag(urljoin(at, each)).url for each in self.addresses}

    def sent(self, at):
        """Return what each form comes to that is sent by GET."""
        return {urljoin(at, f"{action}?{urlencode(fields)}") for action, fields in self.forms}


class Robot:
    """Opens what it finds, with GET and HEAD, until there is nothing new; forms as well, as if they were links."""

    def __init__(self, http, origin):
        self.http = http
        self.origin = origin
        self.opened = set()

    async def open_all(self, addresses):
        waiting = set(addresses)
        while waiting - self.opened:
            found = set()
            for address in waiting - self.opened:
                self.opened.add(address)
                found |= await self.open(address)
            waiting = found

    async def open(self, address):
        if address.startswith(NOT_OURS):
            return set()
        assert address.startswith(self.origin), f"a link leads elsewhere: {address}"
        await self.http.head(address)
        async with self.http.stream("GET", address) as answer:
            assert answer.status_code < 500, address
            if not answer.headers.get("Content-Type", "").startswith("text/html"):
                return set()
            seen = Seen((await answer.aread()).decode())
        # What was found by sending a form is not searched for forms, or there would be no end: each is another.
        return seen.linked(address) | (set() if "?" in address else seen.sent(address))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def orders(service):
    """Give an order in every state, by its name, once all mails have arrived."""
    made = (await one_of_each(service, "en"))["en"]
    await service.command("send_link", order_id=made["scheduled"]["order_id"])
    await everything_is_done(service)
    return made


async def everything_is_done(service):
    database = service.settings.database_url

    async def look():
        [behind] = ask(database, "SELECT count(*) FROM read.projection_lag WHERE position < head")
        [unsent] = ask(database, "SELECT count(*) FROM read.emails WHERE state IN ('waiting', 'retrying')")
        return behind == unsent == 0

    await until(look)


async def on_record(service):
    """Return all that could have changed."""
    database = service.settings.database_url
    return {
        "events": ask(database, "SELECT count(*) FROM log.events"),
        "commands": ask(database, "SELECT count(*) FROM log.commands"),
        "orders": ask(database, "SELECT order_id, version, status FROM read.order_status ORDER BY 1"),
        "cases": ask(database, "SELECT count(*) FROM read.support_cases"),
        "mails": len(await service.inbox()),
    }


@pytest.mark.case(34)
async def test_a_scanner_that_opens_every_link_of_every_mail_and_page_changes_nothing(
    service, orders, open_page
):
    before = await on_record(service)
    mails = await service.inbox()
    found = {each for mail in mails for each in ADDRESS.findall(mail["text"])}
    found |= {each for mail in mails for each in Seen(mail["html"]).addresses}
    origin = service.settings.public_url
    async with httpx.AsyncClient(trust_env=False, timeout=20, headers={"Accept": "text/html"}) as http:
        robot = Robot(http, origin)
        await robot.open_all(found)
    pages = {address.removeprefix(origin) for address in robot.opened}
    for placed in orders.values():
        page = placed["manage_url"].removeprefix(origin)
        assert {page, f"{page}/start", f"{page}/withdraw"} & pages
    assert await on_record(service) == before


@pytest.mark.case(34)
async def test_neither_does_one_that_runs_what_is_on_the_pages(service, orders, open_page):
    before = await on_record(service)
    page = await open_page("/")
    for name in ("awaiting_payment", "scheduled", "action_needed"):
        for form in ("", "/correct", "/start", "/withdraw", "/email", "/support"):
            await page.goto(orders[name]["manage_url"] + form)
    assert await on_record(service) == before
