"""MT940 in the dialects of banks."""

from datetime import date

import pytest

from bank_files import mt940


def one(entries, line, *details, closing="C260105EUR130,00", **options):
    [found] = entries(mt940(line, *details, closing=closing), **options)
    return found


@pytest.mark.parametrize(
    ("line", "day", "credit", "reversal", "reference"),
    [
        (":61:2601050105C30,00NTRFNONREF//BANK1", 5, True, False, "BANK1"),
        (":61:260105C30,NTRFNONREF", 5, True, False, None),
        (":61:2601050104CR30,00N024NONREF//B", 4, True, False, "B"),
        (":61:2601050106RD30,00NTRFX", 6, True, True, None),
        (":61:2601050105CN30,00S940NONREF//X//Y", 5, True, False, "X//Y"),
        (":61:260105C30,00", 5, True, False, None),
    ],
)
def test_lines_of_many_banks(entries, line, day, credit, reversal, reference):
    """With and without an entry day, a funds code, decimals, references."""
    found = one(entries, line)
    assert (found.booked_on, found.amount.amount) == (date(2026, 1, day), 3000)
    assert (found.credit, found.reversal, found.bank_reference) == (credit, reversal, reference)


def test_a_reversed_credit_takes_from_the_account(entries):
    found = one(entries, ":61:260105RC30,00NTRFNONREF", closing="C260105EUR70,00")
    assert (found.credit, found.reversal) == (False, True)


def test_the_entry_day_is_in_the_year_nearest_to_the_value_day(entries):
    assert one(entries, ":61:2601021231C30,00NTRFX").booked_on == date(2025, 12, 31)


def test_thirtieth_of_february_is_the_month_s_last_day(entries):
    """Banks that reckon by months of 30 days write it."""
    assert one(entries, ":61:2602300230C30,00NTRFX").booked_on == date(2026, 2, 28)


def test_a_day_that_no_calendar_has_is_refused(refusal):
    words = refusal(mt940(":61:261305C30,00NTRFX", closing="C260105EUR130,00"))
    assert "line 5" in words
    assert "261305" in words


def test_german_subfields(entries):
    """Full ones are cut within words, others end with a word."""
    found = one(
        entries,
        ":61:2601050105CR30,00N166NONREF//B",
        ":86:166?00GUTSCHRIFT?109310?20EREF+ORDER-1 VON GESTERN X1?2123?22SVWZ+Vignette",
        "?23/VS/1234567890?30DEUTDEFF?31DE89370400440532013000?32JAN ?33NOVAK",
    )
    assert (found.counterparty, found.counterparty_account) == ("JAN NOVAK", "DE89370400440532013000")
    assert (found.remittance, found.variable_symbol) == ("Vignette /VS/1234567890", "1234567890")
    assert found.end_to_end_id == "ORDER-1 VON GESTERN X123"


def test_a_german_return_is_a_reversal(entries):
    found = one(
        entries, ":61:260105CR30,00N159NONREF", ":86:159?00RETOURE?20EREF+PAYOUT-1?21MTLG:Konto unbekannt"
    )
    assert (found.reversal, found.end_to_end_id) == (True, "PAYOUT-1")


def test_dutch_keys(entries):
    found = one(
        entries,
        ":61:2601050105C30,00NTRFNONREF//B",
        ":86:/EREF/ORDER-1//CNTP/NL20INGB0001234567/INGBNL2A/J. Jansen///REMI/STRD/CUR/RF18539007547034/",
    )
    assert (found.counterparty, found.counterparty_account) == ("J. Jansen", "NL20INGB0001234567")
    assert (found.end_to_end_id, found.creditor_reference) == ("ORDER-1", "RF18539007547034")
    text = ":86:/TRTP/SEPA OVERBOEKING/IBAN/NL20INGB0001234567/BIC/INGBNL2A/NAME/J. JANSEN/REMI/V1234567890"
    second = one(entries, ":61:260105C30,00NTRFNONREF", text)
    assert (second.counterparty, second.remittance) == ("J. JANSEN", "V1234567890")


def test_polish_subfields(entries):
    found = one(
        entries,
        ":61:2601050105C30,00NTRFNONREF//B",
        ":86:020~00XX20~20Winieta V1234567890~31PL61109010140000071219812874~32JAN KOWALSKI",
    )
    assert (found.remittance, found.counterparty) == ("Winieta V1234567890", "JAN KOWALSKI")


def test_free_text_begins_with_the_other_side_at_some_banks(entries):
    found = one(entries, ":61:260105C30,00NTRFX", ":86:NL20INGB0001234567 j jansen", "", "vignette")
    assert (found.counterparty, found.remittance) == ("j jansen", "vignette")
    assert one(entries, ":61:260105C30,00NTRFX", ":86:just words", "more").remittance == "just words more"


def test_a_text_of_the_whole_statement_belongs_to_no_line(entries):
    data = mt940(":61:260105C30,00NTRFX", closing="C260105EUR130,00\r\n:86:for the statement")
    assert [e.remittance for e in entries(data)] == [None]


def test_the_swift_envelope_and_broken_tags(entries):
    plain = mt940(":61:260105CR", "30,00N062NONREF", ":", "86:text", closing="C260105EUR130,00")
    wrapped = b"{1:F01BANK}{2:O940}{4:\r\n" + plain.replace(b"\r\n-\r\n", b"\r\n-}{5:}\r\n")
    assert entries(wrapped) == entries(b"\x01\r\n" + plain) == entries(plain)
    assert entries(plain)[0].remittance == "text"


def test_pages_of_one_statement_must_meet(summed, refusal):
    first = mt940(":61:260105C30,00NTRFX", closing="C260105EUR130,00").replace(b":62F:", b":62M:")
    second = mt940(":61:260105D30,00NTRFX", opening="C260105EUR130,00", closing="C260105EUR100,00")
    second = second.replace(b":60F:", b":60M:").replace(b"1/1", b"1/2")
    assert [s.adds_up for s in summed(first + second)] == [True, True]
    apart = second.replace(b"EUR130,00", b"EUR131,00").replace(b"EUR100,00", b"EUR101,00")
    assert "page's opening balance" in refusal(first + apart)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            mt940(":61:260105C30,00NTRFX", closing="C260105EUR131,00"),
            "line 6: Statement 1 of 12345678/1020304050",
        ),
        (mt940(":61:260105X30,00NTRFX", closing="C260105EUR130,00"), "line 5: :61: has no day"),
        (mt940(":61:260105C30,001NTRFX", closing="C260105EUR130,00"), "line 5: 30,001 has more decimals"),
        (mt940(closing="C260105EUR100,00").split(b":62F")[0], "no closing balance"),
        (mt940(closing="100,00"), "line 5: :62F: is no balance"),
        (mt940(closing="C260105USD100,00"), "opens in EUR and closes in USD"),
        (b":61:260105C30,00NTRFX\r\n", "line 1: :61: comes before the account"),
        (b":20:X\r\n:25:1\r\n-\r\n", "no statement"),
        (b":20:X\r\n-\r\nwords\r\n", "line 3: There is text outside"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(refusal, data, says):
    assert says in refusal(data)


def test_other_bytes_than_utf_8_need_an_encoding_that_somebody_has_told(entries, refusal):
    """Never guessed: the same bytes are other letters in another encoding."""
    data = mt940(":61:260105C30,00NTRFX", ":86:Gr\xfc\xdfe", closing="C260105EUR130,00")
    latin = data.decode().encode("latin-1")
    words = refusal(latin)
    assert f"byte {latin.index(0xFC)}" in words
    assert "--encoding" in words
    assert entries(latin, encoding="ISO-8859-1")[0].remittance == entries(data)[0].remittance == "Grüße"
    assert "not known" in refusal(latin, encoding="rot13")
