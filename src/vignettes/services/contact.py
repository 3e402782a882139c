"""How support is reached without a form: links with what support would ask for filled in (promise 11)."""

from dataclasses import dataclass
from email.utils import parseaddr
from urllib.parse import quote, urlencode


@dataclass(frozen=True, slots=True)
class Contact:
    """The mailbox of support, and its telephone number for WhatsApp, where there are such."""

    email: str | None
    whatsapp: str | None

    def links(self, subject: str, particulars: str) -> dict[str, str | None]:
        """Return the address, and the links that carry a subject and particulars; either may be empty."""
        address = parseaddr(self.email or "")[1]
        digits = "".join(filter(str.isdecimal, self.whatsapp or ""))
        return {
            "support_email": address or None,
            "support_link": f"mailto:{quote(address, safe='@')}{_query(subject=subject, body=particulars)}",
            "whatsapp_link": f"https://wa.me/{digits}{_query(text=particulars)}" if digits else None,
        }


def _query(**given: str) -> str:
    said = {name: text for name, text in given.items() if text}
    return "?" + urlencode(said, quote_via=quote, safe="") if said else ""
