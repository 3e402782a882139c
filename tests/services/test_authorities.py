"""An authority over real HTTP: what is sent, what is made of its answers, and that nothing leaves too late."""

import asyncio
import base64
import json
import os
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from cryptography.exceptions import InvalidTag
from fastapi import FastAPI, Request, Response

from authorities import BUNDLED, impatient, without
from vignettes.runtime.embedded import free_port
from vignettes.sandbox.authority import Authority as SandboxAuthority
from vignettes.sandbox.authority import AuthorityRegister
from vignettes.services.authorities import (
    Application,
    Document,
    NotSent,
    Registered,
    RegisteredOtherwise,
    Rejected,
    Unknown,
    documents,
)
from vignettes.services.authorities.directory import connected
from vignettes.services.authorities.files import AuthorityFileError
from vignettes.services.authorities.wire import boot_clock
from vignettes.services.web.serving import serving

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ORDER = UUID(int=7)
APPLICATION = Application(ORDER, 3, "CZ", "CZ", "1AB2345", "CZ-10D", "2026-12-01", "2026-12-10")
OTHERS = replace(APPLICATION, order=UUID(int=8))
HELD = {
    "reference": str(ORDER),
    "plate": "1AB2345",
    "valid_from": "2026-12-01",
    "valid_until": "2026-12-10",
    "number": "CZ7",
    "authority_reference": "r-7",
    "registered_at": NOON.isoformat(),
}
PDF = b"%PDF-1.4 one page"


def soon():
    """Return an instant until which a call may be sent."""
    return boot_clock() + 60


@pytest.fixture
async def sandbox(tmp_path):
    register = AuthorityRegister(tmp_path / "authority.sqlite")

    async def noon():
        return NOON

    yield SandboxAuthority(register, now=noon)
    register.close()


@asynccontextmanager
async def asked(app, folder, *sections, text=BUNDLED):
    """Serve an authority, and give the adapter that its file describes."""
    files = impatient(folder / "authorities", *sections, text=text)
    async with serving(app) as port, connected(files, f"http://127.0.0.1:{port}", os.environ) as found:
        yield found.of("CZ")


class Partner:
    """A partner who answers whatever a test wants, and remembers what it was asked."""

    def __init__(self, content, status=200, media_type="application/json"):
        self.answer = content, status, media_type
        self.seen = []
        self.app = FastAPI(openapi_url=None)
        self.app.add_api_route("/{path:path}", self.take, methods=["GET", "POST", "PUT"])

    async def take(self, request: Request):
        self.seen.append((request, await request.body()))
        content, status, media_type = self.answer
        return Response(content, status, media_type=media_type)


# --- registering


async def test_a_vehicle_is_registered_and_found_again(sandbox, tmp_path):
    """With its number, both references, the period, the instant, and the code that the driver may need."""
    async with asked(sandbox.app, tmp_path) as authority:
        assert await authority.find(APPLICATION) is None
        registered = await authority.register(APPLICATION, soon())
        assert registered == await authority.find(APPLICATION)
    assert registered == Registered(
        "CZ1000000001", "CZ-2026-000001", "2026-12-01", "2026-12-10", NOON, registered.authorisation_code
    )
    assert len(registered.authorisation_code) == 8


async def test_each_start_has_an_idempotency_key(tmp_path):
    """For authorities that know one: the order and the generation."""
    partner = Partner("{}")
    async with asked(partner.app, tmp_path) as authority:
        await authority.register(APPLICATION, soon())
    [(request, _)] = partner.seen
    assert request.headers["idempotency-key"] == f"{ORDER}:3"


@pytest.mark.parametrize(
    "reason", ["plate_not_accepted", "already_covered", "period_not_accepted", "vehicle_not_accepted"]
)
async def test_a_rejection_has_a_code_of_ours_and_the_authoritys_words(sandbox, tmp_path, reason):
    """A small closed set, whatever it is called over there."""
    sandbox.set_mode("CZ", "reject", reason=reason)
    async with asked(sandbox.app, tmp_path) as authority:
        assert await authority.register(APPLICATION, soon()) == Rejected(reason, reason)


@pytest.mark.parametrize("mode", ["timeout_after_success", "timeout_before", "down"])
async def test_a_call_without_an_answer_that_tells_is_unknown(sandbox, tmp_path, mode):
    """It may have registered the vehicle, or not (case 45); asking tells."""
    sandbox.set_mode("CZ", mode, times=1)
    async with asked(sandbox.app, tmp_path) as authority:
        assert isinstance(await authority.register(APPLICATION, soon()), Unknown)
        found = await authority.find(APPLICATION)
    assert isinstance(found, Registered) == (mode == "timeout_after_success")


@pytest.mark.parametrize(
    ("content", "status"),
    [
        ("", 201),
        ("<html>", 201),
        ("[" * 100_000, 201),
        ("[]", 201),
        ('{"number": "CZ7"}', 201),
        ('{"reason": ""}', 422),
        ("{}", 422),
        ("{}", 200),
        ("{}", 302),
        ("x" * 3_000_000, 201),
    ],
)
async def test_a_doubt_is_unknown(tmp_path, content, status):
    """Nothing is guessed: what is not of the agreed form may have been a yes."""
    partner = Partner(content, status)
    async with asked(partner.app, tmp_path) as authority:
        assert isinstance(await authority.register(APPLICATION, soon()), Unknown)
        assert isinstance(await authority.find(APPLICATION), Unknown)


async def test_a_confirmation_of_other_data_needs_a_person(tmp_path):
    """Another plate was registered than the one that was sent."""
    partner = Partner(json.dumps({**HELD, "plate": "1AB2346"}), 201)
    async with asked(partner.app, tmp_path) as authority:
        assert isinstance(await authority.register(APPLICATION, soon()), RegisteredOtherwise)


# --- nothing leaves too late


async def test_nothing_is_sent_when_the_time_is_over(tmp_path):
    """The lease is over: somebody else may be at work on the order."""
    partner = Partner(json.dumps(HELD), 201)
    async with asked(partner.app, tmp_path) as authority:
        assert await authority.register(APPLICATION, boot_clock()) == NotSent("too late")
    assert partner.seen == []


async def test_time_that_runs_out_while_connecting_counts(tmp_path, monkeypatch):
    """The clock is looked at when the connection is there: a process that was stopped meanwhile sends nothing."""
    received = asyncio.get_running_loop().create_future()

    async def listen(reader, writer):
        received.set_result(await reader.read())
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    started = boot_clock()
    looks = iter([started, started + 100])  # it is looked at before the headers, and before the body
    monkeypatch.setattr("vignettes.services.authorities.wire.boot_clock", lambda: next(looks))
    async with connected(impatient(tmp_path / "a"), url, {}) as found:
        answer = await found.of("CZ").register(APPLICATION, started + 50)
    assert answer == NotSent("too late")
    assert b"1AB2345" not in await received
    server.close()
    await server.wait_closed()


async def test_what_could_not_connect_was_not_sent(tmp_path):
    """And it is the authority's failure, unlike being late."""
    async with connected(impatient(tmp_path / "a"), f"http://127.0.0.1:{free_port()}", {}) as found:
        assert await found.of("CZ").register(APPLICATION, soon()) == NotSent("ConnectError", failed=True)


# --- asking


async def test_what_it_holds_beside_ours_is_counted(sandbox, tmp_path):
    """Two under one reference: the driver has a vignette, and a person must look (I4)."""
    async with asked(sandbox.app, tmp_path) as authority:
        first = await authority.register(APPLICATION, soon())
        await authority.register(APPLICATION, soon())
        assert await authority.find(APPLICATION) == replace(first, also=1)


@pytest.mark.parametrize("different", [{"plate": "XX"}, {"valid_from": "2026-12-02"}])
async def test_what_it_holds_instead_of_ours_needs_a_person(sandbox, tmp_path, different):
    """Neither found nor not found: nothing may be sent, nothing recorded."""
    async with asked(sandbox.app, tmp_path) as authority:
        await authority.register(replace(APPLICATION, **different), soon())
        assert await authority.find(APPLICATION) == RegisteredOtherwise("other data held")


async def test_one_that_knows_no_references_is_asked_by_vehicle_and_period(sandbox, tmp_path):
    """What bears another's reference is not ours."""
    find = """
[find]
by = "vehicle"
path = "/registrations"
query = { country = "{country}", plate = "{plate}", valid_from = "{valid_from}" }
found = { status = [200] }
registrations = "/registrations"
"""
    async with asked(sandbox.app, tmp_path, find) as authority:
        assert authority.capabilities.finds_by == "vehicle"
        await authority.register(OTHERS, soon())
        assert await authority.find(APPLICATION) is None
        registered = await authority.register(APPLICATION, soon())
        assert await authority.find(APPLICATION) == registered


@pytest.mark.parametrize(
    ("valid_from", "valid_until", "covers"),
    [
        ("2026-11-20", "2026-11-30", False),
        ("2026-11-20", "2026-12-01", True),
        ("2026-12-10", "2026-12-19", True),
        ("2026-12-11", "2026-12-20", False),
    ],
)
async def test_whoever_covers_the_vehicle_already_is_told(sandbox, tmp_path, valid_from, valid_until, covers):
    """The last day belongs to a vignette; one that only ends before is none (case 47)."""
    async with asked(sandbox.app, tmp_path) as authority:
        other = replace(OTHERS, valid_from=valid_from, valid_until=valid_until)
        registered = await authority.register(other, soon())
        assert await authority.covering(APPLICATION) == (registered if covers else None)


async def test_what_is_ours_or_of_another_vehicle_covers_nothing(sandbox, tmp_path):
    """An earlier call of our own is found, not feared."""
    async with asked(sandbox.app, tmp_path) as authority:
        await authority.register(APPLICATION, soon())
        await authority.register(replace(OTHERS, plate="2AB2345"), soon())
        assert await authority.covering(APPLICATION) is None


async def test_one_that_does_not_tell_cover_is_not_asked(sandbox, tmp_path):
    """Its file has no such section."""
    async with asked(sandbox.app, tmp_path, text=without("cover")) as authority:
        await authority.register(OTHERS, soon())
        assert not authority.capabilities.tells_cover
        assert await authority.covering(APPLICATION) is None


# --- another partner's ways


async def test_a_partner_with_other_ways_is_a_small_file(tmp_path, monkeypatch):
    """PUT, names and places of its own, products by its names, success told by a field, and a secret."""
    partner = Partner(json.dumps({"result": "OK", "item": {"no": "7", "was": HELD}}))
    register = """
[register]
method = "PUT"
path = "/v2/{country}/{plate}"
body = { data = { what = "{product}", until = ["{valid_until}"] } }
registered = { status = [200], where = { "/result" = "OK" } }
rejected = { status = [200], where = { "/result" = "REFUSED" } }
covered = { status = [200], where = { "/result" = "COVERED" } }
code = "/error/code"
reason = "/error/text"
"""
    places = """
[registration]
number = "/item/no"
reference = "/item/was/authority_reference"
valid_from = "/item/was/valid_from"
valid_until = "/item/was/valid_until"
registered_at = "/item/was/registered_at"
"""
    more = [
        '[products]\nCZ-10D = "ten days"',
        '[headers]\nX-Key = "${PARTNER_KEY}"',
        '[codes]\nother = ["E9"]',
    ]
    monkeypatch.setenv("PARTNER_KEY", "secret")
    text = without("cover", without("register.body"))
    async with asked(partner.app, tmp_path, register, places, *more, text=text) as authority:
        registered = await authority.register(replace(APPLICATION, plate="Ž/1"), soon())
        assert registered == Registered("7", "r-7", "2026-12-01", "2026-12-10", NOON)
        request, body = partner.seen[0]
        assert (request.method, request.scope["raw_path"]) == ("PUT", b"/v2/CZ/%C5%BD%2F1")
        assert (request.headers["x-key"], body) == (
            "secret",
            b'{"data": {"what": "ten days", "until": ["2026-12-10"]}}',
        )
        partner.answer = (
            json.dumps({"result": "REFUSED", "error": {"code": "E9", "text": "no\n way"}}),
            200,
            "",
        )
        assert await authority.register(APPLICATION, soon()) == Rejected("other", "no  way")
        partner.answer = json.dumps({"result": "COVERED", "error": {"text": "is"}}), 200, ""
        assert await authority.register(APPLICATION, soon()) == Rejected("already_covered", "is")
        partner.answer = json.dumps({"result": "LATER"}), 200, ""
        assert await authority.register(APPLICATION, soon()) == Unknown("HTTP 200")


async def test_each_country_has_its_own_and_the_rest_the_bundled_one(sandbox, tmp_path):
    """A file in the folder wins for the countries that it names."""
    partner = Partner(json.dumps(HELD), 201)
    async with serving(partner.app) as port:
        text = BUNDLED.replace('["*"]', f'["SK"]\nbase_url = "http://127.0.0.1:{port}"')
        folder = impatient(tmp_path / "authorities", text=text)
        async with serving(sandbox.app) as other, connected(folder, f"http://127.0.0.1:{other}", {}) as found:
            assert (await found.of("SK").register(APPLICATION, soon())).number == "CZ7"
            assert (await found.of("CZ").register(APPLICATION, soon())).number == "CZ1000000001"
        async with connected(folder, None, {}) as found:
            assert found.of("CZ") is None


async def test_an_authority_without_an_address_is_refused(tmp_path):
    """Neither its file nor the settings say where it is."""
    with pytest.raises(AuthorityFileError, match="base_url is missing"):
        async with connected(impatient(tmp_path / "a"), None, {}):
            pass


# --- documents


async def test_the_official_document_is_fetched(sandbox, tmp_path):
    """One page, the same each time."""
    async with asked(sandbox.app, tmp_path) as authority:
        registered = await authority.register(APPLICATION, soon())
        document = await authority.document(APPLICATION, registered)
        assert document == await authority.document(APPLICATION, registered)
        assert document.media_type == "application/pdf"
        assert document.content.startswith(b"%PDF-1.4")
        assert b"Vehicle 1AB2345" in document.content
        assert await authority.document(APPLICATION, replace(registered, reference="another")) is None


async def test_a_document_may_come_with_the_answer(tmp_path):
    """In base64, at a place that the file names."""
    partner = Partner(json.dumps({**HELD, "pdf": base64.b64encode(PDF).decode()}), 201)
    text = without("document").replace('order = "/reference"', 'order = "/reference"\ndocument = "/pdf"')
    async with asked(partner.app, tmp_path, text=text) as authority:
        registered = await authority.register(APPLICATION, soon())
        assert await authority.document(APPLICATION, registered) == Document("application/pdf", PDF)


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"<html>", "application/pdf"),
        (PDF, "text/html"),
        (PDF + bytes(500_000), "application/pdf"),
        (PDF + bytes(3_000_000), "application/pdf"),
    ],
)
async def test_what_is_no_document_is_not_sent_to_anybody(tmp_path, content, media_type):
    """Another form, or too long to be mailed."""
    partner = Partner(content, media_type=media_type)
    held = Registered("CZ7", "r-7", "2026-12-01", "2026-12-10", NOON)
    async with asked(partner.app, tmp_path) as authority:
        assert await authority.document(APPLICATION, held) is None


def test_a_document_is_sealed_under_the_vehicles_key():
    """No plain byte of it is kept; the same comes out the same, and opens by that key alone."""
    key, document = bytes(range(32)), Document("application/pdf", PDF)
    kept = documents.sealed(document, key)
    assert kept == documents.sealed(document, key)
    assert PDF not in kept.sealed
    assert (kept.size, len(kept.digest)) == (len(PDF), 64)
    assert documents.opened(kept, key) == document
    with pytest.raises(InvalidTag):
        documents.opened(kept, bytes(32))
