"""The web service over real HTTP, on a real database and a real NATS server."""

import asyncio
import contextlib
import shutil
import socket
import tempfile
from pathlib import Path
from uuid import uuid4

import httpx
import nats
import psycopg
import pytest
from fastapi import FastAPI, Request
from faststream.nats import NatsBroker
from psycopg_pool import AsyncConnectionPool

from eventstore_helpers import prepare
from vignettes.domain.support_events import Topic
from vignettes.eventstore.connections import conninfo
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres, free_port
from vignettes.services.asyncapi import document
from vignettes.services.discovery import Discovery
from vignettes.services.edge import Endpoints, EndpointStats
from vignettes.services.grouping import CAPACITY, GroupStats
from vignettes.services.links import Links
from vignettes.services.subscribing import known
from vignettes.services.web.app import HEADERS, create_app, is_from_inside
from vignettes.services.web.rendering import static
from vignettes.services.web.serving import Web, _listener, serving

ROLES = ("ordering", "mailing")


@pytest.fixture(scope="module")
def data_dir():
    """Not pytest's own: the server runs as nobody, which may not enter there."""
    top = Path(tempfile.mkdtemp(prefix="vig"))
    yield top / "data"
    shutil.rmtree(top)


@pytest.fixture(scope="module")
def nats_url(data_dir):
    server = EmbeddedNats(data_dir, port=0, jetstream=False)
    server.start()
    yield server.url
    server.stop()


@pytest.fixture(scope="module")
def database_url(data_dir):
    server = EmbeddedPostgres(data_dir)
    server.start()
    server.ensure_database("vignettes")
    prepare(server.url("vignettes"))
    yield server.url("vignettes")
    server.stop()


@pytest.fixture
async def client(nats_url):
    client = await nats.connect(nats_url)
    yield client
    await client.close()


@pytest.fixture
async def pool(database_url):
    async with AsyncConnectionPool(conninfo(database_url, "vignettes_reader"), open=False) as pool:
        yield pool


@pytest.fixture
async def unreachable():
    """A pool on a server that is not there."""
    pool = AsyncConnectionPool(
        "host=/nowhere", open=False, min_size=0, max_size=1, timeout=0.2, reconnect_timeout=0
    )
    await pool.open()
    yield pool
    await pool.close()


@contextlib.asynccontextmanager
async def browsing(app):
    async with (
        serving(app, 0) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as http,
    ):
        yield http


@pytest.fixture
async def http(client, pool):
    async with browsing(create_app(client, ROLES, pool, document)) as http:
        yield http


@pytest.fixture
async def offline(client, unreachable):
    """The same, without a database."""
    async with browsing(create_app(client, ROLES, unreachable, document)) as http:
        yield http


@contextlib.asynccontextmanager
async def running(client, *roles):
    started = [Discovery(role, None, metadata={"restarts": "2", "pid": "4711"}) for role in roles]
    for discovery in started:
        await discovery.start(client)
    yield started
    for discovery in started:
        await discovery.stop()


async def test_the_process_is_alive_without_anything_else(offline):
    answer = await offline.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.thorough
async def test_ready_when_the_database_nats_and_every_role_are_there(http, client):
    async with running(client, *ROLES, "ordering"):
        answer = await http.get("/readyz")
    found = answer.json()
    assert answer.status_code == 200
    assert (found["status"], found["missing"]) == ("ready", [])
    assert (found["database"], found["nats"]) == (True, True)
    assert {role: len(state["instances"]) for role, state in found["roles"].items()} == {
        "ordering": 2,
        "mailing": 1,
    }


async def test_an_instance_is_told_with_its_process(http, client):
    async with running(client, *ROLES) as (ordering, _):
        found = (await http.get("/readyz")).json()
    [instance] = found["roles"]["ordering"]["instances"]
    assert instance["id"] == ordering.id
    assert (instance["pid"], instance["restarts"]) == (4711, 2)


async def test_a_missing_role_is_named(http, client):
    async with running(client, "ordering"):
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["status"] == "not ready"
    assert answer.json()["missing"] == ["mailing"]
    assert answer.json()["roles"]["mailing"] == {"present": False, "instances": []}


async def test_a_missing_database_is_named_within_seconds(offline, client):
    async with running(client, *ROLES):
        answer = await offline.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["database"])
    assert answer.elapsed.total_seconds() < 5


async def test_without_nats_nobody_can_be_seen(nats_url, pool):
    gone = await nats.connect(nats_url)
    await gone.close()
    async with browsing(create_app(gone, ROLES, pool, document)) as http:
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["missing"]) == (503, ["nats", *ROLES])


def told(metrics):
    """Return the samples of a text exposition by name and labels."""
    lines = [line for line in metrics.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


@pytest.fixture
def some_work(database_url):
    """A mail that waits, deadlines past and to come; taken away afterwards."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO personal.keys (order_id, master, contact_view) VALUES (gen_random_uuid(), 'm', 'k')"
        )
        connection.execute(
            "INSERT INTO view.emails (order_id, version, kind, message_id, recipient, language, facts,"
            " called_at, position) SELECT order_id, 1, 'placed', '<1@v.example>', 'sealed', 'en', '{}', now(), 1"
            " FROM personal.keys"
        )
        connection.execute(
            "INSERT INTO effect.mails (message_id, order_id, kind, position, called_at)"
            " SELECT message_id, order_id, kind, position, called_at FROM view.emails"
        )
        for days in (-1, 1):
            connection.execute(
                "INSERT INTO view.deadlines (order_id, purpose, generation, country, due_at, rule, zone,"
                " starts_at, mark_at, planned_at, position) VALUES (gen_random_uuid(), 'registration', 1,"
                " 'CZ', now() + make_interval(days => %s), 'lead', 'Europe/Prague', now(), now(), now(), 1)",
                (days,),
            )
        connection.execute(
            "INSERT INTO effect.authorities (country, state, tokens, calls, calls_failed)"
            " VALUES ('CZ', 'open', 1, 9, 5)"
        )
        connection.execute(
            "INSERT INTO effect.registrations (order_id, started_at, country, state)"
            " VALUES (gen_random_uuid(), now(), 'CZ', 'unknown')"
        )
        yield
        connection.execute("DELETE FROM effect.authorities")
        connection.execute("DELETE FROM effect.registrations")
        connection.execute("DELETE FROM view.emails")
        connection.execute("DELETE FROM effect.mails")
        connection.execute("DELETE FROM personal.keys")
        connection.execute("DELETE FROM view.deadlines")


@pytest.mark.usefixtures("some_work")
async def test_metrics_tell_how_the_service_stands(http):
    answer = await http.get("/metrics")
    samples = told(answer.text)
    assert answer.headers["content-type"].startswith("text/plain")
    assert samples["vignettes_database_up"] == 1
    assert samples["vignettes_mails_waiting"] == 1
    assert samples["vignettes_deadlines_overdue"] == 1
    assert 86_400 <= samples["vignettes_deadlines_most_overdue_seconds"] < 86_460
    assert samples['vignettes_authority_callable{country="CZ"}'] == 0
    assert samples['vignettes_authority_calls_failed_total{country="CZ"}'] == 5
    assert samples['vignettes_registrations_under_way{state="unknown"}'] == 1
    assert samples['vignettes_registrations_under_way{state="waiting"}'] == 0
    assert samples["vignettes_persons_called"] == 0
    assert samples['vignettes_orders{status="awaiting_payment"}'] == 0
    assert samples["process_cpu_seconds_total"] > 0


def a_payment(connection, status, days):
    """Put a payment into the view that stands so since some days."""
    connection.execute(
        "INSERT INTO view.bank_payments (payment_id, status, source, method, test, account, currency, amount,"
        " unallocated, booked_on, reasons, suggestions, shares, recorded_at, updated_at, version, position)"
        " SELECT gen_random_uuid(), %s, 'statement', 'bank_transfer', false, 'CZ65', 'CZK', 1, 1, current_date, '{}',"
        " '[]', '[]', now() - interval '99 days', clock.now() - make_interval(days => %s), 1, 1",
        (status, days),
    )


@pytest.fixture
def money_that_waits(database_url):
    """Payments and payouts of most states, an order that owes, a file that was set aside; taken away afterwards."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        for status, days in (("in_review", 1), ("in_review", 3), ("unplaced", 2), ("matched", 9)):
            a_payment(connection, status, days)
        for state, days in (("to_approve", 4), ("with_bank", 5), ("paid_out", 9)):
            connection.execute(
                "INSERT INTO view.payouts (source_id, payout_id, purpose, state, currency, amount, since, version,"
                " position) SELECT gen_random_uuid(), 'P', 'return', %s, 'CZK', 1,"
                " clock.now() - make_interval(days => %s), 1, 1",
                (state, days),
            )
        connection.execute(
            "INSERT INTO effect.bank_files (digest, name, format, state, reason, imported_by, ended_at)"
            " SELECT repeat('0', 64), 'a.xml', 'camt', 'set_aside', 'broken', 'tests', clock.now() - interval '6 days'"
        )
        connection.execute(
            "INSERT INTO view.order_status (order_id, order_number, status, country, zone, product, vehicle_country,"
            " valid_from, starts_at, ends_at, language, link_generation, currency, price_official, price_fee,"
            " price_total, received, outstanding, surplus, generation, start_wished, can_be_corrected,"
            " can_be_refunded, placed_at, updated_at, version, position, twin_accepted, owed, email_fails,"
            " has_document)"
            " SELECT gen_random_uuid(), 'V' || owed, 'issued', 'CZ', 'Europe/Prague', 'day', 'CZ', '', now(), now(),"
            " 'en', 1, 'CZK', 1, 1, 2, 2, 0, 0, 1, false, false, false, now(), now(), 1, 1, false, owed, false, false"
            " FROM unnest(ARRAY[0, 300, 500]) AS owed"
        )
        yield
        for table in ("view.bank_payments", "view.payouts", "effect.bank_files", "view.order_status"):
            connection.execute(f"DELETE FROM {table}")


def of_money(samples):
    """Return the samples about money, ages in whole days."""
    names = ("payments_", "payouts", "bank_files_", "orders_owing", "owed_")
    return {
        name.removeprefix("vignettes_"): value // 86_400 if "_seconds" in name else value
        for name, value in samples.items()
        if name.removeprefix("vignettes_").startswith(names)
    }


@pytest.mark.usefixtures("money_that_waits")
async def test_metrics_call_a_person_to_money_that_waits(http):
    """To be alarmed by: what only a person can decide, and since when; what is owed; what the bank has not done."""
    assert of_money(told((await http.get("/metrics")).text)) == {
        "payments_in_review": 2,
        "payments_in_review_oldest_seconds": 3,
        "payments_unplaced": 1,
        "payments_unplaced_oldest_seconds": 2,
        "bank_files_set_aside": 1,
        "bank_files_set_aside_oldest_seconds": 6,
        'payouts{state="to_approve"}': 1,
        'payouts{state="approved"}': 0,
        'payouts{state="with_bank"}': 1,
        'payouts_oldest_seconds{state="to_approve"}': 4,
        'payouts_oldest_seconds{state="approved"}': 0,
        'payouts_oldest_seconds{state="with_bank"}': 5,
        "orders_owing": 2,
        'owed_minor_units{currency="CZK"}': 800,
    }


async def test_metrics_tell_of_no_money_that_waits_as_zero(http):
    """A series that vanishes can't be watched."""
    samples = of_money(told((await http.get("/metrics")).text))
    assert len(samples) == 13
    assert set(samples.values()) == {0}


@pytest.fixture
def cases_that_wait(database_url):
    """Two questions and a debt that are open, since so many days; one that is answered. Taken away afterwards."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO view.support_cases (case_id, case_number, state, topic, channel, language, messages, answers,"
            " opened_at, open_since, erased, updated_at, version, position)"
            " SELECT gen_random_uuid(), 'C', CASE WHEN days > 0 THEN 'open' ELSE 'answered' END, topic, 'form', 'en',"
            " 1, 0, now(), CASE WHEN days > 0 THEN now() - make_interval(days => days) END, '{}', now(), 1, 1"
            " FROM (VALUES ('question', 2), ('question', 4), ('debt', 3), ('complaint', 0)) AS waits (topic, days)"
        )
        yield
        connection.execute("DELETE FROM view.support_cases")


@pytest.mark.usefixtures("cases_that_wait")
async def test_metrics_tell_who_waits_for_an_answer(http):
    """By topic, and since when; what there is none of as zero."""
    samples = told((await http.get("/metrics")).text)
    opened = {
        name: value for name, value in samples.items() if name.startswith("vignettes_support_cases_open{")
    }
    since = "vignettes_support_cases_open_oldest_seconds{"
    oldest = {name: value // 86_400 for name, value in samples.items() if name.startswith(since)}
    assert list(opened) == [f'vignettes_support_cases_open{{topic="{topic}"}}' for topic in Topic]
    assert (list(opened.values()), list(oldest.values())) == ([2, 0, 0, 1], [4, 0, 0, 3])


@pytest.fixture
def an_hour_behind(database_url):
    """An event of an hour ago that every view lacks but one; that one is led, and has orders to look after."""
    edition = "(SELECT id FROM view.editions WHERE view = 'order_status')"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO log.events (originator_id, originator_version, topic, state) SELECT gen_random_uuid(), 1,"
            " 't', convert_to(jsonb_build_object('at', clock.now() - interval '1 hour')::text, 'UTF8')"
        )
        connection.execute(
            "UPDATE view.editions SET position = (SELECT max(notification_id) FROM log.events),"
            " heartbeat_at = clock_timestamp() + interval '1 day' WHERE view = 'order_status'"
        )
        connection.execute(
            "UPDATE view.editions SET heartbeat_at = clock_timestamp() - interval '6 s' WHERE view = 'emails'"
        )
        connection.execute(
            "INSERT INTO view.parked (edition, order_id, position, version, topic, error)"
            f" SELECT {edition}, gen_random_uuid(), 1, 1, 't', 'e' FROM generate_series(1, 2)"
        )
        connection.execute(
            'INSERT INTO view.drift (edition, order_id, "table", columns, position)'
            f" SELECT {edition}, gen_random_uuid(), 'order_status', '{{status}}', 1"
        )
        yield
        connection.execute("UPDATE view.editions SET position = 0, heartbeat_at = NULL")
        connection.execute("DELETE FROM view.parked")
        connection.execute("DELETE FROM view.drift")


@pytest.mark.usefixtures("an_hour_behind")
async def test_metrics_tell_how_each_view_stands(http):
    """To be alarmed by: behind for how long, orders that wait or are wrong, and nobody at work on it."""
    samples = told((await http.get("/metrics")).text)

    def of(view):
        names = ("events_behind", "orders_parked", "orders_drifted", "led")
        return {name: samples[f'vignettes_projection_{name}{{view="{view}"}}'] for name in names}

    assert of("order_status") == {"events_behind": 0, "orders_parked": 2, "orders_drifted": 1, "led": 1}
    assert of("deadlines") == {"events_behind": 1, "orders_parked": 0, "orders_drifted": 0, "led": 0}
    assert of("emails")["led"] == 0, "heard of too long ago"
    assert samples['vignettes_projection_seconds_behind{view="order_status"}'] == 0
    assert 3600 <= samples['vignettes_projection_seconds_behind{view="deadlines"}'] < 3720


async def test_metrics_tell_how_each_writer_fares(http, nats_url):
    """Asked of every ordering process; one that tells other things hides nobody."""
    client = await nats.connect(nats_url)
    stats = GroupStats(queue_waiting=3, queue_turned_away=2).told()
    endpoints = [
        Endpoints(NatsBroker(), [EndpointStats("place", "orders.v1.place", "orders", data=lambda: stats)]),
        Endpoints(NatsBroker(), [EndpointStats("place", "x", "x", data=lambda: {"strange": 1})]),
    ]
    processes = [Discovery("ordering", each, metadata={}) for each in endpoints]
    for process in processes:
        await process.start(client)
    samples = told((await http.get("/metrics")).text)
    label = f'{{process="{processes[0].id}"}}'
    assert samples[f"vignettes_command_queue_waiting{label}"] == 3
    assert samples[f"vignettes_command_queue_turned_away_total{label}"] == 2
    assert samples[f"vignettes_command_queue_capacity{label}"] == CAPACITY
    for process in processes:
        await process.stop()
    await client.close()


async def test_metrics_without_a_database_are_those_of_the_process(offline):
    answer = await offline.get("/metrics")
    samples = told(answer.text)
    assert answer.status_code == 200
    assert samples["vignettes_database_up"] == 0
    assert "vignettes_mails_waiting" not in samples
    assert "process_cpu_seconds_total" in samples


@pytest.mark.case(34)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_mail_scanner_that_follows_the_links_of_a_mail_starts_nothing(http, client, method):
    """Case 34: whatever it fetches, nothing is asked of any order; only a button may do that."""
    links, order_id = Links(str(http.base_url), bytes(32)), uuid4()
    asked = await client.subscribe("orders.>")
    await known(client)
    for address in (links.manage(order_id, 1), links.start(order_id, 1)):
        await http.request(method, address)
    await client.flush()
    assert asked.pending_msgs == 0


@pytest.mark.parametrize("gone", ["/redoc", "/openapi.json", "/docs/oauth2-redirect"])
async def test_the_frameworks_own_pages_are_off(offline, gone):
    """They would load scripts from other sites."""
    assert (await offline.get(gone)).status_code == 404


@pytest.mark.parametrize(
    "path", ["/healthz", "/metrics", "/docs", "/docs/asyncapi", "/static/docs.css", "/nowhere"]
)
async def test_every_answer_is_closed_against_other_sites(offline, path):
    answer = await offline.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "default-src 'none'; style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "server" not in answer.headers


async def test_also_an_error_is_closed_and_tells_nothing(client, unreachable):
    def broken():
        raise ValueError("secret")

    async with browsing(create_app(client, ROLES, unreachable, broken)) as http:
        answer = await http.get("/docs/asyncapi")
    assert answer.status_code == 500
    assert answer.headers["Cache-Control"] == "no-store"
    assert "secret" not in answer.text


# --- the role ---


async def until_open(port):
    """Wait until somebody listens; polling, with a deadline."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                return await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.01)


async def test_the_role_serves_until_it_is_cancelled(client, unreachable):
    port = free_port()
    role = asyncio.create_task(Web(create_app(client, ROLES, unreachable, document), port).run())
    _, writer = await until_open(port)
    writer.close()
    async with httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"http://127.0.0.1:{port}/healthz")).status_code == 200
    role.cancel()
    with pytest.raises(asyncio.CancelledError):
        await role
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_a_request_that_never_ends_holds_up_the_stop_for_two_seconds_at_most():
    app, asked = FastAPI(), asyncio.Event()

    @app.get("/")
    async def endless():
        asked.set()
        await asyncio.Event().wait()

    port = free_port()
    role = asyncio.create_task(Web(app, port).run())
    reader, writer = await until_open(port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.wait_for(asked.wait(), 10)
    began = asyncio.get_running_loop().time()
    role.cancel()
    with pytest.raises(asyncio.CancelledError):
        await role
    assert asyncio.get_running_loop().time() - began < 2
    with contextlib.suppress(ConnectionError):
        assert await reader.read() == b"", "cut off, not answered"
    writer.close()


async def test_a_taken_port_says_what_to_do():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(OSError, match=rf"Port {port} .* VIGNETTES_HTTP_PORT"):
            await Web(FastAPI(), port).run()


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=203.0.113.9"}])
async def test_what_comes_through_a_proxy_gets_no_counts_and_no_particulars(http, headers):
    """A count of mails or commands would tell a stranger at the form whether an order was found."""
    assert (await http.get("/metrics", headers=headers)).status_code == 403
    assert set((await http.get("/readyz", headers=headers)).json()) == {"status"}


@pytest.mark.parametrize(
    ("host", "inside"),
    [("127.0.0.1", True), ("10.1.2.3", True), ("fd00::1", True), ("203.0.113.9", True), ("8.8.8.8", False)],
)
def test_who_is_inside_follows_from_the_address(host, inside):
    """Those of documentation count as private, for they are nobody's."""
    scope = {"type": "http", "headers": [], "client": (host, 4711)}
    assert is_from_inside(Request(scope)) is inside


async def test_a_slash_too_much_leads_nowhere(http):
    """And to no other host: a redirect would take the name that the request came with."""
    answer = await http.get("/healthz/", headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "evil" not in str(answer.headers)


async def test_a_file_is_kept_by_the_address_that_names_its_content(http):
    """Fetched once for all pages; by another address, or one that names another content, it is not kept."""
    kept = await http.get(static("docs.css"))
    assert kept.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    for path in ("/static/docs.css", "/static/docs.css?0123456789ab", "/static/nothing.css?"):
        assert (await http.get(path)).headers["Cache-Control"] == "no-store"


async def test_browsers_that_come_by_https_never_come_otherwise(client, pool):
    for is_secure in (True, False):
        async with browsing(create_app(client, ROLES, pool, document, is_secure=is_secure)) as http:
            assert ("Strict-Transport-Security" in (await http.get("/healthz")).headers) is is_secure


def test_no_page_waits_for_a_packet_before_it():
    """On a kept connection the second packet of an answer would wait 40 ms for the word that the first has come."""
    with _listener("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
