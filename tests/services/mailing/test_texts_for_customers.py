"""The mails that customers call for themselves: links, a withdrawal, money that has left or is owed, and support."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mail_facts import CASE, FACTS, LINKED, english
from vignettes.domain.money import Money
from vignettes.services.mails import render


@pytest.mark.case(32)
def test_several_orders_are_a_list_each_with_its_link():
    """Number, product, start, day of the order, status: enough to tell them apart (case 32)."""
    text = english("link", linked=(LINKED,))
    for part in (
        "We have found another order of yours as well:",
        "Order V7654321099",
        "Vignette Austria, 10 days",
        "Chosen start 5 Jan 2027, 00:00 (Europe/Vienna)",
        "Ordered on 20 Nov 2026",
        "Status waiting for your payment",
        "Open order V7654321099 https://vignettes.example/o/other-token",
        f"Your order, at any time {FACTS.manage_url}",
    ):
        assert part in text
    assert text.count("other-token") == 1
    many = english("link", linked=tuple(replace(LINKED, order_number=f"V{n}") for n in range(5)))
    assert "We have found 5 other orders of yours as well:" in many


def test_one_order_is_its_link_and_what_to_do_with_it():
    """Whoever did not ask for it reads that nothing was told to anybody."""
    text = english("link")
    assert "You have asked for the link to your order" in text
    assert "Please pass it on to nobody" in text
    assert "the link goes to this address only" in text
    assert "as well" not in text


@pytest.mark.case(31)
def test_who_opened_the_page_by_its_reference_is_told_to_the_address():
    """It was the customer with the mistyped address, or somebody who knows too much (case 31)."""
    text = english("link", by_reference=True)
    assert "Somebody has just opened the page of your order" in text
    assert "If it was not you, please write to us at once" in text
    assert "You have asked for the link" not in text


def test_a_withdrawal_is_acknowledged_on_a_durable_medium():
    """2011/83/EU, Art. 11a: the statement itself, and the date and time at which it came in."""
    at = datetime(2026, 11, 29, 9, 5, tzinfo=UTC)
    text = english("withdrawn", name="A. Driver", withdrawn_at=at, refund=Money(39900, "CZK"))
    for part in (
        "Received on 29 Nov 2026, 10:05 (Europe/Prague)",
        "I withdraw from the contract for order V1234567802 of 29 Nov 2026: Czechia, 10 days.",
        "Name A. Driver",
        "Plate B MÜ 1234 (Germany)",
        "E-mail driver@example.org",
        "We return CZK 399.00 to you without delay, and within 14 days at the latest",
        "no vignette is registered from it",
    ):
        assert part in text
    unpaid = english("withdrawn", withdrawn_at=at, refund=None)
    assert "there is nothing to return, and nothing left to pay" in unpaid
    assert "Name" not in unpaid


def test_money_that_has_left_is_told_with_when_it_arrives():
    """The amount of this payout, whatever became of the order."""
    text = english("refunded", refund=Money(18000, "CZK"))
    assert "We have sent CZK 180.00 back to you" in text
    assert "within one to three working days" in text
    assert "closed" not in text


@pytest.mark.case(28, 29)
def test_money_that_is_owed_is_asked_for_by_what_has_become_of_the_order():
    """Taken back after the start, or after it had gone back: the exact amount, and how to pay it."""
    owed = {"owed": Money(39900, "CZK"), "outstanding": Money(39900, "CZK")}
    stays, goes_on, back = (
        "your vignette stays valid",
        "goes on, so please pay",
        "so please pay this amount back",
    )
    for facts, said in (
        ({}, stays),
        ({"vignette_number": None}, goes_on),
        ({"vignette_number": None, "after_refund": True}, back),
    ):
        text = english("owed", **owed, **facts)
        assert [each for each in (stays, goes_on, back) if each in text] == [said]
        assert "A payment for this order was taken back." in text
        assert "Amount CZK 399.00" in text
        assert "CZ65 0800" in text


@pytest.mark.case(30)
def test_money_that_we_took_back_ourselves_is_not_said_to_be_missed_by_a_bank():
    text = english("owed", owed=Money(39900, "CZK"), refund=Money(39900, "CZK"), reason="taken_back")
    assert "We had counted a payment of CZK 399.00 for your order that was not meant for it." in text
    assert "was taken back" not in text
    assert "your bank" not in text


@pytest.mark.case(56)
def test_a_request_is_confirmed_with_its_number_and_none_of_its_words():
    """The address may be a stranger's; an order is named only where the case may (case 56)."""
    text = english("case_opened")
    assert "Request S1234567802" in text
    assert "answers by e-mail to this address" in text
    assert "somebody has probably mistyped their address" in text
    assert "plate is right" not in text
    bare = english("case_opened", order_number=None, manage_url=None)
    assert "V1234567802" not in bare
    assert "secret-token" not in bare


def test_an_answer_is_told_paragraph_by_paragraph():
    """As it was written, lines and all."""
    mail = render("case_answered", "en", CASE)
    assert "  your plate is right.\n  We have looked.\n" in mail.text
    assert mail.html.count("border-left:3px") == 3
    for text in (mail.text, mail.html):
        assert "Good morning," in text
        assert "S1234567802" in text
        assert "help@vignettes.example" in text
