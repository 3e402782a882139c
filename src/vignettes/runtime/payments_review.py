"""`vignettes payments review` and what people decide there, asked of the running service."""

import asyncio
import json
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from vignettes.messages.payments import AskReview
from vignettes.runtime import asking
from vignettes.runtime.settings import Settings
from vignettes.services.payments.reasons import in_words
from vignettes.services.statements import BadFile
from vignettes.services.statements.amounts import minor_units, written

_MOST_SUGGESTIONS = 3
_UNPLACED = (
    "A reversal (or a debit) whose payment is not known: `vignettes payments place` names it, "
    "or `vignettes payments dismiss` closes it."
)
#: By these a line was told to be a reversal of a payment, and not what a notice has told of.
_PLACED_BY = {"placed_by_person", "reversal_names_payment", "reversal_like_payment"}


def ask(settings: Settings, subject: str, **body: Any) -> dict[str, Any]:
    """Send a request to the service, as any program would; what is None is not said."""
    said = {name: value for name, value in body.items() if value is not None}
    return asyncio.run(asking.ask(settings, subject, json.dumps(said, default=str).encode()))


def decide(settings: Settings, subject: str, **body: Any) -> dict[str, Any]:
    """Send what a person has decided."""
    return ask(settings, subject, command_id=uuid4(), **body)


def review(settings: Settings, payment_id: UUID | None, limit: int) -> dict[str, Any]:
    """Ask for the queue, or one payment."""
    wanted = {"payment_id": payment_id} if payment_id else {"limit": limit}
    return ask(settings, AskReview.subject, **wanted)


def allocations(settings: Settings, payment_id: UUID, orders: Sequence[str]) -> list[dict[str, Any]]:
    """Return orders as a request names them, each with its amount in the payment's currency where one is given."""
    named = [each.partition("=") for each in orders]
    if not any(sign for _, sign, _ in named):
        return [asking.named(order) for order, _, _ in named]
    found = review(settings, payment_id, 1)
    currency = found["payments"][0]["amount"]["currency"] if found["ok"] else "EUR"
    return [
        {**asking.named(order), **({"amount": _amount(text, currency)} if sign else {})}
        for order, sign, text in named
    ]


def _amount(text: str, currency: str) -> dict[str, Any]:
    try:
        return {"amount": minor_units(text, currency), "currency": currency}
    except BadFile as refusal:
        raise typer.BadParameter(refusal.reason, param_hint="ORDER=AMOUNT") from None


# --- what is shown of it


def shown(reply: dict[str, Any]) -> RenderableType:
    """Show payments to people, the oldest first."""
    if not reply["payments"]:
        return "Nothing waits for a person."
    waiting = reply["waiting"]
    blocks = [part for payment in reply["payments"] for part in (*_block(payment), "")]
    return Group(*blocks, f"{waiting:,} {'waits' if waiting == 1 else 'wait'} for a person.")


def _block(payment: dict[str, Any]) -> Iterator[RenderableType]:
    """Give the id on a line of its own, to be copied, and beneath it what people decide by."""
    yield Text(payment["payment_id"], style="bold", no_wrap=True, overflow="ignore")
    for line in (_money(payment), *_payer(payment), *_why(payment), *_likely(payment)):
        yield Padding(Text(line), (0, 0, 0, 2), expand=False)


def _money(payment: dict[str, Any]) -> str:
    amount, left = payment["amount"], payment["unallocated"]
    told = [("-" if _took_back(payment) else "") + _written(amount)]
    if 0 < left["amount"] < amount["amount"]:
        told.append(f"{_written(left)} of it for no order")
    return ", ".join([*told, payment["booked_on"], _standing(payment)])


def _took_back(payment: dict[str, Any]) -> bool:
    return payment["status"] == "unplaced" or not _PLACED_BY.isdisjoint(payment["reasons"])


def _standing(payment: dict[str, Any]) -> str:
    if payment["status"] == "line_of_notice" and _took_back(payment):
        return "placed"
    return _status(payment)


def _status(told: dict[str, Any]) -> str:
    return str(told["status"]).replace("_", " ")


def _payer(payment: dict[str, Any]) -> Iterator[str]:
    """Tell who paid, and what was written: each once, for some write their symbol into the text."""
    payer = [payment[name] for name in ("counterparty", "counterparty_account") if payment[name]]
    if payer:
        yield f"{'To' if _took_back(payment) else 'From'} {', '.join(payer)}"
    names = ("variable_symbol", "creditor_reference", "remittance")
    yield from dict.fromkeys(payment[name] for name in names if payment[name])


def _why(payment: dict[str, Any]) -> Iterator[str]:
    why = [*payment["why"], *([_UNPLACED] if payment["status"] == "unplaced" else [])]
    if why:
        yield f"Why: {' '.join(why)}"


def _likely(payment: dict[str, Any]) -> Iterator[str]:
    """Tell for whom it is, or the best suggestions for whom it could be, with their reasons."""
    if payment["shares"]:
        yield "For " + ", ".join(_order(share) for share in payment["shares"] if share["state"] != "gone")
        return
    for suggested in payment["suggestions"][:_MOST_SUGGESTIONS]:
        orders = " and ".join(_order(each) for each in suggested["orders"])
        yield f"Likely for {orders}: {' '.join(map(in_words, suggested['reasons']))}"


def _order(share: dict[str, Any]) -> str:
    return str(share.get("order_number") or share["order_id"])


def _written(amount: dict[str, Any]) -> str:
    return written(amount["amount"], amount["currency"])


def moved_shown(reply: dict[str, Any]) -> str:
    """Tell where a payment stands now."""
    return f"Payment {reply['payment_id']}: {_status(reply)}."


def placed_shown(reply: dict[str, Any]) -> str:
    """Tell that it is known now what a reversal took back."""
    return f"Payment {reply['payment_id']}: placed."
