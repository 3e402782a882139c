"""The mails a driver reads: what every one carries, and what none may let through."""

import re
from dataclasses import fields, replace
from urllib.parse import unquote

import pytest
from jinja2 import meta

from mail_facts import CASE, CODE, FACTS, LINKED, english, facts_of
from vignettes.domain.money import Money
from vignettes.services.mails import OF_CASES, MailKind, render
from vignettes.services.mails.language import Language
from vignettes.services.mails.texts import TEMPLATES, _told, environment

EVERY_MAIL = [(kind, language) for kind in MailKind for language in ("en", "fr")]
OF_ORDERS = [(kind, language) for kind, language in EVERY_MAIL if kind not in OF_CASES]
ASKING_FOR_MONEY = {"placed", "underpaid", "payment_reversed", "owed"}
REASONS = {
    "held": ["start_passed", "too_late_for_authority", "same_vehicle_and_period", "else", None],
    "rejected": ["Vehicle class unknown.", "e17", "plate_not_accepted", None],
    "refund": ["overpaid", "cheaper_product", "not_awaited", "expired", None],
    "payment_reversed": ["taken_back", "start_passed", None],
}


# ------------------------------------------------------------ what every mail carries


@pytest.mark.parametrize(("kind", "language"), OF_ORDERS)
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
    mail = render(kind, language, facts_of(kind))
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
    """A driver may be in another zone than the authority; who writes to support may be anywhere."""
    changes = {} if kind in OF_CASES else {"linked": (LINKED,), "withdrawn_at": FACTS.due_at}
    mail = render(kind, language, facts_of(kind, **changes))
    for text in (mail.text, mail.html):
        for after in re.split(r"\b\d\d:\d\d\b", text)[1:]:
            assert after.split(")")[0].strip() in {"(Europe/Prague", "(Europe/Vienna", "(UTC"}


@pytest.mark.parametrize(("kind", "language"), OF_ORDERS)
def test_html_escapes_what_a_driver_typed_and_fetches_nothing(kind, language):
    """A plate is a free text for whoever wishes harm."""
    evil = "<script>alert('x')</script>"
    facts = replace(
        FACTS, plate=evil, name=evil, reason=f"no {evil}", vehicle_country=evil, payment_code=CODE
    )
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
    name = "case_number" if kind in OF_CASES else "order_number"
    subject = render(kind, language, facts_of(kind, **{name: "V1\r\nBcc: x@y.z\x00\u2028"})).subject
    assert subject.isprintable()
    assert "V1 Bcc: x@y.z" in subject


@pytest.mark.parametrize(("kind", "language"), EVERY_MAIL)
def test_a_mail_is_written_without_the_optional_facts(kind, language):
    """No fact that may be missing shows as None, and no mail ends without a way to us."""
    of_kind = fields(facts_of(kind))
    optional = {field.name: field.default for field in of_kind if field.default in {None, False}}
    mail = render(kind, language, facts_of(kind, **optional))
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


@pytest.mark.parametrize(("kind", "language"), OF_ORDERS)
def test_a_code_is_shown_where_payment_is_asked_for_and_nowhere_else(kind, language):
    """Who sees no images loses nothing: the numbers stand above it, and in the plain text."""
    for rest in (Money(0, "CZK"), Money(100, "CZK")):
        mail = render(kind, language, replace(FACTS, payment_code=CODE, outstanding=rest))
        asks = FACTS.creditor_reference in mail.text
        assert (f"cid:{CODE.content_id}" in mail.html) == asks
        assert asks == (kind in ASKING_FOR_MONEY or (kind == "details_corrected" and bool(rest)))
        assert "cid:" not in mail.text
    if asks:
        image = mail.html.partition("<img")[2].partition(">")[0]
        assert f'alt="{"QR code of this payment" if language == "en" else "Code QR de ce paiement"}"' in image
    assert "<img" not in render(kind, language, replace(FACTS, payment_code=None)).html


# ------------------------------------------------------------ the templates


@pytest.mark.parametrize("name", sorted(path.name for path in TEMPLATES.glob("*.j2")))
def test_a_template_uses_known_facts_only(name):
    """A misspelt fact is found here, not by a driver."""
    made = environment(Language.best_for("en"), "html")
    source = (TEMPLATES / name).read_text(encoding="utf-8")
    used = meta.find_undeclared_variables(made.parse(source))
    told = [_told(kind, Language.best_for("en"), facts_of(kind)) for kind in ("placed", "case_answered")]
    assert used - set(made.globals) - {"_"} <= told[0].keys() | told[1].keys() | {"layout"}


def test_each_kind_is_told_apart_by_its_subject():
    """In a list of mails it is all that is seen."""
    for language in ("en", "fr"):
        assert len({render(kind, language, facts_of(kind)).subject for kind in MailKind}) == len(MailKind)


def test_what_people_write_to_each_other_is_text():
    """An answer to a case goes into the HTML as it was written, and does nothing there."""
    mail = render("case_answered", "en", replace(CASE, answer="<script>alert(1)</script> & <b>bold</b>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;bold" in mail.html
    assert "<script" not in mail.html
    assert "<script>alert(1)</script> & <b>bold</b>" in mail.text
