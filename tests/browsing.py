"""A real browser before the running service, as customers have one; for the browser tests and the screenshots."""

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Request, WebError, async_playwright

#: What Chromium is called here and there.
NAMES = ("chromium", "chromium-browser", "google-chrome")
PHONE: Mapping[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
DESKTOP: Mapping[str, Any] = {"viewport": {"width": 1280, "height": 900}}
#: The least that WCAG 2.2 (1.4.10) asks to be readable without scrolling sideways.
NARROW: Mapping[str, Any] = {**PHONE, "viewport": {"width": 320, "height": 640}}


def chromium() -> str | None:
    """Return where Chromium is on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@asynccontextmanager
async def running_browser(path: str, **environment: str) -> AsyncIterator[Browser]:
    """Run the Chromium of this path without a screen until the block ends."""
    # For root its sandbox does not work.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=path, args=arguments, env={**os.environ, **environment}
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class Complaints:
    """What a browser had to say against the pages of one context, and whatever they asked of others."""

    origin: str
    found: list[str] = field(default_factory=list)

    def listen(self, context: BrowserContext) -> None:
        """Note from now on errors and warnings of the console, scripts that failed, requests to other hosts."""
        context.on("console", self._console)
        context.on("weberror", self._failed)
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        # A page that is answered with 404 or 422 is no mistake of the page.
        is_the_answer = message.page is not None and message.location["url"] == message.page.url
        if message.type in {"error", "warning"} and not is_the_answer:
            self.found.append(f"{message.type}: {message.text}")

    def _failed(self, error: WebError) -> None:
        self.found.append(f"script: {error.error}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:")):
            self.found.append(f"asked elsewhere: {request.url}")
