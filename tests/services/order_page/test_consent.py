"""What customers declare by a button: to which words, what they are told of its end, and pressed twice it is one."""

import hashlib
import re

import pytest

from eventstore_helpers import HOUR, NOON, an_order, issue, pay, start
from forms import words
from order_page_helpers import a_pool, browsing, link, sent, told
from service import set_clock
from vignettes.services.mails.language import LOCALES, Language
from vignettes.services.web.changing import CONSENT_TEXT
from vignettes.services.web.rendering import rendered

#: The declaration and its button in all languages, by the version that is kept with each consent. Whoever changes a
#: word gives them another version.
DIGESTS = {"order-page-2": "53a3011e2e2af0e3faed87170577764eb55c760c8a411441afee5617a76dcb52"}


def declaration(language):
    """Return what stands in the form that is sent."""
    never = dict.fromkeys(("started_at", "opens_at", "start_wished", "outstanding", "notice", "plate"))
    order = {"order_number": "V1", "product": "CZ-10D", "status": "scheduled", "zone": "Europe/Prague"}
    of_page = {"page": "", "hidden": {}, "wrong": {}, "is_closed": False, "from_registration": True}
    facts = {**never, **order, **of_page, "ends_at": NOON}
    page = rendered("order_start.html", Language.best_for(language), facts)
    [form] = re.findall(r"<form.*?</form>", page, re.DOTALL)
    return words(form)


def test_other_words_of_the_consent_are_another_version():
    said = "\n".join(f"{each}: {declaration(each)}" for each in LOCALES)
    assert {CONSENT_TEXT: hashlib.sha256(said.encode()).hexdigest()} == DIGESTS


def test_the_right_is_said_to_end_when_the_service_refuses_it():
    """That is the start of the registration, not its end."""
    assert "you lose the right to withdraw once the registration has started" in declaration("en")


async def test_a_withdrawal_that_is_refused_says_whether_it_may_come_to_be_possible_again(shown):
    """A registration that fails opens it; a vignette that is there is used up."""
    under_way, over = start(pay(an_order())), issue(start(pay(an_order())))
    text = words((await shown(under_way, "/withdraw")).text)
    assert "Should it fail, you can withdraw again." in text
    assert "used up" not in text
    text = words((await shown(over, "/withdraw")).text)
    assert "A registered vignette is used up by its period" in text
    assert "Should it fail" not in text


@pytest.mark.case(35)
@pytest.mark.parametrize("name", ["start", "withdraw"])
async def test_what_was_pressed_before_is_never_told_as_refused(database, orders, vault, name):
    """It may have been taken at another time, by another process, and with another name: that is what counts."""

    async def used(command):
        return {
            "ok": False,
            "error": {"code": "command_id_reused", "message": "It was used for another command."},
        }

    order = pay(an_order())
    set_clock(database, NOON + HOUR)
    await told(database, orders, vault, order)
    async with browsing(a_pool(database), used) as http:
        answer = await sent(http, await http.get(f"{link(order)}/{name}"))
    assert (answer.status_code, answer.headers["location"]) == (303, link(order))
