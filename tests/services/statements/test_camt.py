"""camt.053 and camt.054."""

from datetime import date

import pytest

from bank_files import ACCOUNT, PAYER, balance, camt053, camt054, entry, statement, transaction
from vignettes.domain.money import Money

BATCH = '<Amt Ccy="CZK">{}</Amt>'
OLD_AMOUNT = '<AmtDtls><TxAmt><Amt Ccy="CZK">{}</Amt></TxAmt></AmtDtls>'


def test_an_entry_says_who_paid_what_and_for_what(entries):
    details = transaction("/VS1234567890/SS/KS0308", text="za známku")
    (found,) = entries(camt053(statement(entry(details=details))))
    assert (found.account, found.booked_on, found.amount) == (ACCOUNT, date(2026, 1, 5), Money(30000, "CZK"))
    assert (found.credit, found.reversal, found.booked) == (True, False, True)
    assert (found.variable_symbol, found.remittance) == ("1234567890", "za známku")
    assert (found.counterparty, found.counterparty_account) == ("Jan Novák", PAYER)
    assert found.bank_reference == "REF1"


@pytest.mark.parametrize("version", range(1, 15))
def test_every_version_says_the_same(entries, version):
    """Old ones write the state as text and the names bare, later ones as codes and parties."""
    old = version < 4
    data = camt053(
        statement(
            entry(
                status="<Sts>BOOK</Sts>" if old else "<Sts><Cd>BOOK</Cd></Sts>",
                details=transaction(
                    "E1", amount=OLD_AMOUNT.format("300.00") if old else BATCH.format("300.00")
                ),
            )
        ),
        namespace=f"urn:iso:std:iso:20022:tech:xsd:camt.053.001.{version:02}",
    )
    if version > 7:
        data = data.replace(b"<Dbtr><Nm>", b"<Dbtr><Pty><Nm>").replace(b"</Nm></Dbtr>", b"</Nm></Pty></Dbtr>")
    (found,) = entries(data)
    assert (found.amount.amount, found.booked, found.counterparty) == (30000, True, "Jan Novák")


def test_namespaces_and_prefixes_make_no_difference(entries):
    plain = camt053(statement(entry()), namespace="")
    prefixed = (
        plain.replace(b"</", b"<!/").replace(b"<", b"<n:").replace(b"<n:!/", b"</n:").replace(b"<n:?", b"<?")
    )
    prefixed = prefixed.replace(
        b"<n:Document", b'<n:Document xmlns:n="urn:iso:std:iso:20022:tech:xsd:camt.053.001.02"'
    )
    assert entries(plain) == entries(prefixed) != []


@pytest.mark.parametrize("amount", [BATCH, OLD_AMOUNT])
def test_a_batch_is_as_many_movements_as_it_has_transactions(entries, amount):
    details = "".join(transaction(f"/VS{n}", amount=amount.format(f"{n}00.00")) for n in (1, 2))
    first, second = entries(camt053(statement(entry(details=details))))
    assert [(e.amount.amount, e.variable_symbol) for e in (first, second)] == [(10000, "1"), (20000, "2")]
    assert first.entry_id != second.entry_id


def test_a_transaction_of_a_batch_may_go_the_other_way(entries):
    back = transaction("B", amount=BATCH.format("50.00") + "<CdtDbtInd>DBIT</CdtDbtInd>")
    first, second = entries(
        camt053(statement(entry(details=transaction("A", amount=BATCH.format("350")) + back)))
    )
    assert (first.credit, second.credit) == (True, False)


def test_transactions_that_are_not_their_entry_are_refused(refusal):
    details = "".join(transaction(amount=BATCH.format("100.00")) for _ in range(2))
    words = refusal(camt053(statement(entry(details=details))))
    assert "line 2, entry 1" in words
    assert "100.00 CZK apart" in words


def test_one_transaction_of_another_amount_is_refused_unless_charges_explain_it(entries, refusal):
    details = transaction(amount=BATCH.format("310.00"))
    assert "10.00 CZK apart" in refusal(camt053(statement(entry(details=details))))
    charged = details.replace(
        "</TxDtls>", "<Chrgs><TtlChrgsAndTaxAmt>10</TtlChrgsAndTaxAmt></Chrgs></TxDtls>"
    )
    (found,) = entries(camt053(statement(entry(details=charged))))
    assert found.amount.amount == 30000


def test_transactions_without_amounts_leave_the_entry_whole(entries):
    (found,) = entries(camt053(statement(entry(details=transaction("A") + transaction("B")))))
    assert (found.amount.amount, found.end_to_end_id) == (30000, None)


@pytest.mark.parametrize("state", ["PDNG", "INFO", "FUTR"])
def test_what_is_not_booked_is_told_but_not_summed(entries, summed, state):
    balances = balance("OPBD", "0") + balance("CLBD", "300.00")
    pending = entry("99.00", status=f"<Sts><Cd>{state}</Cd></Sts>", reference="P", day=None)
    data = camt053(statement(entry(), pending, balances=balances))
    assert [e.booked for e in entries(data)] == [True, False]
    assert summed(data)[0].pending == 1


def test_a_reversal_keeps_its_direction_and_names_its_original(entries):
    """A credit taken back is a debit; who had paid is still who had paid."""
    more = "<RvslInd>true</RvslInd>"
    (found,) = entries(camt053(statement(entry(side="DBIT", more=more, details=transaction("ORIG")))))
    assert (found.credit, found.reversal, found.end_to_end_id) == (False, True, "ORIG")
    assert found.counterparty == "Jan Novák"


def test_a_return_with_its_reason_is_a_reversal(entries):
    details = transaction("ORIG", more="<RtrInf><Rsn><Cd>AC04</Cd></Rsn></RtrInf>")
    (found,) = entries(camt053(statement(entry(side="DBIT", details=details))))
    assert found.reversal


def test_structured_references_are_told_apart(entries):
    def strd(reference: str) -> str:
        return f"<RmtInf><Strd><CdtrRefInf><Ref>{reference}</Ref></CdtrRefInf></Strd></RmtInf>"

    data = camt053(
        statement(
            entry(details=transaction(more=strd("RF18 5390 0754 7034")), reference="A"),
            entry(details=transaction(more=strd("VS:0012345678")), reference="B"),
            entry(details=transaction(text="/VS/12345678/KS/0308"), reference="C"),
        )
    )
    assert [e.creditor_reference for e in entries(data)] == ["RF18539007547034", None, None]
    assert [e.variable_symbol for e in entries(data)] == [None, "12345678", "12345678"]


def test_where_no_text_is_the_bank_s_own_is_taken(entries):
    found = entry().replace("</Ntry>", "<AddtlNtryInf>Došlá platba VS:77</AddtlNtryInf></Ntry>")
    detailed = entry(details=transaction()).replace("</Ntry>", "<AddtlNtryInf>Poplatek</AddtlNtryInf></Ntry>")
    one, two = entries(camt053(statement(found, detailed)))
    assert (one.remittance, one.variable_symbol, two.remittance) == ("Došlá platba VS:77", "77", "Poplatek")


def test_statements_of_several_accounts_and_currencies_each_add_up(summed):
    czk = balance("PRCD", "-100.00") + balance("CLBD", "200.00")
    eur = balance("OPBD", "1.00", "EUR") + balance("CLBD", "3.50", "EUR")
    both = statement(entry(), entry("2.50", currency="EUR"), balances=czk + eur)
    other = statement(balances=balance("OPBD", "5") + balance("CLBD", "5"), account="CZ0", name="S2")
    found = summed(camt053(both, other))
    assert [(s.account, s.currency, s.adds_up, s.entries) for s in found] == [
        (ACCOUNT, "CZK", True, 1),
        (ACCOUNT, "EUR", True, 1),
        ("CZ0", "CZK", True, 0),
    ]


def test_a_statement_that_does_not_add_up_is_refused(refusal):
    balances = balance("OPBD", "10.00") + balance("CLBD", "300.00")
    words = refusal(camt053(statement(entry(), balances=balances)))
    assert "closing balance after 10.00 CZK is 300.00 CZK, but the entries come to 310.00 CZK" in words


@pytest.mark.parametrize(
    ("totals", "says"),
    [
        ("<TtlNtries><NbOfNtries>2</NbOfNtries></TtlNtries>", "2 entries"),
        ("<TtlCdtNtries><Sum>299.99</Sum></TtlCdtNtries>", "TtlCdtNtries is 299.99"),
        ("<TtlDbtNtries><NbOfNtries>x</NbOfNtries></TtlDbtNtries>", "'x'"),
    ],
)
def test_the_bank_s_own_totals_must_hold(refusal, totals, says):
    assert says in refusal(camt053(statement(entry(), totals=f"<TxsSummry>{totals}</TxsSummry>")))


def test_a_notice_has_no_balances_to_add_up(summed):
    assert [s.adds_up for s in summed(camt054(statement(entry())))] == [None]


@pytest.mark.parametrize("amount", ["-1", "NaN", "1e3", "1,5", "", "1.2.3", "1.005", "1" * 19, "٣"])
def test_what_is_no_amount_is_refused(refusal, amount):
    assert "line 2, entry 1" in refusal(camt053(statement(entry(amount))))


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("300", "JPY", 300),
        ("300.000", "JPY", 300),
        ("1.234", "KWD", 1234),
        ("1.5", "BHD", 1500),
        (".5", "EUR", 50),
    ],
)
def test_amounts_are_in_the_currency_s_own_minor_units(entries, text, currency, minor):
    (found,) = entries(camt053(statement(entry(text, currency=currency))))
    assert found.amount == Money(minor, currency)


def test_an_entry_of_no_money_is_counted_and_not_given(entries, summed):
    data = camt053(statement(entry("0.00"), entry()))
    assert len(entries(data)) == 1
    assert summed(data)[0].empty == 1
