"""What the bank has taken back finds the payment that it took back, whichever came first, or waits for a person."""

from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from uuid import uuid4

import pytest

from bank_imports import ACTOR, a_bank, placing
from bank_payments import an_entry
from eventstore_helpers import ask
from service import until
from vignettes.domain.payment import payment_id_of
from vignettes.services.payments import placing as placing_module
from vignettes.services.payments.booking import booking, on


@pytest.fixture
async def bank(database):
    async with a_bank(database) as bank:
        yield bank


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


@pytest.mark.case(18, 28)
@pytest.mark.parametrize("name", ["bank_reference", "counterparty_account"])
async def test_a_reversal_of_a_notices_line_takes_back_the_notices_payment(bank, reversals, name):
    """That is the one that counts: the line was only told of the same money."""
    notice, line = an_entry(), an_entry(**{name: "X1"})
    await bank.writer.execute(booking(notice, "notice:acme", "card", ACTOR))
    await bank.importer.book([line], ACTOR)
    await recognised(bank, line, payment_id_of(notice.entry_id))
    found = await reversals.found(a_reversal(**{"counterparty_account": None, name: "X1"}))
    assert found == payment_id_of(notice.entry_id)


async def recognised(bank, line, notice):
    """Take a line for that of a notice, or of an order that was told directly."""
    payment_id = payment_id_of(line.entry_id)
    act = on(payment_id, uuid4(), lambda payment, at: payment.recognise(notice, ("test",), at), ACTOR)
    await bank.writer.execute(act)


@pytest.fixture
def clock(monkeypatch):
    """Let time stand still for reversals that wait to be looked at again."""
    clock = SimpleNamespace(now=0)
    monkeypatch.setattr(placing_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


async def looked_at(bank, database):
    """Wait until each reversal that is known was looked at: one that comes after them is placed."""
    sign = an_entry(bank_reference=f"SIGN{uuid4().hex}", counterparty_account=None)
    taken_back = a_reversal(bank_reference=sign.bank_reference, counterparty_account=None)
    await bank.importer.book([sign, taken_back], ACTOR)
    placed = "SELECT notice FROM view.bank_payments WHERE payment_id = %s AND notice IS NOT NULL"

    async def look():
        return ask(database, placed, payment_id_of(taken_back.entry_id))

    assert await until(look) == [payment_id_of(sign.entry_id)]


@pytest.mark.case(28)
async def test_a_reversal_of_what_an_order_was_told_directly_waits_for_a_person(bank, database):
    """No payment here counts for it, whether it is named or alike; and another one that is like it is not meant."""
    named, other = an_entry(bank_reference="X1", counterparty_account=None), an_entry()
    alike = an_entry(2_000)
    await bank.importer.book([named, other, alike], ACTOR)
    for line in (named, alike):
        await recognised(bank, line, uuid4())
    await bank.importer.book([a_reversal(bank_reference="X1"), a_reversal(amount=2_000)], ACTOR)
    async with placing(bank):
        await looked_at(bank, database)
    waiting = "SELECT count(*) FROM read.bank_payments WHERE status = 'unplaced'"
    assert ask(database, waiting) == [2]


@pytest.mark.case(28)
async def test_a_second_reversal_of_one_payment_waits_for_a_person(bank, database, clock):
    """It is more than came in; and another payment of the same payer is not meant by it."""
    meant, other = an_entry(bank_reference="X1"), an_entry(booked_on=date(2026, 6, 2))
    await bank.importer.book([meant, other, *(a_reversal(bank_reference="X1") for _ in range(2))], ACTOR)
    async with placing(bank):
        for clock.now in (0, 10):
            await looked_at(bank, database)
    left = "SELECT count(*) FROM read.bank_payments WHERE status = 'unplaced'"
    assert ask(database, left) == [1]
    row = "SELECT reversal FROM view.bank_payments WHERE payment_id = %s"
    assert ask(database, row, payment_id_of(other.entry_id)) == [None]


@pytest.mark.parametrize("day", [date.min, date.max])
async def test_no_day_is_too_far_to_look_for_what_was_taken_back(reversals, day):
    """One line of a broken file does not stop the others."""
    meant = an_entry(booked_on=day, bank_reference="X1")
    found = await reversals.found(a_reversal(booked_on=day, bank_reference="X1"), meant)
    assert found == payment_id_of(meant.entry_id)


async def test_a_reversal_that_found_nothing_is_left_alone_for_a_while(bank, database, clock, monkeypatch):
    """Hundreds of them would keep the database busy for nothing; each time it is left alone for longer."""
    looks, named = [], placing_module._named
    waits = payment_id_of("w" * 32)

    async def counted(connection, row):
        looks.append(row["payment_id"])
        return await named(connection, row)

    monkeypatch.setattr(placing_module, "_named", counted)
    await bank.importer.book([a_reversal(entry_id="w" * 32, counterparty_account=None)], ACTOR)
    async with placing(bank):
        for clock.now, times in ((0, 1), (1, 1), (2, 2), (5, 2), (6, 3)):
            await looked_at(bank, database)
            assert looks.count(waits) == times
