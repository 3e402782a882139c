"""Whether everything is there that an order needs on its way: the database, NATS, and every role."""

import asyncio
from collections.abc import Sequence
from typing import Literal

import psycopg
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.micro.service import ServicePing
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.services.discovery import present, service_name

DATABASE_SECONDS = 1.0


class Instance(BaseModel):
    """One process of a role."""

    id: str
    pid: int | None
    restarts: int | None
    started: str | None


class RoleState(BaseModel):
    """A role, and the processes that answered for it."""

    present: bool
    instances: list[Instance]


class Readiness(BaseModel):
    """Whether orders can be taken and brought to their end, and if not, what is missing."""

    status: Literal["ready", "not ready"]
    missing: list[str]
    database: bool
    nats: bool
    roles: dict[str, RoleState]


async def readiness(client: Client, database: AsyncConnectionPool, roles: Sequence[str]) -> Readiness:
    """Look now; takes about a second at most."""
    reachable, pings = await asyncio.gather(_reachable(database), _pings(client))
    connected = pings is not None
    states = {role: _state(role, pings or []) for role in roles}
    missing = [name for name, there in (("database", reachable), ("nats", connected)) if not there]
    missing += [role for role, state in states.items() if not state.present]
    return Readiness(
        status="not ready" if missing else "ready",
        missing=missing,
        database=reachable,
        nats=connected,
        roles=states,
    )


async def _reachable(database: AsyncConnectionPool) -> bool:
    try:
        async with asyncio.timeout(DATABASE_SECONDS), database.connection() as connection:
            await connection.execute("SELECT 1")
    except (psycopg.Error, TimeoutError):
        return False
    return True


async def _pings(client: Client) -> list[ServicePing] | None:
    """Return who answers; None when NATS does not."""
    if not client.is_connected:
        return None
    try:
        return await present(client)
    except NatsError:
        return None


def _state(role: str, pings: list[ServicePing]) -> RoleState:
    instances = [_instance(ping) for ping in pings if ping.name == service_name(role)]
    return RoleState(present=bool(instances), instances=instances)


def _instance(ping: ServicePing) -> Instance:
    known = ping.metadata
    return Instance(
        id=ping.id,
        pid=_number(known.get("pid")),
        restarts=_number(known.get("restarts")),
        started=known.get("started"),
    )


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
