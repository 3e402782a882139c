"""The countries that a vehicle may be registered in, as a list to choose from."""

import unicodedata
from functools import cache

from markupsafe import Markup

from vignettes.domain.errors import InvalidValue
from vignettes.domain.vehicle import country_from_sign
from vignettes.services.mails.language import Language
from vignettes.services.web.rendering import rendered

_EUROPE = (
    "AD AL AT BA BE BG BY CH CY CZ DE DK EE ES FI FR GB GR HR HU IE IS IT LI LT LU LV MC MD ME MK MT NL NO "
    "PL PT RO RS RU SE SI SK SM TR UA VA XK"
)
#: Where nearly all vehicles on these motorways are from; they stand first.
_NEAR = frozenset(_EUROPE.split())


class Countries:
    """The list in one language, written once: two hundred lines take longer than all the rest of a page."""

    def __init__(self, language: Language) -> None:
        named = [(code, name) for code, name in language.locale.territories.items() if _is_country(code)]
        named.sort(key=lambda each: _as_sorted(each[1]))
        near = [each for each in named if each[0] in _NEAR]
        told = {"near": near, "others": [each for each in named if each[0] not in _NEAR]}
        self._options = rendered("countries.html", language, told)

    def chosen(self, code: str) -> Markup:
        """Return the list with one country chosen, or with none for anything else."""
        options = (
            self._options.replace(f'"{code}">', f'"{code}" selected>', 1) if code.isalpha() else self._options
        )
        return Markup(options)  # noqa: S704  # our template's, and letters


@cache
def countries(language: Language) -> Countries:
    """Return the list in a language."""
    return Countries(language)


def _is_country(code: str) -> bool:
    try:
        return country_from_sign(code) == code
    except InvalidValue:
        return False


def _as_sorted(name: str) -> str:
    """Return a name as people look for it: an accent does not move it to the end."""
    return "".join(
        each for each in unicodedata.normalize("NFD", name) if not unicodedata.combining(each)
    ).casefold()
