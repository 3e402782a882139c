"""Whatever is asked of an order, in whatever order: the invariants of its history hold.

They are read from the recorded events alone (I2, I3, I5), not from what the aggregate says of itself.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from domain.ordering import CONSENT, PRAGUE, TERMS
from vignettes.domain.account import Purpose
from vignettes.domain.catalogue import product
from vignettes.domain.details import Details, Payment, Status, Vignette
from vignettes.domain.errors import DomainError
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.codec import OrderMapper
from vignettes.eventstore.masterkeys import LocalMasterKeys
from vignettes.eventstore.personal import Vault

ORDER_ID = UUID("454fa8e6-b8dd-5b57-8225-7030578165d9")
FIRST_DAY = datetime(2026, 7, 1, 9, tzinfo=PRAGUE)
PLATES = ("1AB2345", "2AB2345")
CODES = ("CZ-1D", "CZ-10D", "CZ-30D", "SK-10D", "AT-2M")
ENDED = {Status.ISSUED, Status.REFUNDED}
ENDINGS = {Order.VignetteIssued, Order.OrderRefunded}
AFTER_THE_END = {
    Order.PaymentReceived,
    Order.PaymentNoticed,
    Order.SurplusSetAside,
    Order.SurplusReturned,
    Order.EmailCorrected,
    Order.ValidityChanged,
    Order.PaymentReversed,
    Order.PaymentTakenBack,
    Order.PayoutApproved,
    Order.PayoutOrdered,
    Order.PayoutFailed,
}
TAKING = (Order.PaymentReversed, Order.PaymentTakenBack)
LEAVING = (Order.SurplusReturned, Order.OrderRefunded)
RELEASING = {Order.HoldReleased, Order.TwinAccepted}

codes = st.sampled_from(CODES)
plates = st.sampled_from(PLATES)
days_ahead = st.sampled_from((0, 1, 2, 5, 20, 45))
payment_ids = st.sampled_from(("bank-1", "bank-2", "bank-3", "card-1", "card-2"))
twins = st.sampled_from((UUID(int=1), UUID(int=2)))
leads = st.sampled_from((6, 12, 24, 72)).map(lambda hours: timedelta(hours=hours))
refund_ids = st.sampled_from(("out-1", "out-2", "out-3"))
purposes = st.sampled_from(Purpose)
repeated = st.booleans()


class AnyOrder(RuleBasedStateMachine):
    """One order, random commands; each may come twice, and then records nothing the second time."""

    def __init__(self):
        super().__init__()
        self.mapper = OrderMapper(Vault(LocalMasterKeys([bytes(32)])))
        self.now = FIRST_DAY
        self.order = None
        self.log = []
        self.announced = []
        self.ended_as = None

    @initialize(
        code=st.sampled_from(("CZ-10D", "SK-10D")),
        ahead=days_ahead,
        beginning=st.sampled_from(("rest", "rest", "part", "over", "over", "asked back", "placed")),
    )
    def place(self, code, ahead, beginning):
        """Most examples begin with money: without it there is little to get wrong."""
        self.order = Order.place(
            ORDER_ID,
            number="V9922747891",
            details=self.details(code, PLATES[0], ahead),
            email="driver@example.org",
            language="cs",
            at=self.now,
        )
        self.record()
        if beginning != "placed":
            self.receive_payment(beginning if beginning != "asked back" else "rest", "first", True, 0, False)
        if beginning == "asked back":
            self.ask(lambda at: self.order.request_refund("journey cancelled", at))

    # --- commands

    @precondition(lambda self: self.order.outstanding)
    @rule(again=repeated)
    def pay_the_rest(self, again):
        self.receive_payment("rest", f"rest-{len(self.log)}", True, 0, again)

    @rule(
        share=st.sampled_from(("part", "rest", "rest", "over", "all again", "nothing")),
        payment_id=payment_ids,
        booked=st.sampled_from((True, True, False)),
        late=st.sampled_from((0, 90)),
        again=repeated,
    )
    def receive_payment(self, share, payment_id, booked, late, again):
        total, rest = self.order.price.total, self.order.outstanding
        amount = {
            "part": Money(total.amount // 3, total.currency),
            "rest": rest,
            "over": rest + Money(500, rest.currency),
            "all again": total,
            "nothing": rest - rest,
        }[share]
        arrived = self.now - timedelta(minutes=late)
        payment = Payment(payment_id, amount, "bank_transfer", arrived, booked)
        self.ask(lambda at: self.order.receive_payment(payment, at, self.announced), again)

    @rule(payment_id=payment_ids)
    def receive_foreign_money(self, payment_id):
        payment = Payment(payment_id, Money(1000, "USD"), "bank_transfer", self.now)
        self.ask(lambda at: self.order.receive_payment(payment, at))

    @rule(plate=plates, again=repeated)
    def correct_plate(self, plate, again):
        known = self.order.details
        details = Details(known.product, Vehicle.of("CZ", plate), known.start)
        self.ask(lambda at: self.order.correct_details(details, at), again)

    @rule(code=codes, plate=plates, ahead=days_ahead, again=repeated)
    def correct_product_and_start(self, code, plate, ahead, again):
        details = self.details(code, plate, ahead)
        self.ask(lambda at: self.order.correct_details(details, at, self.announced), again)

    @rule(code=codes, again=repeated)
    def correct_product(self, code, again):
        known = self.order.details
        details = Details(code, known.vehicle, known.start)
        self.ask(lambda at: self.order.correct_details(details, at, self.announced), again)

    @rule(email=st.sampled_from(("driver@example.org", "d.river@example.org")), again=repeated)
    def correct_email(self, email, again):
        self.ask(lambda at: self.order.correct_email(email, at), again)

    @rule(consent=st.sampled_from((None, CONSENT)), needed=st.booleans(), again=repeated)
    def start_at_once(self, consent, needed, again):
        self.ask(lambda at: self.order.start_at_once(consent, at, consent_needed=needed), again)

    @precondition(lambda self: self.order.deadline)
    @rule(begins=st.sampled_from((-30, -8, -2, 0, 1, 5)), length=st.sampled_from((1, 4, 40)), again=repeated)
    def announce_an_outage(self, begins, length, again):
        """Most of them lie in the way."""
        begins_at = self.order.deadline.due_at + timedelta(hours=begins)
        ends_at = begins_at + timedelta(hours=length)
        country = self.order.details.bought.country
        outage = Outage(UUID(int=len(self.announced)), country, begins_at, ends_at)
        self.announced.append(outage)
        self.ask(lambda at: self.order.regard_outage(outage, at), again)

    @precondition(lambda self: self.announced)
    @rule(data=st.data(), again=repeated)
    def withdraw_an_outage(self, data, again):
        """It is told to orders again and again until it is over; here it is only told once."""
        outage = data.draw(st.sampled_from(self.announced))
        self.ask(lambda at: self.order.disregard_outage(outage.id, at), again)

    @rule(lead=leads, again=repeated)
    def change_terms(self, lead, again):
        terms = replace(self.order.terms, lead=lead)
        self.ask(lambda at: self.order.change_terms(terms, at), again)

    @rule(twin=twins, again=repeated)
    def hold_as_twin(self, twin, again):
        self.ask(lambda at: self.order.hold_as_twin(twin, at), again)

    @rule()
    def accept_twin(self):
        """Asked again it is refused: there is no question any more."""
        self.ask(self.order.accept_twin)

    @rule(generations_ago=st.sampled_from((0, 0, 0, 1, 2, -1)), again=repeated)
    def trigger(self, generations_ago, again):
        generation = self.order.generation - generations_ago
        self.ask(lambda at: self.order.start_when_due(generation, at), again)

    @precondition(lambda self: self.order.deadline)
    @rule(again=repeated)
    def trigger_when_due(self, again):
        self.now = max(self.now, self.order.deadline.due_at)
        self.trigger(0, again)

    @rule(number=st.sampled_from(("A-1", "A-1", "A-2")), again=repeated)
    def issue(self, number, again):
        vignette = Vignette(number, "ref-1", self.now, self.now + timedelta(days=10))
        self.ask(lambda at: self.order.record_issue(vignette, self.order.generation, at), again)

    @rule(code=st.sampled_from(("other", "already_covered")), again=repeated)
    def reject(self, code, again):
        self.ask(lambda at: self.order.record_rejection(code, "no", self.order.generation, at), again)

    @precondition(lambda self: self.order.started_at)
    @rule(generations_ago=st.sampled_from((0, 0, 1)), again=repeated)
    def call_person(self, generations_ago, again):
        generation, act_by = self.order.generation - generations_ago, self.now + timedelta(hours=4)
        self.ask(lambda at: self.order.call_person("outcome_unknown", act_by, generation, at), again)

    @rule(days=st.sampled_from((10, 11)), again=repeated)
    def change_validity(self, days, again):
        since = FIRST_DAY + timedelta(days=20)
        self.ask(lambda at: self.order.record_validity(since, since + timedelta(days=days), at), again)

    @precondition(lambda self: len(self.log) > 3)  # else many examples end before they begin
    @rule(again=repeated)
    def request_refund(self, again):
        self.ask(lambda at: self.order.request_refund("journey cancelled", at), again)

    @rule(refund_id=refund_ids, what=st.sampled_from(("refund", "surplus", "part", "odd")), again=repeated)
    def confirm_refund(self, refund_id, what, again):
        surplus = self.order.account.surplus_open
        amount = {
            "refund": self.order.refund or surplus,
            "surplus": surplus,
            "part": Money(surplus.amount // 2, surplus.currency),
            "odd": Money(777, surplus.currency),
        }[what]
        self.ask(lambda at: self.order.confirm_refund(refund_id, amount, at), again)

    @precondition(lambda self: self.order.account.payments)
    @rule(data=st.data(), wrongly=st.booleans(), again=repeated)
    def lose_a_payment(self, data, wrongly, again):
        """The bank takes it back, or a person whose match it was not."""
        payment_id = data.draw(st.sampled_from((*self.order.account.payments, "never-seen")))
        lose = self.order.take_back_payment if wrongly else self.order.reverse_payment
        self.ask(lambda at: lose(payment_id, at), again)

    @precondition(lambda self: any(self.order.payable(each) for each in Purpose))
    @rule(purpose=purposes, filed=st.booleans())
    def approve_payout(self, purpose, filed):
        """Asked again it is refused: there is nothing left to approve."""
        self.ask(lambda at: self.order.approve_payout(purpose, "CZ65 0800", at))
        if filed:
            for payout_id in list(self.order.payouts):
                self.ask(lambda at, payout_id=payout_id: self.order.order_payout(payout_id, "file-1", at))

    @precondition(lambda self: self.happened(Order.PayoutApproved))
    @rule(data=st.data(), file_id=st.sampled_from(("file-1", "file-2")), again=repeated)
    def order_payout(self, data, file_id, again):
        payout_id = data.draw(self.any_payout())
        self.ask(lambda at: self.order.order_payout(payout_id, file_id, at), again)

    @precondition(lambda self: self.happened(Order.PayoutApproved))
    @rule(data=st.data(), again=repeated)
    def see_a_payout(self, data, again):
        """A statement shows what the bank did, whatever has happened here since."""
        filed = [each for each in self.order.payouts.values() if each.file_id]
        approved = [each.payout for each in self.happened(Order.PayoutApproved)]
        payout = data.draw(st.sampled_from(filed or approved))
        self.ask(lambda at: self.order.confirm_refund(payout.payout_id, payout.amount, at), again)
        if filed:
            assert payout.payout_id in self.order.account.payouts, "what a bank has done is never refused"

    @precondition(lambda self: self.order.payouts or self.order.account.payouts)
    @rule(data=st.data(), again=repeated)
    def fail_payout(self, data, again):
        """Of any time, and by any name."""
        payout_id = data.draw(
            st.sampled_from((*self.order.payouts, *self.order.account.payouts, "never-seen"))
        )
        self.ask(lambda at: self.order.fail_payout(payout_id, at), again)

    @precondition(lambda self: self.order.is_paid)  # the other case is below
    @rule(again=repeated)
    def expire(self, again):
        self.ask(self.order.expire, again)

    @rule(hours=st.sampled_from((1, 1, 6, 6, 12, 30, 24 * 5)))
    def time_passes(self, hours):
        self.now += timedelta(hours=hours)

    @precondition(lambda self: not self.order.is_paid and len(self.log) > 6)
    @rule()
    def time_to_pay_is_over(self):
        self.now = max(self.now, self.order.details.unpaid_until(TERMS))
        self.ask(self.order.expire, again=True)

    def any_payout(self):
        return st.sampled_from([each.payout.payout_id for each in self.happened(Order.PayoutApproved)])

    # --- how they are asked

    def details(self, code, plate, ahead):
        day = (self.now + timedelta(days=ahead)).astimezone(product(code).zone).date()
        return Details(code, Vehicle.of("CZ", plate), Start(day))

    def ask(self, command, again=False):
        try:
            command(self.now)
        except DomainError:
            assert not self.order.pending_events, "a refused command leaves nothing behind"
            return
        self.record()
        if again:
            command(self.now)
            assert not self.order.pending_events, "the same command twice records one event"

    def record(self):
        """Keep the events as the log does: as bytes, read back."""
        stored = [self.mapper.to_stored_event(event) for event in self.order.collect_events()]
        self.log += [self.mapper.to_domain_event(each) for each in stored]

    # --- what always holds

    @invariant()
    def versions_have_no_gap(self):
        """I2."""
        assert [event.originator_version for event in self.log] == list(range(1, len(self.log) + 1))

    @invariant()
    def a_replay_from_zero_is_the_same_order(self):
        """I2, I6: nothing is known that is not in the bytes."""
        replayed = None
        for event in self.log:
            replayed = event.mutate(replayed)
        assert vars(replayed) == vars(self.order)

    @invariant()
    def no_start_without_money_and_no_vignette_without_a_start(self):
        """I3."""
        credited = surplus = price = 0
        under_way = False
        for event in self.log:
            match event:
                case Order.OrderPlaced() | Order.DetailsCorrected():
                    price = event.price.total.amount
                case Order.PaymentReceived():
                    credited += event.payment.amount.amount
                case Order.SurplusSetAside():
                    credited -= event.amount.amount
                    surplus += event.amount.amount
                case Order.PaymentReversed() | Order.PaymentTakenBack():
                    credited += surplus - event.surplus.amount - event.amount.amount
                    surplus = event.surplus.amount
                case Order.PayoutFailed():
                    credited += surplus - event.surplus.amount
                    surplus = event.surplus.amount
                case Order.RegistrationStarted():
                    assert credited >= price
                    assert not under_way
                    under_way = True
                case Order.RegistrationRejected():
                    assert under_way
                    under_way = False
                case Order.VignetteIssued():
                    assert under_way

    @invariant()
    def never_a_refund_and_a_vignette(self):
        """I3."""
        assert not (self.happened(Order.VignetteIssued) and self.happened(Order.RefundRequested))
        assert len(self.happened(Order.VignetteIssued)) <= 1
        assert len(self.happened(Order.RefundRequested)) <= 1

    @invariant()
    def money_in_is_money_accounted_for(self):
        """I5: to the cent; and what is owed to us is no less than what is out without being here."""
        received = surplus = 0
        for event in self.log:
            match event:
                case Order.PaymentReceived():
                    received += event.payment.amount.amount
                case Order.SurplusSetAside():
                    surplus += event.amount.amount
                case Order.PaymentReversed() | Order.PaymentTakenBack():
                    received -= event.amount.amount
                    surplus = event.surplus.amount
                case Order.PayoutFailed():
                    surplus = event.surplus.amount
        account, order = self.order.account, self.order
        assert (account.received.amount, account.surplus.amount) == (received, surplus)
        assert account.credited.amount == received - surplus <= order.price.total.amount
        assert received >= 0 <= account.surplus_open.amount
        for purpose in Purpose:
            assert order.payable(purpose).amount >= 0
        out = sum(self.out().values())
        open_ = account.surplus_open.amount + (
            order.refund.amount if order.refund and not order.refunded else 0
        )
        free = open_ - sum(each.amount.amount for each in order.payouts.values() if each.file_id)
        assert free <= max(received - out, 0), "what is to leave yet is here"
        assert order.owed.amount >= out - received, "what is out and not here is owed"
        assert order.owed.amount == 0 or self.happened(*TAKING)

    @invariant()
    def money_leaves_that_is_here_and_each_payout_once(self):
        """I5, case 29: when it is put into a file, or goes by hand; what is taken back after that is a debt."""
        received, approved, out, failed = 0, {}, {}, set()
        for event in self.log:
            match event:
                case Order.PaymentReceived():
                    received += event.payment.amount.amount
                case Order.PaymentReversed() | Order.PaymentTakenBack():
                    received -= event.amount.amount
                case Order.PayoutApproved(payout=payout):
                    assert payout.payout_id not in approved
                    approved[payout.payout_id] = payout.amount.amount
                case Order.PayoutOrdered(payout_id=payout_id):
                    assert payout_id not in out
                    assert payout_id not in failed
                    out[payout_id] = approved[payout_id]
                    assert sum(out.values()) <= received
                case Order.SurplusReturned() | Order.OrderRefunded():
                    assert event.refund_id not in failed
                    if event.refund_id not in out:
                        out[event.refund_id] = event.amount.amount
                        assert sum(out.values()) <= received
                    assert out[event.refund_id] == event.amount.amount
                case Order.PayoutFailed(payout_id=payout_id):
                    failed.add(payout_id)
                    out.pop(payout_id, None)
        assert out == self.out()

    @invariant()
    def each_payment_and_each_refund_once(self):
        """Case 17."""
        paid = [event.payment.payment_id for event in self.happened(Order.PaymentReceived)]
        gone = [event.payment_id for event in self.happened(*TAKING)]
        back = [event.refund_id for event in self.happened(*LEAVING)]
        failed = [event.payout_id for event in self.happened(Order.PayoutFailed)]
        for ids in (paid, gone, back, failed):
            assert len(ids) == len(set(ids))

    @invariant()
    def the_end_is_the_end(self):
        """A vignette or a refund: after it there is only money that nobody awaited, or that comes back, and mail."""
        assert self.ended_as is not Status.ISSUED or self.order.status is Status.ISSUED
        assert self.ended_as is not Status.REFUNDED or self.order.refund is not None
        if self.order.status in ENDED:
            self.ended_as = self.order.status
        ends = [place for place, each in enumerate(self.log) if type(each) in ENDINGS]
        after = self.log[ends[0] + 1 :] if ends else []
        assert {type(each) for each in after} <= AFTER_THE_END | (
            {Order.OrderRefunded} & set(self.failed_back())
        )

    @invariant()
    def what_is_scheduled_has_a_deadline(self):
        """Promises 1, 2: no paid order waits for ever, and none is due before it was possible."""
        deadline = self.order.deadline
        assert (deadline is not None) == (self.order.status is Status.SCHEDULED)
        if deadline:
            assert deadline.due_at >= self.order.generation_began_at

    @invariant()
    def outages_bring_forward_and_never_put_off(self):
        """Case 15: it is due when it would be without them, or sooner."""
        order, deadline = self.order, self.order.deadline
        if deadline:
            without = order.details.deadline(
                order.paid_at,
                order.terms,
                wished=order.starts_at_once,
                not_before=order.generation_began_at,
            )
            assert deadline.due_at <= without.due_at

    @invariant()
    def nothing_starts_while_a_question_is_open(self):
        """Cases 3, 4, 48."""
        open_question = False
        for event in self.log:
            if type(event) is Order.OrderHeld:
                open_question = True
            elif type(event) in RELEASING:
                open_question = False
            assert not (open_question and type(event) is Order.RegistrationStarted)

    @invariant()
    def a_person_is_called_once_for_each_start(self):
        called = False
        for event in self.log:
            if type(event) is Order.RegistrationStarted:
                called = False
            elif type(event) is Order.PersonCalled:
                assert not called
                called = True

    def happened(self, *event_classes):
        return [event for event in self.log if type(event) in event_classes]

    def out(self):
        """What has left, or is in a file for the bank, by its name; as the order has it."""
        paid = {each: amount.amount for each, amount in self.order.account.payouts.items()}
        filed = {each.payout_id: each.amount.amount for each in self.order.payouts.values() if each.file_id}
        return paid | filed

    def failed_back(self):
        """The kinds of payouts that had left before they came back."""
        failed = {event.payout_id for event in self.happened(Order.PayoutFailed)}
        return [type(event) for event in self.happened(*LEAVING) if event.refund_id in failed]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=200, stateful_step_count=30, deadline=None, derandomize=True, print_blob=False
)
TestAnyOrder.pytestmark = [pytest.mark.timeout(400)]  # it takes seconds; a failure is made small first
