"""Checks a case of this service by its log, and shares no code with it: `python tests/checker FOLDER`.

The folder holds case.json ("database_url": a login that may SET ROLE vignettes_auditor; "secrets": what must not be
found), and what else is to be looked at: journal.jsonl, inbox.json, smtp.json, authority.json, bank/,
orders_stream.jsonl, logs/ and metrics.txt.
Ends with 0 where all of it is whole, with 1 where something was found, with 2 where this is no case.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it is found by one name, however it is started
from checker.case import NotACase, opened
from checker.checking import verdicts
from checker.findings import Verdict, told
from checker.record import read


def main(argv: list[str] | None = None) -> int:
    """Check what the command line names, and tell what was found."""
    parser = argparse.ArgumentParser(
        prog="checker", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the case")
    parser.add_argument("--json", action="store_true", help="tell it as one JSON object")
    asked = parser.parse_args(argv)
    try:
        case = opened(asked.folder)
        found = verdicts(case, read(case.database_url))
    except NotACase as error:
        print(error, file=sys.stderr)  # noqa: T201  # a program's own voice
        return 2
    whole = not any(verdict.findings for verdict in found)
    print(json.dumps(_as_json(found)) if asked.json else told(found))  # noqa: T201
    return 0 if whole else 1


def _as_json(found: list[Verdict]) -> dict:
    return {
        "whole": not any(verdict.findings for verdict in found),
        "counts": {verdict.invariant: verdict.count for verdict in found},
        "looked": {verdict.invariant: verdict.looked for verdict in found},
        "unseen": {verdict.invariant: verdict.unseen for verdict in found},
        "findings": [asdict(finding) for verdict in found for finding in verdict.findings],
        "text": told(found),
    }


if __name__ == "__main__":
    sys.exit(main())
