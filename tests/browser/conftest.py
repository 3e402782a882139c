"""For each module one running service and one Chromium; for each test browsers of its own, which may not complain."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from browsing import NAMES, PHONE, Complaints, chromium, running_browser
from service import Service, running_service, until
from vignettes.runtime.embedded import EmbeddedNats

STARTING_SECONDS = 60.0
PATIENCE_MILLISECONDS = 15_000
expect.set_options(timeout=PATIENCE_MILLISECONDS)

Open = Callable[..., Awaitable[Page]]


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """Give Chromium; without it nothing here is tested, which may not happen unseen where changes are judged."""
    found = chromium()
    if found is None and os.environ.get("CI"):
        pytest.fail(f"none of {', '.join(NAMES)} is on the PATH, and CI is set: install Chromium")
    if found is None:
        pytest.skip(f"the pages need a browser to be looked at: install Chromium ({', '.join(NAMES)})")
    return found


@pytest.fixture(scope="module")
def one_database(copied: Callable[[], AbstractContextManager[str]]) -> Iterator[str]:
    """Give the URL of a database of this module's own."""
    with copied() as url:
        yield url


@pytest.fixture(scope="module")
def one_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
def one_nats(one_folder: Path) -> Iterator[EmbeddedNats]:
    """Start NATS for this module."""
    server = EmbeddedNats(one_folder / "nats", 0)
    server.start()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(one_database: str, one_nats: EmbeddedNats, one_folder: Path) -> AsyncIterator[Service]:
    """Run every role, with the sandbox, for all tests of this module."""
    async with running_service(one_database, one_nats.url, one_folder / "data") as running:
        await until(lambda: _is_ready(running), STARTING_SECONDS)
        yield running


async def _is_ready(service: Service) -> bool:
    if service.serving.done():
        service.serving.result()
    with suppress(httpx.TransportError):
        async with httpx.AsyncClient(trust_env=False) as http:
            return (await http.get(f"{service.settings.public_url}/readyz")).is_success
    return False


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with running_browser(chromium_path) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(service: Service, browser: Browser) -> AsyncIterator[Open]:
    """Give what opens an address in a browser that knows nothing yet: a phone's, unless it is to be another one."""
    contexts = []
    complaints = Complaints(service.settings.public_url)

    async def open_one(
        address: str, device: Mapping[str, Any] = PHONE, *, scripts: bool = True, **different: Any
    ) -> Page:
        context = await browser.new_context(
            **{**device, "base_url": complaints.origin, "java_script_enabled": scripts, **different}
        )
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        contexts.append(context)
        complaints.listen(context)
        page = await context.new_page()
        await page.goto(address)
        return page

    yield open_one
    for context in contexts:
        await context.close()
    assert complaints.found == []
