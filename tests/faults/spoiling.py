"""A whole case that a test may spoil as it likes, and that is as it was afterwards."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

_EVENT = """
SELECT notification_id, originator_id, originator_version, topic, convert_from(state, 'UTF8') FROM log.events
WHERE {where} ORDER BY notification_id LIMIT 1
"""
ERASED = "SELECT originator_id FROM log.events WHERE topic LIKE 'order.personal-data-erased.%' LIMIT 1"
#: Longer than an address or a plate.
_TOKEN = 40


class Event(NamedTuple):
    position: int
    source: Any
    version: int
    topic: str
    said: dict[str, Any]


class Copy:
    """A whole case that may be spoilt: a folder of its own, and a transaction that is rolled back."""

    def __init__(self, connection: psycopg.Connection, folder: Path) -> None:
        self._connection = connection
        self.folder = folder
        for table in ("log.events", "log.commands", "ledger.tiles", "ledger.heads"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    def sql(self, statement: str, *values: Any) -> list[Any]:
        cursor = self._connection.execute(statement, values or None)
        assert cursor.rowcount > 0, f"nothing was changed by {statement}"
        return cursor.fetchall() if cursor.description else []

    def event(self, where: str) -> Event:
        [(position, source, version, topic, state)] = self.sql(_EVENT.format(where=where))
        return Event(position, source, version, topic, json.loads(state))

    def rewrite(self, event: Event) -> None:
        state = json.dumps(event.said).encode()
        self.sql("UPDATE log.events SET state = %s WHERE notification_id = %s", state, event.position)

    def delete(self, where: str) -> Event:
        event = self.event(where)
        self.sql("DELETE FROM log.events WHERE notification_id = %s", event.position)
        return event

    def append(self, source: Any, topic: str, said: dict[str, Any]) -> None:
        """Let one more event happen to an order."""
        self.sql(
            "INSERT INTO log.events (originator_id, originator_version, topic, state) "
            "SELECT %s, max(originator_version) + 1, %s, %s FROM log.events WHERE originator_id = %s",
            source, topic, json.dumps(said).encode(), source,
        )  # fmt: skip

    @property
    def address(self) -> str:
        """Return an address that must not be found; of an order that was not erased."""
        [(erased,)] = self.sql(ERASED)
        placed = (line for line in self.journal if line["subject"] == "orders.v1.place")
        return next(line["body"]["email"] for line in placed if line["reply"]["order_id"] != str(erased))

    @property
    def token(self) -> str:
        """Return what opens an order's page."""
        return next(each for each in self.said["secrets"] if len(each) > _TOKEN)

    @property
    def plate(self) -> str:
        """Return a plate as it was typed."""
        return next(each for each in self.said["secrets"] if " " in each)

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Return what the clients have noted."""
        return [json.loads(line) for line in (self.folder / "journal.jsonl").read_text().splitlines()]

    @property
    def said(self) -> dict[str, Any]:
        """Return what case.json says."""
        return json.loads((self.folder / "case.json").read_text())

    def edit(self, name: str, change: Callable[[list[Any]], None], key: str | None = None) -> None:
        """Change what a file of the case holds: lines, or the list of that name."""
        path = self.folder / name
        if key:
            said = json.loads(path.read_text())
            change(said[key])
            path.write_text(json.dumps(said))
        else:
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            change(lines)
            path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
