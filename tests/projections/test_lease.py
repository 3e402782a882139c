"""One process writes a view at a time, another within seconds when that one is gone; never two."""

import asyncio
import random

import psycopg
import pytest

from eventstore_helpers import (
    all_views,
    an_order,
    ask,
    lead,
    pay,
    projecting,
    record,
    start,
    stories,
    tables,
)
from follower_helpers import Counted, a_view, head, live, position, refolded, take_in
from service import until
from vignettes.projections import digesting, follower
from vignettes.projections.lease import IDLE_LIMIT, STALE_SECONDS, LeaseLost

VIEW = "order_status"


@pytest.fixture
async def two(database, vault):
    """Return two followers of one view; the first leads."""
    async with await projecting(database) as one, await projecting(database) as other:
        yield [await lead(each, vault, a_view(VIEW, vault)) for each in (one, other)]


def leads(follower):
    """Tell whether a follower writes the view, as far as it knows."""
    return bool(follower._leases.held)


def silence(database):
    """Let the holders not have been heard of for longer than they may be silent."""
    query = "UPDATE view.editions SET heartbeat_at = clock_timestamp() - (%s + 0.1) * interval '1 s'"
    ask(database, query, STALE_SECONDS)


def term(database):
    """Return how often the view changed hands."""
    return live(database, VIEW, "term")


def backend(follower):
    """Return the process of the database that serves a follower."""
    return follower._connection.info.backend_pid


async def led_by(follower):
    """Look until a follower leads."""

    async def look():
        await follower.look()
        return leads(follower)

    await until(look)


# --- who leads ---


async def test_only_one_leads(two, database, orders):
    """However often the other looks."""
    leader, other = two
    record(orders, an_order())
    for _ in range(3):
        await other.look()
    assert (leads(leader), leads(other), term(database)) == (True, False, 1)
    await take_in(other)
    assert position(database, VIEW) == 0


async def test_each_leads_what_the_other_does_not(database, vault):
    """A lease is of one view: processes share them as they come."""
    async with await projecting(database) as one, await projecting(database) as other:
        first = await lead(one, vault, a_view("emails", vault))
        second = await lead(other, vault, *all_views(vault))
        assert first._leases.held == {live(database, "emails")}
        assert len(second._leases.held) == len(all_views(vault)) - 1


async def test_a_leader_that_is_gone_is_followed_at_once(two, database):
    """The database frees the lock of a session that ends, however fresh its heartbeat is."""
    leader, other = two
    ask(database, "SELECT pg_terminate_backend(%s, 5000)", backend(leader))
    await other.look()
    assert leads(other)
    assert term(database) == 2


async def test_a_lease_that_is_given_back_is_free_at_once(two, database):
    """Nobody waits for a heartbeat to grow old."""
    leader, other = two
    [edition] = leader._leases.held
    await leader._leases.give_back(edition)
    await other.look()
    assert (leads(leader), leads(other), term(database)) == (False, True, 2)


async def test_a_holder_that_is_heard_of_keeps_its_lease(two, database):
    """A heartbeat at each look is enough, with nothing to write."""
    leader, other = two
    for _ in range(3):
        silence(database)
        await leader.look()
        await other.look()
    assert (leads(leader), leads(other), term(database)) == (True, False, 1)


# --- a holder that is silent ---


async def test_a_silent_holder_is_overtaken_and_writes_nothing_more(two, database, orders, vault):
    """Its session lives and keeps its lock; when it wakes up, the term is another one's."""
    leader, other = two
    order = an_order()
    record(orders, order)
    await take_in(leader)
    silence(database)
    await other.look()
    assert (leads(other), term(database)) == (True, 2)
    record(orders, pay(order))
    before = tables(database), position(database, VIEW)
    with pytest.raises(LeaseLost):
        await take_in(leader)
    assert (tables(database), position(database, VIEW)) == before
    await take_in(other)
    assert position(database, VIEW) == head(database)
    told = tables(database)[VIEW]
    assert (await refolded(database, vault))[VIEW] == told


async def test_a_silent_holder_learns_of_it_at_its_look(two, database, orders):
    """It leads no more, and takes the lease again when the other is gone, over the same connection."""
    leader, other = two
    silence(database)
    await other.look()
    await leader.look()
    assert not leads(leader)
    [edition] = other._leases.held
    await other._leases.give_back(edition)
    await leader.look()
    assert (leads(leader), term(database)) == (True, 3)
    record(orders, an_order())
    await take_in(leader)
    assert position(database, VIEW) == head(database)


async def test_a_parked_order_is_not_tried_by_who_was_overtaken(two, database, orders):
    """By that way nothing is written either."""
    leader, _ = two
    order = an_order()
    record(orders, order)
    await take_in(leader)
    query = "INSERT INTO view.parked (edition, order_id, position, version, topic, error, wanted) "
    ask(
        database,
        query + "VALUES (%s, %s, %s, 1, 'order.placed.v2', '', true)",
        live(database, VIEW),
        order.id,
        position(database, VIEW),
    )
    ask(database, "UPDATE view.editions SET term = term + 1")  # as who overtakes it does
    with pytest.raises(LeaseLost):
        await leader._digesting.retry(leader._members.values(), ())
    assert ask(database, "SELECT attempts FROM view.parked") == [1]


async def test_a_holder_in_the_middle_of_a_transaction_is_not_overtaken(two, database):
    """Its row is locked: who looks then does not wait for it either."""
    leader, other = two
    silence(database)
    async with leader._connection.transaction():
        await leader._leases.confirm(leader._leases.held)
        await other.look()
        assert not leads(other)
    await other.look()
    assert leads(other)


async def test_a_session_that_stops_in_a_transaction_is_ended(database, vault, orders, monkeypatch):
    """The database ends it and frees row and lease; what it had written is gone."""
    monkeypatch.setattr(follower, "IDLE_LIMIT", "50ms")
    async with await projecting(database) as one, await projecting(database) as other:
        leader = await lead(one, vault, a_view(VIEW, vault))
        record(orders, an_order())
        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):  # noqa: PT012  # from its middle
            async with one.transaction():
                [confirmed] = await leader._leases.confirm(leader._leases.held)
                await one.execute("UPDATE view.editions SET position = 99 WHERE id = %s", (confirmed.id,))
                await led_by(await lead(other, vault, a_view(VIEW, vault)))
                await one.execute("SELECT 1")
        assert (position(database, VIEW), term(database)) == (0, 2)


async def test_followers_limit_how_long_they_may_stop(two):
    """In the middle of a transaction; as long as a heartbeat may be old."""
    for each in two:
        row = await (await each._connection.execute("SHOW idle_in_transaction_session_timeout")).fetchone()
        assert row == (IDLE_LIMIT,)
    assert float(IDLE_LIMIT.removesuffix("s")) <= STALE_SECONDS


# --- several at one moment ---


@pytest.mark.parametrize("how", ["given back", "silent"])
async def test_of_those_that_take_at_one_moment_one_gets_it(two, database, how):
    """Round after round, and the term grows by one each time."""
    first = term(database)
    for round_ in range(1, 31):
        [leader] = [each for each in two if leads(each)]
        if how == "given back":
            [edition] = leader._leases.held
            await leader._leases.give_back(edition)
            leader._members.clear()
        else:
            silence(database)
            leader._leases._terms.clear()
            leader._members.clear()
        await asyncio.gather(*(each.look() for each in two))
        if not any(map(leads, two)):  # both were in each other's way, and look again
            await until(lambda: look_again(two))
        assert sum(map(leads, two)) == 1
        assert term(database) == first + round_


async def look_again(followers):
    """Look one after the other."""
    for each in followers:
        await each.look()
    return any(map(leads, followers))


@pytest.mark.parametrize("seed", [1, 2])
async def test_never_two_write(database, orders, vault, monkeypatch, seed):
    """Three followers, overtaken at any moment while events are appended: each is written exactly once."""
    monkeypatch.setattr(digesting, "BATCH", 3)
    Counted.prepare(database)
    rng, waiting, positions = random.Random(seed), stories(), []
    waiting += [start(pay(an_order())) for _ in range(8)]
    async with (
        await projecting(database) as one,
        await projecting(database) as other,
        await projecting(database) as third,
    ):
        crowd = [Contender(each, vault) for each in (one, other, third)]
        while waiting or position(database, "emails") < head(database):
            if waiting and rng.random() < 0.4:
                positions += record(orders, waiting.pop())
            if rng.random() < 0.7:
                silence(database)
            challenger = rng.choice(crowd)
            await asyncio.gather(*(each.turn(looks=each is challenger) for each in crowd))
    assert Counted.positions(database) == positions
    assert live(database, "emails", "term") > 5
    told = tables(database)["emails"]
    assert (await refolded(database, vault))["emails"] == told


class Contender:
    """A follower that writes and now and then looks, and begins anew when it has lost its lease."""

    def __init__(self, connection, vault):
        self._connection, self._vault = connection, vault
        self._following = None

    async def turn(self, *, looks):
        if self._following is None:
            self._following = await lead(self._connection, self._vault, Counted(self._vault))
        try:
            if looks:
                await self._following.look()
            await self._following.advance()
        except LeaseLost:
            self._following = None


async def test_a_note_that_refers_to_an_edition_holds_up_no_writer(two, database):
    """A foreign key locks the key of the row that it refers to, until the transaction of the note ends."""
    one, _other = two
    edition = live(database, VIEW, "id")
    with psycopg.connect(database) as noting:
        noting.execute("INSERT INTO view.checks (edition) VALUES (%s)", (edition,))
        await one._connection.execute("SET lock_timeout = '1s'")
        assert [each.id for each in await one._leases.confirm([edition])] == [edition]
        noting.rollback()
