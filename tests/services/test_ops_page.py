"""The page for people on duty, on what a look may find: who sees what, who may act, and how large it grows."""

import base64
import re
from html import unescape
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from forms import words
from ops_looks import NOW, crowded, empty
from vignettes.messages.commands import AcceptTwin
from vignettes.services.calling import NoAnswer
from vignettes.services.web.ops_look import _QUERIES
from vignettes.services.web.ops_page import FRAGMENT, _OpsPages
from vignettes.services.web.staff import Member, Staff, StaffRole
from vignettes.services.web.staff_pages import StaffPages
from vignettes.services.web.visits import Visit, Visits

MOST_BYTES = 100_000
ORIGIN = "http://ops.test"
_CASE = {"case_id": str(uuid4()), "case_number": "C358518342", "state": "open", "topic": "question"}
_CASE |= {"channel": "page", "opened_at": NOW.isoformat(), "order_number": None}
_CASE |= dict.fromkeys(("email", "country", "plate", "ordered_on", "language"))


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
        self.signed_in = Member("duty-1", frozenset({role})) if role else None
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

    async def press(self, page, list_, *, kind="acts", **typed):
        """Fill in the first form of a list, and send it."""
        start = f'<form class="{kind}"'
        form = next(
            each
            for each in re.findall(r"<form.*?</form>", page, re.DOTALL)
            if each.startswith(start) and f"/ops/{list_}/" in each
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
    operator.signed_in = Member("duty-1", frozenset({StaffRole.VIEWER}))
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
    assert command.actor == "staff:duty-1"
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


async def test_what_is_not_answered_is_asked_once_more_and_pressed_again_it_is_the_same_command():
    """Also once its entry is gone from the list, as it is when it was done after all: only so comes the file."""
    paid_out = {"ok": True, "file_id": "P1", "content": base64.b64encode(b"<Document/>").decode()}
    operator = Desk(StaffRole.OPERATOR, crowded(), NoAnswer(), NoAnswer(), paid_out)
    page = (await operator.http.get("/ops")).text
    operator.looked.found = empty()
    answer = await operator.press(page, "payouts", act="pay_out")
    assert answer.status_code == 503
    assert "press again" in answer.text
    again = await operator.press(answer.text, "payouts", kind="acts unsettled")
    assert again.content == b"<Document/>"
    first, second, third = operator.sent
    assert first == second == third


async def test_what_is_not_answered_can_only_be_sent_again_as_it_was_written():
    """Typed words too; and what else could be done with that entry is not offered meanwhile."""
    operator = Desk(StaffRole.OPERATOR, crowded(), NoAnswer(), NoAnswer())
    page = (await operator.http.get("/ops")).text
    answer = await operator.press(page, "reversals", act="dismiss", note='The bank\'s own "fee"')
    action = f'action="/ops/reversals/{operator.sent[0].payment_id}"'
    assert (page.count(action), answer.text.count(action)) == (1, 1)
    await operator.press(answer.text, "reversals", kind="acts unsettled")
    assert operator.sent[2] == operator.sent[0]


async def test_an_answer_to_a_customer_outlives_a_service_that_is_away():
    """It was written once; the case it belongs to can't be read either."""
    thread = {"ok": True, "case": _CASE, "thread": [], "mails": []}
    operator = Desk(StaffRole.OPERATOR, empty(), thread, NoAnswer(), NoAnswer())
    page = (await operator.http.get(f"/ops/cases/{_CASE['case_id']}")).text
    answer = await operator.press(page, "cases", kind="card", act="answer", text="Tomorrow.\r\nAt noon.")
    assert answer.status_code == 503
    await operator.press(answer.text, "cases", kind="acts unsettled")
    _, first, _, third = operator.sent
    assert third == first


async def test_money_that_is_not_there_is_not_found():
    """A link that somebody has kept is enough for it."""
    operator = Desk(StaffRole.OPERATOR, empty(), {"ok": True, "payments": []})
    assert (await operator.http.get(f"/ops/money/{uuid4()}")).status_code == 404


@pytest.mark.parametrize(
    ("list_", "key", "typed", "status"),
    [
        ("cases", "none", {"act": "answer", "text": "x"}, 404),
        ("late", "00000000-0000-4000-8000-000000000001", {"act": "start", "generation": "1" * 5_000}, 422),
    ],
)
async def test_what_no_form_of_ours_says_is_no_failure(operator, list_, key, typed, status):
    """A member knows their own cookie, and can prove whatever they like by it."""
    secret = (await operator.http.get("/ops")).cookies["visit"]
    proof = Visit(secret, is_new=False).hidden(f"staff duty-1:ops {list_} {key}")
    answer = await operator.http.post(f"/ops/{list_}/{key}".rstrip("/"), data={**proof, **typed})
    assert answer.status_code == status


async def test_how_often_it_was_tried_is_told_as_people_say_it():
    operator = Desk(StaffRole.VIEWER, crowded())
    page = words((await operator.http.get("/ops")).text)
    assert "tried 3 times" in page
    for row in operator.looked.found.parts["parked"]:
        row["attempts"] = 1
    assert "tried once" in words((await operator.http.get("/ops")).text)


async def test_days_that_could_not_be_counted_are_not_told_as_none():
    desk = Desk(StaffRole.VIEWER, empty())
    assert "could not be counted" not in (await desk.http.get("/ops")).text
    del desk.looked.found.parts["month"]
    page = words((await desk.http.get("/ops")).text)
    assert "could not be counted" in page
    assert "kept in 30 days" not in page


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
    for other in ("9000", "many", "9" * 5_000):
        assert "Due in the next 24 hours" in words((await operator.http.get(f"/ops?hours={other}")).text)


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
