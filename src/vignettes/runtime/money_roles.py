"""How the role of payments is built, and what the web role needs to take notices of money.

Imports stand in the builders: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

import os
from typing import TYPE_CHECKING

from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.parts import Piece, Together, index, vault
from vignettes.runtime.settings import ConfigurationError

if TYPE_CHECKING:
    from psycopg_pool import AsyncConnectionPool

    from vignettes.runtime.process import Process, Running
    from vignettes.services.calling import Calling
    from vignettes.services.payments.booking import PaymentWriter
    from vignettes.services.web.webhooks import Webhooks


async def payments(built: "Process") -> "Running":
    """Build the role that takes money in and gives it back."""
    from vignettes.eventstore.append import Appender, Numbers
    from vignettes.eventstore.journal import Journal
    from vignettes.services.calling import Calling
    from vignettes.services.grouping import GroupWriter
    from vignettes.services.links import BodyHash
    from vignettes.services.payments.bank_files import FileBook, FileImporter
    from vignettes.services.payments.booking import PaymentWriter
    from vignettes.services.payments.forgetting import Forgetting
    from vignettes.services.payments.import_desk import ImportDesk
    from vignettes.services.payments.importing import Importer
    from vignettes.services.payments.lookup import OrdersInView
    from vignettes.services.payments.matching import Matching
    from vignettes.services.payments.notices import NoticeDesk
    from vignettes.services.payments.payout_lines import PayoutLines
    from vignettes.services.payments.placing import Placing
    from vignettes.services.payments.review import ReviewDesk
    from vignettes.services.payments.telling import Telling
    from vignettes.services.payments.watching import Watching

    settings = built.settings
    root = root_of(settings, built.conninfo("vignettes_writer", "payments"))
    appender = Appender(
        Journal(needed(settings.database_url, "VIGNETTES_DATABASE_URL")), vault(settings), Numbers()
    )
    built.stack.push_async_callback(appender.close)
    writer = PaymentWriter(GroupWriter(appender.execute_all), BodyHash(root).of)
    built.stack.push_async_callback(writer.end)
    pool = await built.pool("vignettes_projector", "payments pool", 4)
    ordering = Calling(built.client)
    ReviewDesk(pool, writer).register(built.endpoints)
    NoticeDesk(writer).register(built.endpoints)
    book = FileBook(pool)
    importer = Importer(writer, pool, PayoutLines(writer, pool, ordering).note)
    files = FileImporter(importer, book)
    ImportDesk(importer, files, book).register(built.endpoints)
    watching = [Watching(settings.bank_folder, files)] if settings.bank_folder else []
    return Together(
        "payments",
        [
            Matching(built.conninfo("vignettes_projector", "matching"), writer, OrdersInView(index(root))),
            Telling(built.conninfo("vignettes_projector", "telling"), writer, ordering),
            Forgetting(built.conninfo("vignettes_projector", "forgetting"), writer),
            Placing(built.conninfo("vignettes_projector", "placing"), writer),
            *watching,
            _money_back(built, pool, writer, ordering),
        ],
    )


def _money_back(
    built: "Process", pool: "AsyncConnectionPool", writer: "PaymentWriter", ordering: "Calling"
) -> Piece:
    """Answer about payouts and the books, and return what approves refunds by policy."""
    from vignettes.services.deciding import Payee
    from vignettes.services.payments.approving import Approving
    from vignettes.services.payments.balance import BalanceDesk
    from vignettes.services.payments.limits import limits
    from vignettes.services.payments.paying_out import PayingOut
    from vignettes.services.payments.payouts import PayoutDesk

    settings = built.settings
    paying_out = PayingOut(pool, writer, ordering, Payee(settings.payee_name, settings.payee_iban))
    PayoutDesk(pool, ordering, paying_out).register(built.endpoints)
    BalanceDesk(pool).register(built.endpoints)
    approved = limits(settings.refunds_approved_up_to)
    return Approving(built.conninfo("vignettes_projector", "approving"), approved, ordering)


async def webhooks(built: "Process") -> "Webhooks | None":
    """Build what takes notices of the configured providers; None where there are none."""
    from vignettes.services.notices import directory
    from vignettes.services.notices.files import ProviderFileError
    from vignettes.services.notices.passing import Passing
    from vignettes.services.web.webhooks import Webhooks

    if built.settings.webhooks_file is None:
        return None
    try:
        connected = directory.connected(built.settings.webhooks_file, os.environ)
        providers = await built.stack.enter_async_context(connected)
    except ProviderFileError as error:
        raise ConfigurationError(f"VIGNETTES_WEBHOOKS_FILE: {error}.") from None

    return Webhooks(providers, Passing(built.client).take)
