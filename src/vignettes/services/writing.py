"""From a row of the emails view to a mail: facts, links, support's particulars and the document put together."""

from dataclasses import dataclass, replace
from email.errors import HeaderParseError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Any
from uuid import UUID

import structlog
from cryptography.exceptions import InvalidTag
from pydantic import TypeAdapter

from vignettes.domain import references
from vignettes.domain.corresponding import TO_OLD_ADDRESS
from vignettes.services.authorities import Document
from vignettes.services.authorities.documents import SealedDocument, document_name, opened
from vignettes.services.deciding import Payee
from vignettes.services.links import Links
from vignettes.services.mails import OF_CASES, CaseFacts, MailFacts, MailKind, RenderedMail, render
from vignettes.services.mails.language import Language
from vignettes.services.payment_codes import PaymentCode, payment_code
from vignettes.services.posting import POLICY, Unsendable

log = structlog.get_logger(__name__)

_ORDER_FACTS = TypeAdapter(MailFacts)
_CASE_FACTS = TypeAdapter(CaseFacts)

#: RFC 5321, 4.5.3.1.3, less the angle brackets.
_LONGEST_ADDRESS = 254


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
        """Return the mail as it goes to the server. The same row gives the same mail, Message-ID and Date included.

        The authority's document goes with it where the row has it; without, or with one that does not open, the
        mail leaves all the same. Raises Unsendable for what is not one address.
        """
        document = _document(row)
        facts = self._facts(row, attached=document is not None)
        mail = render(row["kind"], row["language"], facts)
        message = EmailMessage(policy=POLICY)
        self._address(message, row, mail.subject)
        _thread(message, row, self._sender.domain)
        _describe(message, row)
        message.set_content(mail.text)
        message.add_alternative(mail.html, subtype="html")
        code = facts.payment_code if isinstance(facts, MailFacts) else None
        if code and code.content_id in mail.html:
            _show(message, code)
        if document:
            _attach(message, document, row["facts"]["vignette_number"])
        # Last: what is said of the content goes wherever the content is moved to.
        message["Content-Language"] = Language.best_for(row["language"]).code
        return message

    def _address(self, message: EmailMessage, row: dict[str, Any], subject: str) -> None:
        message["From"] = self._sender.mailbox
        message["To"] = _one_address(row["recipient"])
        if self._sender.support_email:
            message["Reply-To"] = self._sender.support_email
        message["Subject"] = subject
        message["Date"] = format_datetime(row["called_at"])

    def _facts(self, row: dict[str, Any], *, attached: bool) -> MailFacts | CaseFacts:
        # What was erased is missing here, and in the mail.
        stored = {**row["facts"], **(row["contact"] or {}), **(row["vehicle"] or {})}
        support = {
            "support_email": self._sender.support_email,
            "support_whatsapp": self._sender.support_whatsapp,
        }
        if row["kind"] in OF_CASES:
            return _CASE_FACTS.validate_python({**stored, **support, "manage_url": self._of_case(stored)})
        told = {
            **stored,
            **support,
            **self._to_pay(row, stored),
            **self._to_open(row, stored),
            "attached": attached,
        }
        return self._with_code(_ORDER_FACTS.validate_python(told))

    def _of_case(self, stored: dict[str, Any]) -> str | None:
        """Return the link of the order that a case is about; who asked may be anybody, and then there is none."""
        order_id, generation = stored.get("order_id"), stored.get("link_generation")
        return self._links.manage(UUID(order_id), generation) if order_id and generation else None

    def _to_pay(self, row: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
        number = stored["order_number"]
        # After the start a debt is all that is asked for, and no price is waited for any more.
        asked = {"outstanding": stored["owed"]} if row["kind"] == MailKind.OWED else {}
        return {
            **asked,
            "variable_symbol": references.variable_symbol(number),
            "creditor_reference": references.creditor_reference(number),
            "payee_name": self._payee.name,
            "payee_iban": self._payee.iban,
        }

    def _to_open(self, row: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
        order_id: UUID = row["order_id"]
        linked = [{**each, "manage_url": self._of_case(each)} for each in stored.get("linked", ())]
        said = {"order_id": str(order_id), "linked": linked}
        if row["kind"] == TO_OLD_ADDRESS:  # it is told that it was replaced, and gets no key to the order
            return {**said, "manage_url": "", "start_url": None}
        generation = stored["link_generation"]
        return {
            **said,
            "manage_url": self._links.manage(order_id, generation),
            "start_url": self._links.start(order_id, generation),
        }

    def _with_code(self, facts: MailFacts) -> MailFacts:
        to_pay = facts.outstanding or facts.price_total
        return replace(
            facts, payment_code=payment_code(self._payee.name, self._payee.iban, to_pay, facts.order_number)
        )


def _one_address(text: str) -> str:
    """Return an address that is one, and nothing else: a second one would be told of somebody's journey."""
    if not text.isascii() or not text.isprintable() or len(text) > _LONGEST_ADDRESS:
        raise Unsendable("The address is longer than addresses are, or holds a control character.")
    try:
        address = Address(addr_spec=text)
    except (
        ValueError,
        IndexError,
        AttributeError,
        HeaderParseError,
    ):  # the parser's own, for whatever it was not written for
        raise Unsendable("The recipient is not one address.") from None
    if address.addr_spec != text or not address.domain:
        raise Unsendable("The recipient is not one address.")
    return text


def _thread(message: EmailMessage, row: dict[str, Any], domain: str) -> None:
    """Let mail programs keep together what is about one order, from its first mail on."""
    root = f"<{row['order_id']}@{domain}>"
    message["Message-ID"] = row["message_id"]
    message["In-Reply-To"] = root
    message["References"] = root


def _describe(message: EmailMessage, row: dict[str, Any]) -> None:
    message["Auto-Submitted"] = "auto-generated"
    for header, fact in (("X-Order-Number", "order_number"), ("X-Case-Number", "case_number")):
        if row["facts"].get(fact):
            message[header] = row["facts"][fact]
    message["X-Mail-Kind"] = row["kind"]


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
    name = document_name(number, document)
    message.add_attachment(document.content, maintype=maintype, subtype=subtype, filename=name)
