"""`vignettes payments parse`: what a bank's file says, line by line or as tables."""

import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import typer
from rich import box
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.runtime.console import err, out
from vignettes.services.statements import BadFile, Format, Statement, load_map, survey
from vignettes.services.statements.amounts import written

_ROWS_AT_ONCE = 500
_ADDS_UP = {True: "add up", False: "do NOT add up", None: "none to check by"}


def parse(
    file: Path, *, form: str | None, column_map: Path | None, encoding: str | None, as_json: bool
) -> int:
    """Print a file's entries and statements; return the exit code, 1 where it breaks or does not add up."""
    chosen = chosen_format(form)
    if chosen is Format.CSV and column_map is None:
        raise typer.BadParameter("A CSV file needs its column map.", param_hint="--map")
    refusals: list[BadFile] = []
    try:
        columns = load_map(column_map) if column_map else None
        with _opened(file) as opened:
            items = survey(opened, format=chosen, map=columns, encoding=encoding)
            (_print_json if as_json else _print_tables)(_noting(items, refusals))
    except BadFile as refusal:
        refusals.append(refusal)
    for each in refusals:
        err.print(Text.assemble((file.name, "red"), ": ", each.particulars), highlight=False)
    return 1 if refusals else 0


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """Open a file, and show how far it is read where a person waits and sees nothing else of it."""
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    is_seen = err.is_terminal and not out.is_terminal
    # The entries are what is printed meanwhile, and they go where the caller wants them.
    bars = Progress(*columns, console=err, transient=True, disable=not is_seen, redirect_stdout=False)
    with bars as progress, progress.open(file, "rb") as opened:
        yield opened


def as_json(entry: BankEntry) -> dict[str, str | int | bool | None]:
    """Return an entry as the contract has it, the amount in minor units."""
    return {
        "entry_id": entry.entry_id,
        "account": entry.account,
        "booked_on": entry.booked_on.isoformat(),
        "amount": entry.amount.amount,
        "currency": entry.amount.currency,
        "credit": entry.credit,
        "reversal": entry.reversal,
        "booked": entry.booked,
        "variable_symbol": entry.variable_symbol,
        "creditor_reference": entry.creditor_reference,
        "remittance": entry.remittance,
        "counterparty": entry.counterparty,
        "counterparty_account": entry.counterparty_account,
    }


def chosen_format(name: str | None) -> Format | None:
    """Return the format that an operator names. Any other is a misuse."""
    try:
        return Format(name.lower()) if name else None
    except ValueError:
        raise typer.BadParameter(f"{name}: there are {', '.join(Format)}.", param_hint="--format") from None


def _noting(
    items: Iterable[BankEntry | Statement], refusals: list[BadFile]
) -> Iterator[BankEntry | Statement]:
    """Pass everything on, and note what does not add up: an operator wants to see the rest too."""
    for item in items:
        if isinstance(item, Statement) and item.disagreement is not None:
            refusals.append(item.disagreement)
        yield item


def _print_json(items: Iterable[BankEntry | Statement]) -> None:
    for item in items:
        if isinstance(item, BankEntry):
            sys.stdout.write(json.dumps(as_json(item), ensure_ascii=False) + "\n")


def _print_tables(items: Iterable[BankEntry | Statement]) -> None:
    """Print entries in tables of some hundreds, as they are read, and what the statements come to at the end."""
    entries = _entries_table()
    statements: list[Text] = []
    try:
        for item in items:
            if isinstance(item, Statement):
                statements.append(_statement(item))
                continue
            _add(entries, item)
            if entries.row_count == _ROWS_AT_ONCE:
                out.print(entries, crop=False)
                entries = _entries_table()
    finally:
        if entries.row_count:
            out.print(entries, crop=False)
        for statement in statements:
            out.print(statement, soft_wrap=True, highlight=False)


def _entries_table() -> Table:
    """Return a table whose last column has a line for each reference and account: side by side they would be cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Booked on", no_wrap=True)
    table.add_column("Amount", justify="right", no_wrap=True, min_width=0)
    table.add_column("Reference, text, other side", overflow="fold")
    return table


def _add(table: Table, entry: BankEntry) -> None:
    marks = [mark for mark, holds in (("reversal", entry.reversal), ("pending", not entry.booked)) if holds]
    amount = ("" if entry.credit else "-") + _written(entry.amount)
    reference = entry.variable_symbol or entry.creditor_reference or entry.end_to_end_id
    told = (reference, entry.remittance, entry.counterparty, entry.counterparty_account)
    cells = ("\n".join([entry.booked_on.isoformat(), *marks]), amount, "\n".join(filter(None, told)))
    amounts = table.columns[1]
    amounts.min_width = max(amounts.min_width or 0, len(amount))  # an amount that is cut is another amount
    table.add_row(*map(Text, cells))


def _statement(statement: Statement) -> Text:
    """Return a line for each thing that a statement says, and none for what it does not."""
    said = {
        "Account": statement.account,
        "Statement": statement.statement_id,
        "Entries": _counts(statement),
        "Opening": _written(statement.opening),
        "Credits": _written(statement.credits),
        "Debits": _written(statement.debits),
        "Closing": _written(statement.closing),
        "Balances": _ADDS_UP[statement.adds_up],
    }
    return Text("\n".join([*(f"{label + ':':<11}{value}" for label, value in said.items() if value), ""]))


def _counts(statement: Statement) -> str:
    rest = [f"{statement.pending:,} pending"] if statement.pending else []
    if statement.empty:
        rest.append(f"{statement.empty:,} of no money")
    return ", ".join([f"{statement.entries:,}", *rest])


def _written(amount: Money | None) -> str:
    return "" if amount is None else written(amount.amount, amount.currency)
