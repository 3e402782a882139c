"""Where signed heads are kept outside the database: whoever rewrites the log can't rewrite these as well."""

import asyncio
import base64
import fcntl
import json
import os
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.js import JetStreamContext

from vignettes.eventstore import heads
from vignettes.eventstore.heads import Head
from vignettes.messages import events

HEADS_FILE = "heads.jsonl"
KEY_FILE = "ledger.pub"
#: A line has some 400 bytes.
_TAIL_BYTES = 16_384
_PUBLISHED_WITHIN = 5.0


class Signed(NamedTuple):
    """A head as the database holds it."""

    size: int
    position: int
    root: bytes
    at: datetime
    note: str

    @property
    def line(self) -> str:
        """The head as JSON: its note is what counts, the rest is there to be looked at."""
        root = base64.b64encode(self.root).decode()
        told = {"size": self.size, "position": self.position, "root": root, "at": self.at.isoformat()}
        return json.dumps({**told, "note": self.note})


class Outlet(Protocol):
    """One place outside. `name` is what its progress is kept under."""

    name: str

    def reached(self) -> int | None:
        """Return the size of the newest head that it has, 0 for none; None where it can't be asked."""

    async def deliver(self, signed: Sequence[Signed]) -> None:
        """Hand over some heads, in order. Raises when they did not all arrive: they come again."""


class HeadsFolder:
    """A folder with every head, one a line, and the public key that checks them."""

    name = "folder"

    def __init__(self, folder: Path, key: Ed25519PublicKey) -> None:
        self._folder = folder
        self._key = key

    def prepare(self) -> None:
        """Make the folder, and lay the public key into it. Raises WrongLedgerKey where another one lies there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        pem, file = heads.public_pem(self._key), self._folder / KEY_FILE
        if not file.exists():
            draft = file.with_name(f".{KEY_FILE}.{secrets.token_hex(8)}")
            draft.write_text(pem)
            draft.replace(file)
        elif file.read_text() != pem:
            raise heads.WrongLedgerKey(
                f"{file} is the public key of another ledger. Restore the key that its heads were signed with, "
                "or begin a new folder of heads."
            )

    def last(self) -> Head | None:
        """Return the newest head here. Raises ForgedHead for one that our key has not signed."""
        whole = self._tail().rpartition(b"\n")[0]
        if not whole:
            return None
        try:
            note = json.loads(whole.rpartition(b"\n")[2])["note"]
        except (ValueError, KeyError, TypeError):
            raise heads.ForgedHead(f"{self._file} does not end with a head.") from None
        return heads.opened(note, self._key)

    def reached(self) -> int:
        last = self.last()
        return last.size if last else 0

    async def deliver(self, signed: Sequence[Signed]) -> None:
        await asyncio.to_thread(self._append, signed)

    def _append(self, signed: Sequence[Signed]) -> None:
        """Add heads, and bring them to the disk. What a crash has cut is written over."""
        with self._file.open("ab") as file:
            # Another process may keep the same folder: who comes second adds nothing twice.
            fcntl.flock(file, fcntl.LOCK_EX)
            reached, cut = self.reached(), len(self._tail().rpartition(b"\n")[2])
            file.truncate(file.seek(0, os.SEEK_END) - cut)
            file.write("".join(f"{each.line}\n" for each in signed if each.size > reached).encode())
            file.flush()
            os.fsync(file.fileno())

    @property
    def _file(self) -> Path:
        return self._folder / HEADS_FILE

    def _tail(self) -> bytes:
        """Return the end of the file, which holds more than its last head."""
        if not self._file.exists():
            return b""
        with self._file.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - _TAIL_BYTES, 0))
            return file.read()


class Stream:
    """The stream of heads: other programs keep them by reading it."""

    name = "stream"

    def __init__(self, jetstream: JetStreamContext, key: Ed25519PublicKey) -> None:
        self._jetstream = jetstream
        self._fingerprint = heads.fingerprint(key)

    def reached(self) -> None:
        """Can't tell: the database does."""

    async def deliver(self, signed: Sequence[Signed]) -> None:
        for each in signed:
            await self._jetstream.publish(
                events.head_subject(self._fingerprint),
                each.line.encode(),
                timeout=_PUBLISHED_WITHIN,
                stream=events.HEAD_STREAM,
                headers={"Nats-Msg-Id": f"{self._fingerprint}:{each.size}"},
            )


class Address:
    """An HTTP address that takes each head as JSON."""

    name = "url"

    def __init__(self, client: httpx.AsyncClient, url: str) -> None:
        self._client = client
        self._url = url

    def reached(self) -> None:
        """Can't tell: the database does."""

    async def deliver(self, signed: Sequence[Signed]) -> None:
        for each in signed:
            reply = await self._client.post(
                self._url, content=each.line, headers={"Content-Type": "application/json"}
            )
            reply.raise_for_status()
