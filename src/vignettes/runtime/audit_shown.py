"""What auditors are shown on the command line, to people and to programs."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic_core import to_jsonable_python
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vignettes.messages import audit
from vignettes.services.auditing.checking_bundles import Checked
from vignettes.services.auditing.sentences import sentence
from vignettes.services.auditing.verifying import Verdict

#: How many findings are told one by one; --json has them all.
_SHOWN = 20


def verdict_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for programs."""
    told: dict[str, Any] = to_jsonable_python(verdict)
    return {"ok": True, "verified": verdict.verified, **told, "uncovered": verdict.uncovered}


def verdict(verdict: Verdict) -> RenderableType:
    """Show what a verification has found."""
    heads = f"{verdict.agreed:,} of {verdict.heads:,} heads agree (key {verdict.fingerprint[:16]}...)"
    compared = f"{verdict.events:,} events compared, {heads}."
    if verdict.verified:
        told = f"Verified: the log is what was signed.{_left(verdict)}"
        return Group(compared, Text(told, style="green"))
    named = [_plain(f"  {each.told}") for each in verdict.findings[:_SHOWN]]
    more = verdict.more + max(len(verdict.findings) - _SHOWN, 0)
    return Group(
        compared,
        Text("NOT verified, the first finding first:", style="red"),
        *named,
        *([f"  ... and {more:,} more."] if more else []),
    )


def _left(verdict: Verdict) -> str:
    """Tell what the heads say nothing of, and which of them say nothing here."""
    told = ""
    if verdict.uncovered:
        told += f" {verdict.uncovered:,} events after the last head are not covered yet."
    if verdict.others:
        told += (
            f" {verdict.others:,} heads of the database were signed by another key: they tell of the same log, "
            "and prove nothing by this one."
        )
    return told


def heads_of(found: Mapping[str, Any]) -> RenderableType:
    """Show heads."""
    table = _table("Events", "Position", "Signed at", "Root", "Signature")
    for each in found["heads"]:
        signed = Text("good") if each["signed"] else Text("NOT by this key", style="red")
        _row(table, f"{each['size']:,}", f"{each['position']:,}", each["at"], each["root"], signed)
    return Group(f"Key {found['fingerprint']}", table)


def checked_json(checked: Checked) -> dict[str, Any]:
    """Return what a check has come to for programs."""
    head = checked.head
    return {
        "ok": checked.holds,
        "problems": checked.problems,
        "about": checked.bundle.about.model_dump(mode="json"),
        "events": len(checked.bundle.events),
        "head": {"size": head.size, "position": head.position, "at": head.at.isoformat()} if head else None,
        "fingerprint": checked.bundle.key.fingerprint,
        "differs": checked.bundle.differs,
    }


def checked(checked: Checked) -> RenderableType:
    """Show what a check has come to."""
    about, head = checked.bundle.about, checked.head
    table = _table("Version", "Position", "Leaf", "What")
    for event, bundled in zip(checked.events, checked.bundle.events, strict=False):
        _row(table, str(event.version), str(event.position), str(bundled.index), sentence(event))
    title = _plain(f"{about.kind.replace('_', ' ').capitalize()} {about.number or about.id}")
    if not checked.holds:
        return Group(
            title, table, Text("REFUSED:", style="red"), *(_plain(f"  {each}") for each in checked.problems)
        )
    signed = f"the head of {head.size:,} events, signed {head.at.isoformat()}" if head else ""
    rows = "" if checked.bundle.row is None else " The view's row is what they say."
    proven = f"Proven: all {len(checked.bundle.events)} events are in the log by {signed}.{rows}"
    return Group(title, table, Text(proven, style="green"))


def history(story: audit.AuditedHistory) -> RenderableType:
    """Show a history as a story, the state it had come to, and what differs from now."""
    kind = story.kind.replace("_", " ").capitalize()
    events = _table("Version", "Recorded at", "What")
    for each in story.events:
        _row(events, str(each.version), f"{each.recorded_at:%Y-%m-%d %H:%M:%S%z}", each.sentence)
    proven = (
        f"Proven by the head of {story.proven.size:,} events, signed {story.proven.at.isoformat()}."
        if story.proven
        else "NOT proven yet: ask `vignettes audit verify`, or wait for the next head."
    )
    then = f"{len(story.events)} of {story.versions} events. Status then: {story.state.get('status', 'not there yet')}."
    return Group(Text(f"{kind} {story.order_number or story.order_id}", style="bold"), events, proven, then,
                 *_differing(story.differs))  # fmt: skip


def _differing(differs: Sequence[audit.Differing]) -> list[RenderableType]:
    if not differs:
        return ["Nothing differs from now."]
    table = _table("Field", "Then", "Now")
    for each in differs:
        _row(table, each.field, _said(each.then), _said(each.now))
    return [table]


def looks_json(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return looks for programs."""
    return {"looks": to_jsonable_python(found)}


def looks(found: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show looks."""
    table = _table("When", "Who", "What", "At", "How")
    for each in found:
        how = ", ".join(f"{name} {value}" for name, value in each["details"].items() if value is not None)
        at = f"{each['looked_at']:%Y-%m-%d %H:%M:%S%z}"
        _row(table, at, each["actor"], each["what"], str(each["order_id"] or ""), how)
    return table


def _said(value: Any) -> str:
    if value is None:
        return ""
    return "sealed" if value == {"sealed": True} else str(value)


def _row(table: Table, *cells: str | Text) -> None:
    table.add_row(*(each if isinstance(each, Text) else _plain(each) for each in cells))


def _plain(text: str) -> Text:
    """Return text as it is: what somebody has written into the log is no markup, and moves no cursor."""
    return Text("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text))


def _table(*names: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in names:
        table.add_column(
            name, no_wrap=name in {"Version", "Position", "Leaf", "Events", "Root"}, overflow="fold"
        )
    return table
