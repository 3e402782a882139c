"""From facts to a mail: one template for each kind, two layouts that it is poured into."""

import re
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from vignettes.domain.catalogue import product
from vignettes.services.contact import Contact
from vignettes.services.mails.facts import CaseFacts, MailFacts
from vignettes.services.mails.language import LOCALES, Language

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = tuple(LOCALES)
_BLANK_LINES = re.compile(r"\n{3,}")
_EMPTY_LINES = re.compile(r"\n[ \t]*\n")
#: Every name that a template may ask for: what a mail has nothing to say of is None.
_NOTHING = {field.name: None for each in (MailFacts, CaseFacts) for field in fields(each)}


class MailKind(StrEnum):
    """The mails we write, each with a template of its name."""

    PLACED = "placed"
    PAID = "paid"
    UNDERPAID = "underpaid"
    PAYMENT_REVERSED = "payment_reversed"
    BROUGHT_FORWARD = "brought_forward"
    STARTED = "started"
    ISSUED = "issued"
    VALIDITY_CHANGED = "validity_changed"
    REJECTED = "rejected"
    DETAILS_CORRECTED = "details_corrected"
    ADDRESS_CHANGED = "address_changed"
    REFUND = "refund"
    REFUNDED = "refunded"
    OWED = "owed"
    HELD = "held"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"
    LINK = "link"
    CASE_OPENED = "case_opened"
    CASE_ANSWERED = "case_answered"


#: Mails about a request to support; all others are about an order.
OF_CASES = frozenset({MailKind.CASE_OPENED, MailKind.CASE_ANSWERED})


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """One mail as a driver reads it; the subject is one line without any control character."""

    subject: str
    text: str
    html: str


def render(kind: str, language: str, facts: MailFacts | CaseFacts) -> RenderedMail:
    """Write the mail of one kind in the driver's language, or in English. An unknown kind is a ValueError."""
    spoken = Language.best_for(language)
    told = _told(MailKind(kind), spoken, facts)
    plain = _template(kind, spoken, "txt")
    return RenderedMail(
        subject=_one_line("".join(plain.blocks["subject"](plain.new_context(told)))),
        text=_BLANK_LINES.sub("\n\n", plain.render(told)).strip("\n") + "\n",
        html=_template(kind, spoken, "html").render(told),
    )


@cache
def environment(language: Language, form: str) -> Environment:
    """Return the environment of one language and form (`txt` or `html`): only HTML is escaped."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        auto_reload=False,
        autoescape=form == "html",  # noqa: S701 - the other form is plain text
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["ext.i18n.trimmed"] = True
    made.install_gettext_translations(language.translations, newstyle=True)  # type: ignore[attr-defined]  # i18n's
    made.filters |= language.filters()
    made.globals["part"] = made.get_template(f"parts.{form}.j2").module
    return made


def _template(kind: str, language: Language, form: str) -> Template:
    return environment(language, form).get_template(f"{kind}.j2", globals={"layout": f"layout.{form}.j2"})


def _told(kind: MailKind, language: Language, facts: MailFacts | CaseFacts) -> dict[str, Any]:
    told: dict[str, Any] = _NOTHING | {field.name: getattr(facts, field.name) for field in fields(facts)}
    told["language"] = language.code
    told |= _of_order(kind, facts) if isinstance(facts, MailFacts) else _of_case(facts)
    particulars = environment(language, "txt").get_template("particulars.j2").render(told).strip()
    return told | _ways_to_support(facts, particulars)


def _of_order(kind: MailKind, facts: MailFacts) -> dict[str, Any]:
    told = _of_product(facts.product) | {"others": facts.linked}
    if kind is MailKind.ADDRESS_CHANGED:
        # Who reads there may be a stranger: nothing that opens the order, or leads to its owner.
        told |= {"manage_url": None, "start_url": None, "authorisation_code": None, "email": facts.old_email}
    return told


def _of_case(facts: CaseFacts) -> dict[str, Any]:
    said = _EMPTY_LINES.split((facts.answer or "").replace("\r\n", "\n"))
    return {"answer_paragraphs": [each.strip() for each in said if each.strip()]}


def _of_product(code: str) -> dict[str, Any]:
    bought = product(code)
    return {
        "valid_at_once": bought.valid_at_once,
        "notice_days": bought.notice_days,
        "instead": bought.instead,
        "still_possible": bought.still_possible,
    }


def _ways_to_support(facts: MailFacts | CaseFacts, particulars: str) -> dict[str, str | None]:
    """Return links that carry the order's particulars, which support would ask for (promise 11)."""
    number = facts.case_number if isinstance(facts, CaseFacts) else facts.order_number
    return Contact(facts.support_email, facts.support_whatsapp).links(number, particulars)


def _one_line(text: str) -> str:
    """Make it fit for a header: no line break, no control, whatever a fact holds."""
    return " ".join("".join(" " if category(letter)[0] in "CZ" else letter for letter in text).split())
