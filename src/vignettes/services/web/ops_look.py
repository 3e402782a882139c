"""One look into the database for all who have the page for people on duty open in this process.

How often is bounded: the next look comes after a few seconds, and after ten times as long as the one before took, so
that the page never costs more than a small part of one connection, however many look at it.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from starlette.exceptions import HTTPException

from vignettes.domain.details import Status
from vignettes.projections.promises import Promise

log = structlog.get_logger(__name__)

Row = dict[str, Any]
Parts = Mapping[str, Sequence[Row]]

#: Those of the promises that the page measures.
SHOWN: Final = (Promise.AT_THE_MARK, Promise.SAME_DAY, Promise.RIGHT_ORDER, Promise.MAIL_OF_PAYMENT)
#: So many of each list are shown; how many there are is told.
MOST: Final = 5

#: Days that are over hardly change. The board can do without them, and does not wait long for them.
_OF_PAST_DAYS: Final = ("month", "broken_month")
#: Orders that have ended become more for ever, and so does the time that it takes to count them.
_OF_ENDED: Final = ("ended",)
_ENDED: Final = (Status.ISSUED, Status.REFUNDED, Status.EXPIRED)
_AGAIN_SECONDS, _ENDED_AGAIN_SECONDS, _PAST_AGAIN_SECONDS = 3.0, 60.0, 300.0
_PAST_PATIENCE_SECONDS: Final = 8.0
_TIMES_AS_LONG: Final = 10
_GONE_SECONDS: Final = 20.0
#: How long whoever has done something waits for the views to know of it.
_PATIENCE_SECONDS, _LOOK_AGAIN_SECONDS = 1.5, 0.05

_SQL: Final = (Path(__file__).parent / "ops_look.sql").read_text()
_QUERIES: Final[Mapping[str, bytes]] = {
    name: statement.strip().encode()
    for name, statement in re.findall(
        r"^-- name: (\w+)\n(.*?)(?=^-- name: |\Z)", _SQL, re.DOTALL | re.MULTILINE
    )
}
_CLOCK: Final = "clock"
_NOW: Final = tuple(name for name in _QUERIES if name not in {*_OF_PAST_DAYS, *_OF_ENDED, _CLOCK})
_VALUES: Final = {
    "promises": [int(each) for each in SHOWN],
    "most": MOST,
    "ended": [str(each) for each in _ENDED],
    "standing": [str(each) for each in Status if each not in _ENDED],
}


@dataclass(frozen=True, slots=True)
class Look:
    """What the views said at one moment, by the names of the parts."""

    now: datetime
    parts: Parts

    @property
    def lacks_days(self) -> bool:
        """Tell whether the days that are over could not be counted."""
        return any(name not in self.parts for name in _OF_PAST_DAYS)

    def rows(self, name: str) -> Sequence[Row]:
        """Return a part; nothing of one that could not be had."""
        return self.parts.get(name, ())

    @property
    def sign(self) -> str:
        """What changes whenever the page would: with what there is to see, and with each minute that it tells of."""
        said = f"{self.now:%Y-%m-%dT%H:%M} {self.parts}"
        return hashlib.sha256(said.encode()).hexdigest()[:20]


class _Paced:
    """Some parts, asked for together and not too often."""

    def __init__(self, names: Sequence[str], seconds: float) -> None:
        self._names = names
        self._seconds = seconds
        self._not_before = 0.0
        self.parts: Parts = {}
        self.now = datetime.min.replace(tzinfo=UTC)

    @property
    def is_due(self) -> bool:
        """Tell whether it is time to ask anew."""
        return time.monotonic() >= self._not_before

    def put_off(self, seconds: float) -> None:
        """Forget what was known, and do not ask before so long."""
        self.parts = {}
        self._not_before = time.monotonic() + seconds

    async def look(self, connection: AsyncConnection, now: datetime) -> None:
        """Ask how things stand now."""
        began = time.monotonic()
        self.now, self.parts = now, {name: await _asked(connection, name, now) for name in self._names}
        took = time.monotonic() - began
        self._not_before = time.monotonic() + max(self._seconds, _TIMES_AS_LONG * took)


class Looking:
    """Looks for everybody. `database` connects as the reader."""

    def __init__(self, database: AsyncConnectionPool, seconds: float = _AGAIN_SECONDS) -> None:
        self._database = database
        self._one_at_a_time = asyncio.Lock()
        self._present = _Paced(_NOW, seconds)
        self._ended = _Paced(_OF_ENDED, _ENDED_AGAIN_SECONDS)
        self._past = _Paced(_OF_PAST_DAYS, _PAST_AGAIN_SECONDS)
        self._today: date | None = None

    async def look(self, *, since: int | None = None) -> Look:
        """Return how things stand; as of this position of the log at least, where the views come so far in time.

        Raises HTTPException (503) where the database does not answer.
        """
        try:
            async with asyncio.timeout(_GONE_SECONDS), self._one_at_a_time:
                if since is not None or self._present.is_due:
                    await self._known(since)
                return Look(
                    self._present.now, {**self._past.parts, **self._ended.parts, **self._present.parts}
                )
        except (psycopg.Error, TimeoutError) as error:
            log.warning("page.unavailable", error=type(error).__name__)
            raise HTTPException(503) from None

    async def _known(self, since: int | None) -> None:
        async with self._database.connection() as connection:
            if since is not None:
                await _caught_up(connection, since)
            [clock] = await _asked(connection, _CLOCK)
            now: datetime = clock["now"]
            if self._ended.is_due:
                await self._ended.look(connection, now)
            await self._present.look(connection, now)
        today = now.astimezone(UTC).date()
        if today != self._today or self._past.is_due:
            self._today = today
            await self._past_days(now)

    async def _past_days(self, now: datetime) -> None:
        """Count the days that are over. Where that fails, all else is shown, and it is tried again in a while."""
        self._past.put_off(_TIMES_AS_LONG * _PAST_PATIENCE_SECONDS)
        try:
            async with asyncio.timeout(_PAST_PATIENCE_SECONDS), self._database.connection() as connection:
                await self._past.look(connection, now)
        except (psycopg.Error, TimeoutError) as error:
            log.warning("page.without_past_days", error=type(error).__name__)


async def _caught_up(connection: AsyncConnection, position: int) -> None:
    """Wait until all views know the log up to a position, or long enough."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        [clock] = await _asked(connection, _CLOCK)
        if (clock["position"] or 0) >= position:
            return
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def _asked(connection: AsyncConnection, name: str, now: datetime | None = None) -> list[Row]:
    async with connection.cursor(row_factory=dict_row) as cursor:
        # Another edition of a view may have other columns: what was prepared for the one before would be void.
        await cursor.execute(_QUERIES[name], {**_VALUES, "now": now}, prepare=False)
        return await cursor.fetchall()
