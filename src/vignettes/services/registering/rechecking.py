"""Asking again about vignettes that were issued: authorities have changed a validity later (case 51)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog
from psycopg import AsyncConnection
from psycopg.rows import class_row

from vignettes.domain.catalogue import product
from vignettes.messages.commands import RecordValidity
from vignettes.services.authorities import Authority, Registered, RegisteredOtherwise, Unknown
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.registering.answers import ACTOR, application_for, confirmed_end
from vignettes.services.registering.ledger import Door, Wanted, open_doors
from vignettes.services.registering.measuring import Measures
from vignettes.services.waking import CLOCK_CHANNEL, Worker

log = structlog.get_logger(__name__)

POLL_SECONDS = 30.0

# Nobody waits for these questions: they are handed out by the minute, and only while there is nothing else to do.
# One that gets no answer comes again in an hour; what has run out, or can't be asked about, never does.
_DUE = """
WITH turn AS (
    UPDATE effect.authorities a SET rechecked_at = clock_timestamp()
    WHERE a.country = %(country)s AND a.state = 'closed'
      AND coalesce(a.rechecked_at < clock_timestamp() - interval '1 min', true)
      AND NOT EXISTS (SELECT FROM effect.registrations r
                      WHERE r.country = a.country AND r.state IN ('waiting', 'sending', 'unknown'))
      AND EXISTS (SELECT FROM effect.registrations r
                  WHERE r.country = a.country AND r.state = 'recorded'
                    AND r.rechecked_at <= (SELECT clock.now() - make_interval(days => %(every)s)))
    RETURNING a.country
), due AS (
    SELECT r.order_id, r.started_at,
           coalesce(o.started_at = r.started_at AND o.vignette_valid_until > clock.now(), false)
           AND k.vehicle_view IS NOT NULL AS holds
    FROM turn JOIN effect.registrations r USING (country) JOIN view.order_status o USING (order_id)
         JOIN personal.keys k USING (order_id)
    WHERE r.state = 'recorded' AND r.rechecked_at <= (SELECT clock.now() - make_interval(days => %(every)s))
    ORDER BY r.rechecked_at LIMIT %(most)s
), taken AS (
    UPDATE effect.registrations r
    SET rechecked_at = CASE WHEN due.holds THEN clock.now() - make_interval(days => %(every)s, hours => -1)
                            ELSE 'infinity' END
    FROM due WHERE (r.order_id, r.started_at) = (due.order_id, due.started_at)
    RETURNING r.order_id, due.holds
)
SELECT o.order_id, o.started_at, o.generation, o.country, o.product, o.vehicle_country,
       personal.opened(o.plate, k.vehicle_view) AS plate, o.valid_from, o.ends_at,
       o.vignette_valid_from AS begins_at, o.vignette_valid_until AS until
FROM taken JOIN view.order_status o USING (order_id) JOIN personal.keys k USING (order_id)
WHERE taken.holds
"""
_ASKED = """
UPDATE effect.registrations SET rechecked_at = clock.now() WHERE (order_id, started_at) = (%s, %s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued(Wanted):
    """A vignette that holds, and until when as far as we know."""

    begins_at: datetime
    until: datetime

    def changed(
        self, answer: Registered | RegisteredOtherwise | None
    ) -> RecordValidity | RegisteredOtherwise | None:
        """Return what the authority has changed, or how what it holds can't be what it issued."""
        if not isinstance(answer, Registered):
            return answer or RegisteredOtherwise("nothing held")
        try:
            until = confirmed_end(product(self.product), answer.valid_until, self.ends_at)
            return None if until == self.until else self._until(until)
        except ValueError:
            return RegisteredOtherwise("no validity")

    def _until(self, until: datetime) -> RecordValidity:
        """Return the command. Raises ValueError for an end that lies before the beginning."""
        return RecordValidity(
            command_id=uuid4(),
            order_id=self.order_id,
            valid_from=self.begins_at,
            valid_until=until,
            actor=ACTOR,
        )


class Rechecks:
    """Asks each authority that can be asked by reference, one question after the other."""

    def __init__(
        self, conninfo: str, authorities: Mapping[str, Authority], ordering: Calling, measures: Measures
    ) -> None:
        self._authorities = authorities
        self._known = {
            country: each.capabilities
            for country, each in authorities.items()
            if each.capabilities.is_asked_again
        }
        self._ordering = ordering
        self._measures = measures
        self._worker = Worker("rechecks", conninfo, (CLOCK_CHANNEL,), self._work)

    async def run(self) -> None:
        """Ask until cancelled."""
        await self._worker.run()

    async def _work(self, connection: AsyncConnection) -> float:
        for door in await open_doors(connection, self._known):
            for issued in await due(connection, door):
                if not await self._asked(issued):
                    break  # the others come again, too
                await connection.execute(_ASKED, (issued.order_id, issued.started_at))
        return POLL_SECONDS

    async def _asked(self, issued: Issued) -> bool:
        """Ask, and pass on what has changed; False where that came to nothing."""
        about: dict[str, Any] = {"order": str(issued.order_id), "country": issued.country}
        question = self._authorities[issued.country].find(application_for(issued))
        answer = await self._measures.of(issued.country, question)
        if isinstance(answer, Unknown):
            log.warning("vignette.not_rechecked", **about, why=answer.why)
            return False
        changed = issued.changed(answer)
        if isinstance(changed, RegisteredOtherwise):
            log.error("vignette.not_as_issued", **about, why=changed.why)
            return True
        return changed is None or await self._recorded(changed, about)

    async def _recorded(self, changed: RecordValidity, about: dict[str, Any]) -> bool:
        try:
            reply = await self._ordering.command(changed)
        except NoAnswer:
            return False
        if not reply["ok"]:
            log.error("vignette.change_refused", **about, code=reply["error"]["code"])
        return True


async def due(connection: AsyncConnection, door: Door) -> list[Issued]:
    """Return what a country's authority may be asked about in this minute, by all processes together."""
    how = door.capabilities.rechecking
    told = {"country": door.country, "every": how.every_days, "most": how.per_minute}
    async with connection.cursor(row_factory=class_row(Issued)) as cursor:
        return await (await cursor.execute(_DUE, told)).fetchall()
