"""Heads as they are kept outside, and whether they agree with one another and with those that the database holds."""

import base64
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from vignettes.eventstore import heads
from vignettes.eventstore.heads import ForgedHead, Head
from vignettes.services.auditing.findings import Finding, Kind
from vignettes.services.auditing.outside import HEADS_FILE, Signed

_FETCHED_WITHIN = 30.0
_KEY_ID_BYTES = 4
#: As far a clock may be set back that runs fast.
_SET_BACK = timedelta(minutes=1)

#: Gives the text of heads.jsonl as it is now.
Source = Callable[[], str]
#: Is called at each head: signatures take their time. May raise to stop.
Step = Callable[[], None]


class NoSource(Exception):
    """The heads that are kept outside can't be read."""


def source_of(place: str) -> Source:
    """Return what reads a folder, a file, or an http(s):// address."""
    if place.startswith(("http://", "https://")):
        return lambda: _fetched(place)
    path = Path(place)
    return lambda: _read(path / HEADS_FILE if path.is_dir() else path)


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NoSource(f"{NoSource.__doc__} {file}: {_why(error)}.") from None


def _why(error: Exception) -> str:
    return error.strerror or "unknown" if isinstance(error, OSError) else "not UTF-8"


def _fetched(url: str) -> str:
    try:
        return httpx.get(url, timeout=_FETCHED_WITHIN).raise_for_status().text
    except httpx.HTTPError as error:
        raise NoSource(f"{NoSource.__doc__} {url}: {type(error).__name__}.") from None


@dataclass(slots=True)
class Outside:
    """What is kept outside: good heads by their sizes, each with its note, and what is wrong with the others."""

    heads: dict[int, tuple[Head, str]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    #: Of the database's own: those that another key may have signed, before ours or after it.
    others: list[Signed] = field(default_factory=list)
    #: How many characters of the file these are.
    length: int = 0

    @property
    def last(self) -> int:
        """The size of the largest."""
        return max(self.heads, default=0)


def read(text: str, key: Ed25519PublicKey, step: Step = lambda: None) -> Outside:
    """Read heads.jsonl. Its last line, while it is being written, has no end yet: it is left for the next time."""
    found, lines = Outside(length=text.rfind("\n") + 1), text.split("\n")[:-1]
    before: Head | None = None
    for number, line in enumerate(lines, start=1):
        step()
        try:
            head, note = _opened(line, key)
        except ForgedHead as forged:
            told = f"Line {number} of the heads: {forged}"
            found.findings.append(Finding(Kind.HEAD_FORGED, told))
            continue
        if found.heads.get(head.size) == (head, note):
            continue  # the very same again, as two processes write it that hand out at once: it tells nothing new
        found.findings += _in_order(number, before, head, found.heads)
        found.heads.setdefault(head.size, (head, note))
        before = head
    if lines and not found.heads:
        told = f"Not one of {len(lines)} heads was signed by this key ({heads.fingerprint(key)}): it may be another's."
        found.findings.insert(0, Finding(Kind.HEAD_FORGED, told))
    return found


def _opened(line: str, key: Ed25519PublicKey) -> tuple[Head, str]:
    """Return the head of a line. Its note counts; what stands beside it must tell the same."""
    try:
        told = json.loads(line)
        note = told["note"]
        head = heads.opened(note, key)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ForgedHead("it is no head.") from None
    if line != Signed(head.size, head.position, head.root, head.at, note).line:
        raise ForgedHead("what it tells beside its note is not what was signed.")
    return head, note


def _in_order(
    number: int, before: Head | None, head: Head, known: Mapping[int, tuple[Head, str]]
) -> Iterable[Finding]:
    if head.size in known and known[head.size][0].root != head.root:
        told = f"Two heads were signed of {head.size} events, with different roots: there were two logs."
        yield Finding(Kind.HEADS_CONTRADICT, told, head=head.size)
    elif before is not None and (head.size <= before.size or head.position <= before.position):
        told = f"Line {number} of the heads tells of {head.size} events, after one of {before.size}."
        yield Finding(Kind.HEADS_DISORDERED, told, head=head.size)
    elif before is not None and head.at < before.at - _SET_BACK:
        told = f"The head of {head.size} events was signed {head.at}, before the one before it ({before.at})."
        yield Finding(Kind.HEADS_DISORDERED, told, head=head.size)


def held_against(
    outside: Outside, inside: Sequence[Signed], key: Ed25519PublicKey, step: Step
) -> list[Finding]:
    """Compare with the heads that the database holds, and take those in that are signed and are missing outside."""
    stored = {each.size: each for each in inside}
    findings = [
        finding for size, kept in outside.heads.items() for finding in _stored(size, kept[1], stored, kept[0])
    ]
    unknown = []
    for size in sorted(stored.keys() - outside.heads.keys()):
        step()
        try:
            head = heads.opened(stored[size].note, key)
        except ForgedHead:
            unknown.append(stored[size])
        else:
            findings.append(_only_stored(stored[size], head, outside))
    outside.others = _of_other_keys(unknown, outside)
    others = {row.size for row in outside.others}
    findings += [forged(row) for row in unknown if row.size not in others]
    return sorted(findings, key=lambda each: each.head or 0)


def is_to_come(last: Signed | None, outside: Outside, key: Ed25519PublicKey) -> bool:
    """Tell whether the last head that the database holds may be outside in a moment."""
    if last is None or last.size <= outside.last:
        return False
    try:
        heads.opened(last.note, key)
    except ForgedHead:
        return False
    return True


def _stored(size: int, note: str, stored: Mapping[int, Signed], head: Head) -> Iterable[Finding]:
    row = stored.get(size)
    if row is None:
        told = f"The database holds the head of {size} events no longer, which was signed {head.at}."
        yield Finding(Kind.STORED_HEAD_REMOVED, told, head=size)
    elif row != Signed(head.size, head.position, head.root, head.at, note):
        told = f"In the database the head of {size} events is another than the one that is kept outside."
        yield Finding(Kind.STORED_HEAD_CHANGED, told, head=size)


def _only_stored(row: Signed, head: Head, outside: Outside) -> Finding:
    if row != Signed(head.size, head.position, head.root, head.at, row.note):
        told = f"In the database the head of {row.size} events tells other than its note."
        return Finding(Kind.STORED_HEAD_CHANGED, told, head=row.size)
    outside.heads[row.size] = (head, row.note)
    told = (
        f"The head of {row.size} events, signed {row.at}, is in the database and not outside: those were cut."
    )
    return Finding(Kind.HEADS_CUT, told, head=row.size)


def forged(row: Signed) -> Finding:
    """Tell of a head in the database that nobody has signed whom we know, and that proves nothing."""
    told = f"The head of {row.size} events that the database holds was not signed by the key."
    return Finding(Kind.STORED_HEAD_FORGED, told, head=row.size)


def _of_other_keys(rows: Sequence[Signed], outside: Outside) -> list[Signed]:
    """Return those that the key before ours may have signed, or the one after it: never amid ours, nor in our name."""
    if not outside.heads:
        return []
    first, last = min(outside.heads), outside.last
    ours = _key_ids(outside.heads[last][1])
    return [row for row in rows if not first <= row.size <= last and _is_of_another(row, ours)]


def _is_of_another(row: Signed, ours: set[bytes]) -> bool:
    """Tell whether a note says what stands beside it, and claims to be signed by other keys than ours."""
    origin = row.note.partition("\n")[0]
    told = Head(origin, row.size, row.root, row.position, row.at).text
    by = _key_ids(row.note)
    return row.note.startswith(f"{told}\n") and bool(by) and ours.isdisjoint(by)


def _key_ids(note: str) -> set[bytes]:
    """Return which keys a note claims to be signed by; none where that can't be read."""
    lines = note.rpartition("\n\n")[2].splitlines()
    try:
        return {base64.b64decode(each.rpartition(" ")[2])[:_KEY_ID_BYTES] for each in lines}
    except ValueError:
        return set()
