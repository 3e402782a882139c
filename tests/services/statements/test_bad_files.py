"""Files that do harm, lie, or are none: a clear refusal, quickly and in little memory."""

import io
import json
import os
import random
import subprocess
import sys
import zlib
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bank_files import (
    abo,
    abo_header,
    abo_item,
    balance,
    camt053,
    entry,
    joined,
    large_camt053,
    mt940,
    statement,
)
from vignettes.services import statements
from vignettes.services.statements import BadFile, Format, Statement, sources

GOOD = camt053(statement(entry()))
PROLOG = b'<?xml version="1.0" encoding="UTF-8"?>\n'
BOMB = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>'
ENDLESS = b"<Document><BkToCstmrStmt><Stmt><Id>"
READ = r"""
import json, re, sys, time
from pathlib import Path
from vignettes.services.statements import BadFile, check
began = time.perf_counter()
try:
    told = check(sys.argv[1]).entries
except BadFile as refusal:
    told = str(refusal)
seconds = time.perf_counter() - began
# Not getrusage(): that counts what the process was before it became this one.
peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
print(json.dumps([told, seconds, int(peak[1]) / 1024]))
"""


class _Named(NamedTuple):
    """A hundred thousand elements, each with another number in it; made when they are written."""

    form: bytes
    place: int

    def __bytes__(self):
        return b"".join(self.form % (self.place * 10**5 + j) for j in range(10**5))


@pytest.fixture
def measured(tmp_path):
    """Read a file in a process of its own; return what it said, in how many seconds and MB."""

    def read(pieces):
        path = tmp_path / "file"
        with path.open("wb") as file:
            for piece in pieces:
                file.write(bytes(piece))
        done = subprocess.run(
            [sys.executable, "-c", READ, str(path)], check=True, capture_output=True, timeout=600
        )
        return json.loads(done.stdout)

    return read


@pytest.mark.parametrize(
    "data",
    [
        PROLOG + BOMB + GOOD.removeprefix(PROLOG),
        PROLOG + b"<!-- > -->\n<?x ?>" + BOMB,
        PROLOG + b"<!-- <BkToCstmrStmt> <a " + b" " * 70_000 + b"-->" + BOMB + GOOD.removeprefix(PROLOG),
        PROLOG + b'<!DOCTYPE Document SYSTEM "file:///etc/passwd">' + GOOD.removeprefix(PROLOG),
        (BOMB + b"<a/>").decode().encode("utf-16"),
        b"\xef\xbb\xbf" + BOMB,
    ],
    ids=["bomb", "after a comment", "after a long comment", "external", "utf-16", "after a mark"],
)
def test_a_document_type_is_refused_on_sight(refusal, data):
    assert "DOCTYPE" in refusal(data)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (GOOD.replace(b"REF1", b"&harm;"), "XML is broken"),
        (GOOD.replace(b"<GrpHdr>", BOMB + b"<GrpHdr>"), "XML is broken"),
        (GOOD[:-30], "XML is broken"),
        (GOOD.replace(b"REF1", b"\xe9"), f"byte {GOOD.index(b'REF1')}"),
        (GOOD.replace(b"UTF-8", b"UTF-7"), "'UTF-7' is not known"),
        (GOOD.replace(b"UTF-8", b"ascii").replace(b"REF1", "é".encode()), "not ascii"),
        (GOOD.decode().encode("utf-16"), "first bytes are utf-16"),
        (b"\xef\xbb\xbf" + GOOD.replace(b"UTF-8", b"ISO-8859-1"), "first bytes are utf-8"),
        (GOOD.replace(b"BkToCstmrStmt", b"BkToCstmrAcctRpt"), "camt.052"),
        (b"<html><body/></html>", "neither camt.053 nor camt.054"),
        (GOOD.replace(b"REF1", b"<Id>" * 100 + b"</Id>" * 100).replace(b"AcctSvcrRef", b"Refs"), "60 deep"),
        (GOOD.replace(b"REF1", b"x" * 70_000), "more than 64 kB"),
        # The same of what nobody asks for.
        (GOOD.replace(b"<Prtry>", b"<a>" * 100).replace(b"</Prtry>", b"</a>" * 100), "60 deep"),
        (GOOD.replace(b"<MsgId>M", b"<a>" * 100 + b"</a>" * 100 + b"<MsgId>M"), "60 deep"),
        (GOOD.replace(b"<Cd>X", b"<Cd>" + b"x" * 70_000), "more than 64 kB"),
        (GOOD.replace(b"300.00", b"3<a/>00.00"), "Amt should be a text"),
        (GOOD.replace(b"Prtry>", b"Ntry>"), "Ntry is out of place"),
        (GOOD.replace(b"<Stmt>", b"<Rpt>").replace(b"</Stmt>", b"</Rpt>"), "Ntry is out of place"),
        (GOOD.replace(b"<Prtry>", b"<TxDtls/><Prtry>"), "TxDtls is out of place"),
        (GOOD.replace(b"<IBAN>", b"<None>").replace(b"</IBAN>", b"</None>"), "without its account"),
        (GOOD.replace(b'<Amt Ccy="CZK">', b"<Amt>"), "amount with its currency is missing"),
        (GOOD.replace(b"CZK", b"Kc"), "no currency code"),
        (GOOD.replace(b"CRDT", b"UP"), "neither a credit"),
        (GOOD.replace(b"BOOK", b"BOOKED"), "'BOOKED'"),
        (GOOD.replace(b"2026-01-05", b"05.01.2026"), "'05.01.2026' is no day"),
        (GOOD.replace(b"2026-01-05", b"0001-01-01"), "'0001-01-01' is no day"),
        (GOOD.replace(b"2026-01-05", b"9999-12-31"), "'9999-12-31' is no day"),
        (GOOD.replace(b"300.00", b"1" * 16 + b".00"), "more than any bank books"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"PK\x03\x04rest", "zip"),
        (b"\x1f\x8brest", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (random.Random(17).randbytes(64).replace(b"<", b" "), "neither camt.053"),
        (b":20:X\n:25:\0\0\n", "NUL"),
        (b":20:X\n:86:" + b"x" * 200_000, "64 kB"),
    ],
)
def test_what_is_no_bank_file_is_refused_in_words(refusal, data, says):
    assert says in refusal(data)


def test_encodings_are_those_that_a_file_declares(entries):
    text = camt053(
        statement(entry().replace("</Ntry>", "<AddtlNtryInf>Příliš</AddtlNtryInf></Ntry>"))
    ).decode()
    for encoding in ("windows-1250", "ISO-8859-2", "UTF-16"):
        (found,) = entries(text.replace("UTF-8", encoding).encode(encoding))
        assert found.remittance == "Příliš"


def test_camt_takes_no_other_word_for_its_encoding(refusal):
    assert "itself" in refusal(GOOD, encoding="latin-1")


def test_a_file_is_what_its_first_bytes_say():
    for data, kind in (
        (GOOD, Format.CAMT),
        (mt940(closing="C260105EUR100,00"), Format.MT940),
        (abo(abo_header(old=0, new=0)), Format.ABO),
    ):
        assert statements.sniff(io.BytesIO(data)) is kind


def test_what_is_too_large_is_refused_before_it_is_read():
    with pytest.raises(BadFile, match="larger than 10 bytes"), sources.opened(io.BytesIO(GOOD), 10):
        pass


def test_a_pipe_is_read_as_a_file_is(entries):
    """What has no references is named by the whole file, so it must be read twice."""
    data = camt053(statement(entry(reference=None)))
    into, out_of = os.pipe()[::-1]
    os.write(into, data)
    os.close(into)
    with os.fdopen(out_of, "rb") as pipe:
        assert [e for e in statements.read(pipe) if not isinstance(e, Statement)] == entries(data)


@pytest.mark.parametrize(
    "pieces",
    [
        [ENDLESS, *[b"x" * 1024**2] * 20],
        [ENDLESS + b"</Id>", *[b"<Ntry><a>x</a>" * 70_000] * 20],
        [
            ENDLESS + b"</Id><Ntry>",
            *(_Named(b"<e%d/>", i) for i in range(20)),
        ],
        [ENDLESS + b"</Id>", *(_Named(b"<Ntry%d/><Bal/>", i) for i in range(20))],
        [ENDLESS + b"</Id>", *(_Named(b"<a b%d='1'/><Bal/>", i) for i in range(20))],
        [ENDLESS + b"</Id>", *(_Named(b"<a xmlns:c%d='d'/><Bal/>", i) for i in range(20))],
        [b":20:X\r\n:25:1\r\n:86:", *[b"x" * 1024**2] * 20],
        [b":20:X\r\n:25:1\r\n:86:", *[b"x\r\n" * 300_000] * 20],
        [zlib.compress(b"x")] * 20_000,
    ],
    ids=[
        "one text",
        "one entry in another",
        "many names",
        "many elements",
        "many attributes",
        "many prefixes",
        "one line",
        "one field",
        "garbage",
    ],
)
def test_abuse_ends_within_200_mb_and_2_seconds(measured, pieces):
    told, seconds, megabytes = measured(pieces)
    assert isinstance(told, str), told
    assert seconds < 2
    assert megabytes < 200


def test_memory_does_not_grow_with_the_file(measured):
    told, _, megabytes = measured(large_camt053(20_000))
    assert told == 20_000
    assert megabytes < 100


@pytest.mark.scale
@pytest.mark.timeout(0)
def test_hundreds_of_megabytes_need_no_more_memory(measured):
    told, _, megabytes = measured(large_camt053(400_000))
    assert told == 400_000
    assert megabytes < 200


SEEDS = [
    GOOD,
    joined(large_camt053(3)),
    mt940(":61:2601050105CR30,00N166X//B", ":86:166?00A?20SVWZ+B?32C", closing="C260105EUR130,00"),
    abo(abo_header(old=0, new=5, credited=5), abo_item(5, 2, symbol=1), "078text"),
    camt053(statement(entry(), balances=balance("OPBD", "0") + balance("CLBD", "300"))),
]


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=300), kind=st.sampled_from([Format.CAMT, Format.MT940, Format.ABO, None]))
def test_any_bytes_give_entries_or_a_refusal(data, kind):
    _entries_or_refusal(data, kind)


@settings(max_examples=300, deadline=None)
@given(
    seed=st.sampled_from(SEEDS),
    at=st.integers(0, 2_000),
    length=st.integers(0, 20),
    put=st.binary(max_size=8)
    | st.sampled_from([b"<Id>", b"</Ntry>", b"<Ntry>", b":86:", b"?20", b"\r\n", b",", b"0"]),
)
def test_any_change_to_a_good_file_gives_entries_or_a_refusal(seed, at, length, put):
    at %= len(seed)
    _entries_or_refusal(seed[:at] + put + seed[at + length :], None)


def _entries_or_refusal(data, kind):
    try:
        for item in statements.read(io.BytesIO(data), format=kind):
            if not isinstance(item, Statement):
                assert item.amount.amount > 0
                json.dumps([item.entry_id, item.remittance, item.counterparty]).encode()
    except BadFile:
        pass
