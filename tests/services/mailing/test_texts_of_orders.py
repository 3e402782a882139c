"""What each mail about an order must say, in French and in English."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from mail_facts import FACTS, english, french
from vignettes.domain.money import Money
from vignettes.services.authorities import RejectionCode
from vignettes.services.mails import render

CODES = get_args(RejectionCode)


def test_placed_tells_how_to_pay_and_how_to_start_at_once():
    """Both references, the IBAN to be read aloud, two prices, and the link with its button."""
    text = english("placed")
    for part in (
        "Czechia, 10 days",
        "Official price CZK 300.00",
        "Service fee CZK 99.00",
        "Amount CZK 399.00",
        "CZ65 0800 0000 1920 0014 5399",
        "Variable symbol 1234567802",
        "RF181234567802",
        "Valid from 1 Dec 2026, 00:00 (Europe/Prague)",
        "Valid until 10 Dec 2026, 23:59 (Europe/Prague)",
        "Start at once https://vignettes.example/o/secret-token/start",
        "nothing starts before you press it",
    ):
        assert part in text


def test_paid_tells_until_when_details_can_be_corrected():
    """The local time of the authority, with its zone (promise 7)."""
    text = english("paid", paid=Money(39900, "CZK"), unmoved_at=None)
    assert "Your payment of CZK 399.00 has arrived" in text
    assert "until 30 Nov 2026, 08:30 (Europe/Prague)" in text
    assert "jusqu’au 30 nov. 2026, 08:30 (Europe/Prague)" in french("paid")
    assert "earlier" not in text


@pytest.mark.case(3, 4)
def test_paid_promises_nothing_for_an_order_that_is_held_at_once():
    """No time to correct until, no start at once, no vignette that is on its way (cases 3, 4)."""
    text = english("paid", paid=Money(39900, "CZK"), due_at=None)
    assert "Your payment of CZK 399.00 has arrived" in text
    assert "our next e-mail tells you what" in text
    for promise in ("You can correct", "Start at once", "Valid from", "has confirmed your vignette"):
        assert promise in english("paid")
        assert promise not in text
    assert "notre prochain e-mail vous dit laquelle" in french("paid", due_at=None)


@pytest.mark.case(9)
def test_same_day_cover_begins_at_registration():
    """And not at midnight, which has passed (case 9)."""
    text = english("paid", same_day=True)
    assert "Valid from the moment of registration" in text
    assert "for today, it is valid from the moment it is registered, and not before" in text
    assert "00:00" not in text


@pytest.mark.case(10)
def test_a_swiss_vignette_is_valid_when_registered():
    """No later start is ever promised (case 10)."""
    swiss = {"product": "CH-1Y", "country": "CH", "zone": "Europe/Zurich"}
    for kind in ("placed", "paid", "started", "details_corrected"):
        assert "This vignette is valid from the moment it is registered" in english(kind, **swiss)
        assert "est valable dès son enregistrement" in french(kind, **swiss)
        assert "1 Dec 2026" not in english(kind, **swiss)


def test_underpaid_names_the_exact_rest():
    """To the cent, with the payment data again (case 21)."""
    text = english("underpaid", paid=Money(39899, "CZK"), outstanding=Money(1, "CZK"))
    assert "received CZK 398.99 of CZK 399.00" in text
    assert "Exactly CZK 0.01 is missing" in text
    assert "Amount CZK 0.01" in text
    assert "CZ65 0800" in text


@pytest.mark.case(28)
def test_a_reversed_payment_is_told_with_the_exact_rest():
    """What happened, what is missing now, and how to pay it (case 28)."""
    text = english("payment_reversed", refund=Money(10000, "CZK"), outstanding=Money(9900, "CZK"))
    assert "has taken CZK 100.00 back from us" in text
    assert "Exactly CZK 99.00 is missing" in text
    assert "Amount CZK 99.00" in text
    assert "CZ65 0800" in text
    told = french("payment_reversed", refund=Money(10000, "CZK"), outstanding=Money(9900, "CZK"))
    assert "nous a repris 100,00 CZK" in told
    assert "n’est plus payée" in render("payment_reversed", "fr", FACTS).subject


@pytest.mark.case(30)
def test_a_payment_that_was_matched_wrongly_is_our_mistake():
    """The driver's bank has nothing to do with it (case 30)."""
    text = english("payment_reversed", reason="taken_back", refund=Money(39900, "CZK"))
    assert "We had counted a payment of CZK 399.00 for your order that was not meant for it" in text
    assert "bank, or the company of your card" not in text
    assert "ne lui était pas destiné" in french("payment_reversed", reason="taken_back")


def test_issued_carries_the_number_and_the_validity():
    """What the authority confirmed, in its zone."""
    text = english("issued")
    assert "Vignette number CZ1000000001" in text
    assert "Valid until 10 Dec 2026, 23:59 (Europe/Prague)" in text


def test_issued_tells_what_the_code_is_for_and_what_the_country_still_allows():
    """One correction by the driver in Czechia; where there is no code there is not a word of it."""
    text = english("issued")
    assert "Authorisation code K7P4-22QX" in text
    assert "you can turn to the toll authority yourself" in text
    assert "In Czechia the driver can correct it once, with the authorisation code." in text
    assert "En Tchéquie, le conducteur peut la corriger une fois" in french("issued")
    austrian = english("issued", product="AT-10D", authorisation_code=None)
    assert "In Austria nothing can be changed once the vignette is valid." in austrian
    assert "uthorisation" not in austrian


def test_issued_speaks_of_the_document_only_when_it_is_attached():
    """It may be missing, or erased."""
    assert "own document is attached" in english("issued")
    assert "Le document de l’autorité est joint" in french("issued")
    assert "attached" not in english("issued", attached=False)


@pytest.mark.case(51)
def test_a_changed_validity_is_told_in_the_zone_of_the_authority():
    """And that the times told before no longer count (case 51)."""
    later = datetime(2026, 12, 31, 22, 59, 59, tzinfo=UTC)
    text = english("validity_changed", ends_at=later)
    assert "has changed the validity" in text
    assert "Vignette number CZ1000000001" in text
    assert "Valid from 1 Dec 2026, 00:00 (Europe/Prague)" in text
    assert "Valid until 31 Dec 2026, 23:59 (Europe/Prague)" in text
    assert "earlier e-mails no longer do" in text
    assert "Valable jusqu’à 31 déc. 2026, 23:59 (Europe/Prague)" in french("validity_changed", ends_at=later)


@pytest.mark.case(15)
def test_an_outage_that_brings_the_registration_forward_is_told_with_both_times():
    """And what is possible until then: to correct, to start at once, to have the money back (case 15)."""
    text = english("brought_forward")
    for part in (
        "has announced an outage",
        "Registration starts 30 Nov 2026, 08:30 (Europe/Prague)",
        "Instead of 30 Nov 2026, 12:00 (Europe/Prague)",
        "Until 30 Nov 2026, 08:30 (Europe/Prague) you can correct the plate",
        "or ask for your money back",
        "Start at once https://vignettes.example/o/secret-token/start",
    ):
        assert part in text
    told = french("brought_forward")
    assert "Début de l’enregistrement 30 nov. 2026, 08:30 (Europe/Prague)" in told
    assert "Au lieu de 30 nov. 2026, 12:00 (Europe/Prague)" in told


@pytest.mark.case(15)
def test_whoever_is_registered_before_an_outage_reads_why():
    """Wherever a time is told that is earlier than usual (case 15)."""
    for kind in ("paid", "details_corrected"):
        text = english(kind)
        assert "earlier than usual, which would be 30 Nov 2026, 12:00 (Europe/Prague)" in text
        assert "plus tôt que d’habitude" in french(kind)
    assert "started earlier than usual" in english("started")
    assert "earlier" not in english("started", before_outage=False)


def test_an_express_request_is_confirmed_with_its_time_where_there_was_one():
    """2011/83/EU, Art. 8(7)(b): on a durable medium, before we begin."""
    said = "you expressly asked us to begin before your time to withdraw was over"
    assert f"On 30 Nov 2026, 08:30 (Europe/Prague) {said}" in english("started", consented_at=FACTS.due_at)
    assert said not in english("started")


@pytest.mark.case(49)
@pytest.mark.parametrize(
    ("code", "happened", "can_be_done"),
    [
        ("plate_not_accepted", "did not accept the plate", "correct them, and we try again at once"),
        ("already_covered", "holds a vignette for this vehicle and this period already", "another vehicle"),
        ("period_not_accepted", "did not accept the period", "Choose another start or another product"),
        ("vehicle_not_accepted", "did not accept the vehicle", "this vignette is not for your vehicle"),
        ("other", "We look into it", "write to us, and we take it up with the authority"),
    ],
)
def test_a_rejection_says_what_happened_what_can_be_done_and_until_when(code, happened, can_be_done):
    """In the customer's words, with the money back for whoever does not answer (case 49)."""
    text = english("rejected", rejection_code=code)
    assert happened in text
    assert can_be_done in text
    assert "sk for your money back, in full: CZK 399.00" in text
    assert "by 1 Dec 2026, 00:00 (Europe/Prague), when this vignette was to begin" in text
    assert "we return your money and close the order" in text


def test_rejections_are_told_apart_in_each_language():
    """No code falls back to the words of another one."""
    assert len({english("rejected", rejection_code=code) for code in CODES}) == len(CODES)
    assert len({french("rejected", rejection_code=code) for code in CODES}) == len(CODES)


@pytest.mark.parametrize("code", CODES)
def test_the_words_of_the_authority_are_quoted_beside_ours(code):
    """Theirs may be in any language; where they gave none, none are made up."""
    theirs = "Vozidlo již má platnou známku."
    assert f": “{theirs}”" in english("rejected", rejection_code=code, reason=theirs)
    assert f" : « {theirs} »" in french("rejected", rejection_code=code, reason=theirs)
    assert "“" not in english("rejected", rejection_code=code)


@pytest.mark.case(47)
def test_a_vehicle_that_has_cover_already_is_registered_once():
    """Its driver may drive, if the other vignette is for the whole journey; all the money can come back (case 47)."""
    text = english("rejected", rejection_code="already_covered")
    assert "nothing was registered from this order" in text
    assert "covers your whole journey" in text
    assert "do not use toll roads" not in text
    subject = render("rejected", "en", replace(FACTS, rejection_code="already_covered")).subject
    assert subject == "Order V1234567802: your vehicle has a vignette already"


@pytest.mark.case(49)
def test_a_rejection_after_the_start_still_leaves_a_day_to_answer():
    """The start has passed: the time is named, and not said to be the start's (case 49)."""
    answer_by = FACTS.starts_at + timedelta(days=1)
    text = english("rejected", rejection_code="other", answer_by=answer_by)
    assert "Please do so by" in text
    assert "we return your money" in text
    assert "was to begin" not in text


@pytest.mark.case(3, 4)
def test_a_date_that_has_passed_is_a_question_with_its_ways_out():
    """A new start or the money back (cases 3, 4)."""
    text = english("held", reason="start_passed")
    assert "Do you still need one, and from which day on?" in text
    assert "Choose a new start" in text
    assert "Ask for your money back there, in full: CZK 399.00" in text
    assert "à partir de quel jour ?" in french("held", reason="start_passed")


@pytest.mark.case(11)
def test_too_late_for_the_authority_names_its_days_and_what_can_begin_sooner():
    """Consumers wait 18 days for the Austrian year, and none for ten days (case 11)."""
    austrian = {"product": "AT-1Y", "country": "AT", "reason": "too_late_for_authority"}
    text = english("held", **austrian)
    assert "at least 18 days before it begins" in text
    assert "such as “Austria, 10 days”" in text
    assert "Ask for your money back" in text
    assert "au moins 18 jours" in french("held", **austrian)


@pytest.mark.case(48)
def test_a_second_order_for_the_same_vehicle_is_asked_about():
    """Correct it, have the money back, or say that both are meant; and by when (case 48)."""
    text = english("held", reason="same_vehicle_and_period")
    for part in (
        "another order for the same vehicle and the same period",
        "correct the plate, its country, the start or the product",
        "ask for your money back there, in full, CZK 399.00",
        "Both are meant: write to us",
        "Please answer by 1 Dec 2026, 00:00 (Europe/Prague)",
    ):
        assert part in text
    assert "Cette deuxième commande est-elle voulue ?" in french("held", reason="same_vehicle_and_period")
    subject = render("held", "en", replace(FACTS, reason="same_vehicle_and_period")).subject
    assert subject == "Order V1234567802: did you mean to order twice?"


@pytest.mark.case(39)
def test_a_correction_tells_the_difference_in_money():
    """Dearer: the rest. What goes back for a cheaper one has a mail of its own (case 39)."""
    assert "Still to be paid: CZK 180.00" in english("details_corrected", outstanding=Money(18000, "CZK"))
    assert "Still to be paid" not in english("details_corrected", outstanding=Money(0, "CZK"))


def test_a_refund_of_a_surplus_leaves_the_order_alone():
    """Only a refunded order is closed (cases 20, 22)."""
    assert "goes on as before" in english("refund", refund=Money(100, "CZK"), reason="overpaid")
    assert "The order is closed" in english("refund", refund=Money(39900, "CZK"), reason="asked")


def test_money_days_and_countries_are_written_in_the_language():
    """As a reader of French expects them, Swiss or not."""
    text = french("placed", price_total=Money(257000, "CZK"), product="CZ-365D")
    assert "Tchéquie, 365 jours" in text
    assert "2 570,00 CZK" in text
    assert "1 déc. 2026, 00:00 (Europe/Prague)" in text
    assert "(Allemagne)" in text
    assert render("placed", "fr-CH", FACTS) == render("placed", "fr", FACTS)
    assert "Bulgarie, week-end" in french("placed", product="BG-WE")


def test_other_languages_are_answered_in_english():
    """Until someone writes them."""
    assert render("paid", "sv", FACTS) == render("paid", "", FACTS) == render("paid", "en", FACTS)


def test_an_unknown_kind_is_a_misuse():
    """No mail is better than a wrong one."""
    with pytest.raises(ValueError, match="newsletter"):
        render("newsletter", "en", FACTS)
