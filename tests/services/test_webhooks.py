"""`/webhooks/<provider>` over real HTTP: what is taken, what is refused, and that a refusal costs next to nothing."""

import asyncio
import contextlib
import gzip
import json
import os
import re
import resource
import shutil
import time
from pathlib import Path

import httpx
import pytest
from nats.aio.client import Client
from psycopg_pool import AsyncConnectionPool
from structlog.testing import capture_logs

from notices import SECRET, SIGNED_AT, asked_provider, encoded, notice, signature
from service import running_service, until
from vignettes.domain.errors import PaymentIdReused, Unavailable
from vignettes.domain.references import parse_number
from vignettes.runtime.embedded import free_port
from vignettes.runtime.settings import ConfigurationError
from vignettes.services.asyncapi import document
from vignettes.services.notices import files
from vignettes.services.notices.comgate import Account, Comgate
from vignettes.services.notices.signed_json import SignedJson
from vignettes.services.notices.stripe import Stripe
from vignettes.services.web.app import create_app
from vignettes.services.web.serving import serving
from vignettes.services.web.webhooks import LONGEST_BODY, Webhooks

JSON = {"Content-Type": "application/json"}
#: A refusal may cost no more than this (docs of the abuse tests): bytes of memory, seconds.
MEMORY, SECONDS = 200_000_000, 2.0


class Core:
    """Stands where notices are put on record: notes them, or fails as it was told to."""

    def __init__(self):
        self.taken = []
        self.failure = None
        self.gate = asyncio.Event()
        self.gate.set()

    async def take(self, told):
        await self.gate.wait()
        if self.failure:
            raise self.failure
        self.taken.append(told)


def now():
    return float(SIGNED_AT)


@pytest.fixture
def core():
    return Core()


@pytest.fixture
def webhooks(core):
    providers = {
        "shop": SignedJson("shop", [SECRET], 300, now, test=False),
        "stripe": Stripe("stripe", [SECRET], 300, now, test=False),
    }
    return Webhooks(providers, core.take, patience=0.2)


@contextlib.asynccontextmanager
async def browsing(webhooks):
    """Nothing of it but health asks a database or NATS, and these are not there."""
    pool = AsyncConnectionPool(
        "host=/nowhere", open=False, min_size=0, max_size=1, timeout=0.1, reconnect_timeout=0
    )
    await pool.open()
    async with (
        pool,
        serving(create_app(Client(), (), pool, document, webhooks=webhooks)) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as http,
    ):
        yield http


@pytest.fixture
async def http(webhooks):
    async with browsing(webhooks) as http:
        yield http


def signed(told=None, **headers):
    body = encoded(notice()) if told is None else told if isinstance(told, bytes) else encoded(told)
    return {"content": body, "headers": JSON | {"Webhook-Signature": signature(body)} | headers}


def told(answer):
    return answer.status_code, answer.json()["error"]["code"]


@contextlib.contextmanager
def cheaply():
    """Fail where the block costs more time or memory than a refusal may."""
    began, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert time.monotonic() - began < SECONDS
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < MEMORY


# ------------------------------------------------------------ what is taken


async def test_a_notice_is_answered_once_it_is_on_record(http, core):
    """And not a moment before: who has our 200 does not repeat."""
    core.gate.clear()
    answer = asyncio.create_task(http.post("/webhooks/shop", **signed()))
    assert not (await asyncio.wait({answer}, timeout=0.1))[0]
    core.gate.set()
    assert ((await answer).status_code, (await answer).json()) == (200, {"ok": True})
    assert [each.payment_id for each in core.taken] == ["pay-1"]


@pytest.mark.case(17)
async def test_a_replay_is_passed_on_as_the_same_notice(http, core):
    """It comes to nothing where notices are put on record; the sender hears that all is well."""
    for _ in range(3):
        assert (await http.post("/webhooks/shop", **signed())).status_code == 200
    assert len(core.taken) == 3
    assert len(set(core.taken)) == 1


async def test_success_then_failure_are_both_passed_on_in_their_order(http, core):
    for state in ("paid", "failed"):
        assert (await http.post("/webhooks/shop", **signed(notice(state=state)))).status_code == 200
    assert [each.state for each in core.taken] == ["paid", "failed"]


async def test_what_tells_of_no_money_is_answered_and_left(http, core):
    """Or the provider would repeat it for days."""
    body = encoded(
        {"type": "invoice.paid", "created": SIGNED_AT, "livemode": True, "data": {"object": {"id": "in_1"}}}
    )
    headers = JSON | {"Stripe-Signature": signature(body)}
    with capture_logs() as logs:
        answer = await http.post("/webhooks/stripe", content=body, headers=headers)
    assert (answer.status_code, core.taken) == (200, [])
    assert [log for log in logs if log["event"] == "webhook.ignored"] == [
        {"event": "webhook.ignored", "log_level": "info", "provider": "stripe", "kind": "invoice.paid"}
    ]


async def test_a_hint_is_answered_in_the_words_of_its_provider(core):
    async with asked_provider() as asked, httpx.AsyncClient() as client:
        asked.knows("AB12-CD34")
        comgate = Comgate("comgate", Account("shop-1", SECRET, asked.url), client, now, test=False)
        async with browsing(Webhooks({"comgate": comgate}, core.take)) as http:
            answer = await http.post("/webhooks/comgate", data={"transId": "AB12-CD34"})
            asked.status = 500
            failed = await http.post("/webhooks/comgate", data={"transId": "AB12-CD34"})
    assert (answer.status_code, answer.text) == (200, "code=0&message=OK")
    assert told(failed) == (503, "provider_unavailable")
    assert [each.payment_id for each in core.taken] == ["AB12-CD34"]


# ------------------------------------------------------------ what is not


async def test_what_is_not_surely_on_record_is_to_be_repeated(http, core):
    core.failure = Unavailable()
    assert told(await http.post("/webhooks/shop", **signed())) == (503, "unavailable")
    core.failure = None
    assert (await http.post("/webhooks/shop", **signed())).status_code == 200


async def test_what_contradicts_the_record_is_refused(http, core):
    core.failure = PaymentIdReused(field="payment_id")
    answer = await http.post("/webhooks/shop", **signed())
    assert told(answer) == (409, "conflict")
    assert answer.json()["error"]["field"] == "payment_id"


PERSONAL = encoded(notice(payer="Jana Nováková"))


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "signature_missing"),
        (f"t={SIGNED_AT},v1={'0' * 64}", "signature_wrong"),
        (signature(PERSONAL, at=SIGNED_AT - 301), "signature_out_of_time"),
        (signature(PERSONAL, at=SIGNED_AT + 301), "signature_out_of_time"),
    ],
)
async def test_a_bad_signature_is_refused_and_told_to_whoever_watches(http, core, header, code):
    """With nothing secret and nobody's data in the log."""
    with capture_logs() as logs:
        answer = await http.post("/webhooks/shop", **signed(PERSONAL, **{"Webhook-Signature": header}))
    assert told(answer) == (401, code)
    assert core.taken == []
    assert logs == [
        {
            "event": "webhook.refused",
            "log_level": "warning",
            "provider": "shop",
            "reason": code,
            "field": None,
        }
    ]


async def test_what_is_refused_is_not_repeated_to_the_sender(http):
    evil = notice(payer="<script>alert(1)</script>\n", state="settled")
    answer = await http.post("/webhooks/shop", **signed(evil))
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"
    assert "script" not in answer.text


@pytest.mark.parametrize(
    "path", ["/webhooks/nobody", "/webhooks/Shop", "/webhooks/shop%00", "/webhooks/", "/webhooks"]
)
@pytest.mark.parametrize("method", ["POST", "GET", "HEAD", "PUT", "DELETE"])
async def test_an_unknown_provider_is_a_page_that_is_not_there(http, method, path):
    """The same answer to the last byte, whoever asks and however."""
    answer = await http.request(method, path)
    other = await http.request(method, "/nothing-here")
    seen = [
        (
            each.status_code,
            each.content,
            {name: value for name, value in each.headers.items() if name != "date"},
        )
        for each in (answer, other)
    ]
    assert seen[0] == seen[1]
    assert answer.status_code == 404


async def test_without_a_provider_there_are_no_webhooks_at_all(core):
    async with browsing(None) as http:
        answer = await http.post("/webhooks/shop", **signed())
    assert (answer.status_code, core.taken) == (404, [])


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_looking_at_an_address_starts_nothing(http, core, method):
    answer = await http.request(method, "/webhooks/shop", headers=signed()["headers"])
    assert (answer.status_code, answer.headers["allow"], core.taken) == (405, "POST", [])


# ------------------------------------------------------------ bodies that are meant to do harm


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "text/plain"}, "wrong_media_type"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "wrong_media_type"),
        ({"Content-Type": ""}, "wrong_media_type"),
        ({"Content-Encoding": "gzip"}, "wrong_encoding"),
        ({"Content-Encoding": "br, gzip"}, "wrong_encoding"),
    ],
)
async def test_a_body_of_another_kind_is_not_read(http, headers, code):
    assert told(await http.post("/webhooks/shop", **signed(**headers))) == (415, code)


async def test_the_kind_may_name_its_alphabet(http):
    answer = await http.post(
        "/webhooks/shop", **signed(**{"Content-Type": "Application/JSON; charset=utf-8"})
    )
    assert answer.status_code == 200


async def test_a_bomb_is_not_unpacked(http):
    bomb = gzip.compress(bytes(50_000_000))
    with cheaply():
        answer = await http.post("/webhooks/shop", **signed(bomb, **{"Content-Encoding": "gzip"}))
    assert told(answer) == (415, "wrong_encoding")


async def test_deep_nesting_and_endless_numbers_cost_nothing(http):
    with cheaply():
        for body in (b"[" * 65_000, b'{"a":' * 13_000, b"1" * 65_000, b'"\\ud800' + b"\\u0000" * 10_000):
            assert told(await http.post("/webhooks/shop", **signed(body))) == (400, "invalid_request")


async def test_the_longest_body_is_read_and_one_byte_more_is_not(http):
    fits = encoded(notice()).ljust(LONGEST_BODY)
    assert (await http.post("/webhooks/shop", **signed(fits))).status_code == 200
    assert told(await http.post("/webhooks/shop", **signed(fits + b" "))) == (413, "too_large")


@contextlib.asynccontextmanager
async def talking(http, *headers):
    """Begin a request by hand, and give its connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    head = ["POST /webhooks/shop HTTP/1.1", "Host: x", "Content-Type: application/json", *headers]
    writer.write("\r\n".join([*head, "", ""]).encode())
    try:
        yield reader, writer
    finally:
        writer.close()


async def heard(reader):
    """Return status and code of the answer, after which the connection must end."""
    async with asyncio.timeout(5):
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]["code"]


async def test_a_body_announced_as_huge_is_refused_before_it_is_sent(http):
    with cheaply():
        async with talking(http, "Content-Length: 10000000000") as (reader, _):
            assert await heard(reader) == (413, "too_large")


async def test_a_body_without_end_is_refused_on_the_way(http):
    """It is not read further than needed to see that it is too long."""
    with cheaply():
        async with talking(http, "Transfer-Encoding: chunked") as (reader, writer):
            with contextlib.suppress(ConnectionError):
                for _ in range(1000):
                    writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
                    await writer.drain()
            with contextlib.suppress(
                ConnectionError
            ):  # its answer may be lost with what was still being sent
                assert await heard(reader) == (413, "too_large")


async def test_a_body_that_trickles_is_not_waited_for(http, core):
    with cheaply():
        async with talking(http, "Content-Length: 100") as (reader, writer):
            writer.write(b"{")
            assert await heard(reader) == (408, "too_slow")
    assert core.taken == []


async def test_a_body_that_is_cut_off_is_not_taken(http, core, webhooks):
    body = encoded(notice())
    async with talking(http, f"Content-Length: {len(body)}", f"Webhook-Signature: {signature(body)}") as (
        _,
        writer,
    ):
        writer.write(body[:-1])
        await writer.drain()

    async def is_refused():
        return webhooks.registry.get_sample_value(
            "vignettes_webhooks_total", {"provider": "shop", "outcome": "refused"}
        )

    assert await until(is_refused) == 1
    assert core.taken == []


async def test_a_hundred_slow_bodies_keep_no_other_notice_waiting(http):
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(talking(http, "Content-Length: 100"))
        with cheaply():
            assert (await http.post("/webhooks/shop", **signed())).status_code == 200


# ------------------------------------------------------------ what is told of it


async def test_outcomes_are_counted_by_provider(http, core):
    await http.post("/webhooks/shop", **signed())
    await http.post("/webhooks/shop", **signed(**{"Webhook-Signature": "x"}))
    await http.post("/webhooks/nobody", **signed())
    core.failure = Unavailable()
    await http.post("/webhooks/shop", **signed())
    lines = (await http.get("/metrics")).text.splitlines()
    assert {line for line in lines if line.startswith("vignettes_webhooks_total")} == {
        'vignettes_webhooks_total{outcome="taken",provider="shop"} 1.0',
        'vignettes_webhooks_total{outcome="ignored",provider="shop"} 0.0',
        'vignettes_webhooks_total{outcome="refused",provider="shop"} 1.0',
        'vignettes_webhooks_total{outcome="unavailable",provider="shop"} 1.0',
        'vignettes_webhooks_total{outcome="taken",provider="stripe"} 0.0',
        'vignettes_webhooks_total{outcome="ignored",provider="stripe"} 0.0',
        'vignettes_webhooks_total{outcome="refused",provider="stripe"} 0.0',
        'vignettes_webhooks_total{outcome="unavailable",provider="stripe"} 0.0',
    }


async def test_the_openapi_document_tells_of_webhooks_but_names_no_provider(http):
    paths = (await http.get("/docs/openapi.json")).json()["paths"]
    assert list(paths["/webhooks/{provider}"]) == ["post"]
    assert not [path for path in paths if "shop" in path]


# ------------------------------------------------------------ what the page for integrators says


def worked_examples():
    """Return the commands of the page, each with what it is to be answered."""
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    signed_json, comgate = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    return {
        signed_json: re.search(r"^answers `(.*)`\.$", page, re.MULTILINE)[1],
        comgate: "code=0&message=OK 200",
    }


async def run(command, **environment):
    """Run a command of the page as its reader would."""
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-euc",
        command,
        env=os.environ | {"no_proxy": "*"} | environment,
        stdout=asyncio.subprocess.PIPE,
    )
    told, _ = await process.communicate()
    assert process.returncode == 0
    return told.decode().strip()


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="the page uses curl and openssl"
)
async def test_the_examples_of_the_page_do_what_it_says(core):
    """Signed by openssl and sent by curl, without a line of ours."""
    async with asked_provider() as asked, httpx.AsyncClient() as client:
        asked.knows("AB12-CD34-EF56")
        providers = {
            "shop": SignedJson("shop", [SECRET], 300, time.time, test=False),
            "comgate": Comgate("comgate", Account("shop-1", SECRET, asked.url), client, now, test=False),
        }
        async with browsing(Webhooks(providers, core.take)) as http:
            for command, answer in worked_examples().items():
                assert await run(command, ADDRESS=str(http.base_url), SHOP_SECRET=SECRET) == answer
    assert [each.payment_id for each in core.taken] == ["pay-1", "AB12-CD34-EF56"]
    assert parse_number(core.taken[0].order_reference) == core.taken[0].order_reference


def test_the_file_of_the_page_can_be_used(tmp_path):
    page = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
    path = tmp_path / "webhooks.toml"
    path.write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    assert set(files.read(path)) == {"shop", "stripe", "stripe-test", "comgate"}


# ------------------------------------------------------------ as the service is started


@pytest.fixture
def webhooks_file(tmp_path):
    path = tmp_path / "webhooks.toml"
    path.write_text('[shop]\nscheme = "signed-json"\nsecrets = [{ env = "SHOP_SECRET" }]\n')
    return path


async def test_the_file_of_the_settings_reaches_the_web_role(
    database, nats_server, tmp_path, webhooks_file, monkeypatch
):
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    port = free_port()
    web = running_service(
        database, nats_server.url, tmp_path / "data", ["web"], http_port=port, webhooks_file=webhooks_file
    )
    async with web, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:

        async def answered():
            with contextlib.suppress(httpx.ConnectError):
                return await http.post("/webhooks/shop", content=b"{}", headers=JSON)

        assert told(await until(answered)) == (401, "signature_missing")


async def test_a_secret_that_is_missing_ends_the_start_of_the_web_role(
    database, nats_server, tmp_path, webhooks_file, monkeypatch
):
    monkeypatch.delenv("SHOP_SECRET", raising=False)
    with pytest.raises(
        ConfigurationError, match="VIGNETTES_WEBHOOKS_FILE: shop: SHOP_SECRET holds no secret"
    ):
        async with running_service(
            database, nats_server.url, tmp_path / "data", ["web"], webhooks_file=webhooks_file
        ) as web:
            await web.serving
