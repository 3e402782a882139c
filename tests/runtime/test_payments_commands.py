"""`vignettes payments import | review | allocate | reassign | return`: files of any size, and what people decide."""

import base64
import io
from uuid import uuid4

import pytest
from rich.console import Console

from bank_files import balance, camt053, entry, joined, large_camt053, statement, transaction
from bank_imports import CSV_MAP, SAMPLES
from service import until
from vignettes.runtime import payments_import, payments_review


@pytest.fixture
def paths(tmp_path):
    """Write every sample down, and return where."""
    folder = tmp_path / "files"
    folder.mkdir()
    for sample in SAMPLES:
        (folder / sample.name).write_bytes(sample.content)
    (folder / "map.toml").write_text(CSV_MAP)
    return folder


@pytest.fixture
def written(tmp_path):
    def written(content, name="statement.xml"):
        path = tmp_path / name
        path.write_bytes(content)
        return str(path)

    return written


def for_order(placed, amount=None, reference="PAY1"):
    amount = amount or placed["price"]["total"]["amount"]
    symbol = placed["payment"]["variable_symbol"]
    return entry(
        f"{amount / 100:.2f}", reference=reference, day="2027-03-10", details=transaction(f"/VS{symbol}")
    )


async def test_files_are_imported_and_what_they_came_to_is_told(service, beside, run, paths, written):
    """One that does not add up is set aside with the reason; the others go on; exit code 1."""
    placed = await service.place()
    good = written(camt053(statement(for_order(placed))), "good.xml")
    bad = written(camt053(statement(balances=balance("OPBD", "0.00") + balance("CLBD", "1.00"))), "bad.xml")
    code, said, _ = await run(beside, "payments", "import", bad, good, str(paths / "account.sta"))
    assert code == 1
    assert "bad.xml\n  set aside: line 2, entry 0: Statement" in said
    assert "does not add up" in " ".join(said.split())
    assert "good.xml\n  1 entry\n  1 matched\n" in said
    assert "account.sta\n  2 entries\n  2 in review\n" in said
    await service.status(placed["order_id"], "scheduled")


@pytest.mark.thorough
async def test_imported_again_everything_is_known(service, beside, told, run, paths):
    """And by a map, what is CSV."""
    await service.ask("payments.v1.review")  # once it answers at all
    csv = (str(paths / "account.csv"), "--map", str(paths / "map.toml"), "--actor", "anna")
    for new, known in ((2, 0), (0, 2)):
        [result] = await told(beside, "payments", "import", *csv)
        assert (result["state"], result["entries"], result["new"], result["known"]) == (
            "imported",
            2,
            new,
            known,
        )
        assert result["in_review"] == new


@pytest.mark.thorough
async def test_a_file_of_many_batches_arrives_whole(service, beside, told, written):
    """With texts so long that not even one batch of them fits into a message."""
    await service.ask("payments.v1.review")  # once it answers at all
    path = written(joined(large_camt053(520)).replace(b"platba za znamku", b"platba" * 300))
    [result] = await told(beside, "payments", "import", path)
    counted = {name: result[name] for name in ("state", "entries", "new", "known")}
    assert counted == {"state": "imported", "entries": 520, "new": 520, "known": 0}


@pytest.mark.thorough
async def test_a_person_decides_what_a_payment_is_for(service, beside, run):
    """Split among two orders; undone; and in the end sent back."""
    one, other = await service.place(), await service.place()
    total = one["price"]["total"]["amount"]
    [payment] = await taken(service, for_order(one, 2 * total))
    payment_id = payment["payment_id"]
    code, said, _ = await run(beside, "payments", "review")
    assert code == 0
    for expected in (payment_id, "Jan Novák", one["order_number"], "1 waits for a person", "The amount is"):
        assert expected in said

    numbers = one["order_number"], other["order_number"]
    price = f"{total / 100:.2f}"
    wrong = (f"{numbers[0]}={price}", f"{numbers[1]}=1.00")
    code, _, complained = await run(beside, "payments", "allocate", payment_id, *wrong)
    assert (code, "allocations:" in complained) == (1, True)
    split = [f"{number}={price}" for number in numbers]
    code, said, complained = await run(beside, "payments", "allocate", payment_id, *split, "--note", "both")
    assert (code, said) == (0, f"Payment {payment_id}: matched.\n"), complained
    for placed in (one, other):
        await service.status(placed["order_id"], "scheduled")

    await counted(service, payment_id)
    code, said, complained = await run(beside, "payments", "reassign", payment_id)
    assert (code, said) == (0, f"Payment {payment_id}: reassigning.\n"), complained
    await standing(service, payment_id, "in_review")
    code, said, complained = await run(
        beside, "payments", "return", payment_id, "--account", "DE89370400440532013000"
    )
    assert (code, said) == (0, f"Payment {payment_id}: return pending.\n"), complained


async def taken(service, *entries):
    """Have entries imported, and return what waits for a person then."""
    content = base64.b64encode(camt053(statement(*entries))).decode()
    told = {"command_id": uuid4(), "actor": "anna", "file_name": "x", "content": content}
    assert (await service.ask("payments.v1.import", **told))["in_review"]
    return (await service.ask("payments.v1.review"))["payments"]


async def standing(service, payment_id, status):
    async def look():
        [payment] = (await service.ask("payments.v1.review", payment_id=payment_id))["payments"]
        return payment["status"] == status

    await until(look)


async def counted(service, payment_id):
    async def look():
        [payment] = (await service.ask("payments.v1.review", payment_id=payment_id))["payments"]
        return {share["state"] for share in payment["shares"]} == {"counted"}

    await until(look)


@pytest.mark.thorough
async def test_a_person_says_what_a_reversal_took_back(service, beside, run):
    taken_back = entry("1.00", reference="B", side="DBIT", more="<RvslInd>true</RvslInd>")
    payments = await taken(service, entry("1.00", reference="A"), taken_back)
    [original] = [each["payment_id"] for each in payments if each["status"] == "in_review"]
    [reversal] = [each["payment_id"] for each in payments if each["status"] == "unplaced"]
    code, said, _ = await run(beside, "payments", "review", reversal)
    assert (code, "-1.00 CZK, 2026-01-05, unplaced" in said) == (0, True), said
    code, said, complained = await run(beside, "payments", "place", reversal, original)
    assert (code, said) == (0, f"Payment {reversal}: placed.\n"), complained
    await standing(service, original, "reversed")
    await standing(service, reversal, "line_of_notice")
    code, said, _ = await run(beside, "payments", "review", reversal)
    assert (code, "-1.00 CZK, 2026-01-05, placed" in said) == (0, True), said


@pytest.mark.thorough
async def test_a_line_is_closed_with_a_note(service, beside, run):
    [payment] = await taken(service, entry("1.00", reference="A"))
    words = ("payments", "dismiss", payment["payment_id"], "--note", "the rent's deposit")
    code, said, complained = await run(beside, *words)
    assert (code, said) == (0, f"Payment {payment['payment_id']}: dismissed.\n"), complained


@pytest.mark.thorough
async def test_without_a_server_there_is_one_sentence(run, settings):
    """No lines of the log, and no long wait."""
    nowhere = {**settings, "nats_url": "nats://127.0.0.1:1"}
    code, said, complained = await run(nowhere, "payments", "review")
    assert (code, said) == (1, "")
    assert complained.startswith("vignettes: No service answers at nats://127.0.0.1:1: ")
    assert len(complained.splitlines()) == 1


@pytest.mark.thorough
async def test_what_there_is_not_is_refused_with_its_field(service, beside, run):
    await service.ask("payments.v1.review")  # once it answers at all
    code, _, complained = await run(beside, "payments", "allocate", str(uuid4()), "V6562305984")
    assert (code, "not_found: payment_id:" in complained) == (1, True), complained


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("import", "/no/such/file"), "file '/no/such/file' does not exist"),
        (("import", "{file}", "--format", "pdf"), "Invalid value for --format: pdf: there are camt, mt940"),
        (
            ("import", "{file}", "--format", "csv"),
            "Invalid value for --map: A CSV file needs its column map.",
        ),
        (
            ("import", "{file}", "--map", "{file}"),
            "Invalid value for --map: monday.xml: The column map is no TOML",
        ),
        (
            ("import", "{file}", "--encoding", "klingon"),
            "Invalid value for --encoding: The encoding 'klingon'",
        ),
        (("review", "V6562305984"), "should be a valid UUID"),
        (("allocate", str(uuid4())), "Missing argument 'ORDER[=AMOUNT]...'"),
        (("dismiss", str(uuid4())), "Missing option '--note'"),
    ],
)
def test_a_misuse_names_the_option_and_the_way_out(misused, paths, words, way_out):
    """Exit code 2, before anything is asked of anybody."""
    file = str(paths / "monday.xml")
    assert way_out in misused("payments", *(word.format(file=file) for word in words))


def test_an_amount_that_is_none_is_a_misuse(monkeypatch):
    found = {"ok": True, "payments": [{"amount": {"amount": 1, "currency": "CZK"}}]}
    monkeypatch.setattr(payments_review, "ask", lambda *_, **__: found)
    with pytest.raises(payments_review.typer.BadParameter, match="is no amount"):
        payments_review.allocations(None, uuid4(), ["V6562305984=ten"])
    assert payments_review.allocations(None, uuid4(), ["V6562305984=2.30"]) == [
        {"order_number": "V6562305984", "amount": {"amount": 230, "currency": "CZK"}}
    ]


def said_of(shown):
    """Return what a terminal of 80 columns shows."""
    console = Console(file=io.StringIO(), width=80)
    console.print(shown, crop=False)
    return console.file.getvalue()


LONG_NAME = "CZ6508000000192000145399-statement-of-the-whole-first-quarter-2027-camt.053.xml"
PAYMENT = {
    "payment_id": "0f9f7a3e-1b1c-5d5e-8f6f-3c7f0e9b2a11",
    "status": "in_review",
    "amount": {"amount": 12_345_678_900, "currency": "CZK"},
    "unallocated": {"amount": 39_900, "currency": "CZK"},
    "booked_on": "2027-03-10",
    "variable_symbol": "6562305984",
    "creditor_reference": None,
    "remittance": "6562305984",
    "counterparty": "Jan Novák z Dolních Počernic a synové",
    "counterparty_account": "MT84MALT011000012345MTLCAST001S",
    "reasons": ["amount_differs"],
    "why": ["The amount is another."],
    "shares": [],
    "suggestions": [
        {"orders": [{"order_number": f"V656230598{n}"}], "reasons": ["order_refused_too_late"]}
        for n in range(4)
    ],
}


def test_a_payment_is_a_block_whose_ids_are_whole():
    """The id alone on its line; what is written twice once; three suggestions with their reasons."""
    said = said_of(payments_review.shown({"payments": [PAYMENT], "waiting": 2}))
    assert said.splitlines()[:7] == [
        PAYMENT["payment_id"],
        "  123456789.00 CZK, 399.00 CZK of it for no order, 2027-03-10, in review",
        "  From Jan Novák z Dolních Počernic a synové, MT84MALT011000012345MTLCAST001S",
        "  6562305984",
        "  Why: The amount is another.",
        "  Likely for V6562305980: The order refused it: too late.",
        "  Likely for V6562305981: The order refused it: too late.",
    ]
    assert "V6562305983" not in said
    assert said.endswith("\n\n2 wait for a person.\n")


def test_a_reversal_that_waits_says_what_to_do():
    """And that the money went the other way."""
    reversal = {**PAYMENT, "status": "unplaced", "why": [], "reasons": [], "suggestions": []}
    said = " ".join(said_of(payments_review.shown({"payments": [reversal], "waiting": 1})).split())
    assert "-123456789.00 CZK" in said
    assert "To Jan Novák" in said
    assert (
        "Why: A reversal (or a debit) whose payment is not known: `vignettes payments place` names it" in said
    )


def test_what_became_of_a_file_is_a_block_whose_name_is_whole():
    """What there is none of is left out; what is announced is told apart."""
    result = payments_import.Result(LONG_NAME, entries=1_234, new=1_234, in_review=1_233, announced=1)
    assert said_of(payments_import.shown([result])).splitlines() == [
        LONG_NAME,
        "  1,234 entries",
        "  1,233 in review",
        "  1 announced, not booked yet",
    ]


def test_what_is_still_to_be_matched_is_told():
    """And a file that could not be read, with the reason; an empty queue in words."""
    late = payments_import.Result("a.xml", undecided=3)
    gone = payments_import.Result("b.xml", state="unreadable", reason="gone")
    told = said_of(payments_import.shown([late, gone]))
    assert "a.xml\n  0 entries\n  3 still to be matched (`vignettes payments review` will tell)" in told
    assert "b.xml\n  unreadable: gone\n" in told
    assert payments_review.shown({"payments": [], "waiting": 0}) == "Nothing waits for a person."
