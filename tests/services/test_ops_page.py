"""The page for people on duty, on what a look may find: who sees what, who may act, and how large it grows."""

import re
from html import unescape
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from forms import words
from ops_looks import crowded, empty
from vignettes.messages.commands import AcceptTwin
from vignettes.services.calling import NoAnswer
from vignettes.services.web.ops_look import _QUERIES
from vignettes.services.web.ops_page import FRAGMENT, _OpsPages
from vignettes.services.web.staff import Member, Staff, StaffRole
from vignettes.services.web.staff_pages import StaffPages
from vignettes.services.web.visits import Visits

MOST_BYTES = 100_000
ORIGIN = "http://ops.test"


class Looked:
    """Looks that have found what a test says."""

    def __init__(self, found):
        self.found = found
        self.asked = []

    async def look(self, *, since=None):
        self.asked.append(since)
        return self.found


class Desk:
    """The page as one member has it, and the commands that it sent."""

    def __init__(self, role, found, *answers):
        self.looked = Looked(found)
        self.sent = []
        self._answers = list(answers)
        self.signed_in = Member("jana", frozenset({role})) if role else None
        staff = Staff(Visits(ORIGIN), lambda _: self.signed_in)
        app = FastAPI()
        StaffPages(staff, [_OpsPages(staff, self.looked, self._ask).router]).join(app)
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN)

    async def _ask(self, message):
        self.sent.append(message)
        answer = self._answers.pop(0) if self._answers else {"ok": True, "status": "scheduled", "position": 7}
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def press(self, page, list_, **typed):
        """Fill in the first form of a list, and send it."""
        form = next(
            each for each in re.findall(r"<form.*?</form>", page, re.DOTALL) if f"/ops/{list_}/" in each
        )
        action = unescape(re.search(r'action="([^"]+)"', form)[1])
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', form))
        return await self.http.post(action, data={**{k: unescape(v) for k, v in fields.items()}, **typed})


@pytest.fixture
async def operator():
    desk = Desk(StaffRole.OPERATOR, crowded())
    yield desk
    await desk.http.aclose()


async def test_everything_that_can_be_shown_is_still_a_small_page(operator):
    page = await operator.http.get("/ops")
    assert page.status_code == 200
    assert len(page.content) < MOST_BYTES
    assert "4,321" in words(page.text)


async def test_a_viewer_sees_all_of_it_and_no_button():
    viewer = Desk(StaffRole.VIEWER, crowded())
    page = await viewer.http.get("/ops")
    assert "Late registrations" in page.text
    assert page.text.count("<button") == 1  # to sign out
    assert "/ops/cases/" not in page.text
    assert "/ops/money/" not in page.text


async def test_a_viewer_who_posts_all_the_same_is_refused(operator):
    """With a form that an operator was shown, proof and all."""
    page = (await operator.http.get("/ops")).text
    operator.signed_in = Member("jana", frozenset({StaffRole.VIEWER}))
    answer = await operator.press(page, "held", act="release")
    assert (answer.status_code, operator.sent) == (403, [])
    for address in (f"/ops/cases/{uuid4()}", f"/ops/money/{uuid4()}"):
        assert (await operator.http.get(address)).status_code == 403


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_whoever_is_not_signed_in_sees_and_does_nothing(method):
    nobody = Desk(None, crowded())
    answer = await nobody.http.request(method, "/ops" if method == "GET" else "/ops/held/x")
    assert answer.status_code == {"GET": 303, "POST": 401}[method]
    assert nobody.sent == []


async def test_what_is_done_is_a_command_in_the_name_of_the_member(operator):
    """Under the id that the form holds: pressed twice, it is one command."""
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, "held", act="release")
    assert answer.status_code == 200
    [command] = operator.sent
    assert isinstance(command, AcceptTwin)
    assert command.actor == "staff:jana"
    assert f'value="{command.command_id}"' in page
    assert operator.looked.asked[-1] == 7  # the board shows what the views know of it
    assert "Released: scheduled." in answer.text
    await operator.press(page, "held", act="release")
    assert operator.sent[1] == command


async def test_a_form_without_its_proof_does_nothing(operator):
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, "held", act="release", proof="forged")
    assert (answer.status_code, operator.sent) == (403, [])


async def test_a_refusal_stands_in_words_beside_what_it_is_about():
    refusal = {"ok": False, "error": {"code": "conflict", "message": "The order has ended."}}
    operator = Desk(StaffRole.OPERATOR, crowded(), refusal)
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, "held", act="release")
    assert answer.status_code == 409
    entry = re.search(
        rf'id="held-{operator.sent[0].order_id}".*?</li>\s*<li id="held', answer.text, re.DOTALL
    )
    assert "The order has ended." in entry[0]


async def test_what_is_done_with_what_is_gone_from_its_list_is_told_above_all():
    operator = Desk(StaffRole.OPERATOR, crowded())
    page = (await operator.http.get("/ops")).text
    operator.looked.found = empty()
    told = words((await operator.press(page, "held", act="release")).text)
    assert re.search(r"V\d{10} Released: scheduled\. Nothing waits for anybody\.", told)


@pytest.mark.parametrize(
    ("list_", "typed", "why"),
    [
        ("money", {"act": "allocate"}, "Type the number of the order"),
        ("money", {"act": "allocate", "order": "V1000000000"}, "its check digits are wrong"),
        ("money", {"act": "dismiss"}, "Say what it is"),
        ("money", {"act": "return", "account": "CZ65\t0800"}, "Account: "),
        ("held", {"act": "burn"}, "There is nothing to be done here by that name."),
        ("late", {"act": "start", "generation": "one"}, "load the page anew"),
    ],
)
async def test_a_form_that_can_not_be_understood_is_told_why(operator, list_, typed, why):
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, list_, **typed)
    assert (answer.status_code, operator.sent) == (422, [])
    assert why in words(answer.text)


async def test_what_is_not_answered_is_asked_once_more_and_said_to_be_unknown():
    operator = Desk(StaffRole.OPERATOR, crowded(), NoAnswer(), NoAnswer())
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, "held", act="release")
    assert answer.status_code == 503
    assert "press again" in answer.text
    first, second = operator.sent
    assert first == second


async def test_a_script_is_told_when_nothing_has_changed(operator):
    page = await operator.http.get("/ops", headers={FRAGMENT: "yes"})
    assert "<html" not in page.text
    assert page.headers["Vignettes-Now"] == "08:17:00"
    again = await operator.http.get("/ops", headers={FRAGMENT: "yes", "If-None-Match": page.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    operator.looked.found = empty()
    changed = await operator.http.get(
        "/ops", headers={FRAGMENT: "yes", "If-None-Match": page.headers["ETag"]}
    )
    assert changed.status_code == 200


async def test_further_ahead_can_be_looked_at(operator):
    """And only as far as there are bars for."""
    assert "Due in the next 48 hours" in words((await operator.http.get("/ops?hours=48")).text)
    assert "Due in the next 24 hours" in words((await operator.http.get("/ops?hours=9000")).text)


async def test_when_nothing_waits_it_says_so():
    desk = Desk(StaffRole.VIEWER, empty())
    told = words((await desk.http.get("/ops")).text)
    assert "Nothing waits for anybody." in told
    assert "Late registrations · Stuck with an authority" in told


def test_nothing_that_is_asked_for_the_board_names_a_person_or_a_vehicle():
    asked = b" ".join(_QUERIES.values())
    for column in (
        b"email,",
        b".email ",
        b"plate",
        b"remittance",
        b"counterparty",
        b"recipient",
        b"message,",
    ):
        assert column not in asked
