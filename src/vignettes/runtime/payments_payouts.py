"""Money on its way back, from the command line: what waits, approvals, and files for the bank."""

import base64
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from rich.console import Console, Group, RenderableType
from rich.progress import Progress, SpinnerColumn, TextColumn
from rich.text import Text

from vignettes.messages import payments
from vignettes.runtime import asking
from vignettes.runtime.settings import Settings
from vignettes.services.statements.amounts import written

#: Accounts of customers are in a file: nobody else on this machine is to read it.
_OURS_ONLY = 0o600
_STATES = {
    "to_approve": "waits for an approval",
    "approved": "waits for a file",
    "with_bank": "waits for the bank's word",
}


class OtherFile(Exception):
    """There is another file of that name: nothing was written over it."""


async def listed(settings: Settings) -> dict[str, Any]:
    """Ask what is to go back."""
    return await asking.ask(settings, payments.AskPayouts.subject, b"{}")


async def approve(
    settings: Settings, order: str, purpose: str, account: str | None, actor: str
) -> dict[str, Any]:
    """Let a refund or surplus go back."""
    named = asking.named(order) | ({"account": account} if account else {})
    body = {"command_id": str(uuid4()), "actor": actor, "purpose": purpose, **named}
    return await asking.ask(settings, payments.ApproveRefund.subject, json.dumps(body).encode())


async def pay_out(
    settings: Settings, command_id: UUID, currency: str, actor: str, progress_on: Console
) -> dict[str, Any]:
    """Have a file made; asked again with the same command_id, it is the same."""
    body = {"command_id": str(command_id), "actor": actor, "currency": currency}
    columns = (SpinnerColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=progress_on, transient=True) as progress:
        progress.add_task(f"putting payouts in {currency} into file {file_of(command_id)}", total=None)
        return await asking.ask(settings, payments.PayOut.subject, json.dumps(body).encode())


def file_of(command_id: UUID) -> str:
    """Return the file that a command makes."""
    return f"F{command_id.hex}"


def command_of(file_id: str) -> UUID:
    """Return the command that makes a file. Raises ValueError for what names none."""
    command_id = UUID(file_id.removeprefix("F"))
    if file_of(command_id) != file_id:
        raise ValueError(f"{file_id} is no file of payouts.")
    return command_id


def write(reply: dict[str, Any], path: Path) -> None:
    """Write the file where there is none yet, or this very one. Raises OtherFile."""
    content = base64.b64decode(reply["content"])
    try:
        place = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OURS_ONLY)
    except FileExistsError:
        if path.read_bytes() != content:
            raise OtherFile(f"{OtherFile.__doc__} {path}") from None
        return
    with os.fdopen(place, "wb") as file:
        file.write(content)


# --- what is shown of it


def listed_shown(found: list[dict[str, Any]]) -> RenderableType:
    """Show payouts to people, and how many wait for what."""
    if not found:
        return "No money is on its way back."
    blocks = [part for each in found for part in (*_block(each), "")]
    counts = Counter(each["state"] for each in found)
    told = [f"{counts[state]:,} {text}" for state, text in _STATES.items() if counts[state]]
    return Group(*blocks, f"{', '.join(told)}.")


def approved_shown(reply: dict[str, Any]) -> str:
    """Tell what of an order is on its way back now."""
    told = [
        f"{each['payout_id']}, {each['purpose']}: {_written(each['amount'])}" for each in reply["payouts"]
    ]
    return "\n".join([f"Approved. On its way back for {reply['order_number']}:", *told])


def paid_out_shown(reply: dict[str, Any], path: Path) -> str:
    """Tell what is in a file, and how to come by it again."""
    if reply["file_id"] is None:
        return f"Nothing is approved in {reply['total']['currency']}: no file was written."
    again = f"--currency {reply['total']['currency']} --file {reply['file_id']}"
    return (
        f"Payouts in {path}: {reply['payouts']:,}. Sum: {_written(reply['total'])}. File: {reply['file_id']}.\n"
        f"To have it made again: vignettes payments pay-out {again} --out ..."
    )


def _block(payout: dict[str, Any]) -> Iterator[RenderableType]:
    """Give the id on a line of its own, to be copied, and beneath it what it is and waits for."""
    lines = [_what(payout), f"{_STATES[payout['state']]}, since {payout['since'][:16]}Z"]
    lines += [f"to {payout['account']}"] if payout["account"] else []
    lines += [f"in file {payout['file_id']}"] if payout["file_id"] else []
    yield Text(_named(payout), style="bold", no_wrap=True, overflow="ignore")
    for line in lines:
        yield Text(f"  {line}", no_wrap=True, overflow="ignore")


def _named(payout: dict[str, Any]) -> str:
    return str(payout["payout_id"] or payout["order_number"] or payout["payment_id"])


def _what(payout: dict[str, Any]) -> str:
    told = f"{payout['purpose']} {_written(payout['amount'])}"
    if payout["official"] is None:
        return told
    return f"{told}: price {_written(payout['official'])}, fee {_written(payout['fee'])}"


def _written(amount: dict[str, Any]) -> str:
    return written(amount["amount"], amount["currency"])
