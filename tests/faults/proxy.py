"""A proxy that cuts a connection at a chosen message: what came before it arrived, and its answer never does."""

import asyncio
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Self
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

Connect = Callable[[], Awaitable[tuple[StreamReader, StreamWriter]]]
"""How the proxy reaches what it stands before."""


class From(Enum):
    """Who sent a message."""

    CLIENT = auto()
    SERVER = auto()


class Pass(Enum):
    """What becomes of a message."""

    ON = auto()
    #: It never arrives; what follows it may.
    NOT = auto()
    #: It arrives, and then both sides are cut off.
    AND_CUT = auto()
    #: It never arrives: both sides are cut off before it.
    CUT_BEFORE = auto()


Judge = Callable[[From, bytes], Pass]
"""Looks at every message of one connection, in order, and decides what becomes of it."""

Framing = Callable[[StreamReader, From, bool], Awaitable[bytes]]
"""Reads the next message whole: of whom, and whether it is the first. Raises IncompleteReadError at the end."""


class Proxy:
    """Listens on a loopback port while the block runs; `judge` makes, for each connection, who decides on it."""

    def __init__(self, connect: Connect, framing: Framing, judge: Callable[[], Judge]) -> None:
        self._connect = connect
        self._framing = framing
        self._judge = judge
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()
        #: How many connections after the next cut are hung up on at once.
        self.refuse_after_cut = 0
        self.cuts = 0
        self.refused = 0
        self._refuse = 0
        self._failures: list[Exception] = []

    def refuse_no_more(self) -> None:
        """Let everybody in again."""
        self._refuse = 0

    def hang_up(self) -> None:
        """Cut every connection there is now, wherever in its messages it is."""
        for session in self._sessions:
            session.cancel()

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for session in self._sessions:
            session.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._server.wait_closed()
        assert self._failures == []

    def _accept(self, reader: StreamReader, writer: StreamWriter) -> None:
        if self._refuse:
            self._refuse -= 1
            self.refused += 1
            writer.transport.abort()
            return
        session = asyncio.create_task(self._serve(reader, writer))
        self._sessions.add(session)
        session.add_done_callback(self._sessions.discard)
        session.add_done_callback(lambda _: writer.close())  # also when it never began

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        """Pass messages on, both ways, until one side ends or the connection is cut; then end both."""
        try:
            server_reader, server_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        judge = self._judge()
        ways = [
            asyncio.create_task(self._pass(From.CLIENT, reader, server_writer, judge)),
            asyncio.create_task(self._pass(From.SERVER, server_reader, writer, judge)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            server_writer.close()  # what was passed on still arrives
            writer.close()
            ends = await asyncio.gather(*ways, return_exceptions=True)
            self._failures += [end for end in ends if isinstance(end, Exception)]

    async def _pass(self, sender: From, reader: StreamReader, writer: StreamWriter, judge: Judge) -> None:
        first = True
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                message = await self._framing(reader, sender, first)
                first = False
                verdict = judge(sender, message)
                if verdict in {Pass.ON, Pass.AND_CUT}:
                    writer.write(message)
                    await writer.drain()
                if verdict in {Pass.AND_CUT, Pass.CUT_BEFORE}:
                    self.cuts += 1
                    self._refuse, self.refuse_after_cut = self.refuse_after_cut, 0
                    return


# --- PostgreSQL


async def postgres_framing(reader: StreamReader, sender: From, first: bool) -> bytes:
    """Read one message: a letter and a length with the rest; a client's first has no letter (protocol 3)."""
    letter = b"" if first and sender is From.CLIENT else await reader.readexactly(1)
    size = await reader.readexactly(4)
    return letter + size + await reader.readexactly(struct.unpack("!i", size)[0] - 4)


class Statements:
    """Knows of which SQL a client's message speaks, however that is sent: as text, prepared, or bound."""

    def __init__(self) -> None:
        self._prepared: dict[bytes, bytes] = {}

    def begun_by(self, message: bytes) -> bytes:
        """Return the statement that this message sends or binds, else nothing."""
        letter, body = message[:1], message[5:]
        if letter == b"Q":
            return body.rstrip(b"\0")
        if letter == b"P":
            name, statement, _ = body.split(b"\0", 2)
            self._prepared[name] = statement
            return b"" if name else statement
        if letter == b"B":
            _, name, _ = body.split(b"\0", 2)
            return self._prepared.get(name, b"")
        return b""


def before_postgres(database: str, judge: Callable[[], Judge]) -> Proxy:
    """Return a proxy before the PostgreSQL server of a URL."""
    parts = conninfo_to_dict(database)

    async def connect() -> tuple[StreamReader, StreamWriter]:
        host, port = str(parts["host"]), int(str(parts["port"]))
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    return Proxy(connect, postgres_framing, judge)


def through(proxy: Proxy, database: str) -> str:
    """Return the URL of a database as reached through a proxy, in the clear: it reads what is said."""
    parts = conninfo_to_dict(database)
    user, name = parts["user"], parts["dbname"]
    return f"postgresql://{user}@127.0.0.1:{proxy.port}/{name}?sslmode=disable&gssencmode=disable"


# --- SMTP


async def smtp_framing(reader: StreamReader, sender: From, first: bool) -> bytes:
    """Read one line: a command, a reply, or a line of a mail."""
    return await reader.readuntil(b"\n")


def before_smtp(port: int, judge: Callable[[], Judge]) -> Proxy:
    """Return a proxy before a mail server on a loopback port."""
    return Proxy(lambda: asyncio.open_connection("127.0.0.1", port), smtp_framing, judge)


# --- NATS

_WITH_PAYLOAD = {b"PUB", b"HPUB", b"MSG", b"HMSG"}


async def nats_framing(reader: StreamReader, sender: From, first: bool) -> bytes:
    """Read one message: a line, with the payload whose size some lines end in."""
    line = await reader.readuntil(b"\r\n")
    words = line.split()
    announced = bool(words) and words[0].upper() in _WITH_PAYLOAD
    return line + (await reader.readexactly(int(words[-1]) + 2) if announced else b"")


def before_nats(url: str, judge: Callable[[], Judge]) -> Proxy:
    """Return a proxy before a NATS server."""
    at = urlsplit(url)
    return Proxy(lambda: asyncio.open_connection(at.hostname, at.port), nats_framing, judge)


# --- HTTP


async def as_it_comes(reader: StreamReader, sender: From, first: bool) -> bytes:
    """Read what there is: on the loopback the head of a request or an answer, its body, or both."""
    data = await reader.read(65536)
    if not data:
        raise asyncio.IncompleteReadError(b"", None)
    return data


def before_http(port: int, judge: Callable[[], Judge]) -> Proxy:
    """Return a proxy before a web server on a loopback port."""
    return Proxy(lambda: asyncio.open_connection("127.0.0.1", port), as_it_comes, judge)
