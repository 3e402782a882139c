"""Money that came in by a bank, and what becomes of it, written straight to the log."""

import itertools
from datetime import date

from eventstore_helpers import NOON
from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import Allocation

#: Whose account the money came from, unless a test says otherwise.
PAYER_IBAN = "SK3112000000198742637541"
_entries = itertools.count(1)


def an_entry(amount=1_000, currency="EUR", **different):
    """Return a credit entry of a statement, each its own."""
    entry = {
        "entry_id": f"{next(_entries):032x}",
        "account": "CZ6508000000192000145399",
        "booked_on": date(2026, 6, 1),
        "amount": Money(amount, currency),
        "credit": True,
        "reversal": False,
        "booked": True,
        "variable_symbol": None,
        "creditor_reference": None,
        "remittance": "for the road",
        "counterparty": "Jana Nováková",
        "counterparty_account": PAYER_IBAN,
        "end_to_end_id": None,
        "bank_reference": None,
    }
    return BankEntry(**{**entry, **different})


def a_payment(amount=1_000, currency="EUR", at=NOON, *, test=False, **different):
    """Book a payment that nobody has looked at yet."""
    entry = an_entry(amount, currency, **different)
    return BankPayment.book(entry, "statement", "bank_transfer", at, test=test)


def in_review(amount=1_000, currency="EUR", at=NOON, **different):
    """Book a payment that waits for a person."""
    payment = a_payment(amount, currency, at, **different)
    payment.queue(["no_reference"], [], at)
    return payment


def share_of(payment, order, amount=None, at=NOON):
    """Let a person allocate what is no order's, or a part of it, and return what the order is to be told."""
    money = Money(amount or payment.unallocated.amount, payment.entry.amount.currency)
    payment.allocate([Allocation(order.id, money)], None, at)
    return payment.shares[-1]
