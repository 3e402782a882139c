"""How each role is built from the settings.

Imports stand in the builders: ten processes start on two cores, and each loads only what its roles need.
"""
# ruff: noqa: PLC0415

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from vignettes.runtime.audit_roles import auditing
from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.mail_roles import mailing
from vignettes.runtime.money_roles import payments
from vignettes.runtime.parts import Together, builder, index, terms, vault, views, writing
from vignettes.runtime.settings import ConfigurationError
from vignettes.runtime.support_roles import support
from vignettes.runtime.web_roles import web

if TYPE_CHECKING:
    from vignettes.eventstore.append import Numbers
    from vignettes.eventstore.personal import BlindIndex, Vault
    from vignettes.projections.view import View
    from vignettes.runtime.process import Process, Running
    from vignettes.runtime.settings import Settings
    from vignettes.services.deciding import Deciding
    from vignettes.services.outages import KnownOutages

#: The roles of the service; the sandbox is one more, for local runs.
ROLES: Final = (
    "ordering", "projecting", "deadlines", "registration", "payments", "support", "mailing", "publishing", "auditing",
    "web",
)  # fmt: skip
SANDBOX: Final = "sandbox"


async def _ordering(built: "Process") -> "Running":
    from vignettes.eventstore.append import Appender, Numbers
    from vignettes.eventstore.journal import Journal
    from vignettes.eventstore.orders import Orders
    from vignettes.services.calling import Calling
    from vignettes.services.grouping import GroupWriter
    from vignettes.services.linking import LinkDesk
    from vignettes.services.links import BodyHash, Links
    from vignettes.services.ordering import Ordering
    from vignettes.services.outages import KnownOutages, OutageDesk
    from vignettes.services.reading import Reading

    settings, numbers = built.settings, Numbers()
    root = root_of(settings, built.conninfo("vignettes_writer", "ordering"))
    url = needed(settings.database_url, "VIGNETTES_DATABASE_URL")
    orders = Orders(url, vault(settings))
    built.stack.callback(orders.close)
    appender = Appender(Journal(url), vault(settings), numbers)
    built.stack.push_async_callback(appender.close)
    pool = await built.pool("vignettes_writer", "queries", 8)
    outages = KnownOutages(built.conninfo("vignettes_writer", "outages"))
    lookup, made = index(root), Links(settings.public_url, root)
    ordering = Ordering(
        GroupWriter(appender.execute_all),
        _deciding(settings, numbers, outages, lookup),
        made,
        BodyHash(root),
        Reading(pool, orders, writing(settings, root), lookup),
        built.tracing,
    )
    built.stack.push_async_callback(ordering.end)
    ordering.register(built.endpoints)
    OutageDesk(pool).register(built.endpoints)
    linking = LinkDesk(pool, lookup, made, Calling(built.client))
    linking.register(built.endpoints)
    return Together("ordering", [ordering, outages, linking])


def _deciding(
    settings: "Settings", numbers: "Numbers", outages: "KnownOutages", lookup: "BlindIndex"
) -> "Deciding":
    from vignettes.services.deciding import Deciding, Payee, Policy

    payee = Payee(settings.payee_name, settings.payee_iban)
    policy = Policy(terms(settings), settings.consent_needed)
    return Deciding(policy, payee, numbers.next, outages, lookup.vehicle)


async def _projecting(built: "Process") -> "Running":
    from vignettes.projections.checking import Sampler
    from vignettes.projections.follower import Follower
    from vignettes.services.intervening import ViewsDesk

    url, settings = built.conninfo("vignettes_projector", "projecting"), built.settings
    root = root_of(settings, url)
    ViewsDesk(await built.pool("vignettes_projector", "views desk", 2)).register(built.endpoints)

    def kept() -> "tuple[list[View], Vault]":
        """Return views with keys of their own: none of the three takes them out of another's hand."""
        keys = vault(settings)
        return views(settings, keys, root), keys

    return Together(
        "projecting",
        [
            Follower(url, *kept()),
            builder(settings, built.conninfo("vignettes_projector", "rebuilding"), root),
            Sampler(built.conninfo("vignettes_projector", "checking"), *kept()),
        ],
    )


async def _publishing(built: "Process") -> "Running":
    from vignettes.projections.follower import Follower
    from vignettes.services.publishing import PublishedView

    view = PublishedView(built.client.jetstream(), built.tracing)
    url = built.conninfo("vignettes_projector", "publishing")
    return Together("publishing", [Follower(url, [view], vault(built.settings))])


async def _deadlines(built: "Process") -> "Running":
    from vignettes.messages.commands import ExpireOrder, RefundUnanswered
    from vignettes.services.calling import Calling
    from vignettes.services.deadlines import BATCH, LIMITS_BATCH, Deadlines, asking
    from vignettes.services.emitting import Emitter
    from vignettes.services.forestalling import OutageTelling, TwinTelling

    ordering = Calling(built.client)

    def url(name: str) -> str:
        return built.conninfo("vignettes_projector", name)

    return Together(
        "deadlines",
        [
            # Apart: a midnight at which thousands expire must not keep one registration waiting.
            Deadlines(url("deadlines"), "registration", Emitter(built.client, built.tracing).emit, BATCH),
            Deadlines(url("expiries"), "expiry", asking(ordering, ExpireOrder), LIMITS_BATCH),
            Deadlines(url("answers"), "answer", asking(ordering, RefundUnanswered), LIMITS_BATCH),
            OutageTelling(url("outages"), ordering),
            TwinTelling(url("twins"), ordering),
        ],
    )


async def _registration(built: "Process") -> "Running":
    from vignettes.services import triggers
    from vignettes.services.authorities import directory
    from vignettes.services.authorities.files import AuthorityFileError
    from vignettes.services.calling import Calling
    from vignettes.services.registration import Registration

    folder, url = built.settings.authorities_dir, built.settings.authority_url
    if folder is None:
        needed(url, "VIGNETTES_AUTHORITY_URL")
    try:
        authorities = await built.stack.enter_async_context(directory.connected(folder, url, os.environ))
    except AuthorityFileError as error:
        raise ConfigurationError(f"VIGNETTES_AUTHORITIES_DIR: {error}.") from None
    pool = await built.pool("vignettes_projector", "registration pool", 8)
    ordering = Calling(built.client)
    conninfo = built.conninfo("vignettes_projector", "registration")
    registration = Registration(conninfo, pool, authorities, ordering, built.tracing)
    triggers.subscribe(built.endpoints.broker, ordering, registration.name)
    return registration


async def _sandbox(built: "Process") -> "Running":
    from vignettes.sandbox.clock import MovableClock
    from vignettes.sandbox.world import World

    settings = built.settings
    if not settings.sandbox:
        raise ConfigurationError("The role sandbox needs VIGNETTES_SANDBOX=true.")
    clock = MovableClock(built.conninfo("vignettes_owner", "sandbox"), movable=settings.clock == "movable")
    world = World(
        settings.data_dir / "sandbox",
        clock,
        authority_port=settings.sandbox_authority_port,
        smtp_port=settings.sandbox_smtp_port,
        returns=settings.returns_folder,
    )
    world.register(built.endpoints)
    return world


BUILDERS: Final[dict[str, "Callable[[Process], Awaitable[Running]]"]] = {
    "ordering": _ordering,
    "projecting": _projecting,
    "deadlines": _deadlines,
    "registration": _registration,
    "payments": payments,
    "support": support,
    "mailing": mailing,
    "publishing": _publishing,
    "auditing": auditing,
    "web": web,
    SANDBOX: _sandbox,
}
#: The roles that answer requests; the others show no endpoints in micro discovery.
ANSWERING: Final = frozenset(
    {"ordering", "projecting", "payments", "support", "mailing", "auditing", SANDBOX}
)
