"""What mails are written from in tests: an order, another one of the same customer, and a request to support."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from vignettes.domain.money import Money
from vignettes.services.mails import OF_CASES, CaseFacts, LinkedOrder, MailFacts, render
from vignettes.services.payment_codes import PaymentCode

FACTS = MailFacts(
    order_number="V1234567802",
    order_id="0190b3f0-0000-7000-8000-000000000001",
    ordered_at=datetime(2026, 11, 28, 23, 30, tzinfo=UTC),
    email="driver@example.org",
    product="CZ-10D",
    country="CZ",
    vehicle_country="DE",
    plate="B MÜ 1234",
    valid_from="2026-12-01",
    starts_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
    ends_at=datetime(2026, 12, 10, 22, 59, 59, tzinfo=UTC),
    zone="Europe/Prague",
    due_at=datetime(2026, 11, 30, 7, 30, tzinfo=UTC),
    before_outage=True,
    unmoved_at=datetime(2026, 11, 30, 11, tzinfo=UTC),
    answer_by=datetime(2026, 11, 30, 23, tzinfo=UTC),
    price_official=Money(30000, "CZK"),
    price_fee=Money(9900, "CZK"),
    price_total=Money(39900, "CZK"),
    variable_symbol="1234567802",
    creditor_reference="RF181234567802",
    payee_name="Vignettes Example",
    payee_iban="CZ6508000000192000145399",
    manage_url="https://vignettes.example/o/secret-token",
    start_url="https://vignettes.example/o/secret-token/start",
    vignette_number="CZ1000000001",
    authorisation_code="K7P4-22QX",
    attached=True,
    old_email="old@example.org",
    support_email="Support <help@vignettes.example>",
    support_whatsapp="+420 600 000 000",
)
LINKED = LinkedOrder(
    order_number="V7654321099",
    product="AT-10D",
    starts_at=datetime(2027, 1, 4, 23, tzinfo=UTC),
    zone="Europe/Vienna",
    placed_at=datetime(2026, 11, 20, 10, tzinfo=UTC),
    status="awaiting_payment",
    manage_url="https://vignettes.example/o/other-token",
)
CASE = CaseFacts(
    case_number="S1234567802",
    opened_at=datetime(2026, 11, 30, 7, 30, tzinfo=UTC),
    order_number="V1234567802",
    manage_url="https://vignettes.example/o/secret-token",
    email="driver@example.org",
    answer="Good morning,\n\nyour plate is right.\nWe have looked.\n\n\nKind regards",
    support_email="Support <help@vignettes.example>",
    support_whatsapp="+420 600 000 000",
)
CODE = PaymentCode("spayd", "SPD*1.0*ACC:CZ6508000000192000145399*AM:399.00*CC:CZK*X-VS:1234567802")


def facts_of(kind: str, **changes: Any) -> MailFacts | CaseFacts:
    """Return what a mail of this kind is written from."""
    return replace(CASE if kind in OF_CASES else FACTS, **changes)


def english(kind: str, **changes: Any) -> str:
    """Return the text with its line breaks and special spaces evened out."""
    return " ".join(render(kind, "en", facts_of(kind, **changes)).text.split())


def french(kind: str, **changes: Any) -> str:
    """Return the same in French."""
    return " ".join(render(kind, "fr", facts_of(kind, **changes)).text.split())
