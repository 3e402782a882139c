"""What people on duty let the service try again."""

from uuid import uuid4

import pytest
from psycopg_pool import AsyncConnectionPool
from structlog.testing import capture_logs

from vignettes.eventstore.connections import conninfo
from vignettes.messages.ops import RetryParked
from vignettes.services.intervening import ViewsDesk


class Asked:
    """Endpoints that keep what answers a subject."""

    def answer(self, _subject, _queue, _asked, _reply, handler):
        self.handler = handler


@pytest.fixture
async def pool(database):
    async with AsyncConnectionPool(conninfo(database, "vignettes_projector"), open=False) as pool:
        yield pool


async def test_the_log_tells_which_command_it_was_and_not_who_asked(pool):
    """Names of staff stand in effect.interventions: a log is read, copied and kept by others."""
    asked = Asked()
    ViewsDesk(pool).register(asked)
    command_id = uuid4()
    with capture_logs() as logs:
        await asked.handler(RetryParked(command_id=command_id, actor="staff:duty-1", view="lookup"), None)
    told = {"event": "intervention.made", "log_level": "info", "request": RetryParked.subject}
    assert logs == [{**told, "command": str(command_id)}]
