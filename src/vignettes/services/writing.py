"""From a row of the emails view to a mail: facts, links, support's particulars and the document put together."""

import re
from dataclasses import dataclass, replace
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from pydantic import TypeAdapter

from vignettes.domain import references
from vignettes.services.authorities import Document
from vignettes.services.authorities.documents import SealedDocument, opened
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.mails import MailFacts, RenderedMail, render
from vignettes.services.payment_codes import PaymentCode, payment_code

log = structlog.get_logger(__name__)

_FACTS = TypeAdapter(MailFacts)

#: What a file name is spared, whatever an authority's number holds.
_NOT_IN_FILE_NAMES = re.compile(r"[^0-9A-Za-z-]+")

#: The old address is told that it was replaced, and gets no key to the order.
_WITHOUT_LINKS = frozenset({"address_changed"})


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes, and how to reach support."""

    mailbox: str
    support_email: str | None
    support_whatsapp: str | None

    @property
    def domain(self) -> str:
        """The domain of the sender's address, which makes Message-IDs ours."""
        return parseaddr(self.mailbox)[1].rpartition("@")[2]


class Writing:
    """Writes mails from rows of the emails view."""

    def __init__(self, links: Links, payee: Payee, sender: Sender) -> None:
        self._links = links
        self._payee = payee
        self._sender = sender

    def rendered(self, row: dict[str, Any]) -> RenderedMail:
        """Return subject and texts of one mail: a row with its `facts`, and `contact` and `vehicle` opened."""
        return render(row["kind"], row["language"], self._facts(row, attached=False))

    def message(self, row: dict[str, Any]) -> EmailMessage:
        """Return the mail as it goes to the server. The same row gives the same Message-ID and Date.

        The authority's document goes with it where the row has it; without, or with one that does not open, the
        mail leaves all the same.
        """
        document = _document(row)
        facts = self._facts(row, attached=document is not None)
        mail = render(row["kind"], row["language"], facts)
        message = EmailMessage()
        message["From"] = self._sender.mailbox
        message["To"] = row["recipient"]
        message["Subject"] = mail.subject
        message["Date"] = format_datetime(row["called_at"])
        message["Message-ID"] = row["message_id"]
        message["Auto-Submitted"] = "auto-generated"
        message["X-Order-Number"] = row["facts"]["order_number"]
        message["X-Mail-Kind"] = row["kind"]
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        if facts.payment_code and facts.payment_code.content_id in mail.html:
            _show(message, facts.payment_code)
        if document:
            _attach(message, document, row["facts"]["vignette_number"])
        return message

    def _facts(self, row: dict[str, Any], *, attached: bool) -> MailFacts:
        # What was erased is missing here, and in the mail.
        stored = {**row["facts"], **(row["contact"] or {}), **(row["vehicle"] or {})}
        order_id: UUID = row["order_id"]
        generation = stored.pop("link_generation")
        number = stored["order_number"]
        facts = _FACTS.validate_python(
            {
                **stored,
                "order_id": str(order_id),
                "attached": attached,
                "variable_symbol": references.variable_symbol(number),
                "creditor_reference": references.creditor_reference(number),
                "payee_name": self._payee.name,
                "payee_iban": self._payee.iban,
                "manage_url": ""
                if row["kind"] in _WITHOUT_LINKS
                else self._links.manage(order_id, generation),
                "start_url": None
                if row["kind"] in _WITHOUT_LINKS
                else self._links.start(order_id, generation),
                "support_email": self._sender.support_email,
                "support_whatsapp": self._sender.support_whatsapp,
            }
        )
        to_pay = facts.outstanding or facts.price_total
        return replace(
            facts, payment_code=payment_code(self._payee.name, self._payee.iban, to_pay, facts.order_number)
        )


def _document(row: dict[str, Any]) -> Document | None:
    if row["document"] is None or row["vehicle_key"] is None:
        return None  # there never was one, or it was erased
    kept = SealedDocument(row["document_type"], row["document_size"], row["document"])
    try:
        return opened(kept, row["vehicle_key"])
    except (InvalidTag, ValueError):
        # The driver waits for the mail, and is not to pay for what has become of the document.
        log.exception("mail.document_unreadable", order=str(row["order_id"]))
        return None


def _show(message: EmailMessage, code: PaymentCode) -> None:
    """Put the image beside the HTML that shows it: nothing is fetched from anywhere when the mail is read."""
    html = message.get_body(("html",))
    if isinstance(html, EmailMessage):
        html.add_related(
            code.png(), maintype="image", subtype="png", cid=f"<{code.content_id}>", disposition="inline"
        )


def _attach(message: EmailMessage, document: Document, number: str) -> None:
    maintype, _, subtype = document.media_type.partition("/")
    name = f"vignette-{_NOT_IN_FILE_NAMES.sub('-', number)}.{subtype}"
    message.add_attachment(document.content, maintype=maintype, subtype=subtype, filename=name)
