"""From facts to a mail: one template for each kind, two layouts that it is poured into."""

import re
from dataclasses import dataclass, fields
from email.utils import parseaddr
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from unicodedata import category
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from vignettes.domain.catalogue import product
from vignettes.services.mails.facts import MailFacts
from vignettes.services.mails.language import LOCALES, Language

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGES = tuple(LOCALES)
_BLANK_LINES = re.compile(r"\n{3,}")


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
    HELD = "held"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class RenderedMail:
    """One mail as a driver reads it; the subject is one line without any control character."""

    subject: str
    text: str
    html: str


def render(kind: str, language: str, facts: MailFacts) -> RenderedMail:
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


def _told(kind: MailKind, language: Language, facts: MailFacts) -> dict[str, Any]:
    told: dict[str, Any] = {field.name: getattr(facts, field.name) for field in fields(facts)}
    told["language"] = language.code
    told["old_address"] = kind is MailKind.ADDRESS_CHANGED
    told |= _of_product(facts.product)
    if told["old_address"]:
        # Who reads there may be a stranger: nothing that opens the order, or leads to its owner.
        told |= {"manage_url": None, "start_url": None, "authorisation_code": None, "email": facts.old_email}
    particulars = environment(language, "txt").get_template("particulars.j2").render(told).strip()
    return told | _ways_to_support(facts, particulars)


def _of_product(code: str) -> dict[str, Any]:
    bought = product(code)
    return {
        "valid_at_once": bought.valid_at_once,
        "notice_days": bought.notice_days,
        "instead": bought.instead,
        "still_possible": bought.still_possible,
    }


def _ways_to_support(facts: MailFacts, particulars: str) -> dict[str, str | None]:
    """Return links that carry the order's particulars, which support would ask for (promise 11)."""
    address = parseaddr(facts.support_email or "")[1]
    digits = "".join(filter(str.isdecimal, facts.support_whatsapp or ""))
    text = quote(particulars, safe="")
    return {
        "support_email": address or None,
        "support_link": f"mailto:{quote(address, safe='@')}?subject={quote(facts.order_number)}&body={text}",
        "whatsapp_link": f"https://wa.me/{digits}?text={text}" if digits else None,
    }


def _one_line(text: str) -> str:
    """Make it fit for a header: no line break, no control, whatever a fact holds."""
    return " ".join("".join(" " if category(letter)[0] in "CZ" else letter for letter in text).split())
