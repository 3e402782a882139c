"""One running service for the tests of a module; each looks at what is its own, and one that can't has its own service.

Such a module says `pytestmark = pytest.mark.asyncio(loop_scope="module")`.
"""

from datetime import UTC, datetime, timedelta

import pytest_asyncio

from service import running_service

_SUMMER = datetime(2030, 6, 5, 8, tzinfo=UTC)
_WEEK = timedelta(weeks=1)


@pytest_asyncio.fixture(loop_scope="module")
async def service(shared_service):
    return await shared_service.anew()


@pytest_asyncio.fixture(loop_scope="module")
async def own_service(database, nats_server, tmp_path):
    async with running_service(database, nats_server.url, tmp_path / "data") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def wednesday(service):
    """Set the clock to eight in the morning (UTC) of a Wednesday in summer, the next one, and give that instant."""
    passed = max(await service.now() - _SUMMER, timedelta(0))
    begins = _SUMMER - (-passed // _WEEK) * _WEEK
    await service.ask("sandbox.v1.clock", now=begins.isoformat())
    return begins
