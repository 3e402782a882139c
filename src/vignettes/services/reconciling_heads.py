"""The stream HEADS against the signed heads: what it has lost is published anew, under the same ids."""

from array import array
from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from nats.aio.client import Client
from nats.aio.msg import Msg
from psycopg import AsyncConnection
from psycopg.rows import args_row

from vignettes.eventstore import heads
from vignettes.messages import events
from vignettes.services import reconciling
from vignettes.services.auditing.outside import Signed, Stream
from vignettes.services.reconciling import Tell

_FEW: Final = 500
_PATIENCE_SECONDS: Final = 10.0
# What was not handed to the stream yet is not missing from it.
_SIZES = """
SELECT h.size FROM ledger.heads h JOIN ledger.outlets o ON o.name = 'stream' AND h.size <= o.size ORDER BY h.size
"""
_HEADS = "SELECT size, position, root, at, note FROM ledger.heads WHERE size = ANY(%s) ORDER BY size"


class LostHeads:
    """Finds and publishes the heads that the stream has lost; a head takes 8 bytes of memory."""

    def __init__(
        self, connection: AsyncConnection, client: Client, key: Ed25519PublicKey, tell: Tell
    ) -> None:
        self._connection = connection
        self._jetstream = client.jetstream(timeout=_PATIENCE_SECONDS)
        self._stream = Stream(self._jetstream, key)
        self._prefix = f"{heads.fingerprint(key)}:"
        self._tell = tell
        self.signed = 0

    async def missing(self) -> Sequence[int]:
        """Return the sizes of the heads that were published, and are not in the stream."""
        rows = await (await self._connection.execute(_SIZES)).fetchall()
        sizes = array("q", [size for (size,) in rows])
        self.signed, there = len(sizes), bytearray(len(sizes))
        state = (await self._jetstream.stream_info(events.HEAD_STREAM)).state
        if state.messages:
            pages = reconciling.pages(
                self._jetstream, events.HEAD_STREAM, events.HEAD_SUBJECTS, state.last_seq
            )
            async for page in pages:
                for size in filter(None, map(self._size, page)):
                    place = bisect_left(sizes, size)
                    if place < len(sizes) and sizes[place] == size:
                        there[place] = 1
        return array("q", [size for size, is_there in zip(sizes, there, strict=True) if not is_there])

    async def publish(self, missing: Sequence[int]) -> None:
        """Publish some anew; those that the stream only remembers once more, when it has forgotten them."""
        await self._deliver(missing)
        if left := await self.missing():
            await reconciling.forgotten(self._jetstream, events.HEAD_STREAM, len(left), self._tell)
            await self._deliver(left)

    async def _deliver(self, sizes: Sequence[int]) -> None:
        for first in range(0, len(sizes), _FEW):
            async with self._connection.cursor(row_factory=args_row(Signed)) as cursor:
                await cursor.execute(_HEADS, (list(sizes[first : first + _FEW]),))
                await self._stream.deliver(await cursor.fetchall())
            self._tell("publishing heads anew", min(first + _FEW, len(sizes)), len(sizes))

    def _size(self, message: Msg) -> int:
        """Return the size of the head in a message; 0 for one of another key, or of none."""
        identity = (message.headers or {}).get("Nats-Msg-Id", "")
        size = identity.removeprefix(self._prefix)
        return int(size) if identity.startswith(self._prefix) and size.isascii() and size.isdecimal() else 0
