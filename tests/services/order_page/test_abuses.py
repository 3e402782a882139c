"""What is sent to an order's page by those who mean no good, or by accident: refused in words, and nothing changes."""

import asyncio

import httpx
import pytest

from eventstore_helpers import HOUR, NOON, an_order, pay
from forms import BROWSER, words
from order_page_helpers import ORIGIN, a_pool, browsing, filled, link, sent, told
from service import set_clock
from vignettes.messages.commands import CorrectDetails, CorrectEmail, StartRegistration, Withdraw

PATIENCE = 0.3
FORMS = {
    "correct": {"step": "confirm", "plate": "1AB 2345"},
    "email": {"email": "thief@example.com"},
    "start": {},
    "withdraw": {"name": "Somebody Else"},
}


class Service:
    """Stands where the ordering service is, and notes what it is asked; it is as slow as one that is busy."""

    def __init__(self):
        self.asked = []

    async def __call__(self, message):
        self.asked.append(message)
        await asyncio.sleep(0)
        return {"ok": True, "manage_url": f"{ORIGIN}/o/new"}


@pytest.fixture
def service_asked():
    return Service()


@pytest.fixture
async def http(database, service_asked):
    set_clock(database, NOON + HOUR)
    async with browsing(a_pool(database), service_asked, PATIENCE) as http:
        yield http


@pytest.fixture
async def page(database, orders, vault, http):
    """The page of an order that is paid."""
    order = pay(an_order())
    await told(database, orders, vault, order)
    return link(order)


#: Fields, and headers, that come otherwise than our pages make a browser send them.
FOREIGN = [
    ({"proof": ""}, {}),
    ({"proof": "A" * 43}, {}),
    ({"command_id": "0f0f0f0f-0000-4000-8000-000000000000"}, {}),
    ({"command_id": "nothing"}, {}),
    ({}, {"Origin": "https://evil.example"}),
    ({}, {"Origin": f"{ORIGIN}.evil.example"}),
    ({}, {"Sec-Fetch-Site": "cross-site"}),
    ({}, {"Sec-Fetch-Site": "same-site"}),
    ({}, {"Content-Type": "text/plain"}),
    ({}, {"Cookie": "visit=of-another-browser"}),
]


@pytest.mark.parametrize("form", FORMS)
async def test_a_form_that_our_page_did_not_send_changes_nothing(http, page, service_asked, form):
    """And says so, with the way to one that will do."""
    shown = await http.get(f"{page}/{form}")
    for fields, headers in FOREIGN:
        data = {**filled(shown), **FORMS[form], **fields}
        answer = await http.post(f"{page}/{form}", data=data, headers=headers)
        assert answer.status_code in {400, 403}, (fields, headers)
        assert "Your form was not taken" in words(answer.text)
        assert f'href="{page}/{form}"' in answer.text
    assert service_asked.asked == []


async def test_a_proof_for_one_form_or_order_is_none_for_another(
    database, orders, vault, http, page, service_asked
):
    other = an_order()
    await told(database, orders, vault, other)
    for form, another in zip(FORMS, [*FORMS][1:], strict=False):
        for address in (f"{link(other)}/{form}", f"{page}/{another}"):
            stranger = filled(await http.get(address))
            answer = await http.post(f"{page}/{form}", data={**stranger, **FORMS[form]})
            assert answer.status_code == 403
    assert service_asked.asked == []


async def test_our_own_forms_are_taken_however_browsers_tell_where_they_come_from(http, page, service_asked):
    """Pages that send no referrer make browsers say "null"."""
    for headers in (
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"},
        {},
    ):
        shown = await http.get(f"{page}/withdraw")
        answer = await http.post(f"{page}/withdraw", data=filled(shown), headers=headers)
        assert answer.status_code == 303
    assert [type(each) for each in service_asked.asked] == [Withdraw] * 3


async def test_a_form_sent_twice_is_one_command(http, page, service_asked):
    """To the letter, but for the moment of a consent: it is that of the press, and the first one counts."""
    for form, command in (("start", StartRegistration), ("email", CorrectEmail), ("withdraw", Withdraw)):
        shown = await http.get(f"{page}/{form}")
        await asyncio.gather(*(sent(http, shown, **FORMS[form]) for _ in range(2)))
        first, second = service_asked.asked[-2:]
        assert type(first) is command
        assert first.model_dump(exclude={"consent"}) == second.model_dump(exclude={"consent"})
    assert len({each.command_id for each in service_asked.asked}) == 3


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "quotes": "\"'><img src=x onerror=alert(1)>",
    "nul": "a\x00b",
    "right to left": "\u202e1AB",
    "long": "A" * 10_000,
    "line break": "a\r\nBcc: victim@example.com",
}


@pytest.mark.parametrize("name", ["plate", "country", "product", "day"])
async def test_whatever_is_typed_is_text_and_refused_beside_its_field(http, page, service_asked, name):
    shown = await http.get(f"{page}/correct")
    for typed in HOSTILE.values():
        answer = await sent(http, shown, **{name: typed, "step": "preview"})
        assert answer.status_code == 422
        assert "<script>" not in answer.text
        assert "<img" not in answer.text
        assert 'aria-invalid="true"' in answer.text
        assert f'class="why" id="correct-{name}-why"' in answer.text
    assert service_asked.asked == []


async def test_what_is_no_address_is_refused_beside_its_field(http, page, service_asked):
    shown = await http.get(f"{page}/email")
    for typed in [*HOSTILE.values(), "", "two@example.com, more@example.com", "driver@example.com"]:
        answer = await sent(http, shown, email=typed)
        assert answer.status_code == 422
        assert "<script>" not in answer.text
        assert 'class="why" id="email-email-why"' in answer.text
    assert "This is the address that we have already." in words(answer.text)
    assert service_asked.asked == []


async def test_a_name_may_be_anything_but_a_header(http, page, service_asked):
    for typed, status in ((HOSTILE["script"], 303), (HOSTILE["nul"], 422), (HOSTILE["line break"], 422)):
        shown = await http.get(f"{page}/withdraw")
        assert (await sent(http, shown, name=typed)).status_code == status
    [command] = service_asked.asked
    assert command.name == HOSTILE["script"]


async def test_a_body_that_is_too_large_is_cut_off(http, page, service_asked):
    """Whether it says so or not."""
    shown = await http.get(f"{page}/email")
    data = {**filled(shown), "email": "a" * 20_000}
    assert (await http.post(f"{page}/email", data=data)).status_code == 413

    async def endless():
        yield b"email="
        for _ in range(1000):
            yield b"a" * 1000

    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        answer = await http.post(f"{page}/email", content=endless(), headers=headers)
    except httpx.HTTPError:
        pass  # hung up on while it was still sending
    else:
        assert answer.status_code == 413
    many = "&".join(f"f{number}=" for number in range(100))
    assert (await http.post(f"{page}/email", content=many, headers=headers)).status_code == 400
    assert service_asked.asked == []


async def test_a_body_that_does_not_come_is_not_waited_for(http, page, service_asked):
    port = http.base_url.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    head = [
        f"POST {page}/email HTTP/1.1",
        "Host: x",
        "Accept: text/html",
        "Content-Type: application/x-www-form-urlencoded",
        "Content-Length: 100",
    ]
    writer.write("\r\n".join([*head, "", "email=a"]).encode())
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408")
    assert b"It took too long to arrive" in answer
    assert service_asked.asked == []


async def test_forged_hosts_and_proxies_change_nothing(http, page, service_asked):
    """Neither in pages nor in where a form leads."""
    forged = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "1.2.3.4"}
    usual, answer = await http.get(page), await http.get(page, headers=forged)
    assert words(answer.text) == words(usual.text)
    shown = await http.get(f"{page}/email", headers=forged)
    assert "evil.example" not in shown.text
    moved = await http.post(f"{page}/email", data=filled(shown, email="new@example.com"), headers=forged)
    assert (moved.status_code, moved.headers["location"]) == (303, "/o/new")


async def test_only_under_https_a_cookie_is_for_https_alone(database, page):
    """It holds a random number that nothing is kept of, and goes to nobody else."""
    async with browsing(a_pool(database)) as http:
        [cookie] = (await http.get(f"{page}/email")).headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == "visit"
    assert rest.partition("; ")[2] == "HttpOnly; Path=/; SameSite=lax"
    async with browsing(a_pool(database), origin="https://vignettes.example") as http:
        [cookie] = (await http.get(f"{page}/email")).headers.get_list("set-cookie")
    name, _, rest = cookie.partition("=")
    assert name == "__Host-visit"
    assert rest.partition("; ")[2] == "HttpOnly; Path=/; SameSite=lax; Secure"


async def test_when_nobody_answers_nothing_is_lost_and_the_same_button_asks_again(database, page):
    """What was typed stays there, and it is the same command."""
    async with browsing(a_pool(database)) as http:
        for form, typed in FORMS.items():
            shown = await http.get(f"{page}/{form}")
            if form == "correct":
                shown = await sent(http, shown, plate="1AB 2345", step="preview")
            answer = await sent(http, shown, **typed)
            assert answer.status_code == 503
            assert "Nothing is lost, and nothing is done twice" in words(answer.text)
            again = filled(answer)
            assert again["command_id"] == filled(shown)["command_id"]
            assert all(again[name] == text for name, text in typed.items() if name != "step")


async def test_a_form_changed_and_sent_again_under_its_old_id_is_asked_about(database, page):
    async def used(_):
        return {"ok": False, "error": {"code": "command_id_reused", "message": "", "field": None}}

    async with browsing(a_pool(database), used) as http:
        for form in ("correct", "email"):
            shown = await http.get(f"{page}/{form}")
            if form == "correct":
                shown = await sent(http, shown, plate="1AB 2345", step="preview")
            answer = await sent(http, shown, **FORMS[form])
            assert answer.status_code == 409
            assert "If you mean it as shown here, please press the button again." in words(answer.text)
            assert filled(answer)["command_id"] != filled(shown)["command_id"]


async def test_what_is_typed_or_opened_stands_in_no_log(http, page, service_asked, caplog, capsys):
    shown = await http.get(f"{page}/email", headers=BROWSER)
    await sent(http, shown, email="not an address at all")
    await sent(http, shown, email="private@example.com")
    said = caplog.text + "".join(capsys.readouterr())
    for secret in (page, page.rpartition("/")[2], "private@example.com", "not an address"):
        assert secret not in said


async def test_a_correction_asks_for_exactly_what_was_shown(http, page, service_asked):
    shown = await http.get(f"{page}/correct")
    preview = await sent(http, shown, plate=" 1ab-2345 ", country="SK", product="CZ-30D")
    await sent(http, preview, step="confirm")
    [command] = service_asked.asked
    assert type(command) is CorrectDetails
    assert command.actor == "customer"
    assert command.changes.model_dump() == {
        "plate": "1ab-2345",
        "vehicle_country": "SK",
        "valid_from": filled(shown)["day"],
        "product": "CZ-30D",
    }
