"""Bank files as banks write them, for tests: small ones in words, large ones as a stream."""

from collections.abc import Iterable, Iterator

ACCOUNT = "CZ6508000000192000145399"
PAYER = "DE89370400440532013000"


def entry(
    amount: str = "300.00",
    *,
    currency: str = "CZK",
    side: str = "CRDT",
    reference: str | None = "REF1",
    status: str = "<Sts><Cd>BOOK</Cd></Sts>",
    day: str | None = "2026-01-05",
    details: str = "",
    more: str = "",
) -> str:
    """One entry of camt; `details` are its TxDtls, `more` what stands before them."""
    booked = f"<BookgDt><Dt>{day}</Dt></BookgDt>" if day else ""
    named = f"<AcctSvcrRef>{reference}</AcctSvcrRef>" if reference else ""
    inner = f"<NtryDtls>{details}</NtryDtls>" if details else ""
    return (
        f'<Ntry><Amt Ccy="{currency}">{amount}</Amt><CdtDbtInd>{side}</CdtDbtInd>{more}{status}{booked}{named}'
        f"<BkTxCd><Prtry><Cd>X</Cd></Prtry></BkTxCd>{inner}</Ntry>"
    )


def transaction(
    end_to_end_id: str = "NOTPROVIDED", *, amount: str = "", text: str = "", more: str = ""
) -> str:
    """One transaction of an entry."""
    remittance = f"<RmtInf><Ustrd>{text}</Ustrd></RmtInf>" if text else ""
    return (
        f"<TxDtls><Refs><EndToEndId>{end_to_end_id}</EndToEndId></Refs>{amount}"
        "<RltdPties><Dbtr><Nm>Jan Novák</Nm></Dbtr>"
        f"<DbtrAcct><Id><IBAN>{PAYER}</IBAN></Id></DbtrAcct></RltdPties>{remittance}{more}</TxDtls>"
    )


def balance(kind: str, amount: str, currency: str = "CZK") -> str:
    """One balance; a leading minus makes it a debit."""
    side = "DBIT" if amount.startswith("-") else "CRDT"
    return (
        f"<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp>"
        f'<Amt Ccy="{currency}">{amount.lstrip("-")}</Amt><CdtDbtInd>{side}</CdtDbtInd>'
        "<Dt><Dt>2026-01-05</Dt></Dt></Bal>"
    )


def statement(
    *entries: str, balances: str = "", name: str = "S1", account: str = ACCOUNT, totals: str = ""
) -> str:
    """One statement of camt.053."""
    return (
        f"<Stmt><Id>{name}</Id><CreDtTm>2026-01-06T00:00:00+01:00</CreDtTm>"
        f"<Acct><Id><IBAN>{account}</IBAN></Id></Acct>{balances}{totals}{''.join(entries)}</Stmt>"
    )


def camt053(*statements: str, namespace: str = "urn:iso:std:iso:20022:tech:xsd:camt.053.001.08") -> bytes:
    """A whole camt.053 in UTF-8."""
    declared = f' xmlns="{namespace}"' if namespace else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Document{declared}><BkToCstmrStmt>'
        f"<GrpHdr><MsgId>M</MsgId></GrpHdr>{''.join(statements)}</BkToCstmrStmt></Document>"
    ).encode()


def camt054(*notices: str) -> bytes:
    """A whole camt.054 of the same entries."""
    return (
        camt053(*notices, namespace="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08")
        .replace(b"BkToCstmrStmt", b"BkToCstmrDbtCdtNtfctn")
        .replace(b"Stmt>", b"Ntfctn>")
    )


def large_camt053(entries: int) -> Iterator[bytes]:
    """A camt.053 of many simple entries that adds up, piece by piece."""
    balances = balance("OPBD", "0.00") + balance("CLBD", f"{entries * 300}.00")
    before, after = camt053(statement("@", balances=balances)).split(b"@")
    yield before
    for number in range(entries):
        details = transaction(f"/VS{number:010}/SS/KS0308", text=f"platba za znamku {number}")
        yield entry(reference=f"REF{number:010}", details=details).encode()
    yield after


def mt940(*lines: str, opening: str = "C260104EUR100,00", closing: str) -> bytes:
    """One statement of MT940 with these lines."""
    return "\r\n".join(
        [
            ":20:START",
            ":25:12345678/1020304050",
            ":28C:1/1",
            f":60F:{opening}",
            *lines,
            f":62F:{closing}",
            "-",
            "",
        ]
    ).encode()


def abo_header(*, old: int, new: int, debits: int = 0, credited: int = 0, number: int = 5) -> str:
    """A header of ABO with its balances and turnovers in hellers."""

    def signed(amount: int) -> str:
        return f"{abs(amount):014}{'-' if amount < 0 else '+'}"

    return (
        f"074{192000145399:016}{'Známky s.r.o.':<20}040126{signed(old)}{signed(new)}"
        f"{signed(debits)}{signed(credited)}{number:03}050126{'':14}"
    )


def abo_item(
    amount: int, kind: int, *, symbol: int = 0, document: int = 0, name: str = "", day: str = "050126"
) -> str:
    """An item of ABO."""
    return (
        f"075{192000145399:016}{1000000785:016}{document:013}{amount:012}{kind}{symbol:010}"
        f"00{800:04}{308:04}{0:010}{day}{name:<20}00203{day}"
    )


def abo(*records: str) -> bytes:
    """A whole file of ABO."""
    return "".join(f"{record}\r\n" for record in records).encode("cp1250")


def joined(pieces: Iterable[bytes]) -> bytes:
    """A stream as one piece."""
    return b"".join(pieces)
