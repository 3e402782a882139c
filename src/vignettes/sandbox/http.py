"""Run an ASGI application on real sockets inside the current loop, and stop it without waiting for anyone."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from starlette.types import ASGIApp
from uvicorn import Config, Server

GRACE_SECONDS = 1.0
"""How long a request under way may still take once the server is told to stop."""


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve `app` while the block runs and yield its port (a free one for 0). A port in use is an OSError."""
    listener = socket.create_server((host, port))
    server = _Guest(Config(app, log_config=None, access_log=False, ws="none", timeout_graceful_shutdown=2))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _until_ready(server, running)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


class _Guest(Server):
    """A uvicorn server in somebody else's loop: signals are the host's, and so is the time to stop."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets=sockets)
        except SystemExit as failure:  # uvicorn would end the whole process of its host
            raise RuntimeError("The application did not start.") from failure
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Hang up on those still connected after the grace, as a process that ends would."""
        hang_up = asyncio.get_running_loop().call_later(GRACE_SECONDS, self._hang_up)
        try:
            await super().shutdown(sockets=sockets)
        finally:
            hang_up.cancel()

    def _hang_up(self) -> None:
        """Cut the connections: uvicorn would cancel, and so answer 500 where nothing may be answered."""
        for connection in list(self.server_state.connections):
            if isinstance(connection.transport, asyncio.WriteTransport):
                connection.transport.abort()


async def _until_ready(server: _Guest, running: "asyncio.Task[None]") -> None:
    ready = asyncio.create_task(server.ready.wait())
    await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        ready.cancel()
        await running
