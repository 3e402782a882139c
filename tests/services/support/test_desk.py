"""The support desk as other programs meet it: cases opened with what is known, answered, closed, written to again."""

from uuid import uuid4

import psycopg
import pytest

from eventstore_helpers import ask
from service import running_service, until
from vignettes.domain.support_case import case_id_of, case_number
from vignettes.messages.replies import Refused
from vignettes.messages.support import CaseMoved, Cases, CaseTold
from vignettes.services.support.desk import SupportDesk

ROLES = ("ordering", "projecting", "support")
BARE = {"topic": "question", "channel": "form", "language": "de"}
ANNA = "support:anna"
ORDER = {
    "product": "CZ-10D",
    "vehicle": {"country": "CZ", "plate": "2A2 2345"},
    "valid_from": "2027-03-17",
    "email": "driver@example.com",
    "language": "en",
}


class Desk:
    """Asks the running service as the web pages and people's tools do."""

    def __init__(self, service):
        self.service = service

    async def order(self):
        """Return an order that the views know."""
        placed = await self.service.command("place", **ORDER)
        await self.service.status(placed["order_id"], "awaiting_payment")
        return placed

    async def open(self, **told):
        return await self.do("open", **{**BARE, **told})

    async def do(self, what, form=CaseMoved, **told):
        """Send a command, and return its reply, which must be of the published form."""
        reply = await self.service.ask(f"support.v1.{what}", **{"command_id": uuid4(), **told})
        (form if reply["ok"] else Refused).model_validate(reply)
        return reply

    async def answer(self, case, text="Yes.", **told):
        return await self.do("answer", case_id=case["case_id"], actor=ANNA, text=text, **told)

    async def close(self, case):
        return await self.do("close", case_id=case["case_id"], actor=ANNA)

    async def cases(self, **wanted):
        reply = await self.service.ask("support.v1.cases", **wanted)
        return Cases.model_validate(reply)

    async def told(self, case):
        """Return the case, once the view is as far as the reply that told of it."""

        async def look():
            query = "SELECT version FROM view.support_cases WHERE case_id = %s"
            return ask(self.service.settings.database_url, query, case["case_id"]) == [case["version"]]

        await until(look)
        return CaseTold.model_validate(await self.service.ask("support.v1.case", case_id=case["case_id"]))

    async def happened(self, case):
        """Return the events of a case, as the history tells them."""
        return (await self.service.ask("orders.v1.history", order_id=case["case_id"]))["events"]


@pytest.fixture
async def desk(database, nats_server, tmp_path):
    async with running_service(database, nats_server.url, tmp_path / "data", ROLES) as service:
        yield Desk(service)


@pytest.mark.case(56)
async def test_a_request_that_lacks_every_particular_is_a_case(desk):
    """A command_id, a topic, a channel, a language: nothing else is asked for."""
    command_id = uuid4()
    case = await desk.open(command_id=command_id)
    assert (case["ok"], case["state"], case["version"]) == (True, "open", 1)
    assert case["case_id"] == str(case_id_of(command_id))
    assert case["case_number"] == case_number(case_id_of(command_id))
    told = await desk.told(case)
    assert (told.case.order_id, told.case.email, told.case.message) == (None, None, None)
    assert [each.case_number for each in (await desk.cases()).cases] == [case["case_number"]]


async def test_the_same_request_twice_is_one_case(desk):
    """A form that is sent again, or a reply that was lost; with another text it is refused."""
    told = {"command_id": uuid4(), "message": "Help", "email": "driver@example.com"}
    assert await desk.open(**told) == await desk.open(**told)
    again = await desk.open(**{**told, "message": "Help!"})
    assert again["error"]["code"] == "command_id_reused"
    assert ask(desk.service.settings.database_url, "SELECT count(*) FROM log.events") == [1]


async def test_a_number_finds_its_order_and_what_finds_none_stays_as_it_was_typed(desk):
    """In any of its forms; and what is no number of ours may be anything, so the log keeps it sealed."""
    placed = await desk.order()
    found = await desk.open(order_number=placed["payment"]["creditor_reference"], email="DRIVER@example.com")
    by_id = await desk.open(order_id=placed["order_id"])
    for case in (found, by_id):
        told = await desk.told(case)
        assert (str(told.case.order_id), told.case.order_number) == (
            placed["order_id"],
            placed["order_number"],
        )
    for typed in ("V1000000064", "the one of Monday", placed["order_number"][:-1] + "x"):
        case = await desk.open(order_number=typed)
        told = await desk.told(case)
        assert (told.case.order_id, told.case.order_number) == (None, typed)
        stored = "SELECT convert_from(state, 'UTF8') FROM log.events WHERE originator_id = %s"
        assert typed not in ask(desk.service.settings.database_url, stored, case["case_id"])[0]
    about = await desk.cases(order_id=placed["order_id"])
    assert {str(each.case_id) for each in about.cases} == {found["case_id"], by_id["case_id"]}
    assert about.open == 5


async def test_a_case_is_answered_closed_and_written_to_again(desk):
    """By its id or its number; the thread tells all of it, and the history who."""
    case = await desk.open(
        message="\nHow?\r\nWhen?\n", email="driver@example.com", plate="1AB 2345", country="SLO"
    )
    await desk.told(case)
    number = {"case_number": case["case_number"].removeprefix("C")}
    answered = await desk.do("answer", **number, actor=ANNA, text="Now.")
    assert (answered["state"], answered["version"]) == ("answered", 2)
    assert (await desk.answer(case, "Now."))["version"] == 2
    closed = await desk.close(case)
    assert (closed["state"], closed["version"]) == ("closed", 3)
    assert (await desk.close(case))["version"] == 3
    refused = await desk.answer(case, "And more.")
    assert refused["error"]["code"] == "conflict"
    again = await desk.do("add_message", **number, channel="mail", message="Thanks!")
    assert (again["state"], again["version"]) == ("open", 5)
    told = await desk.told(again)
    assert (told.case.country, told.case.plate, told.case.messages) == ("SI", "1AB 2345", 2)
    assert [(each.channel, each.text) for each in told.thread] == [
        ("form", "How?\nWhen?"),
        (None, "Now."),
        ("mail", "Thanks!"),
    ]
    events = await desk.happened(case)
    assert [(each["type"], each["actor"]) for each in events] == [
        ("CaseOpened", "customer"),
        ("CaseAnswered", ANNA),
        ("CaseClosed", ANNA),
        ("CaseReopened", "customer"),
        ("MessageAdded", "customer"),
    ]


async def test_an_answer_goes_to_the_address_of_the_order_where_none_was_given(desk):
    """And tells its link only to whom the order belongs to."""
    placed = await desk.order()
    told = {"order_number": placed["order_number"]}
    nobody, stranger = await desk.open(**told), await desk.open(**told, email="stranger@example.com")
    for case, email, generation in (
        (nobody, "driver@example.com", 1),
        (stranger, "stranger@example.com", None),
    ):
        await desk.told(case)
        await desk.answer(case)
        events = await desk.happened(case)
        said = events[-1]["data"]
        assert (said["email"], said["link_generation"]) == (email, generation)


async def test_without_any_address_an_answer_is_refused_with_the_way_out(desk):
    case = await desk.open(message="Call me")
    await desk.told(case)
    refused = await desk.answer(case)
    assert refused["error"]["code"] == "conflict"
    assert "then close the case" in refused["error"]["message"]
    told = await desk.told(await desk.close(case))
    assert (told.case.state, (await desk.cases()).open) == ("closed", 0)


async def test_what_is_wrong_is_refused_by_name(desk):
    """Strictly: an unknown topic, a control character, a number that does not check, a case that there is not."""
    placed = await desk.order()
    for what, told, code, field in (
        ("open", {**BARE, "topic": "weather"}, "invalid_request", "topic"),
        ("open", {**BARE, "message": "a\x00b"}, "invalid_request", "message"),
        ("open", {**BARE, "message": " \n "}, "invalid_request", "message"),
        ("open", {**BARE, "message": "x" * 5001}, "invalid_request", "message"),
        ("open", {**BARE, "email": "a@example.com,b@example.com"}, "invalid_request", "email"),
        ("open", {**BARE, "plate": "1AB\r2345"}, "invalid_request", "plate"),
        ("open", {**BARE, "country": "a\x00"}, "invalid_request", "country"),
        ("open", {**BARE, "order_number": "V1\x00"}, "invalid_request", "order_number"),
        ("open", {**BARE, "actor": "a\nb"}, "invalid_request", "actor"),
        ("answer", {"actor": ANNA, "case_id": uuid4(), "text": "a\x0bb"}, "invalid_request", "text"),
        ("open", {**BARE, "more": 1}, "invalid_request", "more"),
        ("close", {"actor": ANNA, "case_number": "C123456789"}, "invalid_request", "case_number"),
        ("close", {"actor": ANNA, "case_number": "C123456788"}, "not_found", "case_number"),
        ("close", {"actor": ANNA, "case_id": uuid4()}, "not_found", "case_id"),
        ("close", {"actor": ANNA, "case_id": placed["order_id"]}, "not_found", "case_id"),
        ("close", {"actor": ANNA}, "invalid_request", "case_id"),
    ):
        refused = await desk.do(what, **told)
        assert (refused["ok"], refused["error"]["code"], refused["error"].get("field")) == (
            False,
            code,
            field,
        ), told


async def test_what_is_no_country_is_not_kept(desk):
    """It may be anything, and countries are not sealed; the plate is there all the same."""
    told = await desk.told(await desk.open(country="??", plate="1AB 2345"))
    assert (told.case.country, told.case.plate) == (None, "1AB 2345")


async def test_whom_a_case_concerns_is_erased_when_it_was_answered_or_closed(desk):
    """Asked for by somebody who has no order: the keys are gone, and who did it is on record."""
    case = await desk.open(message="Forget me", email="driver@example.com", plate="1AB 2345")
    refused = await desk.do("erase", case_id=case["case_id"], actor=ANNA)
    assert refused["error"]["code"] == "conflict"
    await desk.close(case)
    erased = {"command_id": uuid4(), "case_id": case["case_id"], "actor": ANNA}
    again = await desk.do("erase", **erased)
    assert (again["ok"], await desk.do("erase", **erased)) == (True, again)
    told = await desk.told(again)
    assert (told.case.email, told.case.plate, [each.text for each in told.thread]) == (None, None, [None])
    keys = "SELECT num_nonnulls(contact, vehicle, contact_view, vehicle_view) FROM personal.keys WHERE order_id = %s"
    assert ask(desk.service.settings.database_url, keys, case["case_id"]) == [0]
    last = (await desk.happened(case))[-1]
    assert (last["type"], last["actor"]) == ("PersonalDataErased", ANNA)


async def test_a_case_of_our_own_is_answered_at_the_address_that_the_order_has_now(desk):
    """The one that it keeps is that which failed."""
    placed = await desk.order()
    told = {"topic": "mail_returned", "channel": "service", "order_number": placed["order_number"]}
    case = await desk.open(**told, email="driver@example.com")
    await desk.told(case)
    reply = await desk.service.command(
        "correct_email", order_id=placed["order_id"], email="again@example.com"
    )
    await desk.service.ask("orders.v1.status", order_id=placed["order_id"], min_position=reply["position"])
    await desk.answer(case)
    said = (await desk.happened(case))[-1]["data"]
    assert (said["email"], said["link_generation"]) == ("again@example.com", 2)


async def test_the_desk_reads_by_connections_that_can_not_write(database, nats_server, tmp_path, monkeypatch):
    """Whatever it decides goes through the log's writer."""
    pools = []
    monkeypatch.setattr(SupportDesk, "register", lambda desk, _: pools.append(desk._pool))
    async with running_service(database, nats_server.url, tmp_path / "data", ["support"]):
        await until(lambda: _true_when(pools))
        async with pools[0].connection() as connection:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                await connection.execute("UPDATE effect.mails SET attempts = 0")


async def _true_when(found):
    return bool(found)
