"""Fault 12, the long form: the same fifty edits, for there are no more, of a log of many signatures."""

import pytest

from tampering import EDITS, a_signed_past, is_found, tampering_with

#: The suite's log was signed five times.
ROUNDS = 100


@pytest.mark.faults
@pytest.mark.fault(12)
@pytest.mark.timeout(900)
def test_each_of_fifty_edits_is_found_and_named(postgres, record):
    """One byte in some ten thousand events is no harder to find than in five hundred."""
    with a_signed_past(postgres, "many_heads", ROUNDS) as past:
        missed = []
        for name in EDITS:
            with tampering_with(past) as superuser:
                found, _ = is_found(superuser, name)
            missed += [] if found else [name]
    record(
        test=12,
        what=f"edits by a superuser of a log of {len(past.rows):,} events under {len(past.heads)} heads, one at a time",
        faults=len(EDITS),
        broken=len(missed),
        missed=missed,
    )
    assert missed == []
    assert len(EDITS) >= 50
