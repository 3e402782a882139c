"""How the role of the web pages is built.

Imports stand in the builder: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING, Final

import structlog

from vignettes.runtime.keys import secret_text
from vignettes.runtime.money_roles import webhooks
from vignettes.runtime.parts import Together
from vignettes.runtime.staffing import session_key
from vignettes.services.trusting import trusted

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from vignettes.runtime.process import Process, Running
    from vignettes.runtime.settings import Settings
    from vignettes.services.web.customers import Customers
    from vignettes.services.web.following import Following
    from vignettes.services.web.staff_openid import OpenId
    from vignettes.services.web.staff_pages import StaffPages
    from vignettes.services.web.staff_tokens import Tokens

log = structlog.get_logger(__name__)

#: How long somebody who signs in waits for their identity provider.
_PROVIDER_SECONDS: Final = 5.0
#: How long an auditor waits for a bundle, and that for a head that covers it.
_EXPORT_SECONDS: Final = 25.0


async def web(built: "Process") -> "Running":
    """Build the role that shows pages: those of customers, and those of staff where there is any."""
    from vignettes.runtime.roles import ROLES, SANDBOX  # it names this builder
    from vignettes.services.asyncapi import document
    from vignettes.services.web.app import create_app
    from vignettes.services.web.following import Following
    from vignettes.services.web.linked import LinkedOrders
    from vignettes.services.web.serving import Web

    settings = built.settings
    pool = await built.pool("vignettes_reader", "web", 4)
    following = Following(LinkedOrders(pool), built.conninfo("vignettes_reader", "following"))
    customers = _customers(built, following)
    app = create_app(
        built.client,
        [*ROLES, SANDBOX] if settings.sandbox else list(ROLES),
        pool,
        document,
        customers=customers,
        staff=await _staff(built, customers, pool),
        webhooks=await webhooks(built),
        is_secure=is_secure(settings),
    )
    return Together("web", [Web(app, settings.http_port, proxies=proxies_of(settings)), following])


def _customers(built: "Process", following: "Following") -> "Customers":
    from vignettes.services.contact import Contact
    from vignettes.services.deciding import Payee
    from vignettes.services.web.asking import Asking
    from vignettes.services.web.customers import Customers
    from vignettes.services.web.throttling import Throttle
    from vignettes.services.web.visits import Visits

    settings = built.settings
    return Customers(
        Payee(settings.payee_name, settings.payee_iban),
        Contact(settings.support_email, settings.support_whatsapp),
        Visits(settings.public_url),
        Asking(built.client),
        Throttle(),
        following,
    )


async def _staff(
    built: "Process", customers: "Customers", database: "AsyncConnectionPool"
) -> "StaffPages | None":
    """Return the pages of staff; none where nobody could sign in."""
    from vignettes.services.web import ops_page
    from vignettes.services.web.asking import Asking
    from vignettes.services.web.audit_page import AuditPages
    from vignettes.services.web.staff import Staff
    from vignettes.services.web.staff_pages import StaffPages
    from vignettes.services.web.staff_sessions import Seal, Sessions
    from vignettes.services.web.staff_signing_in import SignIn, Ways
    from vignettes.services.web.staff_tokens import Tokens

    settings = built.settings
    if settings.staff_file is None and settings.openid_issuer is None:
        return None
    seal, tokens = Seal(session_key(settings)), Tokens(settings.staff_file)
    ways = Ways(tokens, await _openid(built, tokens))
    sessions = Sessions(seal, ways.all, is_secure=is_secure(settings))
    staff = Staff(customers.visits, sessions.member)
    return StaffPages(
        staff,
        [
            SignIn(ways, seal, sessions, staff, customers.throttle).router,
            ops_page.router(staff, database, customers.ask),
            AuditPages(staff, customers.ask, Asking(built.client, _EXPORT_SECONDS)).router,
        ],
    )


async def _openid(built: "Process", tokens: "Tokens") -> "OpenId | None":
    """Return the way in by an identity provider, where one is set; names of the staff file are not for it."""
    import httpx

    from vignettes.services.web.staff_members import roles_by_group
    from vignettes.services.web.staff_openid import OpenId, Rules
    from vignettes.services.web.staff_provider import Client, Provider

    settings = built.settings
    if settings.openid_issuer is None:
        return None
    secret = settings.openid_secret_file
    client = Client(
        settings.openid_issuer,
        settings.openid_client_id or "",
        secret_text(secret, "openid_secret_file").strip() if secret else None,
        settings.openid_scopes,
        f"{settings.public_url}/sign-in/openid/done",
    )
    http = await built.stack.enter_async_context(
        httpx.AsyncClient(timeout=_PROVIDER_SECONDS, verify=trusted())
    )
    rules = Rules(
        settings.openid_name_claim, settings.openid_roles_claim, roles_by_group(settings.openid_roles)
    )
    return OpenId(Provider(client, http), rules, tokens.has)


def is_secure(settings: "Settings") -> bool:
    """Tell whether browsers come by https."""
    return settings.public_url.startswith("https:")


def proxies_of(settings: "Settings") -> list[str]:
    """Return the proxies before the web pages, and warn where there must be some that are not known."""
    proxies = [each for each in settings.trusted_proxies.split(",") if each]
    if is_secure(settings) and not proxies:
        # We serve no https ourselves: everybody comes by that proxy, and counts as one visitor.
        log.warning("web.proxies_unknown", setting="VIGNETTES_TRUSTED_PROXIES")
    return proxies
