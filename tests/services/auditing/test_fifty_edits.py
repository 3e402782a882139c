"""Fault 12: whatever a superuser does to the log, its ledger or the heads: it is found, and named."""

import psycopg
import pytest

from auditing import PUBLIC, file_of, keep, signed
from eventstore_helpers import a_database, a_writer, placing
from tampering import EDITS, UNLOCK, a_signed_past, is_found, tampering_with, verified
from vignettes.services.auditing import kept_heads
from vignettes.services.auditing.findings import Kind
from vignettes.services.auditing.verifying import examine, stored


@pytest.fixture(scope="module")
def past(postgres):
    with a_signed_past(postgres, "fifty_edits") as signed_past:
        yield signed_past


@pytest.fixture
def tampering(past):
    with tampering_with(past) as superuser:
        yield superuser


def test_what_nobody_touched_is_verified(tampering):
    """Also the events that no head covers yet: they are counted, and no fault."""
    verdict = verified(tampering)
    past = tampering.past
    assert verdict.findings == ()
    assert (verdict.events, verdict.covered) == (len(past.rows), past.covered)
    assert verdict.uncovered > 0
    assert (verdict.heads, verdict.agreed) == (5, 5)


@pytest.mark.fault(12)
@pytest.mark.parametrize("name", EDITS)
def test_every_edit_is_found_and_named(tampering, name):
    """By its kind, and by the first position that it has touched."""
    found, findings = is_found(tampering, name)
    assert found, findings


def test_there_are_fifty_of_them():
    assert len(EDITS) >= 50


def test_what_changed_is_told_with_its_order_and_version(tampering):
    row = tampering.past.rows[100]
    tampering.connection.execute(UNLOCK)
    tampering.set("state", b"{}", 100)
    [found] = verified(tampering).findings
    assert (found.order_id, found.version, found.topic) == (row.order_id, row.version, row.topic)
    assert str(row.order_id) in found.told


def test_of_a_removed_event_the_answer_tells_what_it_was(postgres):
    """The answers that were given lie in another table."""
    with a_database(postgres, "removed_answers") as url:
        writer = a_writer(url)
        reply = writer.execute(placing())
        writer.close()
        keep(url)
        with psycopg.connect(url) as connection:
            connection.execute(UNLOCK)
            connection.execute("DELETE FROM log.events")
            outside = kept_heads.read(file_of(signed(url)), PUBLIC)
            [found] = examine(connection, outside, stored(connection), PUBLIC, lambda *_: None).findings
            connection.rollback()
    assert found.kind is Kind.REMOVED
    assert f"of {reply.order_id} was answered" in found.told
