"""The languages we write: nothing missing in any, nothing left over, and each in its own way with days and money."""

import re
from datetime import UTC, datetime
from functools import cache

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from tools import texts

from mail_facts import FACTS, LINKED, facts_of
from vignettes.domain.money import Money
from vignettes.services.mails import MailKind, render
from vignettes.services.mails.language import LOCALES, Language
from vignettes.services.web.rendering import environment, rendered

TRANSLATED = texts.LANGUAGES
EARLY = datetime(2026, 12, 1, 7, 5, tzinfo=UTC)
ALIKE = str.maketrans("!,", "..")
"""A greeting or a wish ends with what its language puts there."""
LONG_TEXT = 4
"""So many words are nowhere the same in two languages."""

#: Read when a test asks for them: that takes a second.
shelves = cache(texts.shelves)


def entries(language):
    """Every entry of every catalogue of a language, as it is in the file."""
    found = []
    for shelf in shelves():
        with shelf.path(language).open("rb") as lines:
            catalogue = read_po(lines, locale=language, abort_invalid=True)
        found += [(shelf, catalogue, entry) for entry in catalogue if entry.id]
    return found


def pairs(language):
    """Every text with its translation; of a text that counts something, every form."""
    for _, _, entry in entries(language):
        if isinstance(entry.id, str):
            yield entry.id, entry.string
        else:
            singular, plural = entry.id
            forms = [*entry.string]
            of_one = singular if len(forms) > 1 else plural
            yield from zip([of_one, *[plural] * (len(forms) - 1)], forms, strict=True)


def those(language, wrong):
    """The translations of which `wrong(text, translation)` holds."""
    return [(text, told) for text, told in pairs(language) if told and wrong(text, told)]


# ------------------------------------------------------------ the catalogues


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language):
    """With all its forms, where it counts something; `make texts` finds new ones."""
    missing = [
        f"{shelf.folder.parent.name}: {text}" for shelf in shelves() for text in shelf.missing(language)
    ]
    assert not missing, "\n".join([f"not in {language} yet, or not in every form:", *missing])


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_left_over_or_in_doubt(language):
    """Nor translated twice: what mails and pages both say is with the mails."""
    there = entries(language)
    assert [entry.id for shelf, _, entry in there if entry.id not in shelf.texts] == []
    assert [entry.id for _, _, entry in there if entry.fuzzy] == []
    assert not set(shelves()[0].texts) & set(shelves()[1].texts)


@pytest.mark.thorough
@pytest.mark.parametrize("language", TRANSLATED)
def test_the_catalogues_are_as_make_texts_writes_them(language):
    """So that a change of one text is a change of one entry."""
    for shelf in shelves():
        assert shelf.path(language).read_text(encoding="utf-8") == shelf.file(language)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_tells_the_same_facts(language):
    """Every other per cent sign would break it when it is filled in."""

    def facts(text):
        return sorted(re.findall(r"%\((\w+)\)s", text))

    def tells_others(text, told):
        return facts(text) != facts(told) or told.count("%") != len(facts(told))

    assert those(language, tells_others) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_text_that_counts_has_the_forms_of_its_language(language):
    """As the head of the catalogue says, which is Unicode's rule for the language."""
    counted = [(catalogue, entry) for _, catalogue, entry in entries(language) if entry.pluralizable]
    assert counted
    assert [entry.id for catalogue, entry in counted if len(entry.string) != catalogue.num_plurals] == []
    assert {catalogue.plural_forms for catalogue, _ in counted} == {Catalog(locale=language).plural_forms}


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_translation_begins_and_ends_as_its_text_does(language):
    """No space that the other has not, and a sentence stays a sentence, a question a question."""

    def edges(text):
        return text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]

    def end(text):
        mark = text.rstrip("”“»«’‘ \u00a0\u202f").translate(ALIKE)[-1]
        return mark if mark in ".,:?…" else ""

    assert those(language, lambda text, told: edges(text) != edges(told)) == []
    assert those(language, lambda text, told: end(text) != end(told)) == []
    assert those(language, lambda _, told: "  " in told or "\n" in told) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_the_english_text(language):
    """Names and short words may be the same; a whole sentence never is."""
    assert those(language, lambda text, told: told == text and len(text.split()) >= LONG_TEXT) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_are_plain_text(language):
    """HTML belongs to templates: what a translator writes is shown, in mails without HTML as well."""
    assert those(language, lambda _, told: re.search(r"[<>\[\]{}\\|]|&\w+;|https?:", told)) == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_is_written_in_its_own_letters(language):
    """Two alphabets in one word are a slip that nobody sees."""
    mixed = re.compile(r"[A-Za-zÀ-ž][А-я]|[А-я][A-Za-zÀ-ž]")
    assert those(language, lambda _, told: mixed.search(told)) == []
    in_cyrillic = [told for _, told in pairs(language) if re.search("[А-я]", told or "")]
    assert bool(in_cyrillic) == (language == "bg")


# ------------------------------------------------------------ days, times, money, names


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("en", "1 Dec 2026, 08:05"),
        ("fr", "1 déc. 2026, 08:05"),
        ("de", "1. Dez. 2026, 08:05"),
        ("cs", "1. 12. 2026 8:05"),
        ("sk", "1. 12. 2026, 8:05"),
        ("pl", "1 gru 2026, 08:05"),
        ("hu", "2026. dec. 1. 8:05"),
        ("ro", "1 dec. 2026, 08:05"),
        ("bg", "1.12.2026\u202fг., 8:05"),
        ("sl", "1. dec. 2026, 08:05"),
        ("it", "1 dic 2026, 08:05"),
        ("nl", "1 dec 2026, 08:05"),
    ],
)
def test_a_time_is_written_in_the_order_of_the_language_and_with_its_zone(language, written):
    """Of the place that it is about; no language of ours counts twelve hours."""
    spoken = Language.best_for(language)
    assert spoken.local_time(EARLY, "Europe/Prague") == f"{written} (Europe/Prague)"
    assert written.startswith(spoken.day(EARLY, "Europe/Prague"))
    assert "20:05" in spoken.local_time(EARLY.replace(hour=19), "Europe/Prague")


@pytest.mark.parametrize(
    ("language", "crowns", "euros"),
    [
        ("en", "CZK 1,399.50", "€0.05"),
        ("fr", "1 399,50 CZK", "0,05 €"),
        ("de", "1.399,50 CZK", "0,05 €"),
        ("cs", "1 399,50 Kč", "0,05 €"),
        ("sk", "1 399,50 CZK", "0,05 €"),
        ("pl", "1 399,50 CZK", "0,05 €"),
        ("hu", "1 399,50 CZK", "0,05 EUR"),
        ("ro", "1.399,50 CZK", "0,05 EUR"),
        ("bg", "1 399,50 CZK", "0,05 €"),
        ("sl", "1.399,50 CZK", "0,05 €"),
        ("it", "1.399,50 CZK", "0,05 €"),
        ("nl", "CZK 1.399,50", "€ 0,05"),
    ],
)
def test_money_is_written_to_the_cent_and_never_broken_over_two_lines(language, crowns, euros):
    """A letter and a digit never touch, which is hard to read."""
    spoken = Language.best_for(language)
    written = [spoken.money(Money(139950, "CZK")), spoken.money(Money(5, "EUR"))]
    assert [" ".join(amount.split()) for amount in written] == [crowns, euros]
    assert " " not in "".join(written), "spaces that do not break"


@pytest.mark.parametrize(
    ("language", "names"),
    [
        (
            "en",
            [
                "Czechia, 1 day",
                "Czechia, 10 days",
                "Slovenia, 1 month",
                "Austria, 2 months",
                "Hungary, 1 year",
            ],
        ),
        (
            "cs",
            ["Česko, 1 den", "Česko, 10 dnů", "Slovinsko, 1 měsíc", "Rakousko, 2 měsíce", "Maďarsko, 1 rok"],
        ),
        ("ro", ["Cehia, 1 zi", "Cehia, 10 zile", "Slovenia, 1 lună", "Austria, 2 luni", "Ungaria, 1 an"]),
        (
            "sl",
            [
                "Češka, 1 dan",
                "Češka, 10 dni",
                "Slovenija, 1 mesec",
                "Avstrija, 2 meseca",
                "Madžarska, 1 leto",
            ],
        ),
        (
            "it",
            [
                "Cechia, 1 giorno",
                "Cechia, 10 giorni",
                "Slovenia, 1 mese",
                "Austria, 2 mesi",
                "Ungheria, 1 anno",
            ],
        ),
        (
            "hu",
            [
                "Csehország, 1 nap",
                "Csehország, 10 nap",
                "Szlovénia, 1 hónap",
                "Ausztria, 2 hónap",
                "Magyarország, 1 év",
            ],
        ),
    ],
)
def test_a_product_is_counted_as_the_language_counts(language, names):
    """One, two, three or four forms, or none."""
    codes = ("CZ-1D", "CZ-10D", "SI-1M", "AT-2M", "HU-1Y")
    assert [Language.best_for(language).product_name(code) for code in codes] == names


def test_templates_count_as_the_language_counts():
    """On pages too, which have the words of the mails."""
    text = "{% trans count=n %}{{ count }} day{% pluralize %}{{ count }} days{% endtrans %}"
    polish = environment(Language.best_for("pl")).from_string(text)
    assert [polish.render(n=n) for n in (1, 2, 5, 22, 30)] == [
        "1 dzień",
        "2 dni",
        "5 dni",
        "22 dni",
        "30 dni",
    ]
    romanian = environment(Language.best_for("ro")).from_string(text)
    assert [romanian.render(n=n) for n in (1, 15, 30)] == ["1 zi", "15 zile", "30 de zile"]


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("de", "de"),
        ("sk-SK,sk;q=0.9,en;q=0.8", "sk"),
        ("uk-UA, uk;q=0.9, en;q=0.6, pl;q=0.7", "pl"),
        ("uk, fr;q=0", "en"),
        ("en;q=0.1, HU-hu", "hu"),
        ("*", "en"),
        ("de;q=1x, sl;q=0.2", "sl"),
        ("uk," * 5000 + "de", "en"),
        (";;q=,=;,-_-", "en"),
    ],
)
def test_a_browser_is_answered_in_what_it_wants_most_of_what_we_write(header, language):
    """Whatever else it sends."""
    assert Language.of_browser(header).code == language


# ------------------------------------------------------------ the mails and the pages in them


@pytest.mark.thorough
@pytest.mark.parametrize("language", LOCALES)
def test_every_mail_is_written_in_every_language(language):
    """In one language from the subject to the last line, and no time without its zone."""
    mails = {kind: render(kind, language, facts_of(kind)) for kind in MailKind}
    assert len({mail.subject for mail in mails.values()}) == len(MailKind), (
        "each is told apart by its subject"
    )
    for kind, mail in mails.items():
        assert f'lang="{language}"' in mail.html
        for text in (mail.text, mail.html):
            for after in re.split(r"\b\d?\d:\d\d\b", text)[1:]:
                assert re.match(r"\s+\((Europe/Prague|UTC)\)", after), f"{kind}: {after[:40]}"


def test_a_mail_counts_as_the_language_counts():
    """One other order, two, five: three forms in Czech."""
    subjects = [
        render("link", "cs", facts_of("link", linked=(LINKED,) * count)).subject for count in (1, 2, 5)
    ]
    number = FACTS.order_number
    assert subjects == [
        f"Objednávka {number} a jedna další: odkazy na vaše objednávky",
        f"Objednávka {number} a 2 další: odkazy na vaše objednávky",
        f"Objednávka {number} a 5 dalších: odkazy na vaše objednávky",
    ]


@pytest.mark.parametrize("language", TRANSLATED)
def test_pages_are_written_in_every_language(language):
    """From the words of both catalogues, with nothing of the English page left."""
    page, english = (
        rendered("missing.html", Language.best_for(code), {"status": 404}) for code in (language, "en")
    )
    assert f'<html lang="{language}"' in page
    assert not set(sentences(page)) & set(sentences(english))


def sentences(page):
    """The texts between the tags."""
    return [text.strip() for text in re.split(r"<[^>]*>", page) if text.strip()]
