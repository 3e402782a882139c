"""A case: a folder with everything that is laid before the checker beside the database."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]


class NotACase(Exception):
    """What was given can't be checked."""


@dataclass(frozen=True)
class Case:
    """What the files say. None where a file is not there: then nothing is known, which is not the same as nothing."""

    folder: Path
    said: Json
    journal: list[Json] | None
    inbox: list[Json] | None
    register: list[Json] | None
    stream: list[Json] | None
    lost_replies: frozenset[str]

    @property
    def database_url(self) -> str:
        """Return where the log is."""
        return str(self.said["database_url"])

    @property
    def secrets(self) -> list[str]:
        """Return the plain texts that must not be found."""
        return list(self.said.get("secrets", ()))

    @property
    def mail_domain(self) -> str:
        """Return what ends every Message-ID."""
        return str(self.said.get("mail_domain", "vignettes.example"))

    @property
    def gathered_at(self) -> datetime | None:
        """Return the service's time when this was gathered; its clock may have gone on since."""
        return instant(self.said["now"]) if "now" in self.said else None

    @property
    def outages(self) -> list[tuple[datetime, datetime]]:
        """Return when the service itself was not there, by its own clock, as whoever made it so has put on record."""
        return [(instant(each["from"]), instant(each["until"])) for each in self.said.get("outages", ())]

    def doubles_of(self, what: str) -> int:
        """Return how many doubles of these are documented without their names; `mails`."""
        return int(self.said.get("documented_doubles", {}).get(what, 0))

    def texts(self, *names: str) -> Iterator[tuple[str, str]]:
        """Return name and text of files, or of all those of a folder."""
        for name in names:
            path = self.folder / name
            for each in sorted(path.rglob("*")) if path.is_dir() else [path]:
                if each.is_file():
                    yield (
                        str(each.relative_to(self.folder)),
                        each.read_text(encoding="utf-8", errors="replace"),
                    )


def opened(folder: Path) -> Case:
    """Read a case. Raises NotACase, and says why."""
    said = _json(folder / "case.json")
    if not isinstance(said, dict) or "database_url" not in said:
        raise NotACase(f"{folder / 'case.json'} names no database_url.")
    smtp = _json(folder / "smtp.json", optional=True) or []
    return Case(
        folder,
        said,
        _lines(folder / "journal.jsonl"),
        _list(folder / "inbox.json", "messages"),
        _list(folder / "authority.json", "registrations"),
        _lines(folder / "orders_stream.jsonl"),
        frozenset(smtp if isinstance(smtp, list) else smtp.get("lost_replies", ())),
    )


def instant(text: str) -> datetime:
    """Read a time as JSON carries it."""
    return datetime.fromisoformat(text)


def _json(path: Path, *, optional: bool = False) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if optional:
            return None
        raise NotACase(f"{path} is not there.") from None
    except (OSError, ValueError) as error:
        raise NotACase(f"{path} can't be read: {error}.") from None


def _list(path: Path, name: str) -> list[Json] | None:
    said = _json(path, optional=True)
    if said is None:
        return None
    if not isinstance(said, dict) or not isinstance(said.get(name), list):
        raise NotACase(f"{path} holds no list of {name}.")
    return list(said[name])


def _lines(path: Path) -> list[Json] | None:
    if not path.exists():
        return None
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]
    except (OSError, ValueError) as error:
        raise NotACase(f"{path} can't be read: {error}.") from None
