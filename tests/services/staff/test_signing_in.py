"""Signing in with a token: who is let in, for how long, and what is told to whoever is not."""

import asyncio
import errno
import os
import re

import pytest
import structlog

from forms import hidden, words
from staff_site import Site, form, member, sign_in
from vignettes.runtime.staffing import remove
from vignettes.services.web.staff import StaffRole

HALF_A_DAY = 12 * 3600


@pytest.fixture
def file(tmp_path):
    return tmp_path / "staff" / "staff.toml"


@pytest.fixture
def token(file):
    return member(file)


@pytest.fixture
def site(file, token):
    return Site(file)


def cookie(answer, name="__Host-staff"):
    [set_cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith(f"{name}=")]
    return set_cookie


async def is_in(http, page="/audit"):
    return (await http.get(page)).status_code == 200


# ------------------------------------------------------------ a token opens


async def test_a_token_opens_the_page_that_was_asked_for(site, token):
    async with site.browser() as http:
        sent = await http.get("/audit/looks", params={"find": "whatever somebody has typed"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/sign-in?to=/audit/looks")
        page = await http.get(sent.headers["location"])
        answer = await http.post("/sign-in", data={**hidden(page.text), "token": f" {token}\n"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/audit/looks")
        assert "member" in (await http.get("/audit")).text


async def test_a_session_is_kept_where_no_script_and_no_other_site_gets_at_it(site, token):
    async with site.browser() as http:
        answer = await sign_in(http, token)
    said = cookie(answer)
    assert {"HttpOnly", "Secure", "SameSite=lax", "Path=/", f"Max-Age={HALF_A_DAY}"} <= set(
        said.split("; ")[1:]
    )
    assert token not in said


async def test_by_plain_http_the_cookie_goes_without_what_needs_https(file, token):
    site = Site(file, origin="http://127.0.0.1:8000")
    async with site.browser() as http:
        assert "Secure" not in cookie(await sign_in(http, token), "staff")
        assert await is_in(http)


async def test_a_session_is_known_to_every_web_process_and_after_a_restart(site, file, token):
    async with (
        site.browser() as http,
        Site(file).browser() as other,
        Site(file, key=bytes(32)).browser() as foreign,
    ):
        await sign_in(http, token)
        other.cookies = foreign.cookies = http.cookies
        assert await is_in(other)
        assert not await is_in(foreign)


async def test_a_session_ends_after_half_a_day(site, token):
    async with site.browser() as http:
        await sign_in(http, token)
        kept = http.cookies["__Host-staff"]
        site.ahead = HALF_A_DAY - 10
        assert await is_in(http)
        site.ahead = HALF_A_DAY + 10
        http.cookies.set("__Host-staff", kept, domain="vignettes.example")
        assert not await is_in(http)


async def test_whoever_is_in_already_is_led_on_from_the_way_in(site, token):
    async with site.browser() as http:
        await sign_in(http, token)
        assert (await http.get("/sign-in?to=/audit/looks")).headers["location"] == "/audit/looks"
        assert (await http.get("/sign-in")).headers["location"] == "/audit"


# ------------------------------------------------------------ and closes again


async def test_signing_out_ends_it_in_this_browser(site, token):
    async with site.browser() as http:
        await sign_in(http, token)
        page = await http.get("/audit")
        assert (await http.get("/sign-out")).status_code == 405
        assert await is_in(http)
        answer = await http.post("/sign-out", data=form(page.text, "/sign-out"))
        assert answer.headers["location"] == "/sign-in"
        assert not await is_in(http)


async def test_a_removed_member_is_out_at_once(site, file, token):
    async with site.browser() as http:
        await sign_in(http, token)
        remove(file, "member")
        assert not await is_in(http)
        assert "opens nothing" in words((await sign_in(http, token)).text)


async def test_other_roles_hold_at_once(site, file, token):
    async with site.browser() as http:
        await sign_in(http, token)
        text = file.read_text().replace('["auditor"]', '["viewer"]')
        file.write_text(text)
        assert (await http.get("/audit")).status_code == 403


async def test_a_new_token_ends_the_sessions_of_the_old_one(site, file, token):
    async with site.browser() as http:
        await sign_in(http, token)
        again = member(file)
        assert not await is_in(http)
        await sign_in(http, again)
        assert await is_in(http)


@pytest.mark.parametrize(
    "broken",
    [
        "[members",
        '[members."member"]\nroles = []',
        '[members."Mem ber"]',
        '[members."member"]\nroles = ["owner"]',
        "\xff",
    ],
)
async def test_a_file_that_can_not_be_used_lets_nobody_in(site, file, token, broken):
    async with site.browser() as http:
        await sign_in(http, token)
        file.write_text(broken, encoding="latin-1")
        assert not await is_in(http)


async def test_a_disk_that_fails_for_a_moment_keeps_nobody_out_afterwards(site, file, token, monkeypatch):
    """The file is what it was: nobody has to write it anew."""

    def fails(*_):
        raise OSError(errno.EMFILE, "Too many open files")

    async with site.browser() as http:
        await sign_in(http, token)
        file.touch()
        with monkeypatch.context() as broken:
            broken.setattr(type(file), "open", fails)
            assert not await is_in(http)
        assert await is_in(http)


@pytest.mark.parametrize(
    "text",
    [
        "[members.nobody]\nroles = []",
        '[members."no body"]\nroles = ["viewer"]\ntoken_sha256 = "{0}"\nadded_at = 2027-01-01T00:00:00Z',
        "[members.nobody]\n[members.nobody]",
        "[nobody]",
        "members.nobody = 1",
    ],
)
async def test_what_is_said_of_a_file_names_nobody(site, file, token, text):
    """It stands in the log, and the doctor tells it."""
    with structlog.testing.capture_logs() as logs:
        async with site.browser() as http:
            file.write_text(text.format("0" * 64))
            assert (await sign_in(http, token)).status_code == 422
    [told] = [each["reason"] for each in logs if each["event"] == "staff.unusable"]
    assert "body" not in told.removeprefix(str(file))


async def test_a_file_that_others_may_write_to_lets_nobody_in(site, file, token):
    file.chmod(0o660)
    async with site.browser() as http:
        await sign_in(http, token)
        assert not await is_in(http)


async def test_without_a_file_nobody_gets_in(tmp_path):
    async with Site(tmp_path / "none.toml").browser() as http:
        assert (await sign_in(http, "vst_x")).status_code == 422


# ------------------------------------------------------------ what is told to others


async def test_unknown_wrong_and_empty_tokens_are_answered_alike(site, token):
    answers = set()
    async with site.browser() as http:
        for wrong in ("vst_unknown", token[:-1], token.upper(), "", "é\0'--"):
            answer = await sign_in(http, wrong)
            assert answer.status_code == 422
            answers.add(re.sub(r'name="(command_id|proof)" value="[^"]*"', "", answer.text))
            assert not await is_in(http)
    assert len(answers) == 1


async def test_what_was_typed_is_neither_shown_again_nor_logged(site, token):
    with structlog.testing.capture_logs() as logs:
        async with site.browser() as http:
            refused = await sign_in(http, "vst_nearly")
            await sign_in(http, token)
            await http.get("/audit")
    assert "vst_nearly" not in refused.text
    assert [each["event"] for each in logs] == ["staff.refused", "staff.signed_in"]
    assert not any(secret in str(logs) for secret in ("vst_nearly", token, "member"))


async def test_too_many_failures_wait_even_with_the_right_token(site, token):
    async with site.browser() as http, site.browser("198.51.100.9") as elsewhere:
        for _ in range(10):
            assert (await sign_in(http, "vst_wrong")).status_code == 422
        refused = await sign_in(http, token)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) <= 600
        assert not await is_in(http)
        await sign_in(elsewhere, token)
        assert await is_in(elsewhere)
        site.ahead = 601
        await sign_in(http, token)
        assert await is_in(http)


async def test_success_is_never_counted(site, token):
    async with site.browser() as http:
        for _ in range(12):
            http.cookies.clear()
            assert (await sign_in(http, token)).status_code == 303


async def test_scripts_and_forms_are_told_where_pages_are_led(site):
    async with site.browser() as http:
        script = await http.get("/audit", headers={"Sec-Fetch-Mode": "cors"})
        posted = await http.post("/audit/x/bundle")
    assert (script.status_code, posted.status_code) == (401, 401)
    assert "Nothing was done" in words(posted.text)


@pytest.mark.parametrize("role", [StaffRole.VIEWER, StaffRole.OPERATOR])
@pytest.mark.parametrize("page", ["/audit", "/audit/looks", "/audit/34773156-1324-5415-8cd4-5e88b36b3469"])
async def test_another_role_may_not(file, role, page):
    token = member(file, "another", role)
    async with Site(file).browser() as http:
        await sign_in(http, token)
        answer = await http.get(page)
    assert answer.status_code == 403
    assert "needs the role auditor" in words(answer.text)
    assert 'href="/audit"' not in answer.text


# ------------------------------------------------------------ abuses


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example",
        "\\\\evil.example",
        "/\t/evil.example",
        "/%0a/evil.example\n",
        "javascript:alert(1)",
        "audit",
        "/" + "a" * 3000,
    ],
)
async def test_the_way_on_never_leads_to_another_site(site, token, elsewhere):
    async with site.browser() as http:
        answer = await sign_in(http, token, to=elsewhere)
        assert answer.headers["location"] == "/audit"
        assert (await http.get("/sign-in", params={"to": elsewhere})).headers["location"] == "/audit"


async def test_a_form_that_our_page_did_not_send_signs_nobody_in(site, token):
    """Or somebody would work in the name of another, who has signed them in."""
    async with site.browser() as http, site.browser("198.51.100.9") as other:
        ours = hidden((await http.get("/sign-in")).text)
        theirs = hidden((await other.get("/sign-in")).text)
        for fields, headers in (
            ({}, {}),
            ({**ours, "proof": ""}, {}),
            (theirs, {}),
            (ours, {"Origin": "https://evil.example"}),
            (ours, {"Sec-Fetch-Site": "cross-site"}),
        ):
            answer = await http.post("/sign-in", data={**fields, "token": token}, headers=headers)
            assert answer.status_code == 403
            assert not await is_in(http)


async def test_a_session_that_was_put_into_a_browser_is_not_gone_on_with(site, file, token):
    """Neither the session nor the visit that somebody else may know lives on when a person signs in."""
    theirs = member(file, "another", StaffRole.AUDITOR)
    async with site.browser() as attacker, site.browser() as http:
        page = await attacker.get("/sign-in")
        known = attacker.cookies["__Host-visit"]
        await sign_in(attacker, theirs)
        planted = attacker.cookies["__Host-staff"]
        http.cookies.set("__Host-visit", known, domain="vignettes.example")
        answer = await http.post("/sign-in", data={**hidden(page.text), "token": token})
        assert planted not in cookie(answer)
        assert known not in cookie(answer, "__Host-visit")


async def test_every_session_is_another_one(site, token):
    seen = set()
    for _ in range(3):
        async with site.browser() as http:
            seen.add(cookie(await sign_in(http, token)).split(";")[0])
    assert len(seen) == 3


async def test_a_cookie_that_was_changed_opens_nothing(site, token):
    async with site.browser() as http:
        await sign_in(http, token)
        head, body, seal = http.cookies["__Host-staff"].split(".")
        none = "eyJhbGciOiJub25lIn0"
        for forged in (
            f"{head}.{body}.",
            f"{none}.{body}.",
            f"{none}.{body}.{seal}",
            f"{head}.{body[:-4]}AAAA.{seal}",
            f"{head}.{body}.{seal[::-1]}",
            "x" * 4000,
            "..",
            "é",
        ):
            http.cookies.clear()
            headers = {"Cookie": f"__Host-staff={forged}".encode()}
            assert (await http.get("/audit", headers=headers)).status_code == 303


async def test_a_form_of_one_member_is_void_for_another_in_the_same_browser(site, file, token):
    theirs = member(file, "another", StaffRole.AUDITOR)
    async with site.browser() as http, site.browser() as other:
        await sign_in(http, token)
        await sign_in(other, theirs)
        left = form((await http.get("/audit")).text, "/sign-out")
        http.cookies.delete("__Host-staff")
        http.cookies.set("__Host-staff", other.cookies["__Host-staff"], domain="vignettes.example")
        assert (await http.post("/sign-out", data=left)).status_code == 403
        assert await is_in(http)


async def test_the_file_is_only_read_again_when_it_has_changed(site, file, token, monkeypatch):
    async with site.browser() as http:
        await sign_in(http, token)
        read = []
        monkeypatch.setattr("vignettes.services.web.staff_tokens.read", lambda path: read.append(path) or {})
        await asyncio.gather(*(http.get("/audit") for _ in range(5)))
        assert read == []
        os.utime(file)
        await http.get("/audit")
        assert read == [file]
