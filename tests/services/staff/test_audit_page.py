"""The page of auditors, on what the desk may answer: a story, a moment, proofs, and nothing that changes anything."""

from uuid import UUID, uuid4

import lxml.html
import pytest

from forms import words
from staff_site import Site, form, member, sign_in
from vignettes.messages import audit
from vignettes.services.calling import NoAnswer
from vignettes.services.web.audit_page import FRAGMENT

ORDER = UUID("34773156-1324-5415-8cd4-5e88b36b3469")
NUMBER = "V6562305984"
AT = "2027-03-10T08:00:0{}Z"
SEALED = {"sealed": True}
PAYMENT = "2112e329-74f9-406a-876d-182ccadf7f2c"
HEAD = {
    "size": 1234,
    "position": 1300,
    "root": "cm9vdA==",
    "at": AT.format(9),
    "note": "vignettes/log\n1234\n",
}
SCRIPT = "<script>alert(1)</script>"


def an_event(version, type_, sentence, **data):
    return {
        "position": 10 + version,
        "version": version,
        "type": type_,
        "recorded_at": AT.format(version),
        "actor": "customer",
        "command_id": str(uuid4()),
        "correlation_id": None,
        "data": data,
        "leaf_index": 9 + version,
        "sentence": sentence,
    }


class Desk:
    """Stands where the auditors' desk is: tells one history of three events, and remembers who asked for what."""

    def __init__(self):
        self.looks = []
        self.refusal = None
        self.is_there = True
        self.found = []
        self.verified = [True, True, True]
        self.reason = None
        self.head = HEAD
        self.erased = []
        self.events = [
            an_event(
                1,
                "OrderPlaced",
                "The order was placed",
                email=SEALED,
                price={"amount": 39900, "currency": "CZK"},
            ),
            an_event(2, "PaymentReceived", "399.00 CZK arrived", payment_id=PAYMENT),
            an_event(3, "DetailsCorrected", f"The plate was corrected {SCRIPT}", reason=SCRIPT),
        ]

    def state(self, version):
        plate = None if self.erased else SEALED
        paid = {PAYMENT: {"amount": {"amount": 39900, "currency": "CZK"}}} if version > 1 else {}
        return {
            "status": "scheduled" if version > 1 else "awaiting_payment",
            "version": version,
            "details": {"vehicle": {"country": "CZ", "plate": plate}, "product": "CZ-10D"},
            "payments": paid,
            "paid_at": AT.format(2) if version > 1 else None,
            "vignette": None,
            "hint": SCRIPT,
            "erased": self.erased,
        }

    async def __call__(self, message):
        self.looks.append(message)
        if not self.is_there:
            raise NoAnswer
        if self.refusal:
            code, told = self.refusal
            return {"ok": False, "error": {"code": code, "message": told}}
        reply = audit.REPLY_OF_LOOK[type(message)].model_validate({"ok": True, **self.answer(message)})
        return reply.model_dump(mode="json")

    def answer(self, message):
        match message:
            case audit.FindAudited():
                return {"orders": self.found}
            case audit.AskAuditedHistory(version=version):
                return self.history(min(version or 3, 3))
            case audit.ProveHistory():
                return self.proof()
            case audit.AskHeads():
                return {"origin": "vignettes/log", "fingerprint": "f00d" * 16, "heads": [HEAD]}
            case audit.ExportBundle():
                return {"bundle": {"format": "vignettes bundle 1", "order": str(ORDER)}}
            case audit.AskLooks():
                look = {"id": 1, "looked_at": AT.format(1), "actor": "staff:auditor-1", "what": "find"}
                return {"looks": [{**look, "order_id": None, "details": {"query": SCRIPT, "until": None}}]}

    def history(self, version):
        return {
            "order_id": ORDER,
            "order_number": NUMBER,
            "kind": "order",
            "events": self.events[:version],
            "versions": 3,
            "state": self.state(version),
            "state_now": self.state(3),
            "differs": [],
            "proven": None,
        }

    def proof(self):
        proofs = [
            {"position": each["position"], "leaf_index": each["leaf_index"], "verified": verified}
            for each, verified in zip(self.events, self.verified, strict=True)
        ]
        return {"events": proofs, "head": self.head, "verified": all(self.verified), "reason": self.reason}


@pytest.fixture
def desk():
    return Desk()


@pytest.fixture
async def http(tmp_path, desk):
    site = Site(tmp_path / "staff.toml", ask=desk)
    async with site.browser() as http:
        await sign_in(http, member(site.file, "auditor-1"))
        yield http


def page_of(answer):
    return lxml.html.fromstring(answer.text.replace("<wbr>", ""))


def rows(answer, xpath):
    return [" ".join(" ".join(each.itertext()).split()) for each in page_of(answer).xpath(xpath)]


def differing(answer):
    return rows(answer, "//tr[@class='differs']")


async def history(http, **asked):
    answer = await http.get(f"/audit/{ORDER}", params=asked)
    assert answer.status_code == 200
    return answer


# ------------------------------------------------------------ to find


async def find(http, wanted):
    page = await http.get("/audit")
    return await http.post("/audit", data={**form(page.text, "/audit"), "find": wanted})


async def test_one_order_that_fits_is_opened(http, desk):
    order = {"product": "CZ-10D", "status": "scheduled", "placed_at": AT.format(1)}
    desk.found = [{"order_id": ORDER, "order_number": NUMBER, **order}]
    answer = await find(http, f" {NUMBER} ")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/audit/{ORDER}")
    assert desk.looks == [audit.FindAudited(actor="staff:auditor-1", query=NUMBER)]


async def test_several_are_listed(http, desk):
    order = {"product": "CZ-10D", "status": "awaiting_payment", "placed_at": AT.format(1)}
    desk.found = [{"order_id": uuid4(), "order_number": f"V656230598{n}", **order} for n in (4, 5)]
    answer = await find(http, "6562")
    assert rows(answer, "//tbody/tr") == [
        f"V656230598{n} CZ-10D awaiting payment 2027-03-10 08:00:01 UTC" for n in (4, 5)
    ]


async def test_whatever_is_searched_for_is_shown_as_text(http, desk):
    answer = await find(http, SCRIPT)
    assert SCRIPT not in answer.text
    assert f"No order goes by {SCRIPT}" in words(answer.text)
    assert page_of(answer).xpath("//input[@id='find']/@value") == [SCRIPT]


@pytest.mark.parametrize("wanted", ["a\0b", "a\u2028b", "x" * 5000])
async def test_what_nobody_could_look_for_is_refused_without_asking(http, desk, wanted):
    answer = await find(http, wanted)
    assert answer.status_code == 422
    assert desk.looks == []


@pytest.mark.parametrize("wanted", ["", "   "])
async def test_an_empty_search_asks_nobody(http, desk, wanted):
    assert (await find(http, wanted)).status_code == 200
    assert desk.looks == []


async def test_what_is_typed_stands_in_no_address(http, desk):
    """People type names and addresses; those of pages are kept by browsers and by proxies."""
    page = page_of(await http.get("/audit"))
    assert page.xpath("//form[@role='search']/@method") == ["post"]
    assert (await http.get("/audit", params={"find": NUMBER})).status_code == 200
    assert (await http.post("/audit", data={"find": NUMBER})).status_code == 403
    assert desk.looks == []


# ------------------------------------------------------------ the story and its proofs


async def test_a_history_is_told_with_who_when_why_and_its_proofs(http, desk):
    answer = await history(http)
    told = rows(answer, "//ol[@id='story']/li")
    assert told[0].startswith("Show the state after event 1 2027-03-10 08:00:01 UTC ✓ leaf 10 , proven")
    assert "The order was placed" in told[0]
    assert desk.events[0]["command_id"] in told[0]
    assert "price 399.00 CZK" in told[0]
    assert "email sealed" in told[0]
    assert "All 3 events are proven by the signed head of 1,234 events, 2027-03-10 08:00:09 UTC" in words(
        answer.text
    )
    assert "f00d" * 16 in answer.text
    assert {each.actor for each in desk.looks} == {"staff:auditor-1"}


async def test_an_event_that_is_not_proven_stands_out(http, desk):
    desk.verified[1], desk.reason = False, "Leaf 11 is not what the head was signed over."
    desk.events[2]["leaf_index"] = None
    desk.verified[2] = False
    answer = await history(http)
    assert "Not every event is proven. Leaf 11 is not what the head was signed over." in words(answer.text)
    _, second, third = rows(answer, "//ol[@id='story']/li")
    assert "✗ leaf 11 is not proven" in second
    assert "not in the ledger yet" in third


async def test_before_the_first_head_the_page_is_there_as_well(http, desk):
    desk.head, desk.verified, desk.reason = None, [False] * 3, "No head covers it yet."
    assert "No head covers it yet." in words((await history(http)).text)


async def test_what_customers_wrote_is_shown_as_text(http):
    assert SCRIPT not in (await history(http)).text
    assert SCRIPT not in (await http.get("/audit/looks")).text


# ------------------------------------------------------------ a moment


async def test_now_nothing_differs(http):
    answer = await history(http)
    assert differing(answer) == []
    assert "Now , since event 3 of 3, 2027-03-10 08:00:03 UTC." in words(answer.text)


async def test_an_earlier_moment_stands_beside_now(http):
    answer = await history(http, version=1)
    assert differing(answer) == [
        "status awaiting_payment scheduled",
        "version 1 3",
        "payments.2112e329….amount none 399.00 CZK",
        "paid_at none 2027-03-10 08:00:02 UTC",
    ]
    page = page_of(answer)
    assert page.xpath("//li[@class='later']/@data-version") == ["2", "3"]
    assert page.xpath("//input[@type='range']/@value") == ["1"]
    assert "details.vehicle.plate sealed" in rows(answer, "//dl[@class='fields']/div")


async def test_what_was_erased_since_is_gone_from_earlier_moments_too(http, desk):
    desk.erased = ["vehicle"]
    for version in (1, 3):
        assert "details.vehicle.plate erased" in rows(await history(http, version=version), "//dl/div")


@pytest.mark.parametrize(("asked", "shown"), [(0, 1), (-5, 1), (99, 3), (2**70, 3)])
async def test_a_moment_that_there_is_not_is_the_nearest(http, asked, shown):
    answer = await history(http, version=asked)
    assert page_of(answer).xpath("//div[@id='then']/@data-version") == [str(shown)]


async def test_a_script_is_given_the_moment_alone_by_one_look(http, desk):
    answer = await http.get(f"/audit/{ORDER}?version=2", headers={FRAGMENT: "yes"})
    assert desk.looks == [audit.AskAuditedHistory(actor="staff:auditor-1", order_id=ORDER, version=2)]
    assert answer.text.lstrip().startswith('<div id="then" data-version="2">')


# ------------------------------------------------------------ to take along, and who looked


async def test_a_bundle_is_taken_along(http, desk):
    page = await history(http)
    action = f"/audit/{ORDER}/bundle"
    answer = await http.post(action, data=form(page.text, action))
    assert answer.json() == {"format": "vignettes bundle 1", "order": str(ORDER)}
    assert answer.headers["content-disposition"] == f'attachment; filename="bundle-{ORDER}.json"'
    assert desk.looks[-1] == audit.ExportBundle(actor="staff:auditor-1", order_id=ORDER)


async def test_a_bundle_is_not_given_to_a_form_that_another_page_sent(http, desk):
    page = await history(http)
    asked, action = len(desk.looks), f"/audit/{ORDER}/bundle"
    for fields in ({"x": ""}, form(page.text, "/sign-out"), {**form(page.text, action), "proof": "x"}):
        assert (await http.post(action, data=fields)).status_code == 403
    assert (await http.get(action)).status_code == 405
    assert len(desk.looks) == asked


async def test_looks_are_listed(http, desk):
    answer = await http.get(f"/audit/looks?history={ORDER}")
    assert rows(answer, "//tbody/tr") == [f"2027-03-10 08:00:01 UTC staff:auditor-1 find query {SCRIPT}"]
    assert desk.looks == [audit.AskLooks(actor="staff:auditor-1", limit=100, order_id=ORDER)]


# ------------------------------------------------------------ when nothing can be shown


async def test_a_desk_that_does_not_answer_is_told(http, desk):
    desk.is_there = False
    for answer in (
        await http.get(f"/audit/{ORDER}"),
        await http.get("/audit/looks"),
        await find(http, "6562"),
    ):
        assert answer.status_code == 503
        assert "does not answer" in words(answer.text)


@pytest.mark.parametrize(
    ("code", "status"), [("not_found", 404), ("conflict", 409), ("invalid_request", 422)]
)
async def test_a_refusal_is_told_in_its_words(http, desk, code, status):
    desk.refusal = code, f"There is no such history {SCRIPT}."
    answer = await http.get(f"/audit/{ORDER}")
    assert answer.status_code == status
    assert desk.refusal[1] in words(answer.text)
    assert SCRIPT not in answer.text


@pytest.mark.parametrize("key", ["x", NUMBER, "..%2f..%2fops", "%00", "<script>"])
async def test_an_address_without_an_id_asks_nobody(http, desk, key):
    assert (await http.get(f"/audit/{key}")).status_code == 404
    assert (await http.get("/audit/looks", params={"history": key})).status_code == 404
    assert desk.looks == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_there_is_nothing_to_change(http, desk, method):
    for path in ("/audit/looks", f"/audit/{ORDER}"):
        assert (await http.request(method, path)).status_code == 405
    assert desk.looks == []


async def test_pages_are_kept_by_nobody_and_run_no_script_of_others(http):
    answer = await history(http)
    assert answer.headers["cache-control"] == "no-store"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert page_of(answer).xpath("//script[not(@src)] | //*[@style] | //@*[starts-with(name(), 'on')]") == []
