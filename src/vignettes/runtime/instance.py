"""`vignettes run`: everything on one machine, embedded servers included, supervised, and gone when it ends."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import httpx
import structlog

from vignettes.eventstore.migrations import migrate
from vignettes.runtime.embedded import (
    DATABASE,
    EmbeddedNats,
    EmbeddedPostgres,
    InstanceLock,
    check_port_free,
    free_port,
)
from vignettes.runtime.keys import give_keys_to_first_orders
from vignettes.runtime.link import Link, connect, needed
from vignettes.runtime.roles import ROLES, SANDBOX
from vignettes.runtime.settings import Settings, variable
from vignettes.runtime.staffing import for_the_sandbox, staff_file
from vignettes.runtime.supervisor import Child, Server, Supervisor, keep_running
from vignettes.runtime.viewing import install_views
from vignettes.services import streams

log = structlog.get_logger(__name__)

READY_WITHIN_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Instance:
    """A running service and where to find it."""

    settings: Settings
    supervisor: Supervisor

    async def until_ready(self, seconds: float = READY_WITHIN_SECONDS) -> None:
        """Wait until every role answers. Raises TimeoutError that names the missing ones."""
        url = f"http://127.0.0.1:{self.settings.http_port}/readyz"
        told = "the web role does not answer"
        async with httpx.AsyncClient() as client:
            try:
                async with asyncio.timeout(seconds):
                    while True:
                        try:
                            answer = await client.get(url)
                            if answer.is_success:
                                return
                            told = answer.text
                        except httpx.HTTPError as error:
                            told = f"the web role does not answer ({type(error).__name__})"
                        await asyncio.sleep(0.1)
            except TimeoutError:
                raise TimeoutError(f"Not ready after {seconds:.0f} s: {told}") from None


@asynccontextmanager
async def instance(settings: Settings, roles: Sequence[str] | None = None) -> AsyncIterator[Instance]:
    """Start what is missing (database, NATS), bring the schema up to date, and run each role as a process."""
    async with AsyncExitStack() as stack:
        stack.enter_context(InstanceLock(settings.data_dir))
        check_port_free(settings.http_port, variable("http_port"))
        with_servers, servers = _with_servers(settings, stack)
        complete = _with_sandbox(_with_files(with_servers))
        _prepare(complete)
        await _prepare_streams(complete)
        supervisor = Supervisor([_child(role, complete) for role in roles or _all_roles(complete)])
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        reviving = asyncio.create_task(keep_running(servers))
        stack.push_async_callback(_cancel, reviving)
        yield Instance(complete, supervisor)


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _all_roles(settings: Settings) -> Sequence[str]:
    return (*ROLES, SANDBOX) if settings.sandbox else ROLES


def _with_servers(settings: Settings, stack: AsyncExitStack) -> tuple[Settings, list[Server]]:
    """Return the settings with the addresses of whatever we had to start ourselves, and those servers.

    They are started in this thread: the kernel ends them with the thread that started them, should we be killed.
    """
    found: dict[str, str] = {}
    servers: list[Server] = []
    if settings.database_url is None:
        postgres = EmbeddedPostgres(settings.data_dir)
        stack.callback(postgres.stop)
        postgres.start()
        postgres.ensure_database(DATABASE)
        found["database_url"] = postgres.url(DATABASE)
        servers.append(postgres)
    if settings.nats_url is None:
        nats = EmbeddedNats(settings.data_dir, settings.nats_port)
        stack.callback(nats.stop)
        nats.start()
        found["nats_url"] = nats.url
        servers.append(nats)
    return settings.model_copy(update=found), servers


def _with_files(settings: Settings) -> Settings:
    """Return the settings with a folder of bank files and a staff file: who has but this machine is to have both.

    In production there are pages of staff only where somebody has said so, and made the key that their sessions need.
    """
    is_local = settings.environment == "local"
    return settings.model_copy(
        update={
            "bank_folder": settings.bank_folder or settings.data_dir / "bank",
            "staff_file": staff_file(settings) if is_local else settings.staff_file,
        }
    )


def _with_sandbox(settings: Settings) -> Settings:
    """Return the settings with the sandbox's addresses where no real ones are given."""
    if not settings.sandbox:
        return settings
    authority_port = settings.sandbox_authority_port or free_port()
    smtp_port = settings.sandbox_smtp_port or free_port()
    return settings.model_copy(
        update={
            "sandbox_authority_port": authority_port,
            "sandbox_smtp_port": smtp_port,
            "authority_url": settings.authority_url or f"http://127.0.0.1:{authority_port}",
            "smtp_url": settings.smtp_url or f"smtp://127.0.0.1:{smtp_port}",
            "returns_folder": settings.returns_folder or settings.data_dir / "sandbox" / "returns",
        }
    )


def _prepare(settings: Settings) -> None:
    """Bring the schema up to date and make keys and members, once, before many processes want them."""
    url = needed(settings.database_url, variable("database_url"))
    for migration in migrate(url):
        log.info("migration.applied", number=migration.number, migration=migration.name)
    if given := give_keys_to_first_orders(settings, url):
        log.info("keys.given", orders=given)
    for view in install_views(url):
        log.info("view.changed", view=view)  # it is built beside the live one
    if settings.sandbox:
        for_the_sandbox(staff_file(settings))


async def _prepare_streams(settings: Settings) -> None:
    link = Link()
    client = await connect(settings, link, "vignettes run")
    try:
        await streams.ensure(client, settings.nats_replicas)
    finally:
        link.ending.set()
        await client.close()


def _child(role: str, settings: Settings) -> Child:
    """Return one role as a process of its own; it gets every setting by its environment."""
    given = {
        variable(name): str(value)
        for name in Settings.model_fields
        if (value := getattr(settings, name)) is not None
    }
    return Child(role, [sys.executable, "-m", "vignettes", "serve", role], given)
