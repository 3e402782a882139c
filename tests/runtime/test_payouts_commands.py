"""`vignettes payments payouts|approve|pay-out|balance`: money back and the books, from the command line."""

import io
import stat
from uuid import uuid4

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service import until
from vignettes.runtime import logs, payments_balance, payments_payouts
from vignettes.runtime.cli import app

ACCOUNT = "CZ6508000000192000145399"


def said_of(shown):
    console = Console(file=io.StringIO(), width=80)
    console.print(shown, crop=False)
    return console.file.getvalue()


async def refunding(service):
    placed = await service.place()
    await service.pay(placed)
    await service.command("request_refund", order_id=placed["order_id"])
    await waiting(service, "to_approve")
    return placed


async def waiting(service, state):
    async def look():
        found = (await service.ask("payments.v1.payouts"))["payouts"]
        return {each["state"] for each in found} == {state}

    await until(look)


async def test_a_refund_is_approved_and_paid_out_by_a_file(service, beside, run, told, tmp_path):
    """Listed, approved to an account, written once, never over another file, and made again to the byte."""
    placed = await refunding(service)
    number, path = placed["order_number"], tmp_path / "payouts.xml"
    code, listed, _ = await run(beside, "payments", "payouts")
    assert code == 0
    for expected in (f"{number}\n  refund 399.00 CZK: price 300.00 CZK, fee", "1 waits for an approval."):
        assert expected in listed
    code, _, complained = await run(beside, "payments", "approve", number, "refund")
    assert (code, "invalid_request: account:" in complained) == (1, True)
    code, approved, complained = await run(
        beside, "payments", "approve", number, "refund", "--account", ACCOUNT, "--actor", "ops@day"
    )
    assert code == 0, complained
    assert f"{number}-1, refund: 399.00 CZK" in approved
    await waiting(service, "approved")

    code, said, complained = await run(beside, "payments", "pay-out", "--currency", "EUR", "--out", str(path))
    nothing = (0, "Nothing is approved in EUR: no file was written.\n", "")
    assert (code, said, complained.strip()) == nothing
    assert not path.exists()
    paid = await told(beside, "payments", "pay-out", "--currency", "CZK", "--out", str(path))
    assert (paid["payouts"], paid["total"]["amount"]) == (1, 39_900)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    content = path.read_bytes()
    assert f"{number}-1".encode() in content
    again = ("payments", "pay-out", "--currency", "CZK", "--file", paid["file_id"], "--out")
    code, said, complained = await run(beside, *again, str(tmp_path / "again.xml"))
    assert code == 0, complained
    assert f"Sum: 399.00 CZK. File: {paid['file_id']}." in said
    assert (tmp_path / "again.xml").read_bytes() == content
    other = ("payments", "pay-out", "--currency", "EUR", "--file", paid["file_id"], "--out", "other.xml")
    code, _, complained = await run(beside, *other)
    assert (code, complained.lstrip()) == (
        1,
        f"Refused: {paid['file_id']} is in another currency than EUR, or was asked for otherwise.\n",
    )
    path.write_bytes(b"of somebody else")
    code, _, complained = await run(beside, *again, str(path))
    assert (code, path.read_bytes()) == (1, b"of somebody else")
    assert f"Go on with --file {paid['file_id']}" in complained


@pytest.mark.thorough
async def test_the_books_are_shown_by_day_and_currency(service, beside, run, told):
    """With their sums, and how far they go."""
    for product in ("CZ-10D", "SI-7D"):
        await service.pay(await service.place(product=product))

    async def look():
        return len((await service.ask("payments.v1.balance"))["days"]) == 2

    await until(look)
    balance = await told(beside, "payments", "balance", "--since", "2027-03-01", "--until", "2027-03-10")
    assert (balance["equal"], balance["days"]) == (True, balance["totals"])
    assert [each["currency"] for each in balance["days"]] == ["CZK", "EUR"]
    assert (await told(beside, "payments", "balance", "--until", "2027-03-09"))["days"] == []
    code, shown, _ = await run(beside, "payments", "balance")
    assert code == 0
    for expected in ("2027-03-10", "399.00 CZK", "Money in = matched + in review + returned, as of position"):
        assert expected in shown


def test_what_left_twice_is_shown_as_owed():
    """Less than nothing is an order's, or waits: somebody owes it."""
    day = {
        "day": "2027-03-10",
        "currency": "EUR",
        "money_in": 700,
        "matched": 0,
        "in_review": -700,
        "returned": 1400,
    }
    reply = {"days": [day], "totals": [day], "equal": True, "as_of_position": 7}
    assert "Owed to us, by payers who got it back twice: 7.00 EUR." in said_of(payments_balance.shown(reply))
    assert "do not add up" in said_of(payments_balance.shown({**reply, "equal": False}))


def test_a_payout_is_a_block_whose_ids_are_whole():
    """Of an order or a payment, in a file or in none yet."""
    payout = {
        "payout_id": "V6562305984-1",
        "state": "with_bank",
        "purpose": "refund",
        "order_number": "V6562305984",
        "payment_id": None,
        "amount": {"amount": 39_900, "currency": "CZK"},
        "official": {"amount": 30_000, "currency": "CZK"},
        "fee": {"amount": 9_900, "currency": "CZK"},
        "account": ACCOUNT,
        "file_id": f"F{uuid4().hex}",
        "since": "2027-03-10T09:00:00Z",
    }
    payment_id = str(uuid4())
    returned = {**payout, "payout_id": None, "order_number": None, "payment_id": payment_id, "official": None}
    returned |= {"state": "to_approve", "purpose": "return", "account": None, "file_id": None}
    assert said_of(payments_payouts.listed_shown([payout, returned])).splitlines() == [
        "V6562305984-1",
        "  refund 399.00 CZK: price 300.00 CZK, fee 99.00 CZK",
        "  waits for the bank's word, since 2027-03-10T09:00Z",
        f"  to {ACCOUNT}",
        f"  in file {payout['file_id']}",
        "",
        payment_id,
        "  return 399.00 CZK",
        "  waits for an approval, since 2027-03-10T09:00Z",
        "",
        "1 waits for an approval, 1 waits for the bank's word.",
    ]


@pytest.mark.parametrize(("code", "said"), [("unavailable", True), ("invalid_request", False)])
def test_how_to_go_on_is_told_where_it_may_have_begun(monkeypatch, tmp_path, code, said):
    """And where nothing was put into a file, nobody is told of one."""
    error = {"code": code, "message": "So it is."}

    async def refused(*_):
        return {"ok": False, "error": error}

    monkeypatch.setattr(payments_payouts, "pay_out", refused)
    monkeypatch.setattr(logs, "configure", lambda *_: None)  # this process is the tests' own, and stays so
    words = ("payments", "pay-out", "--currency", "EUR", "--out", str(tmp_path / "x.xml"))
    result = CliRunner().invoke(app, words)
    assert (result.exit_code, "go on with --file F" in result.stderr) == (1, said)


def test_sums_are_never_cut():
    """Four of them that are too wide for 80 columns go on beneath."""
    day = {"day": "2027-03-10", "currency": "CZK"}
    day |= dict.fromkeys(("money_in", "matched", "in_review", "returned"), 1_111_111_111_111_111)
    said = said_of(payments_balance.shown({"days": [day], "totals": [], "equal": True, "as_of_position": 7}))
    assert "…" not in said
    assert said.count("1") == 4 * 16 + 1  # and that of the day


def test_nothing_is_told_in_words():
    """And not by an empty table."""
    assert payments_payouts.listed_shown([]) == "No money is on its way back."
    nothing = {"days": [], "totals": [], "equal": True, "as_of_position": 0}
    assert payments_balance.shown(nothing) == "No money has moved."


def test_a_file_is_the_command_that_made_it():
    """So that whoever knows its id can ask for it again."""
    command_id = uuid4()
    assert payments_payouts.command_of(payments_payouts.file_of(command_id)) == command_id


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("pay-out", "--currency", "EUR"), "Missing option '--out'"),
        (("pay-out", "--currency", "EUR", "--out", __file__), "exists already, and is not written over"),
        (("pay-out", "--currency", "EUR", "--out", "/nowhere/x.xml"), "/nowhere is no folder"),
        (("pay-out", "--currency", "EUR", "--out", "x.xml", "--file", "F1"), "It is no file of payouts."),
        (("approve", "V1000000064", "all"), "'all' is not one of 'refund', 'surplus'"),
        (("balance", "--since", "yesterday"), "'yesterday' does not match the format"),
    ],
)
def test_a_misuse_names_the_option_and_the_way_out(misused, words, way_out):
    """Exit code 2, before anything is asked of anybody."""
    assert way_out in misused("payments", *words)
