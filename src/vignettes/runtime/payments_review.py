"""`vignettes payments review` and what people decide there, asked of the running service."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import typer
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vignettes.messages.payments import AskReview
from vignettes.runtime import asking
from vignettes.runtime.settings import Settings
from vignettes.services.payments.reasons import in_words
from vignettes.services.statements import BadFile
from vignettes.services.statements.amounts import minor_units, written


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
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("Payment", "Amount", "From", "Why", "Likely for"):
        table.add_column(name, overflow="fold", justify="right" if name == "Amount" else "left")
    for payment in reply["payments"]:
        table.add_row(
            _payment(payment), _money(payment), _payer(payment), "\n".join(payment["why"]), _likely(payment)
        )
    return Group(table, f"{reply['waiting']:,} wait for a person.")


def _payment(payment: dict[str, Any]) -> Text:
    return Text.assemble(
        (payment["booked_on"], "bold"), f" {payment['status'].replace('_', ' ')}\n{payment['payment_id']}"
    )


def _money(payment: dict[str, Any]) -> str:
    told = written(payment["amount"]["amount"], payment["amount"]["currency"])
    left = payment["unallocated"]
    if 0 < left["amount"] < payment["amount"]["amount"]:
        told += f"\nof it {written(left['amount'], left['currency'])}"
    return told


def _payer(payment: dict[str, Any]) -> Text:
    names = ("counterparty", "counterparty_account", "variable_symbol", "creditor_reference", "remittance")
    return Text("\n".join(dict.fromkeys(payment[name] for name in names if payment[name])))


def _likely(payment: dict[str, Any]) -> str:
    """Return for whom it is, or the best suggestion for whom it could be, with its reasons."""
    if payment["shares"]:
        return ", ".join(_order(share) for share in payment["shares"] if share["state"] != "gone")
    if not payment["suggestions"]:
        return ""
    best = payment["suggestions"][0]
    orders = " and ".join(_order(each) for each in best["orders"])
    return "\n".join([orders, *map(in_words, best["reasons"])])


def _order(share: dict[str, Any]) -> str:
    return str(share.get("order_number") or share["order_id"])


def moved_shown(reply: dict[str, Any]) -> str:
    """Tell where a payment stands now."""
    return f"Payment {reply['payment_id']}: {reply['status'].replace('_', ' ')}."
