"""What may be worked on now, decided in the database for all processes together."""

import asyncio
from dataclasses import asdict, replace

import pytest
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import (
    INDEX,
    NOON,
    a_vault,
    an_order,
    ask,
    details,
    fold,
    issue,
    pay,
    projecting,
    record,
    start,
)
from vignettes.domain.order import Order
from vignettes.eventstore.connections import conninfo
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_status import OrderStatusView
from vignettes.services.authorities.capabilities import Breaker, Limits
from vignettes.services.authorities.documents import SealedDocument
from vignettes.services.authorities.files import bundled
from vignettes.services.registering.ledger import (
    Door,
    Ledger,
    Left,
    Noting,
    lease_seconds,
    measured,
    seconds_for_a_call,
    take_up,
)
from vignettes.services.registering.measuring import Seen
from vignettes.services.registration import _pause

QUICK = Breaker(first_seconds=0.01, longest_seconds=0.02)
FAILED = Seen(calls=1, failed=1, seconds=0.5, trailing=1, error="HTTP 503")
ANSWERED = Seen(calls=1, seconds=0.25, answered=True)


def door(country="CZ", **limits):
    known = bundled().capabilities
    return Door(country, replace(known, limits=Limits(**{"rate_per_minute": 600.0, "burst": 100, **limits})))


def started(day: int = 1, plate: str | None = None, product: str = "CZ-10D") -> Order:
    """Return an order whose registration has started, for a vehicle of its own."""
    started.plates += 1
    return start(pay(an_order(details(day, product, plate or f"2A2 {started.plates}"))))


started.plates = 1000


@pytest.fixture
def underway(database, orders):
    """Put orders on record and into the views, and return their ids."""

    async def recorded(*given: Order):
        record(orders, *given)
        vault = a_vault()
        await fold(database, vault, OrderStatusView(vault), LookupView(INDEX))
        async with await projecting(database) as connection:
            await Noting().note(connection)
        return [order.id for order in given]

    return recorded


@pytest.fixture
async def connection(database):
    async with await projecting(database) as connection:
        yield connection


@pytest.fixture
async def kept(database):
    """Give what attempts tell the database through."""
    url = conninfo(database, "vignettes_projector")
    async with AsyncConnectionPool(url, min_size=1, open=False, kwargs={"autocommit": True}) as pool:
        yield Ledger(pool)


def seen(what: Seen) -> dict[str, object]:
    return asdict(what)


async def taken_ids(connection, *doors):
    return [taken.order_id for taken in await take_up(connection, doors or [door()])]


# --- leases


async def test_the_earliest_validity_comes_first_and_is_leased_once(underway, connection):
    """Single flight: while the lease lasts it is nobody else's."""
    late, early = await underway(started(day=5), started(day=2))
    [taken] = await take_up(connection, [door(concurrency=1)])
    assert (taken.order_id, taken.state, taken.attempts, taken.tries) == (early, "waiting", 1, 1)
    assert await taken_ids(connection) == [late]
    assert await taken_ids(connection) == []


async def test_any_number_of_processes_take_up_each_order_once(underway, database):
    """Side by side, again and again."""
    ids = await underway(*[started() for _ in range(12)])

    async def process():
        async with await projecting(database) as own:
            return [each for _ in range(4) for each in await taken_ids(own, door(concurrency=5))]

    taken = [each for found in await asyncio.gather(*[process() for _ in range(4)]) for each in found]
    assert len(taken) == len(set(taken)) == 5
    assert set(taken) <= set(ids)


@pytest.mark.case(48)
async def test_two_orders_for_one_vehicle_are_never_under_way_at_once(underway, connection, kept):
    """Another vehicle's is; the second comes when the first is done (case 48)."""
    first, second, other = await underway(started(2, "1AB 2345"), started(3, "1AB-2345"), started(4))
    taken = await take_up(connection, [door()])
    assert [each.order_id for each in taken] == [first, other]
    assert await taken_ids(connection) == []
    await kept.leave(taken[0], Left("recorded", "recorded"), tries=1, pause=0)
    assert await taken_ids(connection) == [second]


@pytest.mark.case(46)
async def test_what_died_while_sending_is_unknown(underway, connection, kept, database):
    """Its lease runs out; whoever takes it up asks the authority first (case 46)."""
    await underway(started())
    [taken] = await take_up(connection, [door()])
    assert await kept.about_to_send(taken, needed_seconds=9.0)
    ask(database, "UPDATE effect.registrations SET leased_until = clock_timestamp() - interval '1 s'")
    assert ask(database, "SELECT state FROM read.registrations") == ["unknown"]
    [again] = await take_up(connection, [door()])
    assert (again.state, again.attempts) == ("unknown", 2)
    assert ask(database, "SELECT unknown_since IS NOT NULL FROM read.registrations") == [True]


async def test_nothing_is_sent_under_a_lease_that_is_nearly_over_or_lost(
    underway, connection, kept, database
):
    """There must be time for the whole call before anybody else may come."""
    await underway(started())
    [taken] = await take_up(connection, [door(timeout_seconds=1.0)])
    assert not await kept.about_to_send(taken, needed_seconds=61.0)
    assert not await kept.about_to_send(replace(taken, lease=taken.order_id), needed_seconds=2.0)
    assert await kept.about_to_send(taken, needed_seconds=2.0)


async def test_nothing_is_sent_for_an_order_that_is_over_in_the_log(underway, connection, kept, orders):
    """The view is late; the log is not."""
    order = started()
    await underway(order)
    [taken] = await take_up(connection, [door()])
    record(orders, issue(order))
    assert not await kept.about_to_send(taken, needed_seconds=9.0)


async def test_what_went_another_way_is_ended(underway, connection, kept, database, orders):
    """Somebody else recorded the answer, and died before saying so here."""
    order = started()
    await underway(order)
    [taken] = await take_up(connection, [door()])
    await kept.leave(taken, Left("unknown", "unrecorded"), tries=1, pause=0)
    await underway(issue(order))
    assert await taken_ids(connection) == []
    assert ask(database, "SELECT state FROM read.registrations") == ["ended"]


async def test_a_pause_is_kept(underway, connection, kept):
    """And what is recorded never comes again."""
    await underway(started(), started())
    first, second = await take_up(connection, [door()])
    await kept.leave(first, Left("waiting", "closed"), tries=1, pause=60)
    await kept.leave(second, Left("recorded", "recorded"), tries=1, pause=0)
    assert await taken_ids(connection) == []


def test_a_lost_call_is_asked_about_when_the_authority_must_have_done_with_it():
    """Neither sooner after it, nor by whoever finds that its caller has died."""
    slow = door(timeout_seconds=1.0, settled_after_seconds=30.0).capabilities
    assert _pause(Left("unknown", "ReadTimeout"), 1, slow) == 30.0
    assert _pause(Left("waiting", "ConnectError"), 1, slow) <= 1.0
    assert seconds_for_a_call(slow) > 30.0
    assert lease_seconds(slow) - seconds_for_a_call(slow) > 1.0


# --- rate


async def test_a_country_is_called_no_faster_than_its_rate(underway, connection):
    """A burst, and then as fast as the bucket fills; other countries have their own."""
    await underway(*[started() for _ in range(4)], started(product="SK-10D"))
    doors = [door("CZ", burst=2, rate_per_minute=0.001), door("SK", burst=2)]
    taken = await take_up(connection, doors)
    assert sorted(each.country for each in taken) == ["CZ", "CZ", "SK"]
    assert await taken_ids(connection, *doors) == []


async def test_calls_beyond_one_for_each_attempt_are_paid_later(underway, connection, database):
    """A question and a call are two; the bucket goes into debt, and fills again."""
    await underway(started())
    await take_up(connection, [door(burst=2, rate_per_minute=60)])
    await measured(connection, "CZ", seen(replace(ANSWERED, calls=4, extra=3)), QUICK)
    [tokens, calls] = ask(database, "SELECT tokens, calls FROM read.authorities")[0]
    assert (round(tokens), calls) == (-2, 4)


async def test_time_fills_the_bucket(underway, connection, database):
    """So many a minute, up to the burst."""
    await underway(*[started() for _ in range(9)])
    slow = door(burst=3, rate_per_minute=60)
    assert len(await taken_ids(connection, slow)) == 3
    ask(database, "UPDATE effect.authorities SET refilled_at = refilled_at - interval '2 s'")
    assert len(await taken_ids(connection, slow)) == 2
    ask(database, "UPDATE effect.authorities SET refilled_at = refilled_at - interval '1 hour'")
    assert len(await taken_ids(connection, slow)) == 3


# --- the breaker


async def five_failures(connection):
    """Let an authority fail five times in a row."""
    for _ in range(4):
        assert await measured(connection, "CZ", seen(FAILED), Breaker()) is None
    assert await measured(connection, "CZ", seen(FAILED), Breaker()) == "open"


async def test_five_failures_in_a_row_close_a_country_to_calls_and_no_other(
    underway, connection, kept, database
):
    """Nobody calls for a while; the others go on."""
    await underway(started(), started(), started(product="SK-10D"))
    [first] = await take_up(connection, [door(concurrency=1)])
    await kept.leave(first, Left("waiting", "HTTP 503"), tries=1, pause=0)
    await five_failures(connection)
    taken = await take_up(connection, [door("CZ"), door("SK")])
    assert [each.country for each in taken] == ["SK"]
    row = ask(
        database,
        "SELECT state, failures, calls, calls_failed, call_seconds, last_error FROM read.authorities"
        " WHERE country = 'CZ'",
    )
    assert row == [("open", 5, 5, 5, 2.5, "HTTP 503")]


async def test_an_answer_between_failures_keeps_it_closed(underway, connection):
    """Five in a row, of all processes together; a rejection is an answer."""
    await underway(started())
    await take_up(connection, [door()])
    for _ in range(4):
        await measured(connection, "CZ", seen(FAILED), Breaker())
    between = Seen(calls=3, failed=2, seconds=0.1, answered=True, trailing=2, error="ReadTimeout")
    assert await measured(connection, "CZ", seen(between), Breaker()) is None
    assert await measured(connection, "CZ", seen(replace(FAILED, trailing=2)), Breaker()) is None
    assert await measured(connection, "CZ", seen(FAILED), Breaker()) == "open"


async def test_pauses_double_with_each_vain_probe(underway, connection, database):
    """From five seconds to a minute, each less what jitter takes off."""
    await underway(started())
    await take_up(connection, [door()])
    pauses = []
    await five_failures(connection)
    for _ in range(6):
        [pause] = ask(
            database,
            "SELECT extract(epoch FROM retry_at - changed_at)::float8 FROM effect.authorities",
        )
        pauses.append(pause)
        ask(database, "UPDATE effect.authorities SET state = 'half_open'")
        assert await measured(connection, "CZ", seen(FAILED), Breaker()) == "open"
    for pause, longest in zip(pauses, [5, 10, 20, 40, 60, 60], strict=True):
        assert longest / 2 <= pause <= longest


async def test_one_call_tries_whether_it_is_back_and_then_all_come(underway, connection, kept, database):
    """Half open: a single probe of all processes. Back again, nobody waits for a later hour."""
    ids = await underway(*[started() for _ in range(3)])
    for taken in await take_up(connection, [door()]):
        await kept.leave(taken, Left("waiting", "HTTP 503"), tries=12, pause=300)
    await five_failures(connection)
    ask(database, "UPDATE effect.authorities SET retry_at = clock_timestamp()")
    ask(
        database,
        "UPDATE effect.registrations SET retry_at = clock_timestamp() WHERE order_id = %s",
        ids[0],
    )
    [probe] = await take_up(connection, [door()])
    assert ask(database, "SELECT state FROM read.authorities") == ["half_open"]
    ask(database, "UPDATE effect.registrations SET retry_at = clock_timestamp() WHERE order_id = %s", ids[1])
    assert await taken_ids(connection) == []
    assert await measured(connection, "CZ", seen(ANSWERED), Breaker()) == "closed"
    assert set(await taken_ids(connection)) == set(ids) - {probe.order_id}


async def test_a_probe_that_nobody_reports_is_followed_by_another(underway, connection, database):
    """Its process has died: when its lease is over the next one tries."""
    await underway(started(), started())
    await take_up(connection, [door(concurrency=1)])
    await five_failures(connection)
    ask(database, "UPDATE effect.authorities SET retry_at = clock_timestamp()")
    assert len(await taken_ids(connection)) == 1
    assert await taken_ids(connection) == []
    over = "clock_timestamp() - interval '1 s'"
    ask(database, f"UPDATE effect.authorities SET retry_at = {over}")
    ask(database, f"UPDATE effect.registrations SET leased_until = {over}")
    assert len(await taken_ids(connection)) == 1


# --- a person in time, and documents


@pytest.mark.parametrize(("day", "minutes"), [(0, 5), (1, 60), (5, 60)])
async def test_a_person_is_called_early_enough_to_act(underway, connection, database, day, minutes):
    """A quarter of the time that is left, but after five minutes at the soonest and an hour at the latest."""
    await underway(started(day))
    await take_up(connection, [door()])
    [(call_at, act_by, starts_at)] = ask(
        database, "SELECT call_at, act_by, starts_at FROM read.registrations"
    )
    assert (call_at - NOON).total_seconds() == minutes * 60
    assert act_by == max(call_at, starts_at)


async def test_a_document_is_kept_once_and_not_for_an_erased_vehicle(underway, kept, database):
    """Fetched again it is the same; without a key nothing could ever be opened, so nothing is kept."""
    [order_id] = await underway(started())
    document = SealedDocument("application/pdf", 7, b"sealed")
    assert await kept.keep(order_id, document)
    assert await kept.keep(order_id, document)
    assert ask(database, "SELECT digest, size FROM effect.documents") == [(document.digest, 7)]
    ask(database, "UPDATE personal.keys SET vehicle_view = NULL")
    assert not await kept.keep(order_id, SealedDocument("application/pdf", 7, b"another"))
