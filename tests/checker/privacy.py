"""I10: no personal data in logs, metrics, published events, URLs or error replies."""

import json
import re
from collections.abc import Iterator

from checker.case import Case
from checker.findings import WRONG, Verdict
from checker.record import Record
from checker.searching import Secrets

_ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+")


def check(case: Case, record: Record) -> Verdict:
    """Search for what the case calls secret, and for the addresses and plates that the views show."""
    verdict = Verdict("I10", "personal data")
    shown = (row[name] for row in record.statuses.values() for name in ("email", "plate"))
    secrets = Secrets([*case.secrets, *filter(None, shown)])
    verdict.look("secrets", secrets.many)
    for kind, name, text in _places(case, verdict):
        verdict.look(kind)
        for secret in secrets.found_in(text):
            verdict.find(WRONG, f"{_masked(secret)} stands in {kind}", name, _line_of(text, secret))
    for message in case.stream or ():
        if _ADDRESS.search(message["data"]) or _ADDRESS.search(message["subject"]):
            verdict.find(WRONG, "an address stands in a published event", message["subject"])
    return verdict


def _places(case: Case, verdict: Verdict) -> Iterator[tuple[str, str, str]]:
    """Return all texts, each with what it is and its name."""
    if not (case.folder / "logs").is_dir():
        verdict.unseen.append("logs/")
    for name, text in case.texts("logs"):
        yield "logs", name, text
    if not (case.folder / "metrics.txt").exists():
        verdict.unseen.append("metrics.txt")
    for name, text in case.texts("metrics.txt"):
        yield "metrics", name, text
    for message in case.stream or ():
        yield "published events", message["subject"], json.dumps(message, ensure_ascii=False)
    for line in case.journal or ():
        if line.get("reply") and not line["reply"]["ok"]:
            yield "error replies", line["command_id"], json.dumps(line["reply"], ensure_ascii=False)


def _masked(secret: str) -> str:
    """Say which one it is, without writing it down again."""
    return f"{secret[:3]}... ({len(secret)} characters)"


def _line_of(text: str, secret: str) -> str:
    return f"line {text.lower().count(chr(10), 0, text.lower().find(secret)) + 1}"
