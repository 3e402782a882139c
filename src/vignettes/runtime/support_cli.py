"""The commands of `vignettes support`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from vignettes.runtime.console import Actor, AsJson, answered, out, settings_for

support_app = typer.Typer(help="Cases of support: who waits, and what is answered.", no_args_is_help=True)

Case = Annotated[str, typer.Argument(metavar="CASE", help="A case number such as C358518342, or a case_id.")]


class State(StrEnum):
    """Whose turn it is."""

    OPEN = "open"
    ANSWERED = "answered"
    CLOSED = "closed"


@support_app.command("list")
def support_list(
    *,
    state: Annotated[
        State | None, typer.Option(metavar="STATE", help="open, answered or closed; else all not closed.")
    ] = None,
    order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="Only about this one: a number, or an order_id.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many, the longest waiting first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show the cases that are not closed: who has waited longest is first."""
    from vignettes.runtime import support_cases  # noqa: PLC0415  # --help needs no messages

    reply = answered(support_cases.cases(settings_for("support"), state, order, limit))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(support_cases.shown(reply), highlight=False)


@support_app.command("show")
def support_show(case: Case, *, as_json: AsJson = False) -> None:
    """Show one case: what is known, and all that was written."""
    from vignettes.runtime import support_cases  # noqa: PLC0415

    reply = answered(support_cases.case(settings_for("support"), case))
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(support_cases.told(reply), highlight=False, crop=False)


@support_app.command("answer")
def support_answer(
    case: Case,
    *,
    text: Annotated[str | None, typer.Option(metavar="TEXT", help="The answer.")] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", exists=True, dir_okay=False, readable=True, help="A file with the answer, UTF-8."
        ),
    ] = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Answer by mail: with a text, a file, or what is typed until Ctrl-D.

    It goes to the address of the case, or else of the order it is about; without either it is refused.
    """
    from vignettes.messages.support import AnswerCase  # noqa: PLC0415
    from vignettes.runtime import support_cases  # noqa: PLC0415

    if text is not None and file is not None:
        raise typer.BadParameter("--text or --file, not both.", param_hint="--file")
    said = text if text is not None else _read(file) if file else sys.stdin.read()
    settings = settings_for("support")
    _tell(support_cases.decide(settings, AnswerCase, case, actor, text=said), as_json=as_json)


@support_app.command("close")
def support_close(case: Case, *, actor: Actor, as_json: AsJson = False) -> None:
    """Close a case. A message of the customer opens it again."""
    from vignettes.messages.support import CloseCase  # noqa: PLC0415
    from vignettes.runtime import support_cases  # noqa: PLC0415

    _tell(support_cases.decide(settings_for("support"), CloseCase, case, actor), as_json=as_json)


@support_app.command("erase")
def support_erase(
    case: Case,
    *,
    actor: Actor,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether it is meant.")] = False,
    as_json: AsJson = False,
) -> None:
    """Erase whom a case concerns for ever, and what was written, by destroying its keys. First answer or close it.

    What belongs to an order goes with `vignettes erase`, its cases included.
    """
    from vignettes.messages.support import EraseCase  # noqa: PLC0415
    from vignettes.runtime import support_cases  # noqa: PLC0415

    if not yes:
        typer.confirm(f"Erase whom case {case} concerns? Nobody can bring it back.", abort=True, err=True)
    reply = support_cases.decide(settings_for("support"), EraseCase, case, actor)
    _tell(reply, "erased", as_json=as_json)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file} is not UTF-8.", param_hint="--file") from None


def _tell(reply: dict[str, Any], *more: str, as_json: bool) -> None:
    answered(reply)
    if as_json:
        out.print_json(data=reply)
    else:
        out.print(f"Case {reply['case_number']}: {', '.join((reply['state'], *more))}.", highlight=False)
