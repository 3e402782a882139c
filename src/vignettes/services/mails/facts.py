"""All that a mail may tell: of an order, of the other orders of its customer, of a request to support."""

from dataclasses import dataclass
from datetime import datetime

from vignettes.domain.money import Money
from vignettes.services.payment_codes import PaymentCode


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkedOrder:
    """An order in a list of several, each with its own link."""

    order_number: str
    product: str
    starts_at: datetime
    zone: str
    placed_at: datetime
    status: str
    manage_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MailFacts:
    """All that a mail may tell of an order. Instants are aware; `zone` (IANA) is the authority's, shown with each.

    `starts_at` and `ends_at` both belong to the cover. `due_at` is when registration starts: until then the
    details can be corrected; None while the order waits for something else. `before_outage` says that an
    announced outage decided it (case 15), `unmoved_at` when it would be due without. `answer_by` is until when a
    driver who was asked something should answer. `outstanding` is the exact rest to pay, `refund` what goes back, or
    what others took back; `owed` what they took back after the start, when the vignette stays, or `after_refund`.
    `same_day` says that cover begins at registration (case 9). `reason` is a code of hold or refund, or a sentence
    to be quoted; `rejection_code` says why in a word of ours. `attached` tells whether the authority's document is.
    `payment_code` asks for what is to be paid; its image comes with the mail where one is shown.
    `manage_url` and `start_url` are secrets of the current address; the old address (`old_email`) never sees them.
    `linked` are the other orders whose links were asked for with this one's; `by_reference` says that somebody
    opened this order's page by its payment reference. `withdrawn_at` is when a withdrawal came in, `name` who sent it.
    `consented_at` is when the customer last asked expressly to start before the time of withdrawal is over.
    `email`, `name`, `plate`, `authorisation_code` and a `reason` in somebody's own words are None once they were
    erased. `support_whatsapp` is a telephone number.
    """

    order_number: str
    order_id: str
    ordered_at: datetime
    product: str
    country: str
    vehicle_country: str
    valid_from: str
    starts_at: datetime
    ends_at: datetime
    zone: str
    price_official: Money
    price_fee: Money
    price_total: Money
    variable_symbol: str
    creditor_reference: str
    payee_name: str
    payee_iban: str
    manage_url: str
    email: str | None = None
    name: str | None = None
    plate: str | None = None
    start_url: str | None = None
    same_day: bool = False
    due_at: datetime | None = None
    before_outage: bool = False
    unmoved_at: datetime | None = None
    answer_by: datetime | None = None
    outstanding: Money | None = None
    payment_code: PaymentCode | None = None
    paid: Money | None = None
    refund: Money | None = None
    owed: Money | None = None
    after_refund: bool = False
    vignette_number: str | None = None
    authorisation_code: str | None = None
    attached: bool = False
    reason: str | None = None
    rejection_code: str | None = None
    withdrawn_at: datetime | None = None
    consented_at: datetime | None = None
    linked: tuple[LinkedOrder, ...] = ()
    by_reference: bool = False
    old_email: str | None = None
    support_email: str | None = None
    support_whatsapp: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """All that a mail may tell of a request to support.

    What was asked is not among it: the address may be a stranger's. `answer` is text as a person wrote it.
    `order_number` and `manage_url` are there when the request is about an order whose link this address may have.
    """

    case_number: str
    opened_at: datetime
    order_number: str | None = None
    manage_url: str | None = None
    email: str | None = None
    answer: str | None = None
    support_email: str | None = None
    support_whatsapp: str | None = None
