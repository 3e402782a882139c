"""What the script of an order's page does where something goes wrong: in a real browser, with an order made up."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from service import until
from vignettes.services.web.rendering import STATIC

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.thorough]

ORIGIN = "http://order.example"
#: Stands for streams of events, which a test opens, refuses and speaks through.
STREAMS = """
window.streams = [];
window.EventSource = class extends EventTarget {
  static CLOSED = 2;
  readyState = 0;
  constructor() { super(); window.streams.push(this); }
  close() { this.readyState = 2; }
  say(name, data) { this.readyState = 1; this.dispatchEvent(new MessageEvent(name, { data })); }
  refuse() { this.readyState = 2; this.dispatchEvent(new Event("error")); }
};
"""
LEAD = '<div class="part" id="part-now"><h1>{}</h1><span data-until="2099-01-01T00:00:00Z"></span></div>'
LIVE = (
    '<p id="news" role="status"></p><div id="gone" role="alert"><template><p>It is gone.</p></template></div>'
)


def shown(sign, headline, *parts):
    """Return the page of an order with these parts."""
    inner = "".join(
        f'<section class="part" id="part-{name}">{name} <a href="#">{name}</a></section>' for name in parts
    )
    return (
        f'<!doctype html><html lang="en"><title>Order</title><script src="/order.js" defer></script>'
        f'<main><form action="/sent" method="post"><button>Send</button></form><div id="order" data-follow="/events"'
        f' data-sign="{sign}" data-now="2026-06-01T12:00:00Z">{LEAD.format(headline)}{LIVE}{inner}</div></main>'
    )


@dataclass
class Server:
    """Answers with what a test wants, one after the other, the last for ever; `held` answers wait to be let go."""

    answers: list[tuple[int, str]]
    asked: int = 0
    held: list[asyncio.Event] = field(default_factory=list)

    async def __call__(self, route: Route) -> None:
        if route.request.url.endswith("/order.js"):
            await route.fulfill(path=STATIC / "order.js")
        elif route.request.url.endswith("/sent"):
            self.asked += 1
            await route.fulfill(status=204)  # which leaves the page as it is, as stopping does
        else:
            status, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            self.asked += 1
            if self.held:
                await self.held.pop(0).wait()
            await route.fulfill(status=status, body=body, content_type="text/html")


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser):
    """Give a page whose time a test moves."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.clock.install()
    await page.add_init_script(STREAMS)
    yield page
    await context.close()


async def opened(page: Page, *answers: str | int) -> Server:
    """Open the page of the first answer; the others wait to be asked for."""
    server = Server([(each, "") if isinstance(each, int) else (200, each) for each in answers])
    await page.route(f"{ORIGIN}/**", server)
    await page.goto(f"{ORIGIN}/o/token")
    server.asked = 0
    return server


async def say(page: Page, sign: str):
    await page.evaluate("sign => streams.at(-1).say('sign', sign)", sign)


async def asked(server: Server, times: int):
    async def is_so():
        return server.asked == times

    await until(is_so)


async def headline(page: Page, text: str):
    await expect(page.locator("h1")).to_have_text(text)


async def streams(page: Page) -> int:
    return await page.evaluate("streams.length")


async def test_what_could_not_be_fetched_is_fetched_again_until_it_is_shown(page):
    """Also what is older than what was told."""
    server = await opened(page, shown(1, "One"), 503, shown(1, "One"), shown(2, "Two"))
    await say(page, "2")
    for times in (1, 2, 3):
        await asked(server, times)
        await page.clock.run_for(5_000)
    await headline(page, "Two")
    await page.clock.run_for(60_000)
    assert server.asked == 3


async def test_one_answer_is_waited_for_before_the_next_question(page):
    """Or the older answer might come last."""
    server = await opened(page, shown(1, "One"), shown(2, "Two"), shown(3, "Three"))
    server.held = [answer, next_answer] = [asyncio.Event(), asyncio.Event()]
    await say(page, "2")
    await asked(server, 1)
    await say(page, "3")
    await page.clock.run_for(60_000)
    assert server.asked == 1
    answer.set()
    await headline(page, "Two")
    next_answer.set()
    await page.clock.run_for(5_000)
    await headline(page, "Three")


async def test_a_stream_that_was_refused_is_opened_again_less_and_less_often(page):
    """The page is fetched as often, so that it knows what happened meanwhile."""
    server = await opened(page, shown(1, "One"), shown(2, "Two"))
    # From here on no time passes by itself, however long the browser takes.
    await page.clock.pause_at(datetime.now(UTC) + timedelta(hours=1))
    await page.evaluate("streams.at(-1).refuse()")
    await headline(page, "Two")
    for number, pause in ((2, 2_000), (3, 4_000), (4, 8_000)):
        await asked(server, number - 1)
        await page.wait_for_function("number => streams.length === number", arg=number)
        await page.evaluate("streams.at(-1).refuse()")
        await page.clock.run_for(pause * 0.8)
        assert await streams(page) == number
        await page.clock.run_for(pause * 0.5)
    await page.wait_for_function("streams.length === 5")
    await say(page, "2")


async def test_a_page_that_is_no_more_says_so_and_follows_no_longer(page):
    await opened(page, shown(1, "One"), 404)
    await expect(page.get_by_role("alert")).to_have_text("")
    await page.evaluate("streams.at(-1).refuse()")
    await expect(page.get_by_role("alert")).to_have_text("It is gone.")
    await page.clock.run_for(120_000)
    assert await streams(page) == 1


async def test_parts_come_into_the_new_order_and_what_is_the_same_is_not_touched(page):
    """Nor is the focus lost. How much time is left is no difference."""
    await opened(page, shown(1, "One", "pay", "way", "vignette"), shown(2, "One", "vignette", "way", "money"))
    await page.evaluate("document.querySelectorAll('.part').forEach(part => { part.isTheSame = true; })")
    await page.locator("#part-vignette a").focus()
    await say(page, "2")
    await expect(page.locator("#part-pay")).to_have_count(0)
    now = "[...document.getElementById('order').children].map(part => [part.id, !!part.isTheSame])"
    assert await page.evaluate(now) == [
        ["part-now", True], ["news", False], ["gone", False],
        ["part-vignette", True], ["part-way", True], ["part-money", False],
    ]  # fmt: skip
    await expect(page.locator("#part-vignette a")).to_be_focused()


async def test_a_form_that_was_stopped_on_its_way_can_be_sent_again(page):
    server = await opened(page, shown(1, "One"))
    press, button = "document.querySelector('form').requestSubmit()", page.get_by_role("button", name="Send")
    for _ in range(2):
        await page.evaluate(press)
    await asked(server, 1)
    await expect(button).to_have_attribute("aria-disabled", "true")
    await page.clock.run_for(9_000)
    await expect(button).not_to_have_attribute("aria-disabled", "true")
    assert server.asked == 1
    await page.evaluate(press)
    await asked(server, 2)


async def test_come_back_to_from_another_page_it_is_loaded_anew(page):
    server = await opened(page, shown(1, "One"), shown(2, "Two"))
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', { persisted: true }))")
    await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))")
    await headline(page, "Two")
    assert server.asked == 1


async def test_where_news_will_be_said_is_rendered_from_the_beginning(page):
    """What is not there yet when something is said in it is often not read out."""
    await opened(page, shown(1, "One"))
    await page.add_style_tag(path=STATIC / "customer.css")
    for name in ("news", "gone"):
        shows = await page.evaluate("id => getComputedStyle(document.getElementById(id)).display", name)
        assert shows == "block"
