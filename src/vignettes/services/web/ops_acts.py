"""What somebody on duty does about an entry of a list, as the command that it becomes, and what is said of its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import to_json

from vignettes.domain.references import parse_number
from vignettes.messages.commands import (
    AcceptTwin,
    CallPerson,
    NoteReturnedMail,
    RequestRefund,
    StartDueRegistration,
    StartRegistration,
)
from vignettes.messages.ops import ResendMail, RetryParked
from vignettes.messages.payments import (
    Allocate,
    ApproveRefund,
    DismissLine,
    PayOut,
    PlaceReversal,
    ReturnPayment,
)
from vignettes.messages.support import AnswerCase, CloseCase
from vignettes.services.web.asking import Duty
from vignettes.services.web.visits import Form

Fields = dict[str, Any]

#: More than any amount or number of ours has.
_MOST_DIGITS: Final = 18


class NotUnderstood(Exception):
    """The form does not say what is to be done; the message tells what it lacks."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a form asks for: of which list and entry, what, and with what it was filled in."""

    listing: str
    key: str
    act: str
    value: str
    form: Form

    @classmethod
    def of(cls, listing: str, key: str, form: Form) -> "Wish":
        """Read the button that was pressed: its name, and what it stands for."""
        act, _, value = form["act"].partition(":")
        return cls(listing, key, act, value, form)

    def typed(self, name: str) -> str | None:
        """Return what stands in a field; None where nothing does."""
        return self.form[name].strip() or None


def command(wish: Wish, actor: str) -> Duty:
    """Return the command. Raises NotUnderstood, in words for whoever has filled the form in."""
    known = _ACTS.get((wish.listing, wish.act))
    if known is None:
        raise NotUnderstood("There is nothing to be done here by that name.")
    model, fields, _ = known
    said = {name: value for name, value in fields(wish).items() if value is not None}
    try:
        # As JSON, like from any other program: messages are strict, and read ids and times from text there.
        return model.model_validate_json(
            to_json({"command_id": wish.form.command_id, "actor": actor, **said})
        )
    except ValidationError as error:
        raise NotUnderstood(_missing(error)) from None


def done(wish: Wish, reply: Mapping[str, Any]) -> str:
    """Return what is said once it is done."""
    _, _, words = _ACTS[wish.listing, wish.act]
    return words.format(**{"orders": 0, **reply})


def _missing(error: ValidationError) -> str:
    """Name the field that is empty, or that can't be read."""
    [first, *_] = error.errors(include_url=False, include_input=False)
    place = str(first["loc"][0]) if first["loc"] else "form"
    return f"{place.replace('_', ' ').capitalize()}: {first['msg'][:1].lower()}{first['msg'][1:]}."


# ------------------------------------------------------------------ what each form says


def _order(wish: Wish) -> Fields:
    return {"order_id": wish.key}


def _due(wish: Wish) -> Fields:
    return {"order_id": wish.key, "generation": _whole(wish.form["generation"])}


def _called(wish: Wish) -> Fields:
    return {**_due(wish), "why": wish.form["why"], "act_by": wish.form["act_by"]}


def _allocated(wish: Wish) -> Fields:
    """Follow a suggestion, which the button holds, or take the order number that was typed."""
    if wish.value:
        parts = [part.partition("=") for part in wish.value.split("+")]
        shares = [(_number(number), amount) for number, _, amount in parts]
        return {"payment_id": wish.key, "allocations": _shares(shares, wish.form["currency"])}
    number = wish.typed("order")
    if number is None:
        raise NotUnderstood("Type the number of the order that the money is for.")
    return {"payment_id": wish.key, "allocations": [{"order_number": _number(number)}]}


def _shares(shares: list[tuple[str, str]], currency: str) -> list[Fields]:
    if len(shares) == 1:  # all of it, whatever it was when the page was shown
        return [{"order_number": shares[0][0]}]
    return [
        {"order_number": number, "amount": {"amount": _whole(amount), "currency": currency}}
        for number, amount in shares
    ]


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise NotUnderstood("The form was not sent as it was shown: load the page anew.")
    return int(text)


def _number(text: str) -> str:
    number = parse_number(text)
    if number is None:
        raise NotUnderstood("That is no order number: its check digits are wrong.")
    return number


def _back(wish: Wish) -> Fields:
    return {"payment_id": wish.key, "account": wish.typed("account")}


def _placed(wish: Wish) -> Fields:
    return {"payment_id": wish.key, "reverses": wish.value}


def _aside(wish: Wish) -> Fields:
    note = wish.typed("note")
    if note is None:
        raise NotUnderstood("Say what it is: the note stays with it.")
    return {"payment_id": wish.key, "note": note}


def _approved(wish: Wish) -> Fields:
    order_id, _, purpose = wish.key.partition(".")
    return {"order_id": order_id, "purpose": purpose, "account": wish.typed("account")}


def _paid_out(wish: Wish) -> Fields:
    return {"currency": wish.key.partition(".")[0]}


def _message(wish: Wish) -> Fields:
    return {"message_id": f"<{wish.key}>"}


def _noted(wish: Wish) -> Fields:
    return {**_message(wish), "order_id": wish.form["order_id"], "why": "permanent"}


def _case(wish: Wish) -> Fields:
    return {"case_id": wish.key}


def _answered(wish: Wish) -> Fields:
    text = wish.typed("text")
    if text is None:
        raise NotUnderstood("Write what the customer is to read.")
    return {"case_id": wish.key, "text": text}


def _retried(wish: Wish) -> Fields:
    return {name: wish.typed(name) for name in ("view", "order_id")}


_Said = Callable[[Wish], Fields]
_ACTS: Final[Mapping[tuple[str, str], tuple[type[Duty], _Said, str]]] = {
    ("late", "start"): (StartDueRegistration, _due, "It stands as {status} now."),
    ("stuck", "call"): (CallPerson, _called, "The call for a person is on record."),
    ("rejected", "start"): (StartRegistration, _order, "The authority is asked once more: {status}."),
    ("rejected", "refund"): (RequestRefund, _order, "The money is to go back: approve the refund next."),
    ("held", "release"): (AcceptTwin, _order, "Released: {status}."),
    ("held", "refund"): (RequestRefund, _order, "The money is to go back: approve the refund next."),
    ("money", "allocate"): (Allocate, _allocated, "Allocated; the order is told at once."),
    ("money", "return"): (ReturnPayment, _back, "It is to go back, with the next file for the bank."),
    ("money", "dismiss"): (DismissLine, _aside, "Put aside."),
    ("reversals", "place"): (PlaceReversal, _placed, "Placed; the order is told at once."),
    ("reversals", "dismiss"): (DismissLine, _aside, "Put aside."),
    ("refunds", "approve"): (
        ApproveRefund,
        _approved,
        "Approved: it goes back with the next file for the bank.",
    ),
    ("payouts", "pay_out"): (PayOut, _paid_out, "Nothing of this currency is left to pay out."),
    ("mails", "resend"): (ResendMail, _message, "It is tried at once."),
    ("mails", "note"): (NoteReturnedMail, _noted, "Noted: the order's page tells that mails do not arrive."),
    ("returned", "resend"): (ResendMail, _message, "It is sent again at once, to the same address."),
    ("cases", "answer"): (AnswerCase, _answered, "Answered; the mail leaves at once."),
    ("cases", "close"): (CloseCase, _case, "Closed."),
    ("parked", "retry"): (RetryParked, _retried, "Tried at once: {orders}."),
}
