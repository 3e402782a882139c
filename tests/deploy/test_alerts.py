"""Every alert, fired by its cause in the running service, and ended by the cure that the runbook gives.

Each test has a house of its own, so that none needs another; the causes of one test follow each other in it. All
of them take minutes: `make thorough` runs them.
"""

import base64
import contextlib
import json
import mailbox
from contextlib import AsyncExitStack
from datetime import timedelta
from uuid import uuid4

import httpx
import nats
import psycopg
import pytest

from bank_files import camt053, entry, statement, transaction
from deploy.house import House, Unit, entries, is_calm, stop_all
from deploy.scraping import alerts, firing, metrics_of
from faults.proxy import Pass, before_postgres, through
from forms import hidden
from service import BEGINNING, Service, set_clock, settings_for, until
from vignettes.runtime import bootstrap
from vignettes.runtime.staffing import for_the_sandbox, staff_file
from vignettes.services.web import metrics

#: What is stopped and started by itself; all others are one unit.
ALONE = ("projecting", "deadlines", "registration", "support", "mailing", "publishing", "auditing", "web")
AUTHORITY = 'vignettes_authority_callable{country="CZ"}'
STREAM = "vignettes_stream_messages{}"
SHORT_WINDOW = 1.0

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
async def house(database, nats_server, tmp_path, promtool):
    """Run every role, and the database of the web pages behind a network that can be cut."""
    async with AsyncExitStack() as stack:
        set_clock(database, BEGINNING)
        proxy = await stack.enter_async_context(before_postgres(database, lambda: lambda *_: Pass.ON))
        settings = settings_for(database, nats_server.url, tmp_path / "data")
        for_the_sandbox(staff_file(settings))
        together = tuple(each for each in (*bootstrap.ROLES, bootstrap.SANDBOX) if each not in ALONE)
        units = {role: Unit((role,), settings) for role in ALONE} | {"others": Unit(together, settings)}
        units["web"].settings = settings.model_copy(update={"database_url": through(proxy, database)})
        client = await nats.connect(nats_server.url, max_reconnect_attempts=-1, reconnect_time_wait=0.1)
        stack.push_async_callback(client.close)
        await units["others"].start()
        service = Service(settings, client, units["others"].running)
        running = House(service, client, nats_server, proxy, units, promtool, tmp_path)
        for unit in ALONE:
            await units[unit].start()
        stack.push_async_callback(stop_all, units)
        running.found = [await running.seen(lambda seen: STREAM in seen and is_calm(seen, set()), 120)]
        yield running


def names(samples, start):
    return {name: value for name, value in samples.items() if name.startswith(start)}


async def test_each_alert_has_its_entry_and_each_entry_its_alert():
    """In the same order, with the four things that whoever is woken asks."""
    assert list(entries()) == list(alerts())
    for text in entries().values():
        for word in ("Means", "Customers", "Look", "Cure"):
            assert f"**{word}.**" in text


@pytest.mark.thorough
async def test_what_may_become_of_the_service_and_its_views(house):
    house.note(*house.found, *house.found)
    await every_metric_that_an_alert_names_is_told(house)
    await house.live_through(
        a_role_that_is_missing,
        pages_that_nobody_serves,
        a_database_that_is_out_of_reach,
        a_server_of_nats_that_is_away,
        more_commands_than_can_be_done,
        a_clock_that_goes_wrong,
        a_view_that_is_held_up,
        a_view_that_nobody_writes,
        an_order_that_a_view_can_not_take_in,
        a_view_that_was_changed_by_hand,
        a_stream_that_takes_no_more,
        a_stream_that_was_purged,
        heads_that_nobody_signs,
    )


@pytest.mark.thorough
async def test_what_may_become_of_promises_and_mails(house):
    await house.live_through(
        a_start_that_is_late,
        a_same_day_order_that_waits,
        an_authority_that_is_down_while_orders_need_it,
        a_person_who_is_called,
        a_confirmation_that_does_not_leave,
        mails_that_come_back,
    )


@pytest.mark.thorough
async def test_what_may_become_of_money_and_of_people(house):
    await house.live_through(
        money_that_nobody_has_looked_at,
        a_reversal_of_nobody_knows_what,
        a_bank_file_that_does_not_add_up,
        a_payment_that_was_someone_elses,
        a_customer_who_waits_for_an_answer,
        a_refund_that_nobody_lets_go,
        money_that_was_taken_back_too_late,
        somebody_who_guesses_tokens_of_staff,
    )


async def every_metric_that_an_alert_names_is_told(house):
    told = {name.partition("{")[0] for name in house.found[0]}
    missing = {name for each in alerts().values() for name in metrics_of(each)} - told
    assert missing <= {"vignettes_authority_callable"}, "known of from its first call on"


# --- the service


async def a_role_that_is_missing(house):
    await house.units["support"].stop()
    ill = await house.ill("RoleMissing", lambda seen: seen['vignettes_processes{role="support"}'] == 0)
    await house.follow("RoleMissing", ROLE="support")
    well = await house.cured(lambda seen: seen['vignettes_processes{role="support"}'] == 1)
    house.note(ill, well, 'RoleMissing{role="support"}')


async def pages_that_nobody_serves(house):
    await house.units["web"].stop()
    ill = await house.scrape()
    await house.follow("WebUnreachable")
    well = await house.cured(lambda seen: "vignettes_database_up{}" in seen)
    house.note(ill, well, 'WebUnreachable{instance="here",job="vignettes"}')


async def a_database_that_is_out_of_reach(house):
    house.proxy._refuse = 1_000_000
    house.proxy.hang_up()
    ill = await house.seen(lambda seen: seen["vignettes_database_up{}"] == 0)
    await house.follow("DatabaseUnreachable")
    well = await house.cured(lambda seen: seen["vignettes_database_up{}"] == 1)
    house.note(ill, well, "DatabaseUnreachable")


async def a_server_of_nats_that_is_away(house):
    house.nats_server.stop()
    ill = await house.seen(lambda seen: seen["vignettes_nats_up{}"] == 0)
    await house.follow("NatsUnreachable")
    everybody = len(bootstrap.ROLES) + 1
    well = await house.cured(
        lambda seen: len([v for v in names(seen, "vignettes_processes{").values() if v]) == everybody
    )
    house.note(ill, well, "NatsUnreachable")


async def more_commands_than_can_be_done(house):
    """Thrice as many as may wait, at once."""
    body = json.dumps({"command_id": str(uuid4()), "order_id": str(uuid4()), "reason": "none"}).encode()
    inbox = house.client.new_inbox()
    for _ in range(6_000):
        await house.client.publish("orders.v1.request_refund", body, reply=inbox)

    def answered(seen):
        ended = names(seen, "vignettes_request_seconds_count").items()
        return sum(value for name, value in ended if "request_refund" in name) >= 6_000

    ill = await house.ill("QueueTurningAway", answered)
    house.note(ill, ill, "QueueTurningAway")


async def a_clock_that_goes_wrong(house):
    class Ahead:
        time = staticmethod(lambda: real() + 3)

    real = metrics.time.time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, "time", Ahead)
        ill = await house.seen(lambda seen: seen["vignettes_clock_ahead_seconds{}"] > 1)
    well = await house.cured(lambda seen: abs(seen["vignettes_clock_ahead_seconds{}"]) < 1)
    house.note(ill, well, "ClockAstray")


# --- views


async def a_view_that_is_held_up(house):
    """A session that somebody forgot holds a table of it."""
    [(table,)] = house.sql(
        "SELECT 'edition.lookup_' || id FROM view.editions WHERE view = 'lookup' AND state = 'live'"
    )
    forgotten = psycopg.connect(house.database)
    forgotten.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
    await house.service.place()
    house.leap(mins=3)
    name = 'vignettes_projection_seconds_behind{view="lookup"}'
    led = 'vignettes_projection_led{view="lookup"}'
    ill = await house.ill("ViewBehind", lambda seen: seen[name] > 60 and seen[led] == 1)
    await house.follow("ViewBehind")
    well = await house.cured(lambda seen: seen[name] == 0)
    forgotten.close()
    behind = [name for name, value in names(ill, "vignettes_projection_seconds_behind").items() if value > 60]
    views = [each.partition('"')[2].rstrip('"}') for each in behind]
    house.note(ill, well, *(f'ViewBehind{{view="{each}"}}' for each in views))
    assert "lookup" in views


async def a_view_that_nobody_writes(house):
    """An earlier release was started again."""
    view = "lookup"
    house.sql("UPDATE view.editions SET version = version + 1 WHERE view = %s AND state = 'live'", view)
    await house.units["projecting"].stop()
    await house.units["projecting"].start()
    name = f'vignettes_projection_led{{view="{view}"}}'
    ill = await house.ill(
        "ViewNotLed",
        lambda seen: (
            seen[name] == 0
            and sum(v == 0 for v in names(seen, "vignettes_projection_led").values()) == 1
            and seen['vignettes_processes{role="projecting"}'] == 1
        ),
    )
    house.sql("UPDATE view.editions SET version = version - 1 WHERE view = %s AND state = 'live'", view)
    await house.follow("ViewNotLed")
    well = await house.cured(
        lambda seen: (
            all(names(seen, "vignettes_projection_led").values())
            and seen['vignettes_processes{role="projecting"}'] == 1
        )
    )
    house.note(ill, well, f'ViewNotLed{{view="{view}"}}')


async def an_order_that_a_view_can_not_take_in(house):
    """Somebody has added a rule to its table."""
    [(table,)] = house.sql(
        "SELECT 'edition.lookup_' || id FROM view.editions WHERE view = 'lookup' AND state = 'live'"
    )
    house.sql(f"ALTER TABLE {table} ADD CONSTRAINT too_strict CHECK (position < 0) NOT VALID")
    await house.service.place()
    name = 'vignettes_projection_orders_parked{view="lookup"}'
    ill = await house.ill("OrdersParked", lambda seen: seen[name] == 1)
    house.sql(f"ALTER TABLE {table} DROP CONSTRAINT too_strict")
    await house.follow("OrdersParked", VIEW="lookup")
    well = await house.cured(lambda seen: seen[name] == 0)
    house.note(ill, well, 'OrdersParked{view="lookup"}')


async def a_view_that_was_changed_by_hand(house):
    placed = await house.service.place()
    await house.service.status(placed["order_id"], "awaiting_payment")
    house.sql("UPDATE view.order_status SET price_fee = 1 WHERE order_id = %s", placed["order_id"])
    with pytest.raises(AssertionError, match="price_fee"):
        await house.vignettes("projections", "check", "order_status")
    name = 'vignettes_projection_orders_drifted{view="order_status"}'
    ill = await house.ill("OrdersDrifted", lambda seen: seen[name] == 1)
    await house.follow("OrdersDrifted", VIEW="order_status")
    well = await house.cured(lambda seen: seen[name] == 0)
    house.note(ill, well, 'OrdersDrifted{view="order_status"}')


async def published(house):
    """Place an order, and wait until the stream has it."""
    stream = house.client.jetstream()
    before = (await stream.stream_info("ORDERS")).state.messages
    await house.service.place()

    async def look():
        return (await stream.stream_info("ORDERS")).state.messages > before

    await until(look)


async def a_stream_that_takes_no_more(house):
    await published(house)  # of a stream that is empty, no bytes at all would mean no limit
    jetstream = house.client.jetstream()
    found = await jetstream.stream_info("ORDERS")
    full = found.config.evolve(max_bytes=found.state.bytes, discard="new")
    await jetstream.update_stream(full)
    await house.service.place()
    house.leap(mins=3)
    behind, led = (f'vignettes_projection_{each}{{view="published"}}' for each in ("seconds_behind", "led"))
    ill = await house.ill("PublishingBehind", lambda seen: seen[behind] > 60 and seen[led] == 1)
    await house.follow("PublishingBehind")
    await jetstream.update_stream(found.config)
    well = await house.cured(lambda seen: seen[behind] == 0 and seen[led] == 1)
    house.note(ill, well, "PublishingBehind")


async def a_stream_that_was_purged(house):
    """Shorter than it has acknowledged; published anew, it holds everything again."""
    jetstream = house.client.jetstream()
    found = await jetstream.stream_info("ORDERS")
    await jetstream.update_stream(found.config.evolve(duplicate_window=SHORT_WINDOW))
    for _ in range(3):
        await published(house)
    await jetstream.purge_stream("ORDERS", keep=2)

    def missing(seen):
        return seen["vignettes_published_events{}"] - seen["vignettes_stream_messages{}"]

    ill = await house.ill("StreamShort", lambda seen: missing(seen) > 0)
    with contextlib.suppress(AssertionError):  # it says as well what else it does not like here
        await house.follow("StreamShort")
    well = await house.cured(lambda seen: missing(seen) == 0)
    house.note(ill, well, "StreamShort")


async def heads_that_nobody_signs(house):
    """A keeper that hangs holds the lock."""
    await house.units["auditing"].stop()
    hanging = psycopg.connect(house.database, autocommit=True)
    hanging.execute("SELECT pg_advisory_lock(x'7669676c'::int)")
    await house.units["auditing"].start()
    await house.service.place()
    house.leap(mins=4)
    ill = await house.ill(
        "HeadsNotSigned",
        lambda seen: (
            seen["vignettes_ledger_seconds_behind{}"] > 120
            and seen['vignettes_processes{role="auditing"}'] == 1
            and seen['vignettes_projection_seconds_behind{view="published"}'] == 0
        ),
    )
    await house.follow("HeadsNotSigned")
    well = await house.cured(
        lambda seen: (
            seen["vignettes_ledger_seconds_behind{}"] == 0
            and seen['vignettes_processes{role="auditing"}'] == 1
        )
    )
    hanging.close()
    house.note(ill, well, "HeadsNotSigned")


# --- promises


async def due_tomorrow(house):
    """Place an order whose mark is today, and pay it. It is to be morning."""
    placed = await house.service.place(valid_from=(await house.service.day(1)).isoformat())
    await house.service.pay(placed)
    await house.service.status(placed["order_id"], "scheduled")
    return placed


async def a_start_that_is_late(house):
    """The stream of triggers was deleted: nobody hears of what is due."""
    await house.morning()
    placed = await due_tomorrow(house)
    asked = "SELECT due_at - clock.now() FROM read.deadlines WHERE purpose = 'registration' AND order_id = %s"
    [(wait,)] = house.sql(asked, placed["order_id"])
    await house.client.jetstream().delete_stream("REGISTRATIONS")
    house.leap(secs=wait.total_seconds() + 120)
    ill = await house.ill(
        "RegistrationLate",
        lambda seen: (
            seen['vignettes_starts_most_overdue_seconds{promise="1"}'] > 60
            and not any(v > 60 for v in names(seen, "vignettes_projection_seconds_behind").values())
        ),
    )
    await house.follow("RegistrationLate")
    await house.service.status(placed["order_id"], "issued")
    well = await house.cured(lambda seen: seen['vignettes_starts_overdue{promise="1"}'] == 0)
    house.note(ill, well, 'RegistrationLate{promise="1"}')


async def a_same_day_order_that_waits(house):
    await house.morning()
    placed = await house.service.place(valid_from=(await house.service.day(0)).isoformat())
    await house.service.pay(placed)
    await house.service.status(placed["order_id"], "scheduled")
    await house.client.jetstream().delete_stream("REGISTRATIONS")
    house.leap(secs=200)
    ill = await house.ill("SameDayAtRisk", lambda seen: seen["vignettes_same_day_used_seconds{}"] > 180)
    await house.follow("SameDayAtRisk")
    await house.service.status(placed["order_id"], "issued")
    well = await house.cured(lambda seen: seen["vignettes_same_day_used_seconds{}"] == 0)
    house.note(ill, well, "SameDayAtRisk")


async def an_authority_that_is_down_while_orders_need_it(house):
    await house.ask("sandbox.v1.authority", country="CZ", mode="down")
    await house.morning()
    placed = [await due_tomorrow(house) for _ in range(3)]
    for each in placed:
        await house.service.command("start_registration", order_id=each["order_id"])
    ill = await house.ill("AuthorityDown", lambda seen: seen.get(AUTHORITY) == 0)
    await house.ask("sandbox.v1.authority", country="CZ", mode="ok")
    for each in placed:
        await until(lambda each=each: issued(house, each))
    well = await house.cured(lambda seen: seen[AUTHORITY] == 1)
    house.note(ill, well, 'AuthorityDown{country="CZ"}')


async def issued(house, placed):
    reply = await house.service.ask("orders.v1.status", order_id=placed["order_id"])
    return reply["order"]["status"] == "issued"


async def a_person_who_is_called(house):
    """The authority fails once, and time gets short before it is asked again."""
    await house.morning()
    placed = await due_tomorrow(house)
    await house.ask("sandbox.v1.authority", country="CZ", mode="down")
    await house.service.command("start_registration", order_id=placed["order_id"])
    await until(lambda: registering(house, placed))
    house.leap(hours=4)
    ill = await house.ill(
        "PersonCalled", lambda seen: seen["vignettes_persons_called{}"] == 1 and seen[AUTHORITY] == 1
    )
    await house.ask("sandbox.v1.authority", country="CZ", mode="ok")
    await until(lambda: issued(house, placed))
    well = await house.cured(lambda seen: seen["vignettes_persons_called{}"] == 0 and seen[AUTHORITY] == 1)
    house.note(ill, well, "PersonCalled")


async def registering(house, placed):
    rows = house.sql(
        "SELECT 1 FROM read.registrations WHERE order_id = %s AND attempts > 0", placed["order_id"]
    )
    return bool(rows)


# --- mails


async def a_confirmation_that_does_not_leave(house):
    """The relay's name is wrong."""
    await house.units["mailing"].stop()
    await house.units["mailing"].start(smtp_url="smtp://127.0.0.1:1")
    placed = await house.service.place()
    await house.service.pay(placed)
    await house.service.status(placed["order_id"], "scheduled")
    house.leap(mins=16)
    name = 'vignettes_mails_waiting_oldest_seconds{kind="paid"}'
    ill = await house.ill("ConfirmationMailLate", lambda seen: seen[name] > 900)
    await house.follow("ConfirmationMailLate")
    well = await house.cured(lambda seen: seen[name] == 0 and seen["vignettes_mails_waiting{}"] == 0)
    house.note(ill, well, 'ConfirmationMailLate{kind="paid"}')


async def mails_that_come_back(house):
    """More than a few at once; and one that nobody can read."""
    before = {mail["message_id"] for mail in await house.service.inbox()}

    def placed(mails):
        return [each for each in mails if _kind(each) == "placed" and each["message_id"] not in before]

    for _ in range(6):
        await house.service.place()
    for mail in placed(await house.service.inbox(lambda mails: len(placed(mails)) == 6)):
        await house.ask("sandbox.v1.bounce", message_id=mail["message_id"], kind="hard")
    name = 'vignettes_mail_reports_total{outcome="permanent"}'
    ill = await house.ill("MailsReturned", lambda seen: seen.get(name, 0) >= 6)
    house.note(ill, ill, 'MailsReturned{outcome="permanent"}')
    mailbox.Maildir(house.service.settings.returns_folder).add(b"Subject: hello\n\nWhere is my vignette?\n")
    name = 'vignettes_mail_reports_total{outcome="set_aside"}'
    ill = await house.ill("ReturnNotUnderstood", lambda seen: seen.get(name, 0) == 1)
    house.note(ill, ill, "ReturnNotUnderstood")
    opened = 'vignettes_support_cases_open{topic="mail_returned"}'
    await house.seen(lambda seen: seen.get(opened) == 6)
    for case in house.sql("SELECT case_id FROM read.support_cases WHERE state = 'open'"):
        await house.ask("support.v1.close", command_id=uuid4(), actor="ops:desk", case_id=case[0])
    await house.cured(lambda seen: seen.get(opened) == 0)


def _kind(mail):
    return mail["headers"]["X-Mail-Kind"]


# --- money and support


async def imported(house, content, **different):
    told = {"command_id": str(uuid4()), "actor": "accounting", "file_name": "statement.xml"}
    body = {**told, "content": base64.b64encode(content).decode(), **different}
    return await house.service.ask("payments.v1.import", **body)


async def a_line(house, amount, words, **different):
    """Let the bank tell of a transfer, or a reversal."""
    usual = {"currency": "CZK", "reference": uuid4().hex[:16], "day": "2027-03-10"}
    line = entry(amount, details=transaction(words), **usual, **different)
    assert (await imported(house, camt053(statement(line, name=uuid4().hex))))["ok"]


async def far_ahead(house):
    """Place an order that is not due while the tests last, and return it with what it costs in words."""
    placed = await house.service.place(valid_from=(await house.service.day(20)).isoformat())
    return placed, f"{placed['price']['total']['amount'] / 100:.2f}"


async def money_that_nobody_has_looked_at(house):
    placed, amount = await far_ahead(house)
    await a_line(house, amount, "for my car")
    name = "vignettes_payments_in_review{}"
    await house.seen(lambda seen: seen[name] == 1)
    await house.service.advance(hours=25)
    oldest = "vignettes_payments_in_review_oldest_seconds{}"
    ill = await house.ill("ReviewQueueOld", lambda seen: seen[oldest] > 86400)
    [(payment,)] = house.sql("SELECT payment_id FROM read.review_queue")
    await house.follow(
        "ReviewQueueOld", "allocate", PAYMENT=payment, ORDER=placed["order_number"], NAME="ops:desk"
    )
    well = await house.cured(lambda seen: seen[name] == 0)
    house.note(ill, well, "ReviewQueueOld")


async def a_reversal_of_nobody_knows_what(house):
    await a_line(house, "88.00", "back", side="DBIT", more="<RvslInd>true</RvslInd>")
    await house.seen(lambda seen: seen["vignettes_payments_unplaced{}"] == 1)
    await house.service.advance(hours=25)
    oldest = "vignettes_payments_unplaced_oldest_seconds{}"
    ill = await house.ill("ReversalUnplaced", lambda seen: seen[oldest] > 86400)
    [(payment,)] = house.sql("SELECT payment_id FROM read.review_queue")
    await house.follow("ReversalUnplaced", "dismiss", REVERSAL=payment, NAME="ops:desk")
    well = await house.cured(lambda seen: seen["vignettes_payments_unplaced{}"] == 0)
    house.note(ill, well, "ReversalUnplaced")


async def a_bank_file_that_does_not_add_up(house):
    assert (await imported(house, b"<Document>", file_name="cut.xml"))["state"] == "set_aside"
    ill = await house.ill("BankFileSetAside", lambda seen: seen["vignettes_bank_files_set_aside{}"] == 1)
    await house.follow("BankFileSetAside", "psql", FILE="cut.xml")
    well = await house.cured(lambda seen: seen["vignettes_bank_files_set_aside{}"] == 0)
    house.note(ill, well, "BankFileSetAside")


async def a_payment_that_was_someone_elses(house):
    """A person gives it to the order that it was meant for, and the alert tells of it for a day."""
    (wrong, amount), (right, _) = await far_ahead(house), await far_ahead(house)
    await a_line(house, amount, f"/VS{wrong['payment']['variable_symbol']}")
    await house.service.status(wrong["order_id"], "scheduled")
    asked = (
        "SELECT payment_id FROM read.bank_payments WHERE status = 'matched' ORDER BY position DESC LIMIT 1"
    )
    [(payment,)] = house.sql(asked)
    await house.vignettes("payments", "reassign", str(payment), right["order_number"], "--actor", "ops:desk")
    broken = 'vignettes_promises{promise="5",state="broken"}'
    ill = await house.ill("WrongMatchUndone", lambda seen: seen[broken] == 1)
    await house.service.status(right["order_id"], "scheduled")
    await house.service.advance(hours=24, minutes=1)
    well = await house.cured(lambda seen: seen[broken] == 0)
    house.note(ill, well, "WrongMatchUndone")


async def a_customer_who_waits_for_an_answer(house):
    asked = {"topic": "question", "channel": "page", "language": "en", "message": "When?"}
    case = await house.ask("support.v1.open", command_id=uuid4(), **asked, email="somebody@example.com")
    name = 'vignettes_support_cases_open_oldest_seconds{topic="question"}'
    await house.seen(lambda seen: seen['vignettes_support_cases_open{topic="question"}'] == 1)
    await house.service.advance(hours=25)
    ill = await house.ill("SupportCaseOld", lambda seen: seen[name] > 86400)
    await house.follow("SupportCaseOld", CASE=case["case_number"], ANSWER="Soon.")
    well = await house.cured(lambda seen: seen[name] == 0)
    house.note(ill, well, 'SupportCaseOld{topic="question"}')


async def a_refund_that_nobody_lets_go(house):
    placed, _ = await far_ahead(house)
    await house.service.pay(placed)
    await house.service.command("request_refund", order_id=placed["order_id"])
    waiting, oldest = (f'vignettes_payouts{each}{{state="to_approve"}}' for each in ("", "_oldest_seconds"))
    await house.seen(lambda seen: seen[waiting] == 1)
    await house.service.advance(hours=49)
    ill = await house.ill("PayoutsWaiting", lambda seen: seen[oldest] > 172800)
    words = {"ORDER": placed["order_number"], "IBAN": "DE89370400440532013000", "NAME": "ops:desk"}
    await house.follow("PayoutsWaiting", "approve", **words)
    well = await house.cured(lambda seen: seen[waiting] == 0)
    house.note(ill, well, 'PayoutsWaiting{state="to_approve"}')


async def money_that_was_taken_back_too_late(house):
    """The vignette is there, and the payer's bank takes the money back."""
    await house.morning()
    placed = await house.service.place(valid_from=(await house.service.day(1)).isoformat())
    payment, total = str(uuid4()), placed["price"]["total"]
    await house.service.pay(placed, payment_id=payment)
    await house.service.command("start_registration", order_id=placed["order_id"])
    await house.service.status(placed["order_id"], "issued")
    back = {"order_id": placed["order_id"], "payment_id": payment, "actor": "bank"}
    assert (await house.service.command("reverse_payment", **back))["ok"]
    ill = await house.ill("DebtsOpen", lambda seen: seen["vignettes_orders_owing{}"] == 1)
    assert firing(house.promtool, house.folder, ill, ill, ill)[1] == set(), "it must not hide the next one"
    await house.follow(
        "DebtsOpen",
        COMMAND=uuid4(),
        NAME="ops:desk",
        ORDER=placed["order_number"],
        PAYMENT=uuid4(),
        AMOUNT=total["amount"],
        CURRENCY=total["currency"],
        TIME=(await house.service.now() - timedelta(minutes=1)).isoformat(),
    )
    well = await house.cured(lambda seen: seen["vignettes_orders_owing{}"] == 0)
    house.note(ill, well, "DebtsOpen")


async def somebody_who_guesses_tokens_of_staff(house):
    """So often that they are turned away."""
    async with httpx.AsyncClient(base_url=house.service.settings.public_url, trust_env=False) as http:
        for _ in range(12):
            page = await http.get("/sign-in")
            await http.post("/sign-in", data={**hidden(page.text), "token": "a guess"})
    ill = await house.ill(
        "StaffSignInFailures", lambda seen: seen['vignettes_throttled_total{of="staff_sign_in"}'] > 0
    )
    house.note(ill, ill, "StaffSignInFailures")
