"""Given, when, then for money that came in, in the words of `ordering`."""

from dataclasses import replace
from datetime import date
from uuid import UUID

from domain.ordering import ORDER_ID, OTHER_ORDER, Begun, Command, Example, czk
from vignettes.domain.entry import BankEntry
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.domain.payment_events import Allocation, Suggested
from vignettes.domain.payment_status import PaymentStatus
from vignettes.domain.personal import DataClass
from vignettes.domain.shares import ShareState

ENTRY = BankEntry(
    entry_id="0123456789abcdef0123456789abcdef",
    account="CZ6508000000192000145399",
    booked_on=date(2026, 7, 1),
    amount=czk(399),
    credit=True,
    reversal=False,
    booked=True,
    variable_symbol="9922747891",
    creditor_reference=None,
    remittance="for my vignette",
    counterparty="Jana Nová",
    counterparty_account="CZ5855000000001265098001",
    end_to_end_id=None,
    bank_reference="2026-1",
)
ID = payment_id_of(ENTRY.entry_id)
ORDER_A, ORDER_B = ORDER_ID, OTHER_ORDER
ORDER_C = UUID("2f6a3b52-1c1a-5d0b-9a44-0f8f0f3c9d77")
NOTICE = payment_id_of("stripe:pi_1")
#: The names by which orders know the shares of the payment, in the order of its allocations.
FIRST, SECOND, THIRD, FOURTH = (f"bank-payment:{ID}:{number}" for number in (1, 2, 3, 4))
#: The names of its returns, as the bank shows them.
RETURN, NEXT_RETURN = f"P{ID.hex[:20]}-1", f"P{ID.hex[:20]}-2"
REASONS = ("reference", "exact_amount")
SUGGESTION = Suggested((Allocation(ORDER_A, czk(399)),), ("near_reference",))


def share(order_id=ORDER_A, crowns=399):
    return Allocation(order_id, czk(crowns))


# --- commands


def note_again(at=None, test=False, **different):
    """Tell of it again: from another file, or by another notice."""
    return Command(lambda payment, now: payment.note_again(replace(ENTRY, **different), now, test=test), at)


def match(allocation=None):
    return Command(lambda payment, now: payment.match(allocation or share(), REASONS, now))


def queue(*suggestions):
    return Command(lambda payment, now: payment.queue(["amount_differs"], suggestions, now))


def recognise(notice=NOTICE):
    return Command(lambda payment, now: payment.recognise(notice, ["names_the_notice"], now))


def undo_recognition():
    return Command(lambda payment, now: payment.undo_recognition("paid twice", now))


def dismiss():
    return Command(lambda payment, now: payment.dismiss("rent of June", now))


def allocate(*allocations):
    return Command(lambda payment, now: payment.allocate(allocations, "as told by telephone", now))


def reassign(*allocations):
    return Command(lambda payment, now: payment.reassign(allocations, "mixed up", now))


def note_counted(share_id=FIRST):
    return Command(lambda payment, now: payment.note_counted(share_id, now))


def note_refused(share_id=FIRST, code="conflict"):
    return Command(lambda payment, now: payment.note_refused(share_id, code, now))


def note_kept(share_id=FIRST, code="conflict"):
    return Command(lambda payment, now: payment.note_kept(share_id, code, now))


def note_released(share_id=FIRST):
    return Command(lambda payment, now: payment.note_released(share_id, now))


def reverse(reversal="reversal-1"):
    return Command(lambda payment, now: payment.reverse(reversal, date(2026, 7, 9), now))


def approve_return(account=None):
    return Command(lambda payment, now: payment.approve_return(account, "nobody knows what for", now))


def order_return(payout_id=RETURN, file_id="file-1"):
    return Command(lambda payment, now: payment.order_return(payout_id, file_id, now))


def fail_return(payout_id=RETURN):
    return Command(lambda payment, now: payment.fail_return(payout_id, now))


def confirm_return(payout_id=RETURN):
    return Command(lambda payment, now: payment.confirm_return(payout_id, date(2026, 7, 10), now))


def erase(*classes):
    return Command(lambda payment, now: payment.erase(classes or tuple(DataClass), now))


# --- facts


def booked(at="2026-07-01 10:00", test=False, **different):
    """A line of a statement tells of 399 crowns, or of other money."""
    entry = replace(ENTRY, **different)
    return Begun(lambda now: BankPayment.book(entry, "statement", "bank_transfer", now, test=test), at)


def announced(**different):
    return booked(booked=False, **different)


arrived, matched, queued, recognised, allocated = note_again, match, queue, recognise, allocate
reassignment_asked, counted, refused, kept, released = (
    reassign,
    note_counted,
    note_refused,
    note_kept,
    note_released,
)
reversed_, return_approved, return_ordered, return_failed, returned, erased = (
    reverse,
    approve_return,
    order_return,
    fail_return,
    confirm_return,
    erase,
)


class PaymentScenario(Example):
    """An example of a payment."""

    @property
    def payment(self):
        return self.subject

    def then_status(self, status):
        assert self.payment.status is PaymentStatus(status)

    def then_shares(self, *states):
        """What each order knows of its share, in the order in which they were made."""
        assert [each.state for each in self.payment.shares] == [ShareState(state) for state in states]

    def then_unallocated(self, crowns):
        assert self.payment.unallocated == czk(crowns)
