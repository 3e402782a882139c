"""The commands of `vignettes audit`."""

import asyncio
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from vignettes.runtime.console import Actor, AsJson, err, instant, out, settings_for

audit_app = typer.Typer(
    help="Auditing: the log against its signed heads, one history with its proofs, and who looked at what.",
    no_args_is_help=True,
)

OrderArgument = Annotated[
    str,
    typer.Argument(
        metavar="ORDER",
        help="An order number such as V6562305984, or the id of an order, a payment or a case.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--key",
        metavar="FILE",
        exists=True,
        dir_okay=False,
        readable=True,
        help="The public key of the ledger, in PEM; else ledger.pub in the folder of heads.",
    ),
]

Kept = Annotated[
    str | None,
    typer.Option(
        metavar="FOLDER|FILE|URL", help="Where the heads are kept outside; else VIGNETTES_HEADS_FOLDER."
    ),
]
Partial = Annotated[
    bool,
    typer.Option("--partial", help="It is a collection of your own: some of the heads, in any order."),
]
Fingerprint = Annotated[
    str | None, typer.Option(metavar="HEX", help="What the key must be: SHA-256 of its DER.")
]
BundleArgument = Annotated[
    Path, typer.Argument(metavar="BUNDLE", exists=True, dir_okay=False, readable=True, help="A bundle.")
]
BundleKey = Annotated[
    Path | None,
    typer.Option(
        "--key", metavar="FILE", exists=True, dir_okay=False, help="The public key of the ledger, in PEM."
    ),
]
BundleFingerprint = Annotated[
    str | None,
    typer.Option(metavar="HEX", help="Instead: what the key in the bundle must be, SHA-256 of its DER."),
]


@audit_app.command("verify")
def audit_verify(
    *,
    heads: Kept = None,
    partial: Partial = False,
    key: KeyFile = None,
    fingerprint: Fingerprint = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Compare the whole log with every head that is kept outside, and name what was changed.

    Each signature is checked, and the heads with one another. Exit code 1 when anything is wrong.
    """
    from vignettes.runtime import audit_shown, auditing  # noqa: PLC0415  # --help needs no database

    with _refusals():
        settings = settings_for("audit")
        trusted = auditing.key_of(settings, heads, key, fingerprint)
        verdict = auditing.verify(settings, heads, trusted, actor, err, partial=partial)
    if as_json:
        out.print_json(data=audit_shown.verdict_json(verdict))
    else:
        out.print(audit_shown.verdict(verdict), highlight=False, soft_wrap=True)
    raise typer.Exit(0 if verdict.verified else 1)


@audit_app.command("heads")
def audit_heads(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 20,
    key: KeyFile = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """List the last signed heads that the database holds, each with whether the key has signed it."""
    from vignettes.runtime import audit_shown, auditing  # noqa: PLC0415

    with _refusals():
        found = asyncio.run(auditing.heads_of(settings_for("audit"), limit, key, actor))
    if as_json:
        out.print_json(data=found)
    else:
        out.print(audit_shown.heads_of(found), highlight=False)
    raise typer.Exit(0 if all(each["signed"] for each in found["heads"]) else 1)


@audit_app.command("export")
def audit_export(
    order: OrderArgument,
    *,
    path: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", dir_okay=False, help="Where to write it; else here."),
    ] = None,
    key: KeyFile = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Export a history as a bundle: its events with their proofs, the signed head, and the view's row.

    It waits some seconds for a head that covers the last event. Nothing personal is in it in the clear.
    """
    from vignettes.runtime import auditing  # noqa: PLC0415

    if path is not None and path.exists():
        raise typer.BadParameter(f"{path} exists already, and is not written over.", param_hint="--out")
    with _refusals():
        bundle = asyncio.run(auditing.export(settings_for("audit"), _id_of(order), key, actor, err))
    text = auditing.written(bundle)
    if path is None:
        sys.stdout.write(text)
        return
    path.write_text(text, encoding="utf-8")
    told = {"file": str(path), "events": len(bundle["events"]), "differs": bundle["differs"]}
    if as_json:
        out.print_json(data=told)
    else:
        said = f"{path}: {told['events']} events, each with its proof."
        out.print(said, markup=False, highlight=False, soft_wrap=True)


@audit_app.command("check")
def audit_check(
    bundle: BundleArgument,
    *,
    key: BundleKey = None,
    fingerprint: BundleFingerprint = None,
    as_json: AsJson = False,
) -> None:
    """Check a bundle anywhere: the file and the public key are all that it takes.

    Exit code 1 when anything in it is not what was signed, or the view's row is not what the events say.
    """
    from vignettes.runtime import audit_shown, auditing  # noqa: PLC0415

    if (key is None) is (fingerprint is None):
        raise typer.BadParameter(
            "Give --key, or the --fingerprint of the key in the bundle.", param_hint="--key"
        )
    with _refusals():
        checked = auditing.check(bundle, key, fingerprint)
    if as_json:
        out.print_json(data=audit_shown.checked_json(checked))
    else:
        out.print(audit_shown.checked(checked), highlight=False)
    raise typer.Exit(0 if checked.holds else 1)


@audit_app.command("history")
def audit_history(
    order: OrderArgument,
    *,
    until: Annotated[
        datetime | None,
        typer.Option(parser=instant, metavar="TIME", help="As it was then, and what differs from now."),
    ] = None,
    version: Annotated[
        int | None, typer.Option(min=1, help="Instead of a time: as it was after so many events.")
    ] = None,
    key: KeyFile = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """Tell a history in sentences: what happened, who asked for it, how things stood then, what differs now."""
    from vignettes.runtime import audit_shown, auditing  # noqa: PLC0415

    if until is not None and version is not None:
        raise typer.BadParameter("Give --until or --version, not both.", param_hint="--until")
    with _refusals():
        story = asyncio.run(
            auditing.history(settings_for("audit"), _id_of(order), until, version, key, actor)
        )
    if as_json:
        out.print_json(story.model_dump_json())
    else:
        out.print(audit_shown.history(story), highlight=False)


@audit_app.command("looks")
def audit_looks(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many, the newest first.")] = 50,
    order: Annotated[
        str | None, typer.Option(metavar="ORDER", help="Only at this one: a number, or an id.")
    ] = None,
    actor: Actor,
    as_json: AsJson = False,
) -> None:
    """List who has looked at what, and when: this look too."""
    from vignettes.runtime import audit_shown, auditing  # noqa: PLC0415

    with _refusals():
        order_id = _id_of(order) if order else None
        found = asyncio.run(auditing.looks(settings_for("audit"), limit, order_id, actor))
    if as_json:
        out.print_json(data=audit_shown.looks_json(found))
    else:
        out.print(audit_shown.looks(found), highlight=False)


def _id_of(order: str) -> UUID:
    from vignettes.runtime.retrying import NoOrder, order_id_from  # noqa: PLC0415

    try:
        return order_id_from(order)
    except NoOrder as error:
        raise typer.BadParameter(str(error), param_hint="ORDER") from None


@contextmanager
def _refusals() -> Iterator[None]:
    """Tell what can't be done in words; exit code 1."""
    from vignettes.domain.errors import DomainError  # noqa: PLC0415
    from vignettes.eventstore.heads import WrongLedgerKey  # noqa: PLC0415
    from vignettes.services.auditing.checking_bundles import NoBundle  # noqa: PLC0415
    from vignettes.services.auditing.kept_heads import NoSource  # noqa: PLC0415

    try:
        yield
    except (DomainError, NoBundle, NoSource, WrongLedgerKey) as error:
        err.print(f"[red]Refused:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
