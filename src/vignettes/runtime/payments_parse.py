"""`vignettes payments parse`: what a bank's file says, line by line or as tables."""

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import typer
from rich.table import Table
from rich.text import Text

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.runtime.console import err, out
from vignettes.services.statements import BadFile, Format, Statement, load_map, survey
from vignettes.services.statements.amounts import written

_ROWS_AT_ONCE = 500
_ADDS_UP = {True: "adds up", False: "does NOT add up", None: "no balances"}


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
        items = survey(file, format=chosen, map=columns, encoding=encoding)
        (_print_json if as_json else _print_tables)(_noting(items, refusals))
    except BadFile as refusal:
        refusals.append(refusal)
    for each in refusals:
        err.print(f"[red]{each.code}:[/] ", Text(str(each)), sep="", highlight=False)
    return 1 if refusals else 0


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
    """Print entries in tables of some hundreds, as they are read, and the statements at the end."""
    entries, statements = _entries_table(), _statements_table()
    try:
        for item in items:
            if isinstance(item, Statement):
                statements.add_row(*_statement_row(item))
                continue
            entries.add_row(*_entry_row(item))
            if entries.row_count == _ROWS_AT_ONCE:
                out.print(entries)
                entries = _entries_table()
    finally:
        for table in (entries, statements):
            if table.row_count:
                out.print(table)


def _entries_table() -> Table:
    table = Table("Booked on", "Amount", "Reference", "Text", "Other side")
    table.columns[1].justify = "right"
    return table


def _entry_row(entry: BankEntry) -> list[Text]:
    sign = "" if entry.credit else "-"
    marks = [mark for mark, holds in (("reversal", entry.reversal), ("pending", not entry.booked)) if holds]
    cells = (
        " ".join([entry.booked_on.isoformat(), *marks]),
        sign + _written(entry.amount),
        entry.variable_symbol or entry.creditor_reference or entry.end_to_end_id or "",
        entry.remittance or "",
        " ".join(filter(None, (entry.counterparty, entry.counterparty_account))),
    )
    return [Text(cell) for cell in cells]


def _statements_table() -> Table:
    return Table("Account", "Statement", "Entries", "Opening", "Credits", "Debits", "Closing", "")


def _statement_row(statement: Statement) -> list[Text]:
    rest = [f"{statement.pending} pending"] if statement.pending else []
    if statement.empty:
        rest.append(f"{statement.empty} of no money")
    cells = (
        statement.account,
        statement.statement_id,
        ", ".join([str(statement.entries), *rest]),
        _written(statement.opening),
        _written(statement.credits),
        _written(statement.debits),
        _written(statement.closing),
        _ADDS_UP[statement.adds_up],
    )
    return [Text(cell) for cell in cells]


def _written(amount: Money | None) -> str:
    return "" if amount is None else written(amount.amount, amount.currency)
