"""Bank files become payments: each entry once, however often, in whichever order, and wherever it broke off."""

import random
from dataclasses import replace

import pytest

from bank_files import camt053, entry, statement, transaction
from bank_imports import ACTOR, SAMPLES, Sample, Stopped, a_bank, happened, payments, placing
from bank_payments import an_entry
from eventstore_helpers import a_database, ask
from service import until
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


@pytest.mark.fault(11)
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


async def test_texts_of_any_length_are_taken(bank, database):
    """A bank may pass on more than anybody reads."""
    long = transaction(text="x" * 5_000)
    taken, _ = await bank.take(Sample("long.xml", camt053(statement(entry(details=long)))))
    assert (taken.reason, len(payments(database))) == (None, 1)
    assert len(booked_entry(database).remittance) == 2_000


async def test_an_account_of_any_length_is_taken(bank, database):
    await bank.importer.book([an_entry(counterparty_account="1" * 100)], ACTOR)
    assert booked_entry(database).counterparty_account == "1" * 64


def booked_entry(database):
    """Return the entry of the one payment in the log."""
    [[(_, said), *_]] = happened(database).values()
    return said["entry"]


@pytest.mark.parametrize("words", ["jana@example.com", "Jana Novakova", "Příspěvek 1", "1" * 36])
async def test_what_a_payer_writes_as_the_name_of_a_transfer_is_sealed(bank, database, words):
    """Only what looks like a reference is kept in clear; the words stay findable, and can be erased."""
    await bank.importer.book([an_entry(end_to_end_id=words)], ACTOR)
    entry = booked_entry(database)
    assert (entry.end_to_end_id, entry.remittance) == (None, f"for the road {words}")
    in_clear = "SELECT count(*) FROM log.events WHERE position(convert_to(%s, 'UTF8') IN state) > 0"
    assert ask(database, in_clear, words) == [0]


async def test_a_reference_is_kept_as_it_is(bank, database):
    await bank.importer.book([an_entry(end_to_end_id="RF18 5390-0754/70:34.A_+")], ACTOR)
    entry = booked_entry(database)
    assert (entry.end_to_end_id, entry.remittance) == ("RF18 5390-0754/70:34.A_+", "for the road")


@pytest.mark.parametrize("path", ["/home/jana novakova/{}", r"C:\Users\Jana\{}"])
async def test_of_a_files_name_the_folders_are_left_out(bank, database, path):
    """They may be a person's; and nobody reads more than 80 characters."""
    name = f"{'x' * 90}.xml"
    taken, _ = await bank.take(replace(SAMPLES[0], name=path.format(name)))
    assert [row[0] for row in files(database)] == [taken.file.name] == ["x" * 80]
