"""The column map of a bank's CSV file, as an operator writes it in TOML (docs/bank-files.md)."""

import tomllib
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from vignettes.services.statements.amounts import exponent
from vignettes.services.statements.model import BadFile
from vignettes.services.statements.sources import encoding_named

_WAY_OUT = "docs/bank-files.md shows a map with all that can be said."

_Sign = Annotated[str, Field(min_length=1, max_length=1)]


def _is_currency(code: str) -> str:
    exponent(code)
    return code


class Columns(BaseModel):
    """The heading of each field's column; None where the file has none."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    booked_on: str
    amount: str
    account: str | None = None
    currency: str | None = None
    direction: str | None = None
    balance: str | None = None
    variable_symbol: str | None = None
    creditor_reference: str | None = None
    remittance: str | None = None
    counterparty: str | None = None
    counterparty_account: str | None = None
    end_to_end_id: str | None = None
    bank_reference: str | None = None


class CsvMap(BaseModel):
    """How one bank writes its CSV."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    columns: Columns
    account: str | None = None
    currency: Annotated[str, AfterValidator(_is_currency)] | None = None
    delimiter: _Sign = ","
    quote: _Sign = '"'
    encoding: Annotated[str, AfterValidator(encoding_named)] = "utf-8"
    skip_lines: int = Field(0, ge=0, le=1_000)
    decimal: _Sign = "."
    thousands: str = ""
    date_format: str = "%Y-%m-%d"
    #: What the direction's column says for a credit and for a debit; without that column the amount's sign tells.
    credit: tuple[str, ...] = ()
    debit: tuple[str, ...] = ()
    newest_first: bool = False

    @model_validator(mode="after")
    def _complete(self) -> Self:
        for name in ("account", "currency"):
            if getattr(self, name) is None and getattr(self.columns, name) is None:
                raise ValueError(f"{name} is missing: fixed, or as a column")
        if self.columns.direction is not None and not (self.credit and self.debit):
            raise ValueError("credit and debit are missing: the words in the column of the direction")
        return self


def load_map(path: Path) -> CsvMap:
    """Return the map in a TOML file; raises `BadFile` that names what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise BadFile(f"The column map is no TOML: {error}.", where=path.name, way_out=_WAY_OUT) from None
    return read_map(text, path.name)


def read_map(text: str, name: str) -> CsvMap:
    """Return the map in a text of TOML, which goes by a name; raises `BadFile` that names what is wrong in it."""
    try:
        return CsvMap.model_validate(tomllib.loads(text))
    except ValidationError as error:
        wrong = "; ".join(
            ": ".join(filter(None, [".".join(map(str, each["loc"])), each["msg"]])) for each in error.errors()
        )
        raise BadFile(f"The column map is not right: {wrong}.", where=name, way_out=_WAY_OUT) from None
    except tomllib.TOMLDecodeError as error:
        raise BadFile(f"The column map is no TOML: {error}.", where=name, way_out=_WAY_OUT) from None
