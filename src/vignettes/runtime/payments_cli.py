"""The commands of `vignettes payments`."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import UUID

import typer

from vignettes.runtime.console import Actor, AsJson, answered, out, settings_for
from vignettes.runtime.payouts_cli import payouts_app

payments_app = typer.Typer(
    help="Money by bank and provider: bank files, the review queue, money back, the books.",
    no_args_is_help=True,
)
payments_app.add_typer(payouts_app)

ColumnMap = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="MAP",
        exists=True,
        dir_okay=False,
        readable=True,
        help="How the bank writes its CSV; see docs/bank-files.md.",
    ),
]
Form = Annotated[
    str | None,
    typer.Option(
        "--format", metavar="FORMAT", help="camt, mt940, abo or csv; else told by the file's content."
    ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        metavar="ENCODING", help="As the bank has told it. Otherwise MT940 is UTF-8, ABO windows-1250."
    ),
]
PaymentId = Annotated[
    UUID, typer.Argument(metavar="PAYMENT", help="As `vignettes payments review` names it.")
]
Importer = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        default_factory=get_args(Actor)[1].default_factory,
        show_default="your login",
        help="Who imports it; kept in the history.",
    ),
]
Note = Annotated[str | None, typer.Option(metavar="NOTE", help="In a line, why; kept in the history.")]


@payments_app.command("parse")
def payments_parse(
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, readable=True)],
    *,
    form: Form = None,
    column_map: ColumnMap = None,
    encoding: Encoding = None,
    as_json: AsJson = False,
) -> None:
    """Print what a bank's file says: camt.053, camt.054, MT940, ABO (GPC) or CSV. Records nothing.

    Entries are printed as they are read. So a file that breaks, or does not add up, has some printed, and then ends
    with exit code 1 and the reason: none of them counts, and an import would set the whole file aside.
    """
    from vignettes.runtime import payments_parse as parsing  # noqa: PLC0415  # --help needs no readers

    raise typer.Exit(
        parsing.parse(file, form=form, column_map=column_map, encoding=encoding, as_json=as_json)
    )


@payments_app.command("import")
def payments_import(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, readable=True)
    ],
    *,
    form: Form = None,
    column_map: ColumnMap = None,
    encoding: Encoding = None,
    actor: Importer,
    as_json: AsJson = False,
) -> None:
    """Take bank files in, each as a whole: one that breaks or does not add up is set aside with the reason.

    Importing a file again changes nothing, and goes on where an import broke off. Waits some seconds for the payments
    to be matched. Ends with exit code 1 where a file was set aside; the others are imported all the same.
    """
    from vignettes.runtime import payments_import as importing  # noqa: PLC0415

    how = importing.how_to_read(form, column_map, encoding)
    results = asyncio.run(importing.import_files(settings_for("payments"), files, how, actor))
    if as_json:
        out.print_json(data=[asdict(result) for result in results])
    else:
        out.print(importing.shown(results), highlight=False, crop=False)
    raise typer.Exit(1 if any(result.reason for result in results) else 0)


@payments_app.command("review")
def payments_review(
    payment: Annotated[
        UUID | None, typer.Argument(metavar="[PAYMENT]", help="Only this one, wherever it stands.")
    ] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the oldest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the money that waits for a person: why, and for which order it is likely to be."""
    from vignettes.runtime import payments_review as reviewing  # noqa: PLC0415

    reply = answered(reviewing.review(settings_for("payments"), payment, limit))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(reviewing.shown(reply), highlight=False, crop=False)


@payments_app.command("allocate")
def payments_allocate(
    payment: PaymentId,
    orders: Annotated[
        list[str],
        typer.Argument(
            metavar="ORDER[=AMOUNT]...", help="An order, or several with amounts such as V...=230.00."
        ),
    ],
    *,
    note: Note = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Say what a payment in review is for: one order, or several whose amounts are equal to it in sum."""
    from vignettes.messages.payments import Allocate  # noqa: PLC0415

    _decide(Allocate.subject, payment, orders, note, actor, as_json=as_json)


@payments_app.command("reassign")
def payments_reassign(
    payment: PaymentId,
    orders: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ORDER[=AMOUNT]...]", help="Whose it is; nobody's yet when none is named."),
    ] = None,
    *,
    note: Note = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Undo a wrong match: the orders let go of the payment, and it is for those named, or waits for a person."""
    from vignettes.messages.payments import Reassign  # noqa: PLC0415

    _decide(Reassign.subject, payment, orders or [], note, actor, as_json=as_json)


@payments_app.command("return")
def payments_return(
    payment: PaymentId,
    *,
    account: Annotated[
        str | None, typer.Option(metavar="IBAN", help="Where to; else where it came from.")
    ] = None,
    note: Note = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Send money in review back to its payer: it goes into the next file for the bank."""
    from vignettes.messages.payments import ReturnPayment  # noqa: PLC0415
    from vignettes.runtime import payments_review as reviewing  # noqa: PLC0415

    reply = reviewing.decide(
        settings_for("payments"),
        ReturnPayment.subject,
        payment_id=payment,
        account=account,
        note=note,
        actor=actor,
    )
    _tell(reply, reviewing.moved_shown, as_json=as_json)


@payments_app.command("place")
def payments_place(
    payment: PaymentId,
    reverses: Annotated[UUID, typer.Argument(metavar="TAKEN_BACK", help="The payment that it took back.")],
    *,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Say which payment a reversal in review has taken back."""
    from vignettes.messages.payments import PlaceReversal  # noqa: PLC0415
    from vignettes.runtime import payments_review as reviewing  # noqa: PLC0415

    reply = reviewing.decide(
        settings_for("payments"), PlaceReversal.subject, payment_id=payment, reverses=reverses, actor=actor
    )
    _tell(reply, reviewing.placed_shown, as_json=as_json)


@payments_app.command("dismiss")
def payments_dismiss(
    payment: PaymentId,
    *,
    note: Annotated[str, typer.Option(metavar="NOTE", help="In a line, what it is; kept in the history.")],
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Close a line in review that takes back nothing of what came in."""
    from vignettes.messages.payments import DismissLine  # noqa: PLC0415
    from vignettes.runtime import payments_review as reviewing  # noqa: PLC0415

    reply = reviewing.decide(
        settings_for("payments"), DismissLine.subject, payment_id=payment, note=note, actor=actor
    )
    _tell(reply, reviewing.moved_shown, as_json=as_json)


def _decide(
    subject: str, payment: UUID, orders: list[str], note: str | None, actor: str, *, as_json: bool
) -> None:
    from vignettes.runtime import payments_review as reviewing  # noqa: PLC0415

    settings = settings_for("payments")
    reply = reviewing.decide(
        settings,
        subject,
        payment_id=payment,
        allocations=reviewing.allocations(settings, payment, orders),
        note=note,
        actor=actor,
    )
    _tell(reply, reviewing.moved_shown, as_json=as_json)


def _tell(reply: dict[str, Any], shown: Callable[[dict[str, Any]], str], *, as_json: bool) -> None:
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(shown(reply), highlight=False)
