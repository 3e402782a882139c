"""The mails a driver reads: what each must say, in French and in English, and what none may let through."""

import re
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args
from urllib.parse import unquote

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from jinja2 import meta

from vignettes.domain.catalogue import PRODUCTS
from vignettes.domain.money import Money
from vignettes.services import mails
from vignettes.services.authorities import RejectionCode
from vignettes.services.mails import LANGUAGES, MailFacts, MailKind, render
from vignettes.services.mails.language import CATALOGUES, LOCALES, Language
from vignettes.services.mails.texts import TEMPLATES, _told, environment
from vignettes.services.payment_codes import PaymentCode

FACTS = MailFacts(
    order_number="V1234567802",
    order_id="0190b3f0-0000-7000-8000-000000000001",
    ordered_at=datetime(2026, 11, 28, 23, 30, tzinfo=UTC),
    email="driver@example.org",
    product="CZ-10D",
    country="CZ",
    vehicle_country="DE",
    plate="B MÜ 1234",
    valid_from="2026-12-01",
    starts_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
    ends_at=datetime(2026, 12, 10, 22, 59, 59, tzinfo=UTC),
    zone="Europe/Prague",
    due_at=datetime(2026, 11, 30, 7, 30, tzinfo=UTC),
    before_outage=True,
    unmoved_at=datetime(2026, 11, 30, 11, tzinfo=UTC),
    answer_by=datetime(2026, 11, 30, 23, tzinfo=UTC),
    price_official=Money(30000, "CZK"),
    price_fee=Money(9900, "CZK"),
    price_total=Money(39900, "CZK"),
    variable_symbol="1234567802",
    creditor_reference="RF181234567802",
    payee_name="Vignettes Example",
    payee_iban="CZ6508000000192000145399",
    manage_url="https://vignettes.example/o/secret-token",
    start_url="https://vignettes.example/o/secret-token/start",
    vignette_number="CZ1000000001",
    authorisation_code="K7P4-22QX",
    attached=True,
    old_email="old@example.org",
    support_email="Support <help@vignettes.example>",
    support_whatsapp="+420 600 000 000",
)
CODES = get_args(RejectionCode)
CODE = PaymentCode("spayd", "SPD*1.0*ACC:CZ6508000000192000145399*AM:399.00*CC:CZK*X-VS:1234567802")
EVERY_MAIL = [(kind, language) for kind in MailKind for language in LANGUAGES]
REASONS = {
    "held": ["start_passed", "too_late_for_authority", "same_vehicle_and_period", "else", None],
    "rejected": ["Vehicle class unknown.", "e17", "plate_not_accepted", None],
    "refund": ["overpaid", "cheaper_product", "not_awaited", "expired", None],
    "payment_reversed": ["taken_back", "start_passed", None],
}


def english(kind: str, **changes) -> str:
    """The text with its line breaks and special spaces evened out."""
    return " ".join(render(kind, "en", replace(FACTS, **changes)).text.split())


def french(kind: str, **changes) -> str:
    return " ".join(render(kind, "fr", replace(FACTS, **changes)).text.split())


# ------------------------------------------------------------ what every mail carries


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_every_mail_names_its_order_its_vehicle_and_a_way_to_support(kind, language):
    """The plate is the large thing of the HTML; the support links carry the particulars."""
    mail = render(kind, language, FACTS)
    assert "V1234567802" in mail.subject
    assert f'lang="{language}"' in mail.html
    assert "font-size:32px" in mail.html.partition("B MÜ 1234")[0].rpartition("<span")[2]
    for text in (mail.text, mail.html):
        assert "B MÜ 1234" in text
        assert "help@vignettes.example" in text
        link = text.partition("https://wa.me/420600000000?text=")[2].split()[0]
        assert "B MÜ 1234 (DE)" in unquote(link)
        assert "29 " in unquote(link), "ordered on the 29th in Prague"
    assert "mailto:help@vignettes.example?subject=V1234567802&amp;body=" in mail.html


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_every_mail_carries_the_management_link_save_the_one_to_the_old_address(kind, language):
    """Who reads at the old address may be a stranger: no link, and not a word of the new address."""
    mail = render(kind, language, FACTS)
    for text in (mail.text, mail.html):
        if kind is MailKind.ADDRESS_CHANGED:
            assert "secret-token" not in text
            assert "driver%40example.org" not in text
            assert "driver@example.org" not in text
            assert "old@example.org" in text
        else:
            assert FACTS.manage_url in text
            assert "old@example.org" not in text


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_no_local_time_goes_without_its_zone(kind, language):
    """A driver may be in another zone than the authority."""
    mail = render(kind, language, FACTS)
    for text in (mail.text, mail.html):
        for after in re.split(r"\b\d\d:\d\d\b", text)[1:]:
            assert after.split(")")[0].strip() == "(Europe/Prague"


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_html_escapes_what_a_driver_typed_and_fetches_nothing(kind, language):
    """A plate is a free text for whoever wishes harm."""
    evil = "<script>alert('x')</script>"
    facts = replace(FACTS, plate=evil, reason=f"no {evil}", vehicle_country=evil, payment_code=CODE)
    mail = render(kind, language, facts)
    assert "<script" not in mail.html
    assert "&lt;script&gt;" in mail.html
    assert evil in mail.text
    of_its_own = mail.html.replace(f'<img src="cid:{CODE.content_id}"', "")
    for fetched in ("src=", "url(", "<link", "@import", "<img"):
        assert fetched not in of_its_own


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_a_subject_is_one_line(kind, language):
    """Whatever a fact holds, it can't begin a header of its own."""
    subject = render(kind, language, replace(FACTS, order_number="V1\r\nBcc: x@y.z\x00\u2028")).subject
    assert subject.isprintable()
    assert "V1 Bcc: x@y.z" in subject


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_a_mail_is_written_without_the_optional_facts(kind, language):
    """No fact that may be missing shows as None, and no mail ends without a way to us."""
    optional = {field.name: field.default for field in fields(MailFacts) if field.default in (None, False)}
    mail = render(kind, language, replace(FACTS, **optional))
    assert "None" not in mail.text + mail.html
    assert ("reply to this e-mail" if language == "en" else "Répondez simplement") in mail.text


@pytest.mark.parametrize(("kind", "reason"), [(kind, why) for kind, all_ in REASONS.items() for why in all_])
def test_reasons_are_told_in_words_and_never_as_codes(kind, reason):
    """A sentence is quoted; a code is told, or kept from the driver."""
    text = english(kind, reason=reason)
    if reason and " " in reason:
        assert f"“{reason}”" in text
    else:
        assert "_" not in text.replace(FACTS.manage_url, "")
        assert "e17" not in text


# ------------------------------------------------------------ what each kind says


def test_placed_tells_how_to_pay_and_how_to_start_at_once():
    """Both references, the IBAN to be read aloud, two prices, and the link with its button."""
    text = english("placed")
    for part in (
        "Czechia, 10 days",
        "Official price CZK300.00",
        "Service fee CZK99.00",
        "Amount CZK399.00",
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
    assert "Your payment of CZK399.00 has arrived" in text
    assert "until 30 Nov 2026, 08:30 (Europe/Prague)" in text
    assert "jusqu’au 30 nov. 2026, 08:30 (Europe/Prague)" in french("paid")
    assert "earlier" not in text


@pytest.mark.case(3, 4)
def test_paid_promises_nothing_for_an_order_that_is_held_at_once():
    """No time to correct until, no start at once, no vignette that is on its way (cases 3, 4)."""
    text = english("paid", paid=Money(39900, "CZK"), due_at=None)
    assert "Your payment of CZK399.00 has arrived" in text
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
    assert "received CZK398.99 of CZK399.00" in text
    assert "Exactly CZK0.01 is missing" in text
    assert "Amount CZK0.01" in text
    assert "CZ65 0800" in text


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_a_code_is_shown_where_payment_is_asked_for_and_nowhere_else(kind, language):
    """Who sees no images loses nothing: the numbers stand above it, and in the plain text."""
    for rest in (Money(0, "CZK"), Money(100, "CZK")):
        mail = render(kind, language, replace(FACTS, payment_code=CODE, outstanding=rest))
        asks = FACTS.creditor_reference in mail.text
        assert (f"cid:{CODE.content_id}" in mail.html) == asks
        assert asks == (
            kind in {"placed", "underpaid", "payment_reversed"}
            or (kind == "details_corrected" and bool(rest))
        )
        assert "cid:" not in mail.text
    if asks:
        image = mail.html.partition("<img")[2].partition(">")[0]
        assert f'alt="{"QR code of this payment" if language == "en" else "Code QR de ce paiement"}"' in image
    assert "<img" not in render(kind, language, replace(FACTS, payment_code=None)).html


@pytest.mark.case(28)
def test_a_reversed_payment_is_told_with_the_exact_rest():
    """What happened, what is missing now, and how to pay it (case 28)."""
    text = english("payment_reversed", refund=Money(10000, "CZK"), outstanding=Money(9900, "CZK"))
    assert "has taken CZK100.00 back from us" in text
    assert "Exactly CZK99.00 is missing" in text
    assert "Amount CZK99.00" in text
    assert "CZ65 0800" in text
    told = french("payment_reversed", refund=Money(10000, "CZK"), outstanding=Money(9900, "CZK"))
    assert "nous a repris 100,00 CZK" in told
    assert "n’est plus payée" in render("payment_reversed", "fr", FACTS).subject


@pytest.mark.case(30)
def test_a_payment_that_was_matched_wrongly_is_our_mistake():
    """The driver's bank has nothing to do with it (case 30)."""
    text = english("payment_reversed", reason="taken_back", refund=Money(39900, "CZK"))
    assert "We had counted a payment of CZK399.00 for your order that was not meant for it" in text
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
    assert "Enregistrement le 30 nov. 2026, 08:30 (Europe/Prague)" in told
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
    assert "sk for your money back, in full: CZK399.00" in text
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
    assert "Ask for your money back there, in full: CZK399.00" in text
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
        "ask for your money back there, in full, CZK399.00",
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
    assert "Still to be paid: CZK180.00" in english("details_corrected", outstanding=Money(18000, "CZK"))
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
    assert render("paid", "de", FACTS) == render("paid", "", FACTS) == render("paid", "en", FACTS)


def test_an_unknown_kind_is_a_misuse():
    """No mail is better than a wrong one."""
    with pytest.raises(ValueError, match="newsletter"):
        render("newsletter", "en", FACTS)


# ------------------------------------------------------------ the catalogue and the templates


def messages() -> set[str]:
    """Every text in English that templates and code ask to be translated."""
    methods = [("templates/**.j2", "jinja2.ext:babel_extract"), ("**.py", "python")]
    options = {"templates/**.j2": {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}}
    found = extract_from_dir(Path(mails.__file__).parent, methods, options)
    of_catalogue = {each.still_possible for each in PRODUCTS.values()}
    return {str(message) for _, _, message, _, _ in found} | of_catalogue


@pytest.mark.parametrize("language", [code for code in LOCALES if code != "en"])
def test_every_text_is_translated_and_no_translation_is_left_over(language):
    """With the same facts in it, and approved by its translator."""
    with (CATALOGUES / language / "LC_MESSAGES" / "messages.po").open("rb") as lines:
        catalogue = read_po(lines, locale=language)
    assert {message.id for message in catalogue if message.id} == messages()
    for message in catalogue:
        if message.id:
            assert message.string, f"no text for {message.id!r}"
            assert not message.fuzzy
            assert placeholders(message.string) == placeholders(message.id)
    assert not catalogue.obsolete


def placeholders(text: str) -> list[str]:
    """The facts of a text; every other per cent sign would break it when it is filled in."""
    facts = re.findall(r"%\((\w+)\)s", text)
    assert text.count("%") == len(facts), text
    return sorted(facts)


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.j2")))
def test_a_template_uses_known_facts_only(name):
    """A misspelt fact is found here, not by a driver."""
    made = environment(Language.best_for("en"), "html")
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    used = meta.find_undeclared_variables(made.parse(source))
    told = _told(MailKind.PLACED, Language.best_for("en"), FACTS)
    assert used - set(made.globals) - {"_"} <= told.keys() | {"layout"}


def test_every_kind_has_its_template():
    """And is told apart by its subject, in each language."""
    for language in LANGUAGES:
        assert len({render(kind, language, FACTS).subject for kind in MailKind}) == len(MailKind)
