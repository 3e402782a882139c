"""W9: a camt.053 file of payments as a bank writes it, a statement for each currency, and beside it what was meant."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from benchmarks.apart import answer
from benchmarks.figures import Point
from benchmarks.matching_noise import Paid, payments
from benchmarks.matching_orders import BOOKED_ON, Open

ACCOUNTS = {"CZK": "CZ6508000000192000145399", "EUR": "SK3112000000198742637541"}
#: What each payment was, in the order of the file, a line of JSON each.
MEANT = "meant.jsonl"
STATEMENTS = "statements.xml"

_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt>
<GrpHdr><MsgId>W9</MsgId><CreDtTm>{day}T18:00:00+01:00</CreDtTm></GrpHdr>
"""
_STATEMENT = """<Stmt><Id>W9-{currency}</Id><CreDtTm>{day}T18:00:00+01:00</CreDtTm>
<Acct><Id><IBAN>{account}</IBAN></Id><Ccy>{currency}</Ccy></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">0.00</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
<Dt><Dt>{day}</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="{currency}">{total}</Amt><CdtDbtInd>CRDT</CdtDbtInd>\
<Dt><Dt>{day}</Dt></Dt></Bal>
"""
_ENTRY = """<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>\
<BookgDt><Dt>{day}</Dt></BookgDt><ValDt><Dt>{day}</Dt></ValDt><AcctSvcrRef>{bank}</AcctSvcrRef>\
<BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>\
<NtryDtls><TxDtls><Refs><EndToEndId>{end_to_end}</EndToEndId></Refs><RltdPties><Dbtr><Pty><Nm>{payer}</Nm></Pty></Dbtr>\
<DbtrAcct><Id><IBAN>CZ6907101781240000004159</IBAN></Id></DbtrAcct></RltdPties>{remittance}</TxDtls></NtryDtls></Ntry>
"""


def measure(folder: str, payments: int, orders: int, seed: str) -> list[Point]:
    """Write the two files. There is nothing to measure in that."""
    write(Path(folder), drawn(payments, orders, seed))
    return []


def drawn(count: int, orders: int, seed: str) -> Sequence[Paid]:
    """Return so many payments for so many open orders, statement by statement."""
    rng = random.Random(seed)  # noqa: S311  # repeatable
    made = payments(
        rng,
        count,
        lambda: Open(seed, rng.randrange(orders)),
        lambda: Open(seed, orders + rng.randrange(orders)),
    )
    return sorted(made, key=lambda paid: paid.amount.currency)


def write(folder: Path, made: Sequence[Paid]) -> None:
    """Write the statements, and what was meant by each of their entries."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / STATEMENTS).open("w", encoding="utf-8") as file:
        file.writelines(_document(made))
    with (folder / MEANT).open("w", encoding="utf-8") as file:
        file.writelines(json.dumps([paid.kind, paid.meant, paid.payer]) + "\n" for paid in made)


def meant(folder: Path) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Return of each entry its kind, the numbers of the orders that its payer meant, and the payer."""
    with (folder / MEANT).open(encoding="utf-8") as file:
        for line in file:
            kind, numbers, payer = json.loads(line)
            yield kind, tuple(numbers), payer


def _document(made: Sequence[Paid]) -> Iterator[str]:
    yield _HEAD.format(day=BOOKED_ON)
    place = 0
    for currency, some in groupby(made, key=lambda paid: paid.amount.currency):
        entries = list(some)
        yield from _statement(currency, entries, place)
        place += len(entries)
    yield "</BkToCstmrStmt></Document>\n"


def _statement(currency: str, entries: Iterable[Paid], place: int) -> Iterator[str]:
    entries = list(entries)
    total = _decimal(sum(paid.amount.amount for paid in entries))
    yield _STATEMENT.format(currency=currency, day=BOOKED_ON, account=ACCOUNTS[currency], total=total)
    for n, paid in enumerate(entries, place):
        yield _ENTRY.format(
            currency=currency,
            amount=_decimal(paid.amount.amount),
            day=BOOKED_ON,
            bank=f"B{n:09}",
            end_to_end=escape(paid.end_to_end or "NOTPROVIDED"),
            payer=escape(paid.payer),
            remittance=_remittance(paid),
        )
    yield "</Stmt>\n"


def _remittance(paid: Paid) -> str:
    """Write the fields as Czech banks do: the variable symbol as a structured reference beside the text."""
    reference = paid.rf or (f"VS:{paid.symbol}" if paid.symbol else None)
    structured = f"<Strd><CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf></Strd>" if reference else ""
    written = f"<Ustrd>{escape(paid.text)}</Ustrd>" if paid.text else ""
    return f"<RmtInf>{written}{structured}</RmtInf>" if written or structured else ""


def _decimal(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"


if __name__ == "__main__":
    answer(measure)
