"""The sandbox's process: the outside world on loopback, with its remote control."""

import asyncio
from pathlib import Path

from vignettes.sandbox.authority import Authority, AuthorityRegister
from vignettes.sandbox.bouncing import Bouncing
from vignettes.sandbox.clock import MovableClock
from vignettes.sandbox.control import Control
from vignettes.sandbox.forgetting import Forgetting
from vignettes.sandbox.inbox import Inbox
from vignettes.services.edge import Endpoints
from vignettes.services.web.serving import serving


class World:
    """Authority, inbox and clock. Its registers lie in files, so that it may be killed like any other."""

    name = "sandbox"

    def __init__(
        self,
        folder: Path,
        clock: MovableClock,
        *,
        authority_port: int,
        smtp_port: int,
        returns: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._register = AuthorityRegister(folder / "authority.sqlite")
        self._authority = Authority(self._register, now=clock.now)
        self._inbox = Inbox(folder / "inbox.sqlite", now=clock.now, port=smtp_port)
        self._authority_port = authority_port
        self._control = Control(clock, self._authority, self._inbox, Bouncing(returns or folder / "returns"))
        self._forgetting = Forgetting(self._register, self._inbox)

    def register(self, endpoints: Endpoints) -> None:
        """Answer the subjects of the sandbox, and listen to erasures."""
        self._control.register(endpoints)
        self._forgetting.subscribe(endpoints.broker)

    async def run(self) -> None:
        """Be there until cancelled."""
        try:
            async with self._inbox, serving(self._authority.app, self._authority_port):
                await asyncio.Event().wait()
        finally:
            self._register.close()
