"""Bank files become payments: each entry once, however often, in whichever order, and wherever it broke off."""

import random
from dataclasses import replace
from datetime import date

import pytest

from bank_files import camt053, entry, statement, transaction
from bank_imports import ACTOR, SAMPLES, Sample, Stopped, a_bank, happened, payments, placing
from bank_payments import an_entry
from eventstore_helpers import a_database, ask
from service import until
from vignettes.domain.payment import payment_id_of
from vignettes.services.payments import bank_files
from vignettes.services.payments.importing import Kind, kind_of
from vignettes.services.payments.payout_lines import payout_named

#: Some number of an order, whose check digits are right.
NUMBER = "V6562305984"
RETURN = "P0123456789abcdef0123-1"


@pytest.fixture
async def bank(database):
    async with a_bank(database) as bank:
        yield bank


def files(database):
    return ask(
        database,
        "SELECT name, format, state, reason, entries, imported_by FROM read.bank_files ORDER BY name",
    )


async def taken_once(bank):
    """Take every sample in, in order, and return what happened once the reversal has found its payment."""
    async with placing(bank):
        for sample in SAMPLES:
            await bank.take(sample)
        return await placed(bank.database)


async def placed(database):
    """Wait until what the bank took back is taken back, and return what happened."""

    async def look():
        found = happened(database)
        told = [kind for events in found.values() for kind, _ in events]
        return found if {"PaymentReversed", "LineRecognised"} <= set(told) else None

    return await until(look)


@pytest.mark.case(17)
async def test_files_read_again_change_nothing(bank, database):
    """Not the whole file, not an overlapping one, not the same under another name."""
    before = await taken_once(bank)
    async with placing(bank):
        for sample in SAMPLES * 2:
            taken, booked = await bank.take(replace(sample, name=f"again {sample.name}"))
            assert (taken.reason, sum(each.new for each in booked)) == (None, 0)
    assert happened(database) == before
    assert len(files(database)) == len(SAMPLES)
    assert ("monday.xml", "camt", "imported", None, 4, ACTOR) in files(database)


@pytest.mark.parametrize("seed", range(2))
async def test_shuffled_broken_off_and_read_three_times_it_comes_to_the_same(
    bank, postgres, seed, monkeypatch
):
    """Files in any order, stopped after any batch and read again; and single entries in any order before that."""
    monkeypatch.setattr(bank_files, "BATCH", 1)
    chance = random.Random(seed)
    three_times = list(SAMPLES * 3)
    chance.shuffle(three_times)
    loose = [each for sample in SAMPLES for each in sample.entries()]
    chance.shuffle(loose)
    async with placing(bank):
        for each in loose[: len(loose) // 3]:
            await bank.importer.book([each], ACTOR)
        for sample in three_times:
            bank.importer.after = chance.randrange(3)
            try:
                await bank.take(sample)
            except Stopped:
                bank.importer.after = None
                if chance.random() < 0.5:  # else the next time it is its turn
                    await bank.take(sample)
        bank.importer.after = None
        for sample in SAMPLES:
            await bank.take(sample)
        shuffled = await placed(bank.database)
    with a_database(postgres, f"in_order_{seed}") as other:
        async with a_bank(other) as once:
            in_order = await taken_once(once)
    assert shuffled == in_order
    assert {state for _, _, state, *_ in files(bank.database)} == {"imported"}


@pytest.mark.case(19)
async def test_two_identical_lines_are_two_payments(bank, database):
    """And two they stay, when the file comes again."""
    [twins] = [sample for sample in SAMPLES if sample.name == "twins.sta"]
    assert len(set(twins.entries())) == 2
    for known in (0, 2):
        _, [booked] = await bank.take(twins)
        assert (booked.new, booked.known) == (2 - known, known)
    assert len(payments(database)) == 2


async def test_a_file_that_does_not_add_up_is_set_aside_whole(bank, database, monkeypatch):
    """With the reason and its place, and nothing of it counts; the same file, right, is another one."""
    monkeypatch.setattr(bank_files, "BATCH", 1)
    [monday] = [sample for sample in SAMPLES if sample.name == "monday.xml"]
    wrong = Sample("wrong.xml", monday.content.replace(b">850.00<", b">850.01<"))
    taken, booked = await bank.take(wrong)
    assert "does not add up" in taken.reason
    assert "0.01 CZK apart" in taken.reason
    assert (booked, payments(database)) == ([], [])
    assert [row[:4] for row in files(database)] == [("wrong.xml", "camt", "set_aside", taken.reason)]
    await bank.take(monday)
    assert len(payments(database)) == 3


async def test_what_was_imported_is_not_set_aside_by_a_wrong_map(bank, database):
    [csv] = [sample for sample in SAMPLES if sample.name == "account.csv"]
    await bank.take(csv)
    taken, _ = await bank.take(replace(csv, how=bank_files.HowToRead()))
    assert taken.reason
    assert [row[2] for row in files(database)] == ["imported"]


async def test_an_import_that_broke_off_is_on_record_as_such(bank, database, monkeypatch):
    monkeypatch.setattr(bank_files, "BATCH", 1)
    bank.importer.after = 1
    with pytest.raises(Stopped):
        await bank.take(SAMPLES[0])
    assert files(database)[0][2] == "importing"
    assert len(payments(database)) == 1


async def test_what_is_nobodys_money_is_counted_and_left_alone(bank, database):
    """Rent, and what the bank only announces to take."""
    rent = an_entry(credit=False)
    hinted = an_entry(credit=False, reversal=True, booked=False)
    booked = await bank.importer.book([rent, hinted, an_entry(booked=False)], ACTOR)
    assert (booked.ignored, booked.new, len(payments(database))) == (2, 1, 1)


async def test_a_payout_is_passed_on_and_is_no_payment(bank, database):
    left = an_entry(credit=False, end_to_end_id=f"{NUMBER}-1")
    back = an_entry(reversal=True, end_to_end_id=RETURN)
    booked = await bank.importer.book([left, back], ACTOR)
    assert bank.payouts == [(left, f"{NUMBER}-1"), (back, RETURN)]
    assert (booked.payouts, booked.new, payments(database)) == (2, 0, [])


async def test_a_payout_that_nobody_will_have_is_a_persons_to_look_at(bank, database):
    """Of another amount, or not known: it waits in review, as what came back does."""
    bank.has_payout = False
    left = an_entry(credit=False, end_to_end_id=f"{NUMBER}-1")
    back = an_entry(reversal=True, end_to_end_id=RETURN)
    booked = await bank.importer.book([left, back], ACTOR)
    assert (booked.payouts, booked.new) == (2, 2)
    assert set(booked.payment_ids) == set(payments(database))


@pytest.mark.parametrize(
    ("end_to_end_id", "remittance", "payout_id"),
    [
        (f"{NUMBER}-1", None, f"{NUMBER}-1"),
        (RETURN.upper(), "anything", RETURN),
        ("NOTPROVIDED", f"Refund {NUMBER}-12, thank you", f"{NUMBER}-12"),
        (None, f"{NUMBER}-1 {RETURN}", None),  # which of them?
        (None, f"x{NUMBER}-1", None),
        ("V6562305985-1", None, None),  # its check digits are wrong
        (NUMBER, NUMBER, None),
        (None, None, None),
    ],
)
def test_a_payout_is_known_by_its_name_standing_alone(end_to_end_id, remittance, payout_id):
    assert payout_named(end_to_end_id, remittance) == payout_id


@pytest.mark.parametrize(
    ("different", "kind"),
    [
        ({}, Kind.PAYMENT),
        ({"booked": False}, Kind.PAYMENT),
        ({"end_to_end_id": f"{NUMBER}-1"}, Kind.PAYMENT),  # a customer's own money, whatever he calls it
        ({"credit": False}, Kind.IGNORED),
        ({"credit": False, "reversal": True}, Kind.REVERSAL),
        ({"credit": False, "end_to_end_id": RETURN}, Kind.PAYOUT),
        ({"credit": False, "end_to_end_id": RETURN, "booked": False}, Kind.IGNORED),
        ({"reversal": True}, Kind.PAYMENT),
        ({"reversal": True, "end_to_end_id": RETURN}, Kind.PAYOUT),
        ({"reversal": True, "booked": False}, Kind.IGNORED),
    ],
)
def test_entries_are_payments_reversals_payouts_or_not_ours(different, kind):
    assert kind_of(an_entry(**different)) is kind


class Reversals:
    """Payments, what the bank took back, and which payment that was found to be."""

    def __init__(self, bank):
        self.bank = bank

    async def found(self, taken_back, *others, patience=15.0):
        """Take entries down, the reversal first; return the payment that it found."""
        async with placing(self.bank):
            await self.bank.importer.book([taken_back, *others], ACTOR)
            row = "SELECT reversal, payment_id FROM view.bank_payments WHERE reversal IS NOT NULL"

            async def look():
                return ask(self.bank.database, row)

            [(reversal, found)] = await until(look, patience)
        assert reversal == str(payment_id_of(taken_back.entry_id))
        return found


@pytest.fixture
def reversals(bank):
    return Reversals(bank)


def a_reversal(**different):
    return an_entry(**{"credit": False, "reversal": True, "booked_on": date(2026, 6, 10), **different})


@pytest.mark.case(28)
@pytest.mark.parametrize("name", ["bank_reference", "end_to_end_id"])
async def test_a_reversal_finds_the_payment_that_it_names(reversals, name):
    """Also where it came first, and others are like it."""
    meant, other = an_entry(**{name: "X1"}), an_entry(**{name: "X2"})
    found = await reversals.found(a_reversal(**{name: "X1"}), meant, other)
    assert found == payment_id_of(meant.entry_id)


async def test_the_banks_name_says_more_than_the_payers(reversals):
    """Which a payer may use twice."""
    meant, other = an_entry(bank_reference="X1"), an_entry(end_to_end_id="rent")
    found = await reversals.found(a_reversal(bank_reference="X1", end_to_end_id="rent"), meant, other)
    assert found == payment_id_of(meant.entry_id)


@pytest.mark.case(28)
async def test_a_reversal_without_a_name_finds_the_only_payment_of_that_account(bank, reversals):
    meant = an_entry(counterparty_account="DE89370400440532013000")
    stranger = an_entry()
    later = replace(meant, entry_id="f" * 32, booked_on=date(2026, 6, 11))
    await bank.importer.book([meant, stranger, later], ACTOR)
    found = await reversals.found(a_reversal(counterparty_account="DE89370400440532013000"))
    assert found == payment_id_of(meant.entry_id)


@pytest.mark.parametrize(
    "different",
    [{"booked_on": date(2026, 1, 1)}, {"account": "another"}, {"booked": False}, {"bank_reference": "X2"}],
)
async def test_a_reversal_of_what_is_not_known_waits_for_a_person(bank, database, different):
    """Too long ago, of another account, never arrived, or of another name; two that are alike are not told apart."""
    taken_back = a_reversal(bank_reference="X1", counterparty_account=None)
    await bank.importer.book([taken_back], ACTOR)
    await bank.importer.book([an_entry(**{"bank_reference": "X1", **different})], ACTOR)
    twins = [an_entry(bank_reference="Y1"), an_entry(bank_reference="Y1")]
    await bank.importer.book([*twins, a_reversal(bank_reference="Y1", counterparty_account=None)], ACTOR)
    async with placing(bank):
        # One that is placed after them tells that they were looked at.
        sign = an_entry(bank_reference="Z1")
        await bank.importer.book([sign, a_reversal(bank_reference="Z1")], ACTOR)

        async def look():
            return ask(database, "SELECT notice FROM view.bank_payments WHERE notice IS NOT NULL")

        assert await until(look) == [payment_id_of(sign.entry_id)]
    assert ask(database, "SELECT count(*) FROM read.review_queue") == [2]


async def test_texts_of_any_length_are_taken(bank, database):
    """A bank may pass on more than anybody reads."""
    long = transaction(text="x" * 5_000)
    taken, _ = await bank.take(Sample("long.xml", camt053(statement(entry(details=long)))))
    assert (taken.reason, len(payments(database))) == (None, 1)
