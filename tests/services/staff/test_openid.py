"""Signing in by OpenID Connect, against a provider that answers over HTTP: believed is what it can prove."""

import time
from contextlib import AsyncExitStack
from types import SimpleNamespace

import httpx
import pytest
from joserfc.jwk import OctKey

from forms import words
from staff_site import (
    GROUPS,
    ORIGIN,
    SECRET,
    IdentityProvider,
    Site,
    a_key,
    go,
    member,
    provider,
    sign_in,
    unsigned,
)
from vignettes.runtime import web_roles
from vignettes.runtime.settings import load_settings
from vignettes.services.web.staff import StaffRole
from vignettes.services.web.staff_tokens import Tokens

NOW = int(time.time())


@pytest.fixture
async def idp():
    async with provider() as running:
        yield running


@pytest.fixture
def site(tmp_path, idp):
    return Site(tmp_path / "staff.toml", idp.way)


@pytest.fixture
async def http(site):
    async with site.browser() as http:
        yield http


async def refused(http, address, told, status=403):
    """See that an address that leads back lets nobody in, and tells why."""
    answer = await http.get(address)
    assert answer.status_code == status
    assert told in words(answer.text)
    assert (await http.get("/audit")).status_code == 303


# ------------------------------------------------------------ somebody comes in


async def test_a_member_of_the_right_group_comes_in_by_their_provider(http, idp):
    assert "Sign in with your organisation" in (await http.get("/sign-in")).text
    back = await go(http, "/audit/looks")
    answer = await http.get(back)
    assert (answer.status_code, answer.headers["location"]) == (303, "/audit/looks")
    assert "member@example.com" in (await http.get("/audit")).text
    [asked] = idp.asked
    assert asked["tenant"] == "1"  # what the provider's own address says already stays
    assert (asked["client_id"], asked["response_type"], asked["scope"]) == (
        "vignettes",
        "code",
        "openid profile",
    )
    assert asked["redirect_uri"] == f"{ORIGIN}/sign-in/openid/done"
    assert asked["code_challenge_method"] == "S256"


async def test_the_web_role_builds_it_from_its_settings(tmp_path, idp):
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    settings = load_settings(
        public_url=ORIGIN,
        openid_issuer=f"{idp.issuer}/",
        openid_client_id="vignettes",
        openid_secret_file=secret,
        openid_roles="audit-team=auditor",
    )
    async with AsyncExitStack() as stack:
        way = await web_roles._openid(SimpleNamespace(settings=settings, stack=stack), Tokens(None))
        async with Site(tmp_path / "none.toml", lambda *_: way).browser() as http:
            assert (await http.get(await go(http))).headers["location"] == "/audit"
            assert (await http.get("/audit")).status_code == 200


async def test_every_question_is_another_one(http, idp):
    await go(http)
    await go(http)
    for name in ("state", "nonce", "code_challenge"):
        assert len({each[name] for each in idp.asked}) == 2


async def test_a_client_without_a_secret_is_protected_by_pkce_alone(tmp_path):
    async with provider(secret=None) as idp, Site(tmp_path / "staff.toml", idp.way).browser() as http:
        assert (await http.get(await go(http))).status_code == 303
        idp.codes["stolen"] = {"nonce": "any", "code_challenge": "of another browser"}
        back = await go(http)
        stolen = back.replace("code-2", "stolen")
        await http.post("/sign-out")
        http.cookies.delete("__Host-staff")
        await refused(http, stolen, "could not be verified")


async def test_a_session_of_a_provider_ends_after_an_hour(http, site):
    await http.get(await go(http))
    kept = http.cookies["__Host-staff"]
    site.ahead = 3500
    assert (await http.get("/audit")).status_code == 200
    site.ahead = 3700
    http.cookies.set("__Host-staff", kept, domain="vignettes.example")
    assert (await http.get("/audit")).status_code == 303


async def test_new_keys_of_the_provider_are_fetched(http, idp, site):
    await http.get(await go(http))
    idp.key = a_key("second")
    idp.signed = idp.by(idp.key, kid="second")
    site.ahead = 60
    assert (await http.get(await go(http))).status_code == 303


async def test_groups_are_found_where_keycloak_puts_them(tmp_path, idp):
    idp.claims = {"groups": None, "realm_access": {"roles": ["audit-team"]}}

    def way(tokens, now):
        made = idp.way(tokens, now)
        made._rules = type(made._rules)("preferred_username", "realm_access.roles", made._rules.roles)
        return made

    async with Site(tmp_path / "staff.toml", way).browser() as http:
        assert (await http.get(await go(http))).status_code == 303


async def test_groups_that_mean_nothing_any_more_open_nothing(http, monkeypatch):
    await http.get(await go(http))
    assert (await http.get("/audit")).status_code == 200
    monkeypatch.delitem(GROUPS, "audit-team")
    assert (await http.get("/audit")).status_code == 303


# ------------------------------------------------------------ and others do not


async def test_a_forged_state_is_refused(http):
    back = await go(http)
    state = httpx.URL(back).params["state"]
    await refused(http, back.replace(state, "x" * len(state)), "begun in another window")


async def test_an_answer_that_this_browser_did_not_ask_for_is_refused(http, site):
    """Or somebody could be signed in as somebody else, by a link."""
    async with site.browser() as attacker:
        back = await go(attacker)
    await refused(http, back, "begun in another window")


async def test_an_answer_counts_once(http):
    back = await go(http)
    assert (await http.get(back)).status_code == 303
    http.cookies.delete("__Host-staff")
    await refused(http, back, "begun in another window")


async def test_an_answer_that_comes_too_late_is_refused(http, site):
    back = await go(http)
    kept = dict(http.cookies)
    site.ahead = 700
    for name, value in kept.items():
        http.cookies.set(name, value, domain="vignettes.example")
    await refused(http, back, "too long ago")


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": NOW - 3600},
        {"exp": None},
        {"iat": None},
        {"iat": NOW + 7200},
        {"nbf": NOW + 7200},
        {"sub": None},
        {"aud": "another-client"},
        {"aud": None},
        {"aud": ["vignettes", "another-client"]},
        {"aud": ["vignettes", "another-client"], "azp": "another-client"},
        {"azp": "another-client"},
        {"iss": "https://evil.example"},
        {"iss": None},
    ],
    # Not by their values: some are times, and each process of a run reads its own.
    ids=lambda claims: " ".join(
        f"{name} {value if isinstance(value, str) else '...'}" for name, value in claims.items()
    ),
)
async def test_a_word_for_another_time_client_or_browser_is_refused(http, idp, claims):
    idp.claims = claims
    await refused(http, await go(http), "could not be verified")


@pytest.mark.parametrize(
    "signed",
    [
        unsigned,
        IdentityProvider.by(a_key(owner="somebody else")),
        IdentityProvider.by(a_key("second"), kid="second"),
        IdentityProvider.by(OctKey.import_key(SECRET * 3), "HS256"),
        lambda _: "not.a.token",
        lambda _: "",
    ],
    ids=["unsigned", "another key", "an unknown key", "our own secret", "nonsense", "nothing"],
)
async def test_a_word_that_the_provider_did_not_sign_is_refused(http, idp, signed):
    idp.signed = signed
    await refused(http, await go(http), "could not be verified")


async def test_an_answer_in_the_name_of_another_provider_is_refused(http, idp):
    idp.answer = {"iss": "https://evil.example"}
    await refused(http, await go(http), "could not be verified")


@pytest.mark.parametrize("names_itself", [False, True])
async def test_whoever_says_to_name_itself_must(http, idp, names_itself):
    """Others may not name themselves (RFC 9207)."""
    idp.metadata = {"authorization_response_iss_parameter_supported": names_itself}
    idp.answer = {"iss": None}
    answer = await http.get(await go(http))
    assert answer.status_code == (403 if names_itself else 303)


async def test_whoever_turns_round_at_the_provider_is_not_blamed(http, idp):
    idp.answer = {"error": "access_denied"}
    for _ in range(12):
        await refused(http, await go(http), "did not sign in at your identity provider", 200)


async def test_too_many_failures_wait(http, idp):
    idp.claims = {"aud": "another-client"}
    for _ in range(10):
        await refused(http, await go(http), "could not be verified")
    await refused(http, await go(http), "Too many failed attempts", 429)


@pytest.mark.parametrize("groups", [None, [], "everybody", ["everybody", "AUDIT-TEAM"], {"audit-team": True}])
async def test_whoever_is_in_no_group_of_ours_is_told_so(http, idp, groups):
    idp.claims = {"groups": groups}
    await refused(http, await go(http), "none of the groups")


@pytest.mark.parametrize("name", [None, "", "two words", "member", "Member", "../x", "a" * 65, 7.5e300])
async def test_a_name_that_is_another_s_or_can_not_be_kept_is_refused(http, idp, site, name):
    """A provider where people choose their names must not lend them the name of a member of the file."""
    member(site.file, "member", StaffRole.VIEWER)
    idp.claims = {"preferred_username": name}
    await refused(http, await go(http), "a name that can't be kept")


async def test_a_name_that_the_file_takes_later_ends_the_session(http, site):
    await http.get(await go(http))
    member(site.file, "member@example.com", StaffRole.VIEWER)
    assert (await http.get("/audit")).status_code == 303


# ------------------------------------------------------------ the provider itself


async def test_without_the_provider_tokens_still_open(tmp_path, idp, site):
    token = member(site.file)
    idp.issuer = "http://127.0.0.1:9"
    async with Site(site.file, idp.way).browser() as http:
        answer = await http.get("/sign-in/openid")
        assert answer.status_code == 503
        assert "does not answer" in words(answer.text)
        assert (await sign_in(http, token)).headers["location"] == "/audit"


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "ftp://127.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ],
    ids=str,
)
async def test_what_a_provider_tells_of_itself_must_fit(http, idp, metadata):
    idp.metadata = metadata
    answer = await http.get("/sign-in/openid")
    assert answer.status_code == 403
    assert "could not be verified" in words(answer.text)
