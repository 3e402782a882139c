"""Writes the Grafana dashboard: rows of panels, each a title, a unit and its queries."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).parents[1] / "deploy" / "grafana" / "vignettes.json"
_WIDTH, _HEIGHT, _ACROSS = 8, 7, 24
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}

Query = tuple[str, str]
"""An expression, and what its curves are called."""


@dataclass(frozen=True)
class Panel:
    """One picture. `unit` as Grafana names it; `meaning` is shown when one points at it."""

    title: str
    unit: str
    queries: tuple[Query, ...]
    meaning: str = ""
    kind: str = "timeseries"


def _max(metric: str, by: str = "") -> str:
    """Any number of web processes tell the same: one of them is enough."""
    return f"max by ({by}) ({metric})" if by else f"max({metric})"


def _quantile(share: str, metric: str, by: str) -> str:
    return (
        f"histogram_quantile({share}, sum by ({by}le) (max without (instance) (rate({metric}_bucket[5m]))))"
    )


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Promises": (
        Panel("Kept and broken, last 24 hours", "short",
              ((_max('vignettes_promises{state=~"kept|broken|at_risk"}', "promise, state"), "{{promise}} {{state}}"),),
              "By the number of the promise; 5 broken is a wrong match that was undone."),
        Panel("Starts that are late", "s",
              ((_max("vignettes_starts_most_overdue_seconds", "promise"), "promise {{promise}}"),)),
        Panel("Same day: used of five minutes", "s", ((_max("vignettes_same_day_used_seconds"), "used"),)),
        Panel("Oldest mail that confirms", "s",
              ((_max('vignettes_mails_waiting_oldest_seconds{kind=~"paid|link"}', "kind"), "{{kind}}"),)),
        Panel("Orders by status", "short", ((_max("vignettes_orders", "status"), "{{status}}"),)),
        Panel("Oldest unpaid order", "s", ((_max("vignettes_unpaid_oldest_seconds"), "oldest"),)),
    ),
    "Commands": (
        Panel("Requests a second", "reqps",
              (("sum by (subject) (max without (instance) (rate(vignettes_request_seconds_count[5m])))",
                "{{subject}}"),)),
        Panel("Not ok, a second", "reqps",
              (('sum by (outcome) (max without (instance) (rate(vignettes_request_seconds_count{outcome!="ok"}[5m])))',
                "{{outcome}}"),)),
        Panel("Latency of commands", "s",
              tuple((_quantile(share, "vignettes_request_seconds", ""), f"p{share[2:]}")
                    for share in ("0.50", "0.99"))),
        Panel("Commands of a group", "short",
              ((("sum(max without (instance) (rate(vignettes_command_group_commands_total[5m])))"
                " / sum(max without (instance) (rate(vignettes_command_groups_total[5m])))"), "mean"),
               (_max("vignettes_command_group_largest"), "largest"))),
        Panel("Queue", "short",
              ((_max("vignettes_command_queue_waiting", "process"), "waiting {{process}}"),
               (_max("vignettes_command_queue_capacity"), "capacity"))),
        Panel("Turned away, a second", "reqps",
              (("sum(max without (instance) (rate(vignettes_command_queue_turned_away_total[5m])))", "turned away"),)),
        Panel("Processes", "short", ((_max("vignettes_processes", "role"), "{{role}}"),)),
        Panel("Restarts", "short", ((_max("vignettes_process_restarts", "role, process"), "{{role}}"),)),
        Panel("Releases", "short",
              (("count by (version, python) (vignettes_build_info)", "{{version}} on {{python}}"),)),
        Panel("Servers", "bool",
              (("min(vignettes_database_up)", "PostgreSQL"), ("min(vignettes_nats_up)", "NATS"),
               ('min(up{job="vignettes"})', "web"))),
        Panel("Clock against the database's", "s", (("max(abs(vignettes_clock_ahead_seconds))", "astray"),)),
    ),
    "Views": (
        Panel("Events behind", "short", ((_max("vignettes_projection_events_behind", "view"), "{{view}}"),)),
        Panel("Seconds behind", "s", ((_max("vignettes_projection_seconds_behind", "view"), "{{view}}"),)),
        Panel("Written by somebody", "bool", ((_max("vignettes_projection_led", "view"), "{{view}}"),)),
        Panel("Orders parked and drifted", "short",
              ((_max("vignettes_projection_orders_parked", "view"), "parked {{view}}"),
               (_max("vignettes_projection_orders_drifted", "view"), "drifted {{view}}"))),
        Panel("Stream ORDERS against the log", "short",
              ((_max("vignettes_stream_messages"), "in the stream"), (_max("vignettes_published_events"), "published"),
               ("max(vignettes_published_events) - max(vignettes_stream_messages)", "missing"))),
        Panel("Published up to", "short", ((_max("vignettes_published_position"), "position"),)),
    ),
    "Deadlines": (
        Panel("Triggers: how late", "s",
              tuple((_quantile(share, "vignettes_trigger_late_seconds", "purpose, "), f"p{share[2:]} {{{{purpose}}}}")
                    for share in ("0.50", "0.99"))),
        Panel("Triggers a second", "short",
              (("max by (purpose) (rate(vignettes_trigger_late_seconds_count[5m]))", "{{purpose}}"),)),
        Panel("Overdue", "short", ((_max("vignettes_deadlines_overdue"), "all"),
                                    (_max("vignettes_starts_overdue", "promise"), "promise {{promise}}"))),
        Panel("Most overdue", "s", ((_max("vignettes_deadlines_most_overdue_seconds"), "most"),)),
        Panel("Authorities that are called", "bool",
              (("min by (country) (vignettes_authority_callable)", "{{country}}"),)),
        Panel("Calls to authorities, a second", "reqps",
              (("max by (country) (rate(vignettes_authority_calls_total[5m]))", "{{country}}"),
               ("max by (country) (rate(vignettes_authority_calls_failed_total[5m]))", "failed {{country}}"))),
        Panel("Seconds of a call", "s",
              ((("max by (country) (rate(vignettes_authority_call_seconds_total[5m]))"
                " / max by (country) (rate(vignettes_authority_calls_total[5m]))"), "{{country}}"),)),
        Panel("Needed within the hour", "short",
              ((_max("vignettes_registrations_wanted", "country"), "{{country}}"),)),
        Panel("Under way", "short",
              ((_max("vignettes_registrations_under_way", "state"), "{{state}}"),
               (_max("vignettes_persons_called"), "person called"))),
    ),
    "Money": (
        Panel("Waits for a person", "short",
              ((_max("vignettes_payments_in_review"), "in review"), (_max("vignettes_payments_unplaced"), "reversals"),
               (_max("vignettes_bank_files_set_aside"), "files set aside"))),
        Panel("For how long", "s",
              ((_max("vignettes_payments_in_review_oldest_seconds"), "in review"),
               (_max("vignettes_payments_unplaced_oldest_seconds"), "reversals"),
               (_max("vignettes_bank_files_set_aside_oldest_seconds"), "files set aside"))),
        Panel("Payouts", "short", ((_max("vignettes_payouts", "state"), "{{state}}"),)),
        Panel("Payouts, the oldest", "s", ((_max("vignettes_payouts_oldest_seconds", "state"), "{{state}}"),)),
        Panel("Orders that owe", "short", ((_max("vignettes_orders_owing"), "orders"),)),
    ),
    "Mails and support": (
        Panel("Mails waiting", "short", ((_max("vignettes_mails_waiting"), "waiting"),)),
        Panel("The oldest, by kind", "s", ((_max("vignettes_mails_waiting_oldest_seconds", "kind"), "{{kind}}"),)),
        Panel("What came back, an hour", "short",
              (("max by (outcome) (increase(vignettes_mail_reports_total[1h]))", "{{outcome}}"),)),
        Panel("Open cases", "short", ((_max("vignettes_support_cases_open", "topic"), "{{topic}}"),)),
        Panel("Open cases, the oldest", "s",
              ((_max("vignettes_support_cases_open_oldest_seconds", "topic"), "{{topic}}"),)),
    ),
    "Ledger": (
        Panel("Events covered by the last head", "short", ((_max("vignettes_ledger_size"), "covered"),)),
        Panel("Events covered by none", "short", ((_max("vignettes_ledger_events_behind"), "events"),)),
        Panel("For how long", "s", ((_max("vignettes_ledger_seconds_behind"), "oldest"),
                                    (_max("vignettes_ledger_head_age_seconds"), "age of the last head"))),
    ),
}  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return the dashboard as Grafana imports it."""
    return {
        "uid": "vignettes",
        "title": "Vignettes",
        "tags": ["vignettes"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {
            "list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]
        },
        "panels": list(_numbered(_panels())),
    }


def _panels() -> Iterator[dict[str, Any]]:
    top = 0
    for title, panels in ROWS.items():
        yield {
            "type": "row",
            "title": title,
            "collapsed": False,
            "panels": [],
            "gridPos": _at(0, top, 1, _ACROSS),
        }
        top += 1
        across = _ACROSS // _WIDTH
        for number, panel in enumerate(panels):
            yield _panel(panel, _at(number % across * _WIDTH, top + number // across * _HEIGHT))
        top += (len(panels) + across - 1) // across * _HEIGHT


def _numbered(panels: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for number, panel in enumerate(panels, 1):
        yield {"id": number, **panel}


def _at(x: int, y: int, height: int = _HEIGHT, width: int = _WIDTH) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


def _panel(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.meaning,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": [
            {
                "refId": chr(ord("A") + number),
                "expr": expression,
                "legendFormat": legend,
                "datasource": _SOURCE,
            }
            for number, (expression, legend) in enumerate(panel.queries)
        ],
    }


def text() -> str:
    """Return the file's content."""
    return json.dumps(dashboard(), indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
