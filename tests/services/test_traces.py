"""One order is one trace, across processes, days and the log; sent to a real collector over HTTP."""

import contextlib
import gzip
import json
import time
from uuid import UUID, uuid4

import psycopg
import pytest
import pytest_asyncio
from nats.errors import NoRespondersError
from structlog.testing import capture_logs

from collecting import a_collector
from service import running_service, until
from vignettes.domain.references import number_from_serial
from vignettes.eventstore.orders import order_id_of
from vignettes.runtime.embedded import EmbeddedNats, free_port
from vignettes.runtime.settings import load_settings
from vignettes.runtime.telemetry import tracing
from vignettes.services import mailing
from vignettes.services.registering.ledger import Ledger
from vignettes.services.tracing import OFF, headers

THEIR_TRACE, THEIR_SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PLATE, ADDRESS = "7X7 1234", "traced.driver@example.com"


@pytest.fixture(scope="module")
def collector():
    with a_collector() as collected:
        yield collected


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(copied, tmp_path_factory, collector):
    """Run every role, with traces on."""
    folder = tmp_path_factory.mktemp("traces")
    nats_server = EmbeddedNats(folder / "nats", 0)
    nats_server.start()
    with copied() as database:
        async with running_service(
            database, nats_server.url, folder / "data", otlp_url=collector.url
        ) as running:
            yield running
    nats_server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def order(service):
    """Place an order on behalf of another trace, pay it, and let its time come; wait for its last mail."""
    body = {
        "command_id": str(uuid4()),
        "product": "CZ-10D",
        "vehicle": {"country": "CZ", "plate": PLATE},
        "valid_from": (await service.day(7)).isoformat(),
        "email": ADDRESS,
        "language": "en",
    }
    asked = {"traceparent": f"00-{THEIR_TRACE}-{THEIR_SPAN}-01"}

    async def answered():
        with contextlib.suppress(NoRespondersError):  # it is just starting
            return await service.client.request(
                "orders.v1.place", json.dumps(body).encode(), timeout=10, headers=asked
            )

    placed = json.loads((await until(answered)).data)
    await service.pay(placed)
    await service.advance(days=7)
    await service.mail_kinds("placed", "paid", "started", "issued")
    return placed


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spans(service, order, collector):
    """Give the spans of the order by their ids, once all that must come have come."""
    trace_id = UUID(order["order_id"]).hex

    async def look():
        found = collector.spans(trace_id)
        names = [span.name for span in found]
        complete = names.count("mail") == 4 and "publish vignette-issued" in names and "trigger" in names
        return found if complete and "register" in names else None

    return {span.span_id: span for span in await until(look)}


def way_to(spans, span):
    """Return the names of all that led to a span, the first of its order first."""
    names = []
    while span is not None:
        names.append(span.name)
        above = span.parent_span_id
        span = spans[above] if above else None
    return names[::-1]


def told(span):
    return {each.key: each.value.string_value or each.value.int_value for each in span.attributes}


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_one_trace_shows_an_order_from_its_placing_to_its_last_mail(spans):
    """Every span has what led to it in the same trace, whichever process it comes from and however late."""
    [mail] = [each for each in spans.values() if told(each).get("vignettes.mail") == "issued"]
    assert way_to(spans, mail) == [
        "order",
        "trigger",
        "orders.v1.start_due_registration",
        "register",
        "orders.v1.record_issue",
        "mail",
    ]
    [call] = [each for each in spans.values() if each.name == "authority register"]
    assert way_to(spans, call)[-2:] == ["register", "authority register"]
    [paid] = [each for each in spans.values() if told(each).get("vignettes.mail") == "paid"]
    assert way_to(spans, paid) == ["order", "orders.v1.receive_payment", "mail"]
    for span in spans.values():
        assert way_to(spans, span)[0] == "order"


async def test_whoever_asked_finds_the_order_by_a_link(spans):
    """Its trace is not that of the caller: it goes on for days, and others ask things of it as well."""
    linked = [each for each in spans.values() if each.links]
    assert {each.name for each in linked} == {"order", "orders.v1.place"}
    assert {(each.links[0].trace_id.hex(), each.links[0].span_id.hex()) for each in linked} == {
        (THEIR_TRACE, THEIR_SPAN)
    }


async def test_what_is_published_says_of_which_trace_it_is(service, order, spans):
    """Consumers of the stream may go on with the trace: the header names the span that published it."""
    jetstream = service.client.jetstream()
    message = await jetstream.get_last_msg("ORDERS", f"orders.events.v1.vignette-issued.{order['order_id']}")
    version, trace_id, span_id, flags = message.headers["traceparent"].split("-")
    assert (version, trace_id, flags) == ("00", UUID(order["order_id"]).hex, "01")
    assert spans[bytes.fromhex(span_id)].name == "publish vignette-issued"


async def test_no_trace_tells_who_drives_what(order, spans, collector):
    """Ids of orders and commands, countries, kinds: nothing of a person, in whatever encoding it is sent."""
    sent = b"".join(gzip.decompress(each) if each[:2] == b"\x1f\x8b" else each for each in collector.bodies)
    assert UUID(order["order_id"]).bytes in sent
    for personal in (PLATE, PLATE.replace(" ", ""), ADDRESS, order["manage_url"].rpartition("/")[2]):
        assert personal.encode() not in sent


async def test_a_service_that_is_told_no_collector_notes_nothing():
    order_id = uuid4()
    with OFF.span("work", order_id, "key", parent=order_id):
        assert headers() == {}
    OFF.note("work", order_id, "key", began=0)
    assert not OFF.is_on
    assert OFF.traceparent(order_id, "key").startswith(f"00-{order_id.hex}-")


async def told_of(logs, event, placed, times):
    of_it = [each for each in logs if each["event"] == event and each.get("order") == placed["order_id"]]
    return len(of_it) == times


async def test_what_can_not_be_traced_goes_its_way_all_the_same(service, monkeypatch):
    """Nothing is sent twice or asked again because nobody knows what a span follows from."""

    async def unknown(*_):
        raise psycopg.OperationalError

    monkeypatch.setattr(Ledger, "started_by", unknown)
    monkeypatch.setattr(mailing, "_CALLED_BY", "SELECT 1 / 0, %s")
    with capture_logs() as logs:
        placed = await service.place()
        await service.pay(placed)
        await service.advance(days=7)
        await service.status(placed["order_id"], "issued")
        await until(lambda: told_of(logs, "mail.not_traced", placed, 4))
    events = {each["event"] for each in logs}
    assert await told_of(logs, "mail.sent", placed, 4)
    assert "registration.not_traced" in events
    assert not events & {"worker.failed", "worker.database_error", "registration.failed"}


async def test_of_all_orders_a_share_is_traced_the_same_in_every_process(collector):
    """Their ids are of one kind, and alike in half of their bits: these say nothing of whose turn it is."""
    orders = [order_id_of(number_from_serial(serial)) for serial in range(1, 1_001)]
    settings = load_settings(otlp_url=collector.url, trace_share=0.1)
    for name in ("one", "two"):
        async with tracing(settings, [name]) as traced:
            for order_id in orders:
                traced.note(name, order_id, name, began=0)
            flags = {order_id.hex: traced.traceparent(order_id, name)[-2:] for order_id in orders}
    one, two = (
        {span.trace_id.hex() for span in collector.spans() if span.name == name} for name in ("one", "two")
    )
    assert 50 < len(one) < 150
    assert one == two == {each for each, flag in flags.items() if flag == "01"}
    assert set(flags.values()) == {"00", "01"}


async def test_what_is_asked_for_an_order_that_is_not_traced_says_so(collector):
    """Whoever is asked does not note spans whose parents are nowhere."""
    order_id = uuid4()
    async with tracing(load_settings(otlp_url=collector.url, trace_share=0), ["none"]) as traced:
        with traced.span("work", order_id, "key", parent=order_id):
            assert headers()["traceparent"].endswith("-00")
    assert collector.spans(order_id.hex) == []


@pytest.mark.thorough
async def test_a_collector_that_is_away_does_not_hold_up_the_end():
    """What could not be sent within a moment is lost: whoever stops a role waits for it."""
    settings = load_settings(otlp_url=f"http://127.0.0.1:{free_port()}")
    async with tracing(settings, ["leaving"]) as traced:
        for number in range(3_000):
            traced.note("work", uuid4(), number, began=0)
        began = time.monotonic()
    assert time.monotonic() - began < 5
