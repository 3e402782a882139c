"""What auditors do from the command line: straight in the database, as `vignettes_auditor`, and on record."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import AsyncConnection
from psycopg.types.json import Jsonb
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vignettes.eventstore import heads
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.heads import ForgedHead, WrongLedgerKey
from vignettes.messages import audit
from vignettes.runtime.doctoring.postgres import address
from vignettes.runtime.settings import Settings
from vignettes.services.auditing import checking_bundles, giving, looking, stories
from vignettes.services.auditing.checking_bundles import Checked
from vignettes.services.auditing.kept_heads import source_of
from vignettes.services.auditing.outside import KEY_FILE
from vignettes.services.auditing.verifying import PATIENCE_SECONDS, Verdict
from vignettes.services.auditing.verifying import verify as compare

#: How much longer than `head_seconds` an export waits for a head.
_LONGER = 5.0


def verify(
    settings: Settings,
    kept: str | None,
    key: Ed25519PublicKey,
    actor: str,
    progress_on: Console,
    *,
    partial: bool,
) -> Verdict:
    """Compare the log with the heads that are kept outside; `partial`: with some of them. Raises NoSource."""
    place = kept or str(settings.heads_folder)
    source, patience = source_of(place), 0.0 if partial else PATIENCE_SECONDS
    with psycopg.connect(_url(settings), autocommit=True) as connection:
        connection.execute(looking.NOTE, (actor, "verify", None, Jsonb({})))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=progress_on, transient=True) as bar:
            task = bar.add_task("events compared", total=None)
            verdict = compare(
                connection,
                source,
                key,
                lambda done, of: bar.update(task, completed=done, total=of or None),
                patience,
            )
    return verdict.by_some_heads() if partial else verdict


def key_of(
    settings: Settings, kept: str | None, key_file: Path | None, fingerprint: str | None
) -> Ed25519PublicKey:
    """Return the key that heads are checked with. Raises WrongLedgerKey for another than the fingerprint's."""
    key = _key(key_file or _beside(kept or str(settings.heads_folder), settings))
    if fingerprint is not None and heads.fingerprint(key) != fingerprint.lower():
        raise WrongLedgerKey(f"The key's fingerprint is {heads.fingerprint(key)}, not that one.")
    return key


async def heads_of(settings: Settings, limit: int, key_file: Path | None, actor: str) -> dict[str, Any]:
    """Return the last heads of the database, each with whether the key has signed it."""
    key = _key(key_file or settings.heads_folder / KEY_FILE)
    async with _looking(settings, actor, "heads", None, limit=limit) as connection:
        found = await giving.heads_of(connection, limit)
    told = [{**each.model_dump(mode="json"), "signed": _is_signed(each, key)} for each in found]
    return {"fingerprint": heads.fingerprint(key), "heads": told}


def _is_signed(shown: audit.HeadShown, key: Ed25519PublicKey) -> bool:
    try:
        head = heads.opened(shown.note, key)
    except ForgedHead:
        return False
    return (head.size, head.position) == (shown.size, shown.position)


async def export(
    settings: Settings, order_id: UUID, key_file: Path | None, actor: str, tell_on: Console
) -> dict[str, Any]:
    """Return a bundle. Waits for a head that covers the history, and says so."""
    key = _key(key_file or settings.heads_folder / KEY_FILE)
    patience = settings.head_seconds + _LONGER
    with tell_on.status("reading the history") as status:
        async with _looking(settings, actor, "export", order_id) as connection:
            return await giving.exported(
                lambda: nullcontext(connection),
                order_id,
                key,
                patience,
                lambda why: status.update(f"waiting: {why}"),
            )


def written(bundle: dict[str, Any]) -> str:
    """Return a bundle as its file holds it."""
    return json.dumps(bundle, indent=1, ensure_ascii=False) + "\n"


def check(bundle: Path, key_file: Path | None, fingerprint: str | None) -> Checked:
    """Check a bundle. It takes no settings, no server and no network. Raises NoBundle or WrongLedgerKey."""
    key = _key(key_file) if key_file else None
    return checking_bundles.check(bundle.read_bytes(), key, fingerprint.lower() if fingerprint else None)


async def history(
    settings: Settings,
    order_id: UUID,
    until: datetime | None,
    version: int | None,
    key_file: Path | None,
    actor: str,
) -> audit.AuditedHistory:
    """Tell a history until a time or a version."""
    key = _key(key_file or settings.heads_folder / KEY_FILE)
    then = until.isoformat() if until else None
    async with _looking(settings, actor, "history", order_id, until=then, version=version) as connection:
        story = await stories.read(connection, order_id, key)
    return stories.told(story, until, version)


async def looks(settings: Settings, limit: int, order_id: UUID | None, actor: str) -> list[dict[str, Any]]:
    """Return the last looks, this one first."""
    async with _looking(settings, actor, "looks", order_id, limit=limit) as connection:
        return await looking.looks(connection, limit, order_id)


@asynccontextmanager
async def _looking(
    settings: Settings, actor: str, what: str, order_id: UUID | None, **details: Any
) -> AsyncIterator[AsyncConnection]:
    """Give a connection once the look is on record."""
    async with await AsyncConnection.connect(_url(settings), autocommit=True) as connection:
        await looking.note(connection, actor, what, order_id, **details)
        yield connection


def _url(settings: Settings) -> str:
    """Return how an auditor connects; with no setting, to what `vignettes run` has started on this machine."""
    url, _ = address(settings)
    return conninfo(url, "vignettes_auditor", name="vignettes audit")


def _beside(place: str, settings: Settings) -> Path:
    """Return where the key lies that belongs to heads: in their folder; for an address, in our own."""
    if place.startswith(("http://", "https://")):
        return settings.heads_folder / KEY_FILE
    path = Path(place)
    return (path if path.is_dir() else path.parent) / KEY_FILE


def _key(file: Path) -> Ed25519PublicKey:
    try:
        return heads.read_public(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        raise WrongLedgerKey(f"There is no public key in {file}: name it by --key.") from None
    except WrongLedgerKey as error:
        raise WrongLedgerKey(f"{file}: {error}") from None
