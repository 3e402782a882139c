"""The stand-in authority, over real HTTP: what it promises to those who test against it."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import httpx
import pytest

from vignettes.sandbox.authority import Authority, AuthorityRegister
from vignettes.sandbox.faults import Fault, Mode
from vignettes.services.web.serving import serving

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
BODY = {
    "reference": "order-1",
    "country": "CZ",
    "plate": "1AB2345",
    "product": "CZ-10D",
    "valid_from": "2026-12-01",
    "valid_until": "2026-12-10",
}


async def noon() -> datetime:
    return NOON


@pytest.fixture
def register(tmp_path):
    register = AuthorityRegister(tmp_path / "sandbox" / "authority.sqlite")
    yield register
    register.close()


@pytest.fixture
def authority(register):
    return Authority(register, now=noon, slow_seconds=0.2)


@asynccontextmanager
async def client(authority: Authority) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        serving(authority.app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as http,
    ):
        yield http


async def submit(http: httpx.AsyncClient, **changes) -> httpx.Response:
    return await http.post("/registrations", json=BODY | changes)


async def test_a_registration_is_answered_with_its_number_and_found_again(authority):
    """By our reference, and by vehicle and start, which is how one asks after a lost answer."""
    async with client(authority) as http:
        answer = await submit(http)
        assert answer.status_code == 201
        assert answer.json() == {
            **BODY,
            "number": "CZ1000000001",
            "authority_reference": "CZ-2026-000001",
            "registered_at": NOON.isoformat(),
            "authorisation_code": "E556FDFE",
        }
        vehicle = {"country": "CZ", "plate": "1AB2345", "valid_from": "2026-12-01"}
        for wanted in ({"reference": "order-1"}, vehicle):
            found = (await http.get("/registrations", params=wanted)).json()
            assert found == {"registrations": [answer.json()]}
        other = await http.get("/registrations", params={**vehicle, "plate": "XX"})
        assert other.json() == {"registrations": []}


@pytest.mark.parametrize(
    ("overlaps_from", "overlaps_until", "found"),
    [
        ("2026-11-01", "2026-11-30", 0),
        ("2026-11-01", "2026-12-01", 1),
        ("2026-12-10", "2026-12-10", 1),
        ("2026-12-11", "2026-12-20", 0),
        ("2026-12-10T14:30:00+02:00", "2026-12-11T14:29:59+02:00", 1),
    ],
)
async def test_what_covers_a_vehicle_in_a_period_is_found(authority, overlaps_from, overlaps_until, found):
    """By its plate, whoever had it registered; to the day."""
    period = {"overlaps_from": overlaps_from, "overlaps_until": overlaps_until}
    async with client(authority) as http:
        await submit(http)
        await submit(http, reference="order-2", plate="XX")
        answer = await http.get("/registrations", params={"country": "CZ", "plate": "1AB2345", **period})
    assert len(answer.json()["registrations"]) == found


async def test_a_registration_has_a_document_of_one_page(authority):
    """A PDF that says what was registered; every place in its table is where the object begins."""
    async with client(authority) as http:
        submitted = (await submit(http, plate="1AB(Ž)")).json()
        answer = await http.get(f"/registrations/{submitted['authority_reference']}/document")
        assert (await http.get("/registrations/CZ-0/document")).status_code == 404
        authority.set_mode("CZ", "down")
        assert (await http.get(answer.request.url)).status_code == 503
    paper = answer.content
    assert answer.headers["content-type"] == "application/pdf"
    assert b"(Vehicle 1AB\\(?\\))" in paper
    table = int(paper.rpartition(b"startxref\n")[2].split()[0])
    assert paper[table:].startswith(b"xref\n0 6\n")
    for number in range(1, 6):
        place = int(paper[table:].splitlines()[number + 2].split()[0])
        assert paper[place:].startswith(b"%d 0 obj" % number)


async def test_a_validity_may_change_later(authority, register):
    """By our reference or its own; what nobody knows changes nothing (case 51)."""
    async with client(authority) as http:
        submitted = (await submit(http)).json()
        for reference, until in (("order-1", "2027-01-31"), (submitted["authority_reference"], "2027-02-28")):
            register.change(reference, until)
            found = (await http.get("/registrations", params={"reference": "order-1"})).json()
            assert [each["valid_until"] for each in found["registrations"]] == [until]
    register.change("order-9", "2028-01-01")
    assert [each["valid_until"] for each in authority.registrations()] == ["2027-02-28"]


async def test_a_second_submission_makes_a_second_registration(authority):
    """A double must be seen: the authority forgives nobody's retry."""
    async with client(authority) as http:
        await submit(http)
        await submit(http)
        await submit(http, reference="order-2", country="SK")
    first, second, other = authority.registrations()
    assert first["order_id"] == second["order_id"] == "order-1"
    assert first["number"] != second["number"]
    assert (first["requests"], other["requests"]) == (2, 1)
    assert other == {
        "order_id": "order-2",
        "reference": "SK-2026-000003",
        "country": "SK",
        "plate": "1AB2345",
        "valid_from": "2026-12-01",
        "valid_until": "2026-12-10",
        "number": "SK1000000003",
        "registered_at": NOON.isoformat(),
        "requests": 1,
    }


async def test_registrations_and_counts_survive_a_restart(tmp_path):
    """The register is a file; the faults are forgotten."""
    before = AuthorityRegister(tmp_path / "authority.sqlite")
    authority = Authority(before, now=noon)
    authority.set_mode(None, "down", times=5)
    async with client(authority) as http:
        await submit(http)
        authority.set_mode(None, "ok")
        await submit(http)
    kept = authority.registrations()
    before.close()

    after = AuthorityRegister(tmp_path / "authority.sqlite")
    assert Authority(after, now=noon).registrations() == kept
    assert kept[0]["requests"] == 2
    async with client(Authority(after, now=noon)) as http:
        assert (await submit(http)).json()["number"] != kept[0]["number"]
    after.close()


async def test_a_mode_lasts_for_its_times_and_then_all_is_well(authority, register):
    """Every submission counts, whatever its outcome."""
    authority.set_mode("CZ", "reject", times=2, reason="already_covered")
    async with client(authority) as http:
        answers = [await submit(http) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 201]
    assert answers[0].json() == {"reason": "already_covered"}
    assert register.requests("order-1") == authority.registrations()[0]["requests"] == 3


async def test_a_mode_of_one_country_leaves_the_others_alone(authority):
    """And the mode for all replaces every other."""
    authority.set_mode("CZ", "down")
    async with client(authority) as http:
        assert (await submit(http)).status_code == 503
        assert (await submit(http, reference="order-2", country="SK")).status_code == 201
        authority.set_mode(None, "ok")
        assert (await submit(http)).status_code == 201


async def test_an_authority_that_is_down_answers_no_question_either(authority):
    """Neither by vehicle, nor by a reference it was sent before; a call is a call, so that it comes to an end."""
    authority.set_mode("CZ", "down", times=5)
    async with client(authority) as http:
        await submit(http)
        vehicle = {"country": "CZ", "plate": "1AB2345", "valid_from": "2026-12-01"}
        for wanted in ({"reference": "order-1"}, {"reference": "order-9", "country": "CZ"}, vehicle):
            assert (await http.get("/registrations", params=wanted)).status_code == 503
        assert (await http.get("/registrations", params={"reference": "order-9"})).status_code == 200
        assert (await submit(http)).status_code == 503
        assert (await submit(http)).status_code == 201


async def test_a_slow_authority_answers_in_the_end(authority):
    """Slower than usual, and well."""
    authority.set_mode(None, "slow", times=1)
    async with client(authority) as http:
        began = time.monotonic()
        assert (await submit(http)).status_code == 201
        assert time.monotonic() - began >= 0.2


@pytest.mark.thorough
async def test_a_flaky_authority_fails_in_its_share_of_calls_half_of_them_after_success(authority):
    """Submissions meet silence, questions a 503."""
    authority.set_mode(None, "flaky", share=0.5, seed=1)
    silent = set()
    async with client(authority) as http:

        async def one(reference):
            try:
                await http.post("/registrations", json=BODY | {"reference": reference}, timeout=1.5)
            except httpx.ReadTimeout:
                silent.add(reference)

        await asyncio.gather(*(one(f"order-{number}") for number in range(40)))
        asked = [await http.get("/registrations", params={"reference": "order-1"}) for _ in range(40)]
    after_success = {row["order_id"] for row in authority.registrations()} & silent
    assert 10 < len(silent) < 30
    assert 0 < len(after_success) < len(silent)
    assert 10 < [answer.status_code for answer in asked].count(503) < 30


def test_which_calls_of_a_flaky_authority_fail_follows_from_the_seed():
    """The same again for the same seed, half of the failures after success; another seed, others."""

    def modes(seed):
        fault = Fault(Mode.FLAKY, share=0.3, seed=seed)
        return [fault.for_submission(f"order-{number}", 1) for number in range(1000)]

    assert modes(1) == modes(1) != modes(2)
    counted = Counter(modes(1))
    assert counted.keys() == {"ok", "timeout_after_success", "timeout_before"}
    assert 120 < counted["timeout_after_success"] < 180 > counted["timeout_before"] > 120


@pytest.mark.parametrize("how", [{"share": 1.1}, {"share": -0.1}])
def test_a_share_is_a_share(authority, how):
    """More than every call can't fail."""
    with pytest.raises(ValueError, match="share"):
        authority.set_mode(None, "flaky", **how)


@pytest.mark.parametrize(("mode", "registered"), [("timeout_after_success", 1), ("timeout_before", 0)])
async def test_a_silent_authority_may_or_may_not_have_registered(authority, mode, registered):
    """Whoever waits learns nothing; asking afterwards tells."""
    authority.set_mode("CZ", mode, times=1)
    async with client(authority) as http:
        with pytest.raises(httpx.ReadTimeout):
            await http.post("/registrations", json=BODY, timeout=0.2)
        found = await http.get("/registrations", params={"reference": "order-1"})
        assert len(found.json()["registrations"]) == registered
    assert authority.register.requests("order-1") == 1


async def test_stopping_waits_for_no_held_connection(register):
    """The caller is cut off, as by a process that ends; it is told nothing."""
    submitted = asyncio.Event()

    async def now() -> datetime:
        submitted.set()
        return NOON

    authority = Authority(register, now=now)
    authority.set_mode(None, "timeout_after_success")
    async with httpx.AsyncClient(timeout=30) as http:
        async with serving(authority.app) as port:
            held = asyncio.create_task(http.post(f"http://127.0.0.1:{port}/registrations", json=BODY))
            await submitted.wait()
            began = time.monotonic()
        assert time.monotonic() - began < 5
        with pytest.raises(httpx.RemoteProtocolError):
            await held


@pytest.mark.parametrize("changes", [{"reference": ""}, {"country": "cz"}, {"plate": 7}, {"surprise": "x"}])
async def test_a_malformed_submission_is_refused_with_a_reason(authority, changes):
    """In the same form as every other refusal."""
    async with client(authority) as http:
        answer = await submit(http, **changes)
        assert (answer.status_code, answer.json()) == (422, {"reason": "invalid_request"})
        assert (await http.get("/registrations")).status_code == 422
    assert authority.registrations() == []


@pytest.mark.parametrize(("mode", "times"), [("on fire", None), ("ok", 0)])
def test_an_unknown_mode_is_a_misuse(authority, mode, times):
    """So is a fault that lasts for no call."""
    with pytest.raises(ValueError, match=r"on fire|times"):
        authority.set_mode(None, mode, times)


async def test_a_port_in_use_is_a_clear_error(authority):
    """Nothing else is started in its place."""
    async with serving(authority.app) as port:
        with pytest.raises(OSError, match="in use"):
            async with serving(authority.app, port):
                pass
