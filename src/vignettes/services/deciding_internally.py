"""What the commands mean that are not open to every service: of our own services, and of operators."""

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from vignettes.domain import errors
from vignettes.domain.account import Purpose
from vignettes.domain.catalogue import product
from vignettes.domain.details import Document, LinkedOrder, Status, Vignette
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.personal import DataClass
from vignettes.messages import commands
from vignettes.services.decision import Decision, due, form, money, on

#: As the view of mails makes them: <order.version.kind@domain>.
_MESSAGE_ID = re.compile(
    r"<(?P<order>[0-9a-f-]{36})\.(?P<version>[0-9]{1,9})\.(?P<kind>[a-z_]{1,40})@", re.ASCII
)


def internal(command: commands.InternalCommand) -> Decision:
    """Return what a command of our own services, or of the operator, means."""
    match command:
        case commands.ExpireOrder(order_id=order_id):
            return on(order_id, lambda order, at: order.expire(at))
        case commands.RefundUnanswered(order_id=order_id):
            return on(order_id, lambda order, at: order.refund_unanswered(at))
        case commands.EraseOrder(order_id=order_id):
            classes = [DataClass(each) for each in command.classes]
            return on(order_id, lambda order, at: order.erase(classes, at), _erased)
        case commands.ReversePayment() | commands.TakeBackPayment():
            return _taken_back(command)
        case (
            commands.ConfirmRefund()
            | commands.ApprovePayout()
            | commands.OrderPayout()
            | commands.FailPayout()
        ):
            return _paying_out(command)
        case commands.Withdraw() | commands.SendLink() | commands.NoteReturnedMail():
            return _corresponding(command)
        case (
            commands.RegardOutage()
            | commands.HoldAsTwin()
            | commands.ReleaseTwin()
            | commands.AcceptTwin()
            | commands.ChangeTerms()
        ):
            return _planning(command)
        case _:
            return _registering(command)


def _taken_back(command: commands.ReversePayment | commands.TakeBackPayment) -> Decision:
    """Return how an order lets go of money that it had been told of."""
    payment_id = command.payment_id
    if isinstance(command, commands.ReversePayment):
        return on(command.order_id, lambda order, at: order.reverse_payment(payment_id, at), due)
    return on(command.order_id, lambda order, at: order.take_back_payment(payment_id, at), due)


def _registering(command: commands.RegisteringCommand) -> Decision:
    """Return what becomes of a registration that is due, or under way, or done."""
    match command:
        case commands.StartDueRegistration(order_id=order_id, generation=generation):
            return on(order_id, lambda order, at: order.start_when_due(generation, at))
        case commands.RecordIssue(order_id=order_id, generation=generation):
            vignette = _vignette(command)
            return on(order_id, lambda order, at: order.record_issue(vignette, generation, at))
        case commands.RecordRejection(order_id=order_id, generation=generation, reason=reason):
            code = command.code
            return on(order_id, lambda order, at: order.record_rejection(code, reason, generation, at))
        case commands.RecordValidity(order_id=order_id, valid_from=since, valid_until=until):
            return on(order_id, lambda order, at: order.record_validity(since, until, at))
        case commands.CallPerson(order_id=order_id, generation=generation, why=why, act_by=act_by):
            return on(order_id, lambda order, at: order.call_person(why, act_by, generation, at))
        case _:
            assert_never(command)


def _paying_out(command: commands.PayoutCommand) -> Decision:
    """Return how money goes back to the payer."""
    match command:
        case commands.ApprovePayout(order_id=order_id, account=account):
            purpose = Purpose(command.purpose)
            return on(order_id, lambda order, at: order.approve_payout(purpose, account, at), _payouts)
        case commands.OrderPayout(order_id=order_id, payout_id=payout_id, file_id=file_id):
            return on(order_id, lambda order, at: order.order_payout(payout_id, file_id, at), _payouts)
        case commands.FailPayout(order_id=order_id, payout_id=payout_id):
            return on(order_id, lambda order, at: order.fail_payout(payout_id, at), _payouts)
        case commands.ConfirmRefund(order_id=order_id, refund_id=refund_id):
            amount = money(command.amount)
            return on(order_id, lambda order, at: order.confirm_refund(refund_id, amount, at))
        case _:
            assert_never(command)


def _payouts(order: Order) -> dict[str, Any]:
    """Return what is on its way back: the ids under which statements show it."""
    return {
        "payouts": [
            {"payout_id": each.payout_id, "purpose": each.purpose, "amount": form(each.amount)}
            for each in order.payouts.values()
        ]
    }


def _corresponding(command: commands.CustomerCommand) -> Decision:
    """Return what a customer has said by way of our pages, or what became of a mail."""
    match command:
        case commands.Withdraw(order_id=order_id, name=name):
            return on(order_id, lambda order, at: order.withdraw(name, at), _refunded)
        case commands.SendLink(order_id=order_id, by_reference=by_reference):
            others = [_linked(each) for each in command.others]
            return on(order_id, lambda order, at: order.send_link(others, at, by_reference=by_reference))
        case commands.NoteReturnedMail(order_id=order_id, why=why, status=status):
            version, kind = _mail(command)
            return on(order_id, lambda order, at: order.note_returned_mail(version, kind, why, status, at))
        case _:
            assert_never(command)


def _refunded(order: Order) -> dict[str, Any]:
    return {"refund": form(order.refund) if order.refund is not None else None}


def _linked(said: commands.LinkedOrderForm) -> LinkedOrder:
    return LinkedOrder(
        said.order_id,
        said.order_number,
        product(said.product).code,
        said.starts_at,
        said.placed_at,
        Status(said.status),
        said.link_generation,
    )


def _mail(command: commands.NoteReturnedMail) -> tuple[int, str]:
    """Return by which event of the order a mail was called for, and its kind, as its Message-ID tells."""
    found = _MESSAGE_ID.match(command.message_id)
    if found is None or found["order"] != str(command.order_id):
        raise errors.InvalidValue("No mail of this order has this Message-ID.", field="message_id")
    return int(found["version"]), found["kind"]


def _planning(command: commands.PlanningCommand) -> Decision:
    """Return what moves the plan of an order without changing what it is for."""
    match command:
        case commands.RegardOutage(order_id=order_id, outage=form, withdrawn=True):
            return on(order_id, lambda order, at: order.disregard_outage(form.id, at), due)
        case commands.RegardOutage(order_id=order_id, outage=form):
            outage = Outage(form.id, form.country, form.begins_at, form.ends_at)
            return on(order_id, lambda order, at: order.regard_outage(outage, at), due)
        case commands.HoldAsTwin(order_id=order_id, twin=twin):
            return on(order_id, lambda order, at: order.hold_as_twin(twin, at))
        case commands.ReleaseTwin(order_id=order_id, twin=twin):
            return on(order_id, lambda order, at: order.release_twin(twin, at))
        case commands.AcceptTwin(order_id=order_id):
            return on(order_id, lambda order, at: order.accept_twin(at), due)
        case commands.ChangeTerms(order_id=order_id, lead_hours=hours):
            lead = timedelta(hours=hours)
            return on(
                order_id, lambda order, at: order.change_terms(replace(order.terms, lead=lead), at), due
            )
        case _:
            assert_never(command)


def _vignette(command: commands.RecordIssue) -> Vignette:
    kept = command.document
    return Vignette(
        command.number,
        command.reference,
        command.valid_from,
        command.valid_until,
        command.authorisation_code,
        Document(kept.media_type, kept.size, kept.digest) if kept else None,
    )


def _erased(order: Order) -> dict[str, Any]:
    return {"erased": sorted(order.erased)}
