"""What we write to drivers: facts in, one mail's subject and two texts out."""

from vignettes.services.mails.facts import CaseFacts, LinkedOrder, MailFacts
from vignettes.services.mails.texts import LANGUAGES, OF_CASES, MailKind, RenderedMail, render

__all__ = [
    "LANGUAGES",
    "OF_CASES",
    "CaseFacts",
    "LinkedOrder",
    "MailFacts",
    "MailKind",
    "RenderedMail",
    "render",
]
