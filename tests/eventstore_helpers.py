"""Orders with a past, written straight to the log; commands as the ordering service makes them; tables as rows."""

import asyncio
import atexit
import itertools
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
from psycopg import AsyncConnection

from vignettes.domain.account import Purpose
from vignettes.domain.details import Consent, Details, Payment, Vignette
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.personal import DataClass
from vignettes.domain.references import number_from_serial
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.append import Appender, Numbers
from vignettes.eventstore.codec import Envelope
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.deciding import Command, Outcome, Reply
from vignettes.eventstore.journal import Journal
from vignettes.eventstore.masterkeys import LocalMasterKeys
from vignettes.eventstore.migrations import migrate
from vignettes.eventstore.orders import Orders, order_id_of
from vignettes.eventstore.personal import BlindIndex, Vault
from vignettes.projections.bank_payments import BankPaymentsView
from vignettes.projections.books import BooksView
from vignettes.projections.case_calls import CaseCallsView
from vignettes.projections.deadlines import DeadlinesView
from vignettes.projections.emails import EmailsView
from vignettes.projections.follower import Following
from vignettes.projections.lookup import LookupView
from vignettes.projections.order_pages import OrderPagesView
from vignettes.projections.order_status import OrderStatusView
from vignettes.projections.payments import PaymentsView
from vignettes.projections.payouts import PayoutsView
from vignettes.projections.promises import PromisesView
from vignettes.projections.support_cases import SupportCasesView
from vignettes.projections.view import View
from vignettes.runtime.embedded import EmbeddedPostgres
from vignettes.runtime.viewing import install_views
from vignettes.services.links import Links

#: Noon in Prague, a Monday. Histories are told from here; nothing in a view reads the real clock.
NOON = datetime(2026, 6, 1, 10, 0, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TERMS = Terms()
DOMAIN = "vignettes.example"

MASTER = bytes(range(32))
#: The database of a test run that has the schema, for others to be copied from.
TEMPLATE = "vignettes_template"

T = TypeVar("T")

_serials = itertools.count(1)


def a_vault() -> Vault:
    """Return a vault as each process has one: its own memory, the same master key."""
    return Vault(LocalMasterKeys([MASTER]))


class Writer:
    """The writer that the service has, in the event loop of a thread of its own: tests ask it and wait.

    Decisions run in that thread, so that one of them may ask another writer in its middle.
    """

    def __init__(self, journal: Journal, vault: Vault, numbers: Numbers | None = None) -> None:
        self._appender = Appender(journal, vault, numbers or Numbers())
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def execute(self, command: Command) -> Reply:
        """Return the reply of one command, or raise what it ended in."""
        [outcome] = self.execute_all([command])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def execute_all(self, commands: Sequence[Command]) -> list[Outcome]:
        """Return the outcomes of a group."""
        return self.run(self._appender.execute_all(commands))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in its loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=120)

    def close(self) -> None:
        """Give the connection back, and end the thread."""
        self.run(self._appender.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def a_writer(database: str) -> Writer:
    """Return a writer as each ordering process has one."""
    return Writer(Journal(database), a_vault())


# --- orders and what happens to them ---


def details(day: int = 7, product: str = "CZ-10D", plate: str = "2A2 2345", at: datetime = NOON) -> Details:
    """Return details that begin so many days after `at`."""
    return Details(product, Vehicle.of("CZ", plate), Start((at + day * DAY).date()))


def an_order(wanted: Details | None = None, at: datetime = NOON, email: str = "driver@example.com") -> Order:
    """Place an order for a Czech ten-day vignette a week ahead, or a different one."""
    number = number_from_serial(next(_serials))
    return Order.place(
        order_id_of(number), number=number, details=wanted or details(), email=email, language="en", at=at
    )


def pay(
    order: Order,
    amount: int | None = None,
    at: datetime = NOON,
    outages: Sequence[Outage] = (),
    **different: Any,
) -> Order:
    """Pay what is outstanding, or another amount; `outages` are those that were announced by then."""
    currency = order.price.total.currency
    money = Money(order.outstanding.amount if amount is None else amount, currency)
    payment = {"payment_id": f"{order.number}-{order.version}", "amount": money, "method": "card"}
    order.receive_payment(Payment(**{**payment, "received_at": at, **different}), at, outages)
    return order


def start(order: Order, at: datetime = NOON) -> Order:
    """Start for a customer who asks for it, with the consent that it takes."""
    order.start_at_once(Consent("immediate_performance", "2026-01", at, "en"), at)
    return order


def issue(order: Order, at: datetime = NOON) -> Order:
    """Let the authority say yes."""
    order.record_issue(Vignette("CZ-0001", "ref-1", at, at + 10 * DAY), order.generation, at)
    return order


def an_outage(begins_at: datetime, hours: float = 6, country: str = "CZ") -> Outage:
    """Return an announced outage of an authority."""
    return Outage(uuid4(), country, begins_at, begins_at + hours * HOUR)


def record(orders: Orders, *changed: Order, actor: str = "test") -> Sequence[int]:
    """Append what is new in these orders, one event of each in turn, and return the positions."""
    streams = [order.collect_events() for order in changed]
    turns = itertools.zip_longest(*streams)
    envelope = Envelope(actor, uuid4())
    stored = [orders.codec.to_stored_event(event, envelope) for turn in turns for event in turn if event]
    return orders.log_recorder.insert_events(stored) or []


def stories() -> list[Order]:
    """Return orders that have met every event there is, some of them twice."""
    later = NOON + DAY
    issued = issue(start(pay(an_order())))
    overpaid = pay(pay(an_order(), 10_000), 40_000, later)
    overpaid.correct_email("other@example.com", later)
    overpaid.confirm_refund("surplus", overpaid.account.surplus_open, later + HOUR)
    corrected = pay(an_order(details(9)))
    corrected.correct_details(details(5), later)
    corrected.correct_details(details(5, "CZ-30D"), later)
    pay(corrected, at=later + HOUR)
    corrected.request_refund("customer", later + 2 * HOUR)
    corrected.confirm_refund("back", corrected.refund, later + 3 * HOUR)
    rejected = an_order(details(3))
    start(rejected)  # before the money: a wish
    pay(rejected)
    rejected.start_when_due(rejected.generation, NOON)
    rejected.record_rejection("other", "unknown plate", rejected.generation, NOON + HOUR)
    rejected.correct_details(details(3, plate="3A3 2345"), NOON + 2 * HOUR)
    rejected.start_when_due(rejected.generation, NOON + 3 * HOUR)
    expired = pay(an_order(details(1)), 5_000)
    expired.expire(NOON + 30 * DAY)
    held = pay(an_order(details(1)), at=NOON + 3 * DAY)
    held.correct_details(details(8), NOON + 4 * DAY)
    noticed = pay(an_order(), booked=False)
    plans, money = _stories_of_plans(), _stories_of_money()
    return [issued, overpaid, corrected, rejected, expired, held, noticed, *plans, *money]


def _stories_of_plans() -> list[Order]:
    """Return orders whose plan was moved by others than their customers, and one that a person looked after."""
    later = NOON + DAY
    moved = pay(an_order(details(12)))
    outage = an_outage(NOON + 11 * DAY)
    moved.regard_outage(outage, later)
    moved.disregard_outage(outage.id, later + HOUR)
    moved.change_terms(Terms(lead=DAY), later + 2 * HOUR)
    twin = pay(an_order(details(12)))
    twin.hold_as_twin(moved.id, later)
    twin.accept_twin(later + HOUR)
    start(twin, later + HOUR)
    twin.call_person("outcome_unknown", later + 4 * HOUR, twin.generation, later + 2 * HOUR)
    issue(twin, later + 3 * HOUR)
    twin.record_validity(later, later + 20 * DAY, later + 2 * DAY)
    return [moved, twin]


def _stories_of_money() -> list[Order]:
    """Return orders whose money was taken back, or came back when it had been sent to the payer."""
    later = NOON + DAY
    suspended = pay(an_order(), payment_id="reversed")
    suspended.reverse_payment("reversed", later)
    owing = issue(start(pay(an_order(), payment_id="of another")))
    owing.take_back_payment("of another", later)
    refused = pay(an_order())
    refused.request_refund("customer", later)
    refused.approve_payout(Purpose.REFUND, "CZ5855000000001265098001", later + HOUR)
    refused.order_payout(f"{refused.number}-1", "file-1", later + 2 * HOUR)
    refused.fail_payout(f"{refused.number}-1", later + DAY)
    return [suspended, owing, refused]


# --- commands ---


def standing(order: Order) -> dict[str, Any]:
    """Answer as the ordering service does."""
    return {"order_number": order.number, "version": order.version, "status": str(order.status)}


def placing(**different: Any) -> Command:
    """Return a command that places an order a week ahead of the service's time."""
    number = number_from_serial(next(_serials))

    def decide(order: Order | None, at: datetime) -> Order:
        return Order.place(
            order_id_of(number),
            number=number,
            details=details(at=at),
            email="driver@example.com",
            language="en",
            at=at,
        )

    return _command({"order_id": order_id_of(number), "decide": decide, **different})


def changing(order_id: UUID, act: Callable[[Order, datetime], None], **different: Any) -> Command:
    """Return a command on an order that exists."""

    def decide(order: Order | None, at: datetime) -> Order:
        assert order is not None
        act(order, at)
        return order

    return _command({"order_id": order_id, "decide": decide, **different})


def writing_to(order_id: UUID, email: str, **different: Any) -> Command:
    """Return a command that corrects the address."""
    return changing(order_id, lambda order, at: order.correct_email(email, at), **different)


def _command(parts: dict[str, Any]) -> Command:
    usual = {"command_id": uuid4(), "payload_hash": b"body", "actor": "customer", "answer": standing}
    return Command(**{**usual, **parts})


# --- views and tables ---


INDEX = BlindIndex(bytes(32))


def all_views(vault: Vault) -> list[View]:
    """Return every view, new and empty."""
    return [
        OrderStatusView(vault),
        EmailsView(DOMAIN, vault),
        DeadlinesView(),
        PaymentsView(),
        LookupView(INDEX),
        PromisesView(DOMAIN),
        BankPaymentsView(vault),
        BooksView(),
        PayoutsView(vault),
        OrderPagesView(Links("", MASTER).token),
        SupportCasesView(vault),
        CaseCallsView(),
    ]


async def projecting(database: str) -> AsyncConnection:
    """Connect as the projections do."""
    return await AsyncConnection.connect(conninfo(database, "vignettes_projector"), autocommit=True)


async def fold(database: str, vault: Vault, *views: View) -> None:
    """Let views take in the whole log, with the keys at hand that they share."""
    async with await projecting(database) as connection:
        following = await lead(connection, vault, *views)
        while (await following.advance()).events:
            pass
        for edition in following._leases.held:  # the next one need not wait for the end of this session
            await following._leases.give_back(edition)


async def lead(connection: AsyncConnection, vault: Vault, *views: View) -> Following:
    """Follow with some views over one connection, and hold the leases of those that are free."""
    named = {view.definition.name: view for view in views}
    following = Following(connection, named, vault, "test")
    await following.begin()
    await following.look()
    return following


def erase(
    database: str, orders: Orders, order: Order, *classes: DataClass, at: datetime = NOON + 60 * DAY
) -> None:
    """Let go of an order's personal data, all of it or some classes: the event, and the end of the keys."""
    order.erase(classes or tuple(DataClass), at)
    record(orders, order)
    for erased in order.erased:
        ask(
            database,
            f"UPDATE personal.keys SET {erased} = NULL, {erased}_view = NULL WHERE order_id = %s",
            order.id,
        )


class _Asking:
    """The connection that questions go through, kept as long as they are put to the same database.

    To open one costs more than most questions; each is its own transaction, and leaves nothing set.
    """

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._database = ""
        self._lock = threading.Lock()

    def ask(self, database: str, query: str, values: Sequence[Any]) -> list[Any]:
        with self._lock:
            if self._connection is None or self._gone_to(database):
                self.close()
                self._connection = psycopg.connect(database, autocommit=True, prepare_threshold=None)
                self._database = database
            cursor = self._connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def _gone_to(self, database: str) -> bool:
        """Tell whether another database is asked, or this one hung up on us since."""
        assert self._connection is not None
        if self._database != database or self._connection.closed:
            return True
        try:
            self._connection.execute("DISCARD ALL")
        except psycopg.OperationalError:
            return True
        return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


_asking = _Asking()
atexit.register(_asking.close)


def ask(database: str, query: str, *values: Any) -> list[Any]:
    """Return the rows of a query, asked as superuser; single columns as they are."""
    return [row[0] if len(row) == 1 else row for row in _asking.ask(database, query, values)]


def tables(database: str) -> dict[str, list[dict[str, Any]]]:
    """Return every row of every view, in an order that does not depend on how it was written."""
    names = (
        "order_status", "emails", "deadlines", "payments", "lookup", "promises", "bank_payments", "books", "payouts",
        "order_pages", "support_cases", "support_messages", "case_calls",
    )  # fmt: skip
    return {
        name: ask(database, f"SELECT to_jsonb(t) FROM view.{name} t ORDER BY to_jsonb(t)::text")
        for name in names
    }


def prepare(database: str) -> None:
    """Bring a database to the form that the service needs."""
    migrate(database)
    install_views(database)


@contextmanager
def a_database(postgres: EmbeddedPostgres, name: str) -> Iterator[str]:
    """Give a migrated database for tests that do not get into each other's way."""
    [templates] = ask(
        postgres.url("postgres"), "SELECT count(*) FROM pg_database WHERE datname = %s", TEMPLATE
    )
    ask(
        postgres.url("postgres"),
        f'CREATE DATABASE "{name}" TEMPLATE {TEMPLATE if templates else "template1"}',
    )
    prepare(postgres.url(name))
    yield postgres.url(name)
    ask(postgres.url("postgres"), f'DROP DATABASE "{name}" WITH (FORCE)')


def empty_views(database: str) -> None:
    """Throw the views away, positions included, as a rebuild does."""
    ask(database, "UPDATE view.editions SET state = 'retired'")
    ask(database, "DELETE FROM view.parked")
    install_views(database)
