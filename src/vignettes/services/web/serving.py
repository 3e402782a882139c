"""The web role: an ASGI application on a real socket, inside the loop of whoever runs it."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from starlette.types import ASGIApp
from uvicorn import Config, Server

log = structlog.get_logger(__name__)

#: How long a request under way may still take once the server is told to stop, and when its task is ended.
GRACE_SECONDS = 0.8
_LAST_SECONDS = 1


class Web:
    """Serves the application until cancelled; then ends within two seconds, whoever is connected."""

    name = "web"

    def __init__(self, app: ASGIApp, port: int, host: str = "127.0.0.1") -> None:
        self._app = app
        self._port = port
        self._host = host

    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is an OSError that says what to do."""
        async with serving(self._app, self._port, host=self._host) as port:
            log.info("web.ready", host=self._host, port=port)
            await asyncio.Event().wait()


@asynccontextmanager
async def serving(app: ASGIApp, port: int = 0, *, host: str = "127.0.0.1") -> AsyncIterator[int]:
    """Serve while the block runs, and yield the port: a free one for 0."""
    listener = _listener(host, port)
    server = _Guest(_config(app))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _until_ready(server, running)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


def _config(app: ASGIApp) -> Config:
    return Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        proxy_headers=False,  # who asks is who connects: anybody may write a header
        server_header=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def _listener(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(
            error.errno,
            f"Port {port} on {host} is in use by another program. "
            "Stop that one, or set VIGNETTES_HTTP_PORT to another port.",
        ) from error


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
        for connection in list(self.server_state.connections):
            if isinstance(connection.transport, asyncio.WriteTransport):
                connection.transport.abort()


async def _until_ready(server: _Guest, running: "asyncio.Task[None]") -> None:
    ready = asyncio.create_task(server.ready.wait())
    try:
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()
    if running.done():
        await running
