"""The web role: an ASGI application on a real socket, inside the loop of whoever runs it."""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import structlog
from starlette.types import ASGIApp
from uvicorn import Config, Server

log = structlog.get_logger(__name__)

#: How long a request under way may still take once the server is told to stop, and when its task is ended.
GRACE_SECONDS = 0.8
_LAST_SECONDS = 1


class Web:
    """Serves the application until cancelled; then ends within two seconds, whoever is connected.

    `proxies` are the addresses and networks of those who may say for whom they ask, and how they were asked.
    """

    name = "web"

    def __init__(self, app: ASGIApp, port: int, host: str = "127.0.0.1", proxies: Sequence[str] = ()) -> None:
        self._app = app
        self._port = port
        self._host = host
        self._proxies = proxies

    async def run(self) -> None:
        """Serve until cancelled. A port that is taken is an OSError that says what to do."""
        async with serving(self._app, self._port, host=self._host, proxies=self._proxies) as port:
            log.info("web.ready", host=self._host, port=port)
            await asyncio.Event().wait()


@asynccontextmanager
async def serving(
    app: ASGIApp, port: int = 0, *, host: str = "127.0.0.1", proxies: Sequence[str] = ()
) -> AsyncIterator[int]:
    """Serve while the block runs, and yield the port: a free one for 0."""
    listener = _listener(host, port)
    server = _Guest(_config(app, proxies))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await _until_ready(server, running)
        yield int(listener.getsockname()[1])
    finally:
        server.should_exit = True
        await running


def _config(app: ASGIApp, proxies: Sequence[str]) -> Config:
    return Config(
        app,
        log_config=None,
        access_log=False,
        ws="none",
        # Of everybody else who asks is who connects: anybody may write a header.
        proxy_headers=True,
        forwarded_allow_ips=list(proxies),
        server_header=False,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )


def _listener(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise OSError(
            error.errno,
            f"Port {port} on {host} is in use by another program. "
            "Stop that one, or set VIGNETTES_HTTP_PORT to another port.",
        ) from error
    # asyncio sets it on sockets of its own making only: on a kept connection every second packet of a page would wait
    # 40 ms for the word that the first has come. What is accepted here inherits it.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


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
