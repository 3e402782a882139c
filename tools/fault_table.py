"""Writes the table of all fault tests into docs/reliability.md, from the results that are kept in docs/faults.jsonl.

`python -m tools.fault_table` writes it, `--check` fails where the page says anything else. A long fault test leaves its
result in .faults/results.jsonl; what is worth keeping of these is appended to docs/faults.jsonl. Of several results of
one test the last counts.
"""

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "reliability.md"
KEPT: Final = ROOT / "docs" / "faults.jsonl"
_BEGIN: Final = "<!-- faults: begin; written by `python -m tools.fault_table` -->"
_END: Final = "<!-- faults: end -->"
_HEAD: Final = (
    "| test | what | faults | lost | doubled | broken promises | worst recovery | seed |",
    "| ---: | --- | ---: | ---: | ---: | ---: | ---: | ---: |",
)


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run of a fault test has found.

    `doubled` counts what nobody can tell from a second thing; `same_id` counts copies under the id of the first, as
    documented. What else a test wants to tell is in `settings`.
    """

    test: int
    name: str
    what: str
    faults: int
    lost: int
    doubled: int
    same_id: int
    broken: int
    worst_recovery_s: float | None
    seed: int
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return it as it is kept."""
        return json.dumps(asdict(self), default=str)


def results(lines: Iterable[str]) -> list[Result]:
    """Return what is kept, in the order of the tests' numbers; of one test's results the last."""
    latest = {(each.test, each.name): each for each in (Result(**json.loads(line)) for line in lines)}
    return sorted(latest.values(), key=lambda each: each.test)


def table(of: Iterable[Result]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield from _HEAD
    for each in of:
        doubled = f"{each.doubled}, {each.same_id:,} under one id" if each.same_id else f"{each.doubled}"
        recovery = "" if each.worst_recovery_s is None else f"{each.worst_recovery_s:.1f} s"
        cells = [each.test, each.what, f"{each.faults:,}", each.lost, doubled, each.broken]
        yield f"| {' | '.join(map(str, [*cells, recovery, each.seed]))} |"


def written(page: str, of: Iterable[Result]) -> str:
    """Return the page with this table in it."""
    before, begin, rest = page.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no place for the table: {_BEGIN} ... {_END}")
    return "\n".join((before + begin, *table(of), end + after))


def main(arguments: list[str]) -> int:
    """Write the page anew, or only look whether it would be another; return the exit code."""
    page = PAGE.read_text(encoding="utf-8")
    fresh = written(page, results(KEPT.read_text(encoding="utf-8").splitlines()))
    if arguments == ["--check"]:
        if page != fresh:
            sys.stdout.write(f"{PAGE.name} is not what {KEPT.name} gives: python -m tools.fault_table\n")
        return int(page != fresh)
    PAGE.write_text(fresh, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
