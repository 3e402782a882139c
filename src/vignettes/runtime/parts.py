"""What several roles and commands are made of, built from the settings.

Imports stand in the builders: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from vignettes.domain.schedule import Terms
from vignettes.runtime.keys import master_keys
from vignettes.runtime.settings import Settings

if TYPE_CHECKING:
    from vignettes.eventstore.personal import BlindIndex, Vault
    from vignettes.projections.rebuild import Builder
    from vignettes.projections.view import Definition, View
    from vignettes.services.writing import Sender, Writing


class Piece(Protocol):
    """One piece of work of a role."""

    async def run(self) -> None:
        """Do it until cancelled."""


@dataclass(slots=True)
class Together:
    """A role that is several pieces of work at once; it ends with the first of them that fails."""

    name: str
    pieces: "Sequence[Piece]"

    async def run(self) -> None:
        """Do all of them until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for piece in self.pieces:
                tasks.create_task(piece.run(), name=f"{self.name} {type(piece).__name__}")


def terms(settings: Settings) -> Terms:
    """Return by which terms orders are served that are placed now."""
    return Terms(
        lead=timedelta(hours=settings.lead_hours),
        grace=timedelta(seconds=settings.same_day_grace_seconds),
        unpaid_expiry=timedelta(days=settings.unpaid_expiry_days),
    )


def writing(settings: Settings, root: bytes) -> "Writing":
    """Return who writes our mails."""
    from vignettes.services.deciding import Payee
    from vignettes.services.links import Links
    from vignettes.services.writing import Writing

    links = Links(settings.public_url, root)
    return Writing(links, Payee(settings.payee_name, settings.payee_iban), sender(settings))


def sender(settings: Settings) -> "Sender":
    """Return in whose name mails are sent."""
    from vignettes.services.writing import Sender

    return Sender(settings.mail_from, settings.support_email, settings.support_whatsapp)


def vault(settings: Settings) -> "Vault":
    """Return the keys of orders, as one process holds them."""
    from vignettes.eventstore.personal import Vault

    return Vault(master_keys(settings))


def index(root: bytes) -> "BlindIndex":
    """Return the blind index of what customers know of their orders."""
    from vignettes.eventstore.personal import BlindIndex
    from vignettes.services.links import derived

    return BlindIndex(derived(root, b"blind index"))


def definitions() -> "list[Definition]":
    """Return what the followers of the log keep in the database."""
    from vignettes.projections import (
        bank_payments,
        books,
        case_calls,
        deadlines,
        emails,
        lookup,
        order_pages,
        order_status,
        payments,
        payouts,
        promises,
        support_cases,
    )
    from vignettes.services import publishing

    kept = (
        order_status, emails, deadlines, payments, lookup, promises, bank_payments, books, payouts, order_pages,
        support_cases, case_calls, publishing,
    )  # fmt: skip
    return [each.DEFINITION for each in kept]


def views(settings: Settings, keys: "Vault", root: bytes) -> "list[View]":
    """Return the views of the service."""
    from vignettes.projections.bank_payments import BankPaymentsView
    from vignettes.projections.books import BooksView
    from vignettes.projections.case_calls import CaseCallsView
    from vignettes.projections.deadlines import DeadlinesView
    from vignettes.projections.emails import EmailsView
    from vignettes.projections.lookup import LookupView
    from vignettes.projections.order_pages import OrderPagesView
    from vignettes.projections.order_status import OrderStatusView
    from vignettes.projections.payments import PaymentsView
    from vignettes.projections.payouts import PayoutsView
    from vignettes.projections.promises import PromisesView
    from vignettes.projections.support_cases import SupportCasesView
    from vignettes.services.links import Links

    return [
        OrderStatusView(keys),
        EmailsView(sender(settings).domain, keys),
        DeadlinesView(),
        PaymentsView(),
        LookupView(index(root)),
        PromisesView(sender(settings).domain),
        BankPaymentsView(keys),
        BooksView(),
        PayoutsView(keys),
        OrderPagesView(Links(settings.public_url, root).token),
        SupportCasesView(keys),
        CaseCallsView(),
    ]


def builder(settings: Settings, conninfo: str, root: bytes) -> "Builder":
    """Return who builds editions beside the live ones."""
    from vignettes.projections.rebuild import Builder

    keys = vault(settings)
    return Builder(conninfo, views(settings, keys, root), keys)
