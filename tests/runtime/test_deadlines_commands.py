"""`vignettes deadlines`: what falls due, what another lead would move, and serving open orders by it."""

import asyncio
import io
from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from uuid import uuid4

import pytest
from rich.console import Console

from eventstore_helpers import DAY, HOUR, NOON, a_vault, an_order, ask, details, fold, pay, record
from vignettes.domain import catalogue
from vignettes.domain.details import Consent
from vignettes.projections.deadlines import DeadlinesView
from vignettes.runtime import due_soon, what_if
from vignettes.runtime.settings import load_settings

QUIET = Console(file=io.StringIO())


@pytest.fixture
def on_record(database, orders):
    """Put orders into the log and the ledger, and set the clock."""

    def on_record(*changed, now=NOON):
        record(orders, *changed)
        asyncio.run(fold(database, a_vault(), DeadlinesView()))
        ask(database, "UPDATE clock.shift SET ahead = %s - clock_timestamp()", now)

    return on_record


@pytest.fixture
def asked(settings):
    """Ask what another lead would move."""

    def asked(hours, country=None):
        return what_if.what_if(load_settings(**settings), timedelta(hours=hours), country, QUIET)

    return asked


def shown(told):
    console = Console(file=io.StringIO(), width=160)
    console.print(told, highlight=False)
    return console.file.getvalue()


def moves(found):
    return [(each.order_number, each.by, each.rule, each.would_be_rule) for each in found.moves]


# --- what if


def test_a_longer_lead_moves_orders_earlier_and_a_shorter_one_later(on_record, asked):
    """Each by the difference; whoever had the grace only has the mark before him again."""
    usual, late = pay(an_order(details(7))), pay(an_order(details(1)))
    on_record(usual, late)
    assert moves(asked(24)) == [(usual.number, -12 * HOUR, "lead", "lead")]
    later = 6 * HOUR - timedelta(minutes=1)
    assert moves(asked(6)) == [
        (usual.number, 6 * HOUR, "lead", "lead"),
        (late.number, later, "grace", "lead"),
    ]
    assert asked(12).moves == []


def test_what_is_due_by_another_rule_than_the_lead_does_not_move(on_record, asked):
    """The authority's notice, and a customer's wish; what is unpaid or started waits for nothing."""
    wished = an_order(details(9))
    wished.start_at_once(Consent("immediate_performance", "1", NOON, "en"), NOON)
    noticed = pay(an_order(details(40, "AT-2M")))
    started = pay(an_order(details(7)))
    started.start_at_once(Consent("immediate_performance", "1", NOON, "en"), NOON)
    on_record(noticed, pay(wished), started, an_order(details(7)))
    found = asked(24)
    assert (found.orders, found.moves) == (2, [])


def test_what_would_be_overdue_by_now_starts_at_once(on_record, asked):
    """And so moves to now, not to a time that has passed; one that is overdue anyway does not move."""
    order, overdue = pay(an_order(details(3))), pay(an_order(details(2)))
    now = order.deadline.due_at - 11 * HOUR
    on_record(order, overdue, now=now)
    [move] = asked(24).moves
    assert (move.order_number, move.at_once) == (order.number, True)
    assert timedelta(0) <= move.would_be_due_at - now < timedelta(minutes=1)
    assert "at once" in shown(what_if.shown(asked(24), 50))


def test_an_announced_outage_counts_as_it_does_for_the_service(on_record, asked, database):
    """The new mark would fall into it: due an hour before, though nothing of it is on record with the order."""
    order = pay(an_order(details(7)))
    mark = order.deadline.due_at - 12 * HOUR
    announced = (uuid4(), "CZ", mark - HOUR, mark + HOUR, "ops")
    elsewhere = (uuid4(), "SK", mark - 3 * HOUR, mark + HOUR, "ops")
    for each in (announced, elsewhere):
        ask(database, "INSERT INTO log.outages VALUES (%s, %s, %s, %s, NULL, %s, %s)", *each, NOON)
    on_record(order)
    assert moves(asked(24)) == [(order.number, -14 * HOUR, "lead", "outage")]


def test_a_country_with_a_lead_of_its_own_does_not_move_and_is_named(on_record, asked, monkeypatch):
    """The catalogue wins over the operator."""
    altered = {
        code: replace(each, lead=6 * HOUR) if each.country == "HU" else each
        for code, each in catalogue.PRODUCTS.items()
    }
    for module in (catalogue, what_if):
        monkeypatch.setattr(module, "PRODUCTS", MappingProxyType(altered))
    on_record(pay(an_order(details(7, "HU-10D"))))
    found = asked(24)
    assert (found.orders, found.moves) == (1, [])
    assert "HU has a lead of its own in the catalogue, 6 h: nothing moves there." in what_if.summary(found)
    assert "HU" not in what_if.summary(asked(24, "CZ"))


def test_one_country_is_asked_alone_and_the_rest_of_a_long_list_is_counted(on_record, asked):
    """Largest moves first; the summary counts all."""
    here = [pay(an_order(details(7))) for _ in range(3)]
    on_record(*here, pay(an_order(details(7, "SK-10D"))))
    assert len(asked(24).moves) == 4
    found = asked(24, "CZ")
    text = shown(what_if.shown(found, 2))
    assert [each.number in text for each in sorted(here, key=lambda each: each.number)] == [True, True, False]
    assert "... and 1 more" in text
    assert "With a lead of 24 h 3 of 3 open orders in CZ would move." in text
    assert "2026-06-08 00:00" in text
    assert what_if.as_json(found)["moves"][0]["moved_by_seconds"] == -43_200


# --- what falls due


def test_what_falls_due_is_counted_by_hour_and_country(on_record, settings):
    """The burst of the next noon, what is overdue, and nothing beyond the hours that were asked for."""
    noon = [pay(an_order(details(2))) for _ in range(3)]
    on_record(
        *noon, pay(an_order(details(2, "RO-10D"))), pay(an_order(details(1))), pay(an_order(details(9))),
        now=NOON + HOUR,
    )  # fmt: skip
    found = due_soon.due(load_settings(**settings), 24, None)
    assert [(each.hour, each.country, each.orders) for each in found] == [
        (None, "CZ", 1),
        (NOON + DAY - HOUR, "RO", 1),
        (NOON + DAY, "CZ", 3),
    ]
    text = shown(due_soon.shown(found, 24))
    assert "Tue 12:00" in text  # in each authority's zone
    assert "4 fall due within 24 hours; overdue: 1." in text
    assert [each.country for each in due_soon.due(load_settings(**settings), 24, "RO")] == ["RO"]
    assert due_soon.shown([], 3) == "No registration falls due within 3 hours."


# --- as commands


@pytest.mark.thorough
async def test_open_orders_are_served_by_another_lead_once(service, beside, told, run):
    """Asked first, told how many; asked again there is nothing left to change, and started orders stay as they are."""
    placed = await service.place()
    before = await service.pay(placed)
    asked = ("deadlines", "what-if", "--lead", "24h", "--country", "cz")
    [move] = (await told(beside, *asked))["moves"]
    assert (move["order_number"], move["due_at"][:16]) == (placed["order_number"], before["due"][:16])
    code, _, complained = await run(beside, "deadlines", "apply", "--lead", "24h")
    assert (code, "Move the registration of 1 orders?" in complained) == (1, True)
    assert "TermsChanged" not in await service.history(placed["order_id"])

    apply = ("deadlines", "apply", "--lead", "24h", "--actor", "ops@night", "--yes")
    assert await told(beside, *apply) == {"changed": 1, "started": 0, "refused": {}}
    [*_, changed] = (await service.ask("orders.v1.history", order_id=placed["order_id"]))["events"]
    assert (changed["type"], changed["actor"], changed["data"]["terms"]["lead"]) == (
        "TermsChanged",
        "ops@night",
        "P1D",
    )
    left = await asyncio.to_thread(what_if.what_if, service.settings, timedelta(days=1), None, QUIET)
    assert (left.orders, left.moves) == (1, [])


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("what-if", "--lead", "24"), "24: give 24h, 90m or 0"),
        (("apply", "--lead", "31d"), "31d: give 24h, 90m or 0, and no more than 30d"),
        (("what-if", "--lead", "24h", "--country", "XX"), "XX: there are CZ, SK, AT"),
        (("list", "--hours", "0"), "--hours"),
    ],
)
def test_a_misuse_names_the_option_and_the_way_out(misused, words, way_out):
    """Exit code 2, before anything is asked of anybody."""
    assert way_out in misused("deadlines", *words)
