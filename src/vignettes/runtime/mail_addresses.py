"""The mail addresses among the settings: what they take, and where returned mails come back to by default."""

from email.utils import getaddresses, parseaddr
from typing import Annotated, Any

from pydantic import AfterValidator


def _mailbox(value: str) -> str:
    if not value.isprintable() or "@" not in parseaddr(value)[1] or len(getaddresses([value])) != 1:
        raise ValueError("is not one mail address, such as Vignettes <orders@vignettes.example>")
    return value


def _plain_address(value: str) -> str:
    """Refuse what can't be given a tag: a name beside the address, or a tag of its own."""
    local, _, domain = value.rpartition("@")
    if not value.isprintable() or parseaddr(value)[1] != value or not local or not domain or "+" in local:
        raise ValueError("is not a mail address without a name or a +, such as returns@vignettes.example")
    return value


def returns_at(data: dict[str, Any]) -> str:
    """Return the return address of the sender's domain, given the settings that were read before."""
    domain = parseaddr(data.get("mail_from", ""))[1].rpartition("@")[2]
    return f"returns@{domain}"


Mailbox = Annotated[str, AfterValidator(_mailbox)]
PlainAddress = Annotated[str, AfterValidator(_plain_address)]
