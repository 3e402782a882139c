"""Zone data: ours is that of the pinned package; a few instants show whether it is right."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from vignettes.domain.catalogue import ZONES, zone
from vignettes.runtime.doctoring.finding import Finding, ok, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside

#: Instants near changes of the clocks, and how many minutes a zone is ahead of UTC at each.
_KNOWN: Final = (
    ("Europe/Prague", "2026-03-29T00:59:59+00:00", 60),
    ("Europe/Prague", "2026-03-29T01:00:00+00:00", 120),
    ("Europe/Prague", "2026-10-25T01:00:00+00:00", 60),
    ("Europe/Chisinau", "2026-03-29T00:59:59+00:00", 120),
    ("Europe/Chisinau", "2026-03-29T01:00:00+00:00", 180),
    ("Europe/Chisinau", "2026-10-25T00:59:59+00:00", 180),
    ("Europe/Bucharest", "2026-10-25T01:00:00+00:00", 120),
    ("Europe/Sofia", "2026-07-01T12:00:00+00:00", 180),
    ("Europe/Zurich", "2026-07-01T12:00:00+00:00", 120),
)
_ASK: Final = """
import json, os, sys, time
told = []
for name, at in json.load(sys.stdin):
    os.environ["TZ"] = name
    time.tzset()
    told.append(time.localtime(at).tm_gmtoff // 60)
json.dump(told, sys.stdout)
"""
_PROGRAM_SECONDS: Final = 5.0
_IN_POSTGRES = """
SELECT extract(epoch FROM (at AT TIME ZONE zone) - (at AT TIME ZONE 'UTC'))::int / 60
FROM unnest(%s::text[], %s::timestamptz[]) WITH ORDINALITY AS known (zone, at, place) ORDER BY place
"""


async def look(patient: Patient) -> list[Finding]:
    """Look at ours, the machine's, and where it answers PostgreSQL's."""
    found = [_ours()]
    found.append(_others("this machine's", await aside(_of_machine)))
    if patient.database_url is not None:
        names, instants = [name for name, _, _ in _KNOWN], [at for _, at, _ in _KNOWN]
        told = [minutes for (minutes,) in await patient.rows(_IN_POSTGRES, names, instants)]
        found.append(_others("PostgreSQL's", told))
    return found


def _ours() -> Finding:
    used = version("tzdata")
    way = "Install what is locked: pip install --require-hashes -r requirements/run.txt"
    for name, at, minutes in _KNOWN:
        instant = datetime.fromisoformat(at)
        ahead = instant.astimezone(zone(name)).utcoffset()
        if ahead is None or ahead.total_seconds() != minutes * 60:
            return wrong("zone data", f"tzdata {used}: {name} is {ahead} ahead of UTC at {at}", way)
    zones = len(set(ZONES.values()))
    return ok(
        "zone data", f"tzdata {used}, as packaged; {zones} zones are sold for, {len(_KNOWN)} instants right"
    )


def _of_machine() -> list[int]:
    """Return how far zones are ahead by the machine's own data, in minutes, asked in a process of its own."""
    asked = [(name, datetime.fromisoformat(at).astimezone(UTC).timestamp()) for name, at, _ in _KNOWN]
    done = subprocess.run(  # noqa: S603  # our own interpreter, our own text
        [sys.executable, "-c", _ASK],
        input=json.dumps(asked).encode(),
        capture_output=True,
        timeout=_PROGRAM_SECONDS,
        check=True,
        env=dict(os.environ),
    )
    return [int(minutes) for minutes in json.loads(done.stdout)]


def _others(whose: str, told: list[int]) -> Finding:
    off = sorted({name for (name, _, minutes), said in zip(_KNOWN, told, strict=True) if minutes != said})
    if not off:
        return ok(f"{whose} zones", "say the same")
    differ = f"are out of date for {', '.join(off)}; ours are used"
    if whose == "PostgreSQL's":
        way = (
            "Update the tzdata package of the database's machine: lookups by the day of an order rely on it."
        )
        return warning(f"{whose} zones", differ, way)
    return ok(f"{whose} zones", differ)
