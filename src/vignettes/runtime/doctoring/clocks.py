"""Clocks: the database's, which rules, beside this machine's and that of NATS."""

import json
from datetime import UTC, datetime, timedelta

from nats.errors import Error as NatsError

from vignettes.messages import events
from vignettes.runtime.doctoring.finding import Finding, ok, skipped, warning, wrong
from vignettes.runtime.doctoring.patient import Patient
from vignettes.runtime.local_times import lasting

_WARN, _WRONG = timedelta(seconds=1), timedelta(seconds=30)
_NOW = "SELECT clock_timestamp(), ahead FROM clock.shift"
_ANSWER_SECONDS = 3.0


async def look(patient: Patient) -> list[Finding]:
    """Compare the three, and look whether the service's clock is that of the database."""
    async with patient.connected("vignettes_reader") as connection:
        before = datetime.now(UTC)
        [(there, ahead)] = await (await connection.execute(_NOW.encode())).fetchall()
        here = before + (datetime.now(UTC) - before) / 2
    return [
        _shift(patient, ahead),
        _beside("this machine", there - here),
        await _of_nats(patient, there - here),
    ]


def _shift(patient: Patient, ahead: timedelta) -> Finding:
    if not ahead:
        return ok("the service's clock", "is the database's")
    told = f"is {lasting(ahead)} ahead of the database's: a sandbox has moved it"
    if patient.settings.environment == "production":
        way = "Never take a sandbox's database into production: begin with a new one."
        return wrong("the service's clock", told, way)
    return ok("the service's clock", told)


async def _of_nats(patient: Patient, database_ahead: timedelta) -> Finding:
    if patient.client is None:
        return skipped("NATS", "does not answer")
    before = datetime.now(UTC)
    try:
        answer = await patient.client.request(
            f"$JS.API.STREAM.INFO.{events.STREAM}", b"", timeout=_ANSWER_SECONDS
        )
        there = datetime.fromisoformat(json.loads(answer.data)["ts"])
    except (NatsError, TimeoutError, ValueError, KeyError):
        return skipped("NATS", "tells no time")
    here = before + (datetime.now(UTC) - before) / 2
    return _beside("NATS", database_ahead - (there - here))


def _beside(whose: str, difference: timedelta) -> Finding:
    """Judge how far the database is ahead of another clock."""
    away = abs(difference)
    told = f"{lasting(away)} {'behind' if difference > timedelta() else 'ahead of'} the database"
    way = "Let both machines keep time by NTP: run `timedatectl set-ntp true`, then `chronyc tracking`."
    if away > _WRONG:
        return wrong(whose, told, way)
    return warning(whose, told, way) if away > _WARN else ok(whose, told)
