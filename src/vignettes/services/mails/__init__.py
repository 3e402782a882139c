"""What we write to drivers: facts in, one mail's subject and two texts out."""

from vignettes.services.mails.facts import MailFacts
from vignettes.services.mails.texts import LANGUAGES, MailKind, RenderedMail, render

__all__ = ["LANGUAGES", "MailFacts", "MailKind", "RenderedMail", "render"]
