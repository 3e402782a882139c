"""As much of NATS as a client needs that must not be the bottleneck: many requests at once, one inbox for all replies.

A client library costs a future, a task and a queue for each request; on a machine that the service shares, that is time
the service does not get. Here a request is a line in a buffer and a reply is one call.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from secrets import token_hex
from typing import cast
from urllib.parse import urlsplit

OnReply = Callable[[int, bytes], None]

_HOST, _PORT = "127.0.0.1", 4222
_END = b"\r\n"
_NOBODY = b" 503"
_GREETING = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "protocol": 1}
#: [H]MSG subject sid [reply-to] [length of headers] length; the last part of the subject is the request's number.
_MESSAGE = re.compile(rb"(H?)MSG \S+\.(\d+) 1 (?:(\d+) )?(\d+)\Z")


class Broken(Exception):
    """The connection ended, or the server said what it should not."""


class Wire(asyncio.Protocol):
    """One connection. Requests are numbered by whoever asks; `on_reply` gets the number and the body."""

    def __init__(self, on_reply: OnReply) -> None:
        self._on_reply = on_reply
        self._inbox = f"_INBOX.{token_hex(8)}"
        self._received = b""
        self._unsent: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        #: Fails when the connection does; otherwise the owner's to set.
        self.done: asyncio.Future[None] = self._loop.create_future()

    def ask(self, number: int, subject: str, body: bytes) -> None:
        """Send a request; all of one turn of the loop leave together."""
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += (f"PUB {subject} {self._inbox}.{number} {len(body)}\r\n".encode(), body, _END)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        greeting = f"CONNECT {json.dumps(_GREETING)}\r\nSUB {self._inbox}.* 1\r\n"
        self._transport.write(greeting.encode())

    def data_received(self, data: bytes) -> None:
        try:
            self._received = self._take_in(self._received + data)
        except Exception as error:  # noqa: BLE001  # whoever waits for the end is to learn why
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or Broken("The server closed the connection."))

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    def _flush(self) -> None:
        self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)

    def _take_in(self, data: bytes) -> bytes:
        """Pass on every whole message, and return what is left."""
        at = 0
        while (end := data.find(_END, at)) >= 0:
            line, body = data[at:end], end + len(_END)
            if (message := _MESSAGE.match(line)) is None:
                self._heed(line)
                at = body
                continue
            after = body + int(message[4])
            if after + len(_END) > len(data):
                break
            headers = body + int(message[3] or 0)
            if message[1] and _NOBODY in data[body:headers].partition(_END)[0]:
                raise Broken("Nobody answers this subject.")
            self._on_reply(int(message[2]), data[headers:after])
            at = after + len(_END)
        return data[at:]

    def _heed(self, line: bytes) -> None:
        if line == b"PING":
            self._transport.write(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            raise Broken(line.decode())


@asynccontextmanager
async def wire(nats_url: str, on_reply: OnReply) -> AsyncIterator[Wire]:
    """Connect, and hang up after the block."""
    address = urlsplit(nats_url)
    loop = asyncio.get_running_loop()
    _, protocol = await loop.create_connection(
        lambda: Wire(on_reply), address.hostname or _HOST, address.port or _PORT
    )
    try:
        yield protocol
    finally:
        protocol.done.cancel()
        protocol.close()
