"""The connection to NATS, and how it ends. Apart from what roles need, so that a command starts quickly."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import nats
import structlog
from nats.aio.client import Client

from vignettes.runtime.nats_access import NatsAccess
from vignettes.runtime.settings import ConfigurationError, Settings, hide_secrets

log = structlog.get_logger(__name__)

_FIRST_CONNECT_SECONDS = 15.0


@dataclass(slots=True)
class Link:
    """Whether a connection to NATS is being ended by us, or was lost for good."""

    lost: asyncio.Event = field(default_factory=asyncio.Event)
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    def options(self, name: str) -> dict[str, Any]:
        """Return how we stay connected: nats-py would give up after 60 attempts, and tell nobody."""
        return {
            "name": name,
            "max_reconnect_attempts": -1,
            "reconnect_time_wait": 0.5,
            "connect_timeout": 5,
            # A server that is cut off hangs up on nobody: it is given up after nine seconds without an answer.
            "ping_interval": 3,
            "max_outstanding_pings": 2,
            "disconnected_cb": self._disconnected,
            "reconnected_cb": self._reconnected,
            "closed_cb": self._closed,
            "error_cb": self._failed,
        }

    async def _disconnected(self) -> None:
        if not self.ending.is_set():
            log.warning("nats.disconnected")

    async def _reconnected(self) -> None:
        log.info("nats.reconnected")

    async def _closed(self) -> None:
        self.lost.set()

    async def _failed(self, error: Exception) -> None:
        if not self.ending.is_set():
            log.warning("nats.error", error=type(error).__name__)


def needed(value: str | None, name: str) -> str:
    """Return a setting that a role can't do without."""
    if value is None:
        raise ConfigurationError(
            f"{name} is not set: `vignettes run` starts what is missing, `serve` does not."
        )
    return value


def servers(settings: Settings) -> list[str]:
    """Return the addresses of NATS."""
    return needed(settings.nats_url, "VIGNETTES_NATS_URL").split(",")


async def connect(settings: Settings, link: Link, name: str) -> Client:
    """Return a connection of our own beside FastStream's, for requests, the streams and discovery."""
    access = NatsAccess.of(settings)
    try:
        # Once connected it is tried for ever; an address that never answered is a setting to look at.
        async with asyncio.timeout(_FIRST_CONNECT_SECONDS):
            return await nats.connect(servers(settings), **link.options(name), **access.options())
    except TimeoutError:
        raise ConfigurationError(
            f"NATS does not answer at {hide_secrets(settings.nats_url or '')} (VIGNETTES_NATS_URL)."
        ) from None
