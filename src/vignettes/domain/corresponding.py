"""What is written to the customer of an order: to which address, when a link is asked for, and what came back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from vignettes.domain import errors
from vignettes.domain.details import LinkedOrder
from vignettes.domain.paying import Paying
from vignettes.domain.personal import DataClass

#: How often a link is mailed to whoever says that it was lost: more would fill a stranger's mailbox.
BETWEEN_LINKS = timedelta(minutes=10)
MOST_LINKS, IN_TIME = 5, timedelta(days=1)

PERMANENT, COMPLAINT = "permanent", "complaint"
"""Why a mail came back: the address takes none, or somebody there called it spam."""

TO_OLD_ADDRESS = "address_changed"
"""The kind of the mail that goes to the address before; what becomes of it says nothing of the present one."""


class Corresponding(Paying):
    """The decisions about the customer's address and mails."""

    email: str | None
    email_since: int
    links_sent: tuple[datetime, ...]
    openings_told: tuple[datetime, ...]
    returned: frozenset[tuple[int, str]]
    version: int

    def correct_email(self, email: str, at: datetime) -> None:
        """Change where mails go; possible at any time (promise 8). The management link is renewed by it."""
        if DataClass.CONTACT in self.erased:
            raise errors.OrderClosed("The personal data of it was erased: nobody is written to any more.")
        if email != self.email:
            self.trigger_event(self.EmailCorrected, timestamp=at, email=email)

    def send_link(self, others: Sequence[LinkedOrder], at: datetime, *, by_reference: bool = False) -> None:
        """Mail the management link to the customer who lost it, with those of `others` of the same address (32).

        `by_reference`: somebody has opened the page by the payment's reference, and the address is told of it (31).
        Whoever has asked for links before can't keep that from being told: the two are counted apart.
        """
        before = self.openings_told if by_reference else self.links_sent
        if self.email is not None and not _enough(before, at):
            what = {"others": tuple(others), "by_reference": by_reference}
            self.trigger_event(self.LinkRequested, timestamp=at, **what)

    def note_returned_mail(
        self, mail_version: int, mail_kind: str, why: str, status: str | None, at: datetime
    ) -> None:
        """Keep that a mail came back, once; the customer sees it on the page (case 52)."""
        if mail_version > self.version:
            raise errors.InvalidValue("No event of this order called for that mail.", field="message_id")
        if (mail_version, mail_kind) not in self.returned:
            what = {"mail_version": mail_version, "mail_kind": mail_kind, "why": why, "status": status}
            self.trigger_event(self.MailReturned, timestamp=at, **what)


def _enough(sent_at: Sequence[datetime], at: datetime) -> bool:
    lately = [sent for sent in sent_at if sent > at - IN_TIME]
    return len(lately) >= MOST_LINKS or any(sent > at - BETWEEN_LINKS for sent in lately)
