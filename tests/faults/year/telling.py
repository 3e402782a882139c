"""The year in figures."""

from collections import Counter

from rich import box
from rich.table import Table


def figures(year, evidence, late, seconds):
    """Return what there was, by name."""
    kinds = Counter(event.kind for history in evidence.histories.values() for event in history)
    statuses = Counter(row["status"] for row in evidence.statuses.values())
    countries = Counter(row["country"] for row in evidence.statuses.values())
    withdrawn = sum(row["withdrawn_at"] is not None for row in evidence.outages)
    moved = sum(row["outage_id"] is not None for row in evidence.deadlines)
    return {
        "orders": f"{len(evidence.histories):,}",
        f"in {len(countries)} countries": _told(countries),
        "events": f"{sum(kinds.values()):,}",
        "instants": f"{year.steps:,}",
        "ended": _told(statuses),
        "killed": _told(year.deaths.met),
        "requests asked again": f"{year.customers.unanswered:,}",
        "outages announced": f"{len(evidence.outages)}, {withdrawn} withdrawn",
        "brought forward by them": f"{moved:,} plans, {kinds['outage-disregarded']:,} taken back",
        "calls to authorities": f"{evidence.calls['calls']:,}, {evidence.calls['failed']:,} failed",
        "starts": f"{kinds['registration-started']:,}",
        "corrections": f"{kinds['details-corrected']:,}",
        "held": f"{kinds['held']:,}, {kinds['twin-accepted']:,} twins accepted",
        "issued": f"{kinds['vignette-issued']:,}",
        "rejected": f"{kinds['registration-rejected']:,}",
        "persons called": f"{kinds['person-called']:,}",
        "after the start of validity, by an outage": f"{len(late):,}",
        "promises kept": _promises(evidence, "kept"),
        "promises broken": _promises(evidence, "broken") or "none",
        "wall time": f"{seconds:,.0f} s, {len(evidence.histories) / seconds:.1f} orders/s",
    }


def table(told):
    """Show them to people."""
    shown = Table("What", "How much", box=box.SIMPLE_HEAD, pad_edge=False)
    for name, value in told.items():
        shown.add_row(name, str(value))
    return shown


def _promises(evidence, state):
    """Return how often each was kept, or broken, by its number."""
    rows = [row for row in evidence.promises if row["state"] == state]
    return ", ".join(f"{row['promise']}: {row['orders']:,}" for row in rows)


def _told(counted):
    return ", ".join(f"{name} {number:,}" for name, number in counted.most_common())
