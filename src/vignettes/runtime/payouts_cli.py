"""The commands of `vignettes payments` for money back, and the books."""

import asyncio
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from vignettes.runtime.console import Actor, AsJson, answered, err, out, settings_for
from vignettes.runtime.settings import ConfigurationError

payouts_app = typer.Typer()

Day = Annotated[
    datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="DAY", help="Such as 2027-03-01, UTC.")
]


class Purpose(StrEnum):
    """What of an order's money goes back."""

    REFUND = "refund"
    SURPLUS = "surplus"


@payouts_app.command("payouts")
def payments_payouts(*, as_json: AsJson = False) -> None:
    """List the money that is to go back, the oldest first: it waits for an approval, a file, or the bank's word."""
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    reply = answered(asyncio.run(paying.listed(settings_for("payments"))))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(paying.listed_shown(reply["payouts"]), highlight=False, crop=False)


@payouts_app.command("approve")
def payments_approve(
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="An order number such as V6562305984, or an order_id.")
    ],
    purpose: Annotated[
        Purpose, typer.Argument(metavar="PURPOSE", help="refund, or surplus: what came in too much.")
    ],
    *,
    account: Annotated[
        str | None, typer.Option(metavar="IBAN", help="Where to; else to where the money came from.")
    ] = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Let an order's refund or surplus go back: it goes into the next file for the bank."""
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    reply = asyncio.run(paying.approve(settings_for("payments"), order, purpose, account, actor))
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(paying.approved_shown(reply), highlight=False)


@payouts_app.command("pay-out")
def payments_pay_out(
    *,
    currency: Annotated[str, typer.Option(metavar="CURRENCY", help="Such as EUR: a file is in one.")],
    path: Annotated[Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it.")],
    file: Annotated[
        str | None,
        typer.Option("--file", metavar="FILE_ID", help="Make this one again, or go on where it broke off."),
    ] = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Put everything that is approved in one currency into a pain.001 file for the bank.

    Each payout is put on record as being in this file before the file is written, and is in no other.
    """
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    command_id = _command_of(file) if file else uuid4()
    _check_place(path, is_new=file is None)
    reply = _paid_out(command_id, currency.upper(), actor)
    if reply["content"] is not None:
        _write(reply, path)
    if as_json:
        out.print_json(data={name: value for name, value in reply.items() if name != "content"})
    else:
        out.print(paying.paid_out_shown(reply, path), highlight=False, soft_wrap=True)


@payouts_app.command("balance")
def payments_balance(*, since: Day = None, until: Day = None, as_json: AsJson = False) -> None:
    """Show the books by day and currency: money in = matched + in review + returned."""
    from vignettes.runtime import payments_balance as books  # noqa: PLC0415

    reply = answered(asyncio.run(books.balance(settings_for("payments"), since, until)))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(books.shown(reply), highlight=False)
    raise typer.Exit(0 if reply["equal"] else 1)


def _command_of(file: str) -> UUID:
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    try:
        return paying.command_of(file)
    except ValueError:
        raise typer.BadParameter("It is no file of payouts.", param_hint="--file") from None


def _paid_out(command_id: UUID, currency: str, actor: str) -> dict[str, Any]:
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    settings, file_id = settings_for("payments"), paying.file_of(command_id)
    try:
        reply = asyncio.run(paying.pay_out(settings, command_id, currency, actor, err))
    except (ConfigurationError, KeyboardInterrupt):
        _tell_how_to_go_on(file_id)
        raise
    code = None if reply["ok"] else reply["error"]["code"]
    if code == "unavailable":
        _tell_how_to_go_on(file_id)
    if code == "command_id_reused":  # whoever says --file has named no command
        other = f"{file_id} is in another currency than {currency}, or was asked for otherwise."
        err.print(f"[red]Refused:[/] {other}", highlight=False, soft_wrap=True)
        raise typer.Exit(1)
    return answered(reply)


def _tell_how_to_go_on(file_id: str) -> None:
    err.print(f"It may have begun: go on with --file {file_id}", highlight=False, soft_wrap=True)


def _check_place(path: Path, *, is_new: bool) -> None:
    """Refuse what could not be written, before anything is put on record as being in the file."""
    if is_new and path.exists():
        raise typer.BadParameter(f"{path} exists already, and is not written over.", param_hint="--out")
    if not path.absolute().parent.is_dir():
        raise typer.BadParameter(f"{path.parent} is no folder.", param_hint="--out")


def _write(reply: dict[str, object], path: Path) -> None:
    from vignettes.runtime import payments_payouts as paying  # noqa: PLC0415

    try:
        paying.write(reply, path)
    except (paying.OtherFile, OSError) as error:
        go_on = f"Go on with --file {reply['file_id']}"
        err.print(f"[red]Not written:[/] {error}\n{go_on}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
