"""I2: versions without gap, positions that grow with them, and no reader that has skipped one."""

from itertools import pairwise

from checker.case import Case
from checker.findings import DOUBLED, LOST, WRONG, Verdict
from checker.record import Record


def check(case: Case, record: Record) -> Verdict:
    """Look at every history, and at what the ledger, which reads behind the log, has taken in."""
    verdict = Verdict("I2", "versions and positions")
    verdict.look("events", len(record.events))
    verdict.look("histories", len(record.histories))
    for source, history in record.histories.items():
        versions = [event.version for event in history]
        if versions != sorted(versions):
            verdict.find(WRONG, "positions do not grow with the versions", source)
        for each in sorted(set(range(1, max(versions) + 1)) - set(versions)):
            verdict.find(LOST, f"version {each} is not there", source)
        if len(set(versions)) < len(versions):
            verdict.find(DOUBLED, "a version is there twice", source)
    _ledger_skipped_none(record, verdict)
    return verdict


def _ledger_skipped_none(record: Record, verdict: Verdict) -> None:
    read = [position for tile in record.tiles if tile["level"] == 0 for position in tile["positions"]]
    verdict.look("read by the ledger", len(read))
    if not read:
        return
    if any(one >= other for one, other in pairwise(read)):
        verdict.find(WRONG, "the ledger has read positions that do not grow")
    there = {event.position: event for event in record.events}
    for position in sorted({each for each in there if each <= read[-1]} - set(read)):
        verdict.find(LOST, "the ledger has skipped an event", there[position].source, position)
    for position in sorted(set(read) - there.keys()):
        verdict.find(LOST, "the ledger has read an event that is not there", "", position)
