"""Bring the catalogues of all languages up to date with the texts that are asked for (`make texts`).

Translations stay, also of a text that moves from one shelf to the other; new texts come in empty, and what nothing asks
for any more goes. Written twice it is the same file.
"""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from vignettes.domain.catalogue import PRODUCTS
from vignettes.services.mails.language import CATALOGUES as OF_MAILS
from vignettes.services.mails.language import LOCALES
from vignettes.services.web.rendering import CATALOGUES as OF_PAGES

SERVICES = OF_MAILS.parents[1]
FOLDERS = (OF_MAILS, OF_PAGES)
LANGUAGES = tuple(code for code in LOCALES if code != "en")
_JINJA, _PYTHON, _NOT_OURS = "jinja2.ext:babel_extract", "python", "ignore"
_AS_THEY_ARE_RENDERED = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}
_WIDTH = 100

_HEAD = r"""# {about}, in {language}. Edited here and read as it is: nothing to compile.
msgid ""
msgstr ""
"Language: {code}\n"
"Plural-Forms: {plural_forms}\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"

"""

Text = str | tuple[str, str]
"""A text in English; one that counts something is its singular and its plural."""
Translation = str | tuple[str, ...]
"""The same in another language; one that counts has as many forms as the language."""


@dataclass(frozen=True)
class Shelf:
    """The catalogues of some texts, one for each language; `about` says what they are."""

    about: str
    folder: Path
    texts: tuple[Text, ...]

    def path(self, language: str) -> Path:
        return _path(self.folder, language)

    def brought_up_to_date(self, language: str) -> Catalog:
        """Return a catalogue of all texts that are asked for, with the translations that are there."""
        made = Catalog(locale=language, fuzzy=False)
        there = [_read(folder, language) for folder in (self.folder, *FOLDERS)]
        for text in self.texts:
            made.add(text, next((known[text] for known in there if text in known), ""))
        return made

    def file(self, language: str) -> str:
        """Return that catalogue as it is written: always in the same order and lines, and undated."""
        made = self.brought_up_to_date(language)
        name = Locale.parse(language).english_name
        head = _HEAD.format(about=self.about, language=name, code=language, plural_forms=made.plural_forms)
        entries = BytesIO()
        write_po(entries, made, width=_WIDTH, omit_header=True, no_location=True, sort_output=True)
        return head + entries.getvalue().decode().strip("\n") + "\n"

    def missing(self, language: str) -> list[Text]:
        """Return what a translator still has to write."""
        made = self.brought_up_to_date(language)
        return [text for text in self.texts if not _is_whole(made[_singular(text)].string)]


def _path(folder: Path, language: str) -> Path:
    return folder / language / "LC_MESSAGES" / "messages.po"


def _read(folder: Path, language: str) -> dict[Text, Translation]:
    path = _path(folder, language)
    if not path.exists():
        return {}
    with path.open("rb") as lines:
        entries = [each for each in read_po(lines, locale=language) if each.id and not each.fuzzy]
    return {each.id: each.string for each in entries if _is_begun(each.string)}


def shelves() -> tuple[Shelf, Shelf]:
    """Return the shelf of the mails, and that of the pages with what the mails do not say as well."""
    after_registration = {each.still_possible for each in PRODUCTS.values()}
    mails = _asked([("web/**", _NOT_OURS), ("mails/templates/**.j2", _JINJA), ("**.py", _PYTHON)])
    pages = _asked([("web/templates/**.html", _JINJA), ("web/**.py", _PYTHON)])
    of_mails = _sorted(mails | after_registration)
    return (
        Shelf("The mails to customers, and what pages share with them", OF_MAILS, of_mails),
        Shelf("The pages for customers", OF_PAGES, _sorted(pages - set(of_mails))),
    )


def _asked(methods: Sequence[tuple[str, str]]) -> set[Text]:
    options = {pattern: _AS_THEY_ARE_RENDERED for pattern, method in methods if method == _JINJA}
    return {message for _, _, message, _, _ in extract_from_dir(SERVICES, methods, options)}


def _sorted(texts: Iterable[Text]) -> tuple[Text, ...]:
    return tuple(sorted(texts, key=_singular))


def _singular(text: Text) -> str:
    return text if isinstance(text, str) else text[0]


def _is_begun(translation: Translation) -> bool:
    return any([translation] if isinstance(translation, str) else translation)


def _is_whole(translation: Translation) -> bool:
    return all([translation] if isinstance(translation, str) else translation)


def main() -> None:
    """Write all catalogues, and tell what is left to translate."""
    for shelf in shelves():
        for language in LANGUAGES:
            path = shelf.path(language)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(shelf.file(language), encoding="utf-8")
            left = len(shelf.missing(language))
            sys.stdout.write(f"{path.relative_to(SERVICES)}: {len(shelf.texts)} texts, {left} to translate\n")


if __name__ == "__main__":
    main()
