"""Names what a pass over log and ledger has seen: which event was changed, removed, inserted or reordered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from vignettes.eventstore.heads import Head
from vignettes.eventstore.ledger import Row
from vignettes.services.auditing.comparing import Difference, Leaf, Side, Walk, leaf_hash_of
from vignettes.services.auditing.findings import Finding, Kind


class Compared(NamedTuple):
    """What a comparison of the log with heads has found."""

    #: How many events there are, and how many of them the last head covers that the log agrees with.
    events: int
    covered: int
    #: How many heads the log agrees with.
    agreed: int
    findings: list[Finding]
    #: How many more events differ than are named.
    more: int


def named(seen: Walk) -> Compared:
    """Return what is wrong, the first position first."""
    log, trusted = seen.log, seen.kept.trusted
    covered = log.heads[-1].size if log.heads else 0
    findings: list[Finding] = []
    if log.off is not None:
        proven = [each for each in seen.differences if each.place < trusted]
        findings += _events(proven, seen)
        if not proven or proven[0].place >= log.heads[log.off].size:
            findings.insert(0, _between(log, log.off))
    if seen.kept.off is not None:
        findings.append(_leaves(seen.kept, seen.kept.off, seen.differences))
    findings += [_unsigned(each) for each in seen.differences if each.place >= max(trusted, covered)]
    findings += [_repeated(each) for each in seen.repeated]
    findings += [_misplaced(each) for each in seen.misplaced]
    agreed = 0 if log.last is None else log.last + 1
    return Compared(log.size, log.trusted, agreed, findings, seen.more)


def _events(proven: Sequence[Difference], seen: Walk) -> list[Finding]:
    """Name each event once. One that stands elsewhere is neither missing in one place nor new in the other."""
    rows = [each.row for each in seen.differences if each.row is not None] + seen.after
    moved = _moved(proven, rows)
    found: dict[tuple[str, int], Finding] = {}
    for each in proven:
        for finding in _of_difference(each, moved):
            found.setdefault((finding.kind, finding.position or 0), finding)
    return list(found.values())


def _moved(proven: Sequence[Difference], rows: Sequence[Row]) -> dict[int, Row]:
    """Return rows that stand elsewhere than they were recorded, by the positions that they belong at.

    Each row that is wrong is tried in the place of each leaf that no row was found for; both are few, see KEPT.
    """
    wanted = {each.leaf.hash: each.leaf.position for each in proven if each.leaf is not None}
    found: dict[int, Row] = {}
    for row in rows:
        for hashed, position in wanted.items():
            if row.position != position and leaf_hash_of(row._replace(position=position)) == hashed:
                found[position] = row
    return found


def _of_difference(difference: Difference, moved: Mapping[int, Row]) -> Iterator[Finding]:
    place, row, leaf = difference
    belongs_at = {each.position: position for position, each in moved.items()}
    if row is not None:
        if row.position in belongs_at:
            yield _reordered(row, belongs_at[row.position], place)
        elif leaf is None or leaf.position in moved:
            yield _of_row(Kind.INSERTED, row, place, "was inserted: it is {what}")
        else:
            yield _of_row(Kind.CHANGED, row, place, "was changed: it is {what} now")
    if leaf is not None and leaf.position in moved:
        yield _reordered(moved[leaf.position], leaf.position, place)
    elif leaf is not None and row is None:
        told = f"The event at position {leaf.position} was removed."
        yield Finding(Kind.REMOVED, told, leaf.position, index=place)


def _reordered(row: Row, belongs_at: int, index: int) -> Finding:
    how = f"was reordered: {{what}} was recorded at position {belongs_at}"
    return _of_row(Kind.REORDERED, row, index, how, belongs_at)


def _of_row(kind: Kind, row: Row, index: int, how: str, belongs_at: int | None = None) -> Finding:
    what = f"version {row.version} of {row.order_id} ({row.topic})"
    return Finding(
        kind,
        f"The event at position {row.position} {how.format(what=what)}.",
        row.position,
        index=index,
        belongs_at=belongs_at,
        order_id=row.order_id,
        version=row.version,
        topic=row.topic,
    )


def _between(log: Side, off: int) -> Finding:
    """Tell between which two heads it was, where the ledger can't tell which event."""
    head, before = log.heads[off], log.heads[off - 1] if off else None
    first = before.position + 1 if before else 1
    since = f"the {_head(before)} still agrees" if before else "no head agrees"
    if log.size < head.size:
        how = (
            f"The log was cut: it has {log.size} events; {since}, the {_head(head)} ends at {head.position}."
        )
        return Finding(Kind.REMOVED, how, first, until=head.position, head=head.size)
    how = (
        f"The log was rewritten between positions {first} and {head.position}, and the ledger with it: "
        f"{since}, the {_head(head)} does not."
    )
    return Finding(Kind.REWRITTEN, how, first, until=head.position, head=head.size)


def _leaves(kept: Side, off: int, differences: Sequence[Difference]) -> Finding:
    """Tell from where on the ledger is not what was signed."""
    head = kept.heads[off]
    if kept.size < head.size:
        told = f"The ledger's leaves were cut: there are {kept.size}, the {_head(head)} tells of more."
        return Finding(Kind.TILES, told, index=kept.size, head=head.size)
    first = next((each for each in differences if each.place >= kept.trusted), None)
    where = f" at leaf {first.place}" if first else f" after leaf {kept.trusted}"
    told = f"The ledger's leaves were changed{where}: they do not make the {_head(head)}."
    if first is None:
        return Finding(Kind.TILES, told, head=head.size)
    return Finding(Kind.TILES, told, _position(first), index=first.place, head=head.size)


def _head(head: Head) -> str:
    return f"head of {head.size} events, signed {head.at:%Y-%m-%d %H:%M:%S%z},"


def _unsigned(difference: Difference) -> Finding:
    position = _position(difference)
    told = f"Log and ledger differ at position {position}, which no head covers yet."
    return Finding(Kind.UNSIGNED, told, position, index=difference.place)


def _position(difference: Difference) -> int:
    return next(each.position for each in (difference.row, difference.leaf) if each is not None)


def _misplaced(leaf: Leaf) -> Finding:
    told = (
        f"Leaf {leaf.place} of the ledger is at another position than {leaf.position}: proofs do not find it."
    )
    return Finding(Kind.TILES, told, leaf.position, index=leaf.place)


def _repeated(row: Row) -> Finding:
    return _of_row(Kind.POSITIONS, row, 0, "stands at the position of another: it is {what}")
