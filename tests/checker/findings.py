"""What was found, and how it is told."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

LOST, DOUBLED, BROKEN, WRONG = "lost", "doubled", "broken", "wrong"


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it must be; `kind`: lost, doubled, a broken promise of time, or wrong otherwise."""

    invariant: str
    kind: str
    what: str
    where: str


@dataclass
class Verdict:
    """What one invariant was held against, and what did not stand. `unseen`: what the case does not hold."""

    invariant: str
    title: str
    looked: dict[str, int] = field(default_factory=dict)
    unseen: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def look(self, what: str, many: int = 1) -> None:
        """Count what was looked at."""
        self.looked[what] = self.looked.get(what, 0) + many

    def find(self, kind: str, what: str, *where: object) -> None:
        """Note what is not as it must be, and of which order, at which position."""
        self.findings.append(Finding(self.invariant, kind, what, " ".join(str(each) for each in where)))

    @property
    def count(self) -> int:
        """How many things were looked at."""
        return sum(self.looked.values())

    def lines(self) -> Iterator[str]:
        """Return it as people read it: a line, and one for each finding."""
        looked = ", ".join(f"{many} {what}" for what, many in self.looked.items()) or "nothing"
        missing = f"; not in the case: {', '.join(self.unseen)}" if self.unseen else ""
        said = f"{len(self.findings)} findings" if self.findings else "whole"
        yield f"{self.invariant:<4}{self.title}: {said} ({looked}{missing})"
        for each in self.findings:
            yield f"      {each.kind}: {each.what}" + (f" [{each.where}]" if each.where else "")


def told(verdicts: Sequence[Verdict]) -> str:
    """Return all of them as text."""
    return "\n".join(line for verdict in verdicts for line in verdict.lines())
