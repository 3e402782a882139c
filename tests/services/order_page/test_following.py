"""Pages that follow their orders: told of every change, by one connection for all of them, and let go at the end."""

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from eventstore_helpers import NOON, an_order, ask, pay
from order_page_helpers import a_pool, browsing, following, link, told
from service import until
from vignettes.services.web import following as module

PATIENCE = 15


@pytest.fixture
def pool(database):
    return a_pool(database)


@asynccontextmanager
async def running(follows):
    task = asyncio.create_task(follows.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Stream:
    """The events of one page, in the order in which they come."""

    def __init__(self, answer):
        self.status = answer.status_code
        self.headers = answer.headers
        self._lines = answer.aiter_lines()

    async def line(self, *beginnings):
        """Wait for the next line that begins so."""
        async with asyncio.timeout(PATIENCE):
            async for line in self._lines:
                if line.startswith(beginnings):
                    return line
        return None

    async def event(self):
        """Wait for the next event: its name, and what it says."""
        name = (await self.line("event:")).partition(": ")[2]
        return name, (await self.line("data:")).partition(":")[2].strip()


@asynccontextmanager
async def open_stream(http, order):
    async with http.stream("GET", f"{link(order)}/events") as answer:
        yield Stream(answer)


@asynccontextmanager
async def open_streams(http, orders):
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(open_stream(http, each)) for each in orders]


async def test_a_page_is_told_when_its_order_or_its_mails_change(database, orders, vault, pool):
    """And of nothing else; the sign that it has already comes first, so that nothing is missed between."""
    order, other = an_order(), an_order()
    await told(database, orders, vault, order, other)
    follows = following(database, pool)
    async with running(follows), browsing(pool, following=follows) as http:
        page = await http.get(link(order))
        async with open_stream(http, order) as events:
            assert events.headers["content-type"].startswith("text/event-stream")
            assert events.headers["cache-control"] == "no-store"
            name, first = await events.event()
            assert name == "sign"
            assert f'data-sign="{first}"' in page.text
            await told(database, orders, vault, pay(other))
            await told(database, orders, vault, pay(order))
            _, second = await events.event()
            assert f'data-sign="{second}"' in (await http.get(link(order))).text
            ask(database, "UPDATE effect.mails SET sent_at = called_at WHERE order_id = %s", order.id)
            _, third = await events.event()
            assert len({first, second, third}) == 3


async def test_a_link_that_was_renewed_ends_the_following(database, orders, vault, pool):
    order = an_order()
    await told(database, orders, vault, order)
    follows = following(database, pool)
    async with (
        running(follows),
        browsing(pool, following=follows) as http,
        open_stream(http, order) as events,
    ):
        assert (await events.event())[0] == "sign"
        order.correct_email("right@example.com", NOON)
        await told(database, orders, vault, order)
        assert await events.event() == ("gone", "")
        assert await events.line("") == ""
        assert await events.line("") is None


async def test_a_lost_connection_is_made_again_and_misses_nothing(database, orders, vault, pool):
    order = an_order()
    await told(database, orders, vault, order)
    follows = following(database, pool)
    async with (
        running(follows),
        browsing(pool, following=follows) as http,
        open_stream(http, order) as events,
    ):
        await events.event()
        named = "application_name = 'following'"
        ask(database, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {named}")
        await told(database, orders, vault, pay(order))
        assert (await events.event())[0] == "sign"


async def test_many_pages_take_one_connection(database, orders, vault, pool):
    some = [an_order() for _ in range(8)]
    await told(database, orders, vault, *some)
    follows = following(database, pool)

    def connections():
        [count] = ask(database, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'vignettes_reader'")
        return count

    async with (
        running(follows),
        browsing(pool, following=follows) as http,
        open_stream(http, some[0]) as events,
    ):
        await events.event()
        alone = connections()
        async with open_streams(http, some[1:]) as streams:
            for each in streams:
                await each.event()
            assert connections() <= max(alone, 1 + pool.max_size)


async def test_of_one_order_the_oldest_page_makes_place_for_the_newest(database, orders, vault, pool):
    """It may be a phone that left its network without a word; if it is there, it comes back after a while."""
    order = an_order()
    await told(database, orders, vault, order)
    follows = following(database, pool)
    async with (
        running(follows),
        browsing(pool, following=follows) as http,
        open_streams(http, [order] * module.MOST_OF_AN_ORDER) as (oldest, *others),
    ):
        for each in (oldest, *others):
            assert (await each.event())[0] == "sign"
        async with open_stream(http, order) as newest:
            assert (await newest.event())[0] == "sign"
            assert await oldest.line("retry:", "event:") == "retry: 60000"
            assert await oldest.line("event:") is None
            await told(database, orders, vault, pay(order))
            for each in (*others, newest):
                assert (await each.event())[0] == "sign"


async def test_too_many_followers_are_told_to_come_later(database, orders, vault, pool):
    """Whoever leaves makes room."""
    one, other = an_order(), an_order()
    await told(database, orders, vault, one, other)
    follows = following(database, pool, most=2)
    async with running(follows), browsing(pool, following=follows) as http:
        async with open_streams(http, [one] * 2) as streams:
            for each in streams:
                await each.event()
            for each in (one, other):
                assert (await http.get(f"{link(each)}/events")).status_code == 503
            assert (await http.get(link(one))).status_code == 200

        async def has_room():
            async with open_stream(http, other) as events:
                return events.status == 200

        await until(has_room)


async def test_the_line_is_kept_open_and_all_are_let_go_at_the_end(database, orders, vault, pool):
    order = an_order()
    await told(database, orders, vault, order)
    follows = following(database, pool, heartbeat=0.05)
    async with browsing(pool, following=follows) as http:
        async with AsyncExitStack() as following_runs:
            await following_runs.enter_async_context(running(follows))
            async with open_stream(http, order) as events:
                await events.event()
                assert await events.line(":") == ":"
                await following_runs.aclose()
                while await events.line("") is not None:
                    pass
        assert (await http.get(f"{link(order)}/events")).status_code == 503


async def test_a_page_that_leaves_while_nothing_happens_is_forgotten(database, orders, vault, pool):
    order = an_order()
    await told(database, orders, vault, order)
    follows = following(database, pool)
    async with running(follows), browsing(pool, following=follows) as http:
        async with open_stream(http, order) as events:
            await events.event()
            assert len(follows._all()) == 1

        async def is_alone():
            return not follows._all()

        await until(is_alone)
