"""Whatever comes from a bank, a mail server, a provider or a keyboard is read, or refused in words."""

import time
import unicodedata

import pytest
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from hostile import read
from hostile.bodies import bodies
from hostile.samples import BANK_FILES, NOTICE, NOTICES, RETURNED
from vignettes.messages.forms import Email
from vignettes.services.posting import Unsendable
from vignettes.services.statements import BadFile, Format, check, sources

_SOON = 2.0

#: What a reader looks for: put into other places, it leads further than any byte.
_WORDS = {
    "camt": [
        b"<Ntry>",
        b"</Ntry>",
        b"<TxDtls>",
        b"<Amt Ccy='EUR'>",
        b"<!--",
        b"<![CDATA[",
        b"]]>",
        b"&#0;",
        b"&#xD800;",
    ],
    "mt940": [b":61:", b":86:", b":62F:", b":25:", b"\r\n-", b"?20", b"{1:", b"{4:", b"//", b"RC", b"0231"],
    "abo": [b"074", b"075", b"078", b"\r\n", b"000000000000", b"\x1a", b"-", b"999999"],
    "csv": [b";", b"\n", b'"', b'""', b"-", b" 1", b",", b"\xef\xbb\xbf", b"\0", b"31.02.2026"],
    "mail": [
        b"\n\n",
        b"--b\n",
        b"Content-Type: message/delivery-status\n",
        b"Status: 5.2.2\n",
        b"Action: failed\n",
    ],
}
_NUMBERS = [b"", b"0", b"-1", b"9" * 19, b"1.5", b"1e9", b"00000000000000000001", b"\xd9\xa3"]
_LETTERS = st.text(
    st.one_of(
        st.sampled_from(
            "1AB 2345-\u0410\u0412\uff21\uff11\u200b\u200f\u202e\u0130\u00df\u01c5\u0301\u2460\ufb03"
        ),
        st.characters(),
    ),
    max_size=45,
)
_PARTS_OF_ADDRESSES = (
    *(
        "a",
        "driver",
        "@",
        "@",
        "example.com",
        ".",
        ",",
        ";",
        ":",
        " ",
        "\r\n",
        "Bcc: x@y.cz",
        "<",
        ">",
        '"',
        "(",
        ")",
    ),
    *(
        "\\",
        "[",
        "]",
        "\x00",
        "\u2028",
        "\u0430",
        "\u00fc.example",
        "xn--",
        "=?utf-8?q?=0A?=",
        "+",
        "x" * 70,
        "\ud800",
    ),
)
_ADDRESSES = st.one_of(
    st.text(max_size=30),
    st.lists(
        st.sampled_from(_PARTS_OF_ADDRESSES),
        max_size=10,
    ).map("".join),
    st.integers(60, 10_000).map(lambda length: "a" * length + "@example.com"),
)


@st.composite
def _changed(draw, samples, words):
    """A sample with pieces taken out, put in, said twice or given to another encoding."""
    content = draw(st.sampled_from(samples))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(content)))
        length = draw(st.sampled_from([0, 0, 1, 2, 8, 40]))
        put = draw(st.one_of(st.sampled_from([*words, *_NUMBERS]), st.binary(max_size=6)))
        content = content[:at] + put + content[at + length :]
    if draw(st.integers(0, 15)) == 0:
        content = content.decode("latin-1").encode(
            draw(st.sampled_from(["utf-16", "utf-16-be", "utf-8-sig", "utf-32"]))
        )
    return content


@pytest.mark.parametrize("kind", list(Format))
def test_whatever_a_bank_file_holds_it_is_entries_or_a_refusal(tries, kind):
    files = _changed(BANK_FILES[kind], _WORDS[kind]) | st.binary(max_size=200)
    tries(files, lambda content: read.bank_file(content, kind), few=25, share=0.07)


def test_whatever_a_file_is_its_kind_is_told_or_not(tries):
    tries(st.binary(max_size=80), read.bank_file, few=25, share=0.04)


def test_whatever_a_mail_server_writes_back_it_is_a_report_or_set_aside(tries):
    tries(
        _changed(RETURNED, _WORDS["mail"]) | st.binary(max_size=200), read.returned_mail, few=15, share=0.04
    )


def test_whatever_a_provider_signs_it_is_a_notice_or_a_refusal(tries):
    tries(bodies([NOTICE]) | _changed(NOTICES, _NUMBERS), read.notice, few=20, share=0.06)


def test_whatever_stands_for_an_address_it_is_one_or_refused(tries):
    tries(_ADDRESSES, read.recipient, few=40, share=0.07)


def test_whatever_stands_for_a_plate_it_is_one_or_refused(tries):
    tries(
        _LETTERS | _LETTERS.map(lambda text: unicodedata.normalize("NFD", text)),
        read.plate,
        few=60,
        share=0.25,
    )


def test_whatever_stands_for_a_country_it_is_one_or_refused(tries):
    tries(st.text(max_size=4) | st.text("DASLORKXczeu\uff24 ", max_size=4), read.country, few=40, share=0.04)


def test_whatever_stands_for_a_reference_it_is_one_or_none(tries):
    tries(
        st.text("0123456789VRF \u0661\u00b2x", max_size=16) | st.text(max_size=16),
        read.reference,
        few=40,
        share=0.1,
    )


def test_two_gigabytes_of_nothing_are_refused_by_what_they_begin_with(tmp_path):
    """However large: it is not read to its end. Beyond the limit it is not read at all."""
    path = tmp_path / "statement.xml"
    for begins, size, says in (
        (b"", 2 * 1024**3, "neither camt"),
        (b"<Document><BkToCstmrStmt>", 2 * 1024**3, "XML is broken"),
        (b":20:X\n:25:1\n", 2 * 1024**3, "NUL"),
        (b"<Document>", sources.SIZE_LIMIT + 1, "larger than"),
    ):
        with path.open("wb") as file:
            file.write(begins)
            file.truncate(size)
        began = time.process_time()
        with pytest.raises(BadFile, match=says):
            check(path)
        assert time.process_time() - began < _SOON


def test_an_address_of_10_kb_is_refused_wherever_it_is_read():
    for address in (
        "a" * 10_000 + "@example.com",
        "a@" + "b." * 5_000 + "com",
        '"' + "a" * 10_000 + '"@example.com',
    ):
        with pytest.raises(ValidationError):
            TypeAdapter(Email).validate_python(address)
        with pytest.raises(Unsendable):
            read.head_of(address)
