"""How the role of support is built.

Imports stand in the builder: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

from datetime import timedelta
from typing import TYPE_CHECKING

from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.parts import Together, vault

if TYPE_CHECKING:
    from vignettes.runtime.process import Process, Running


async def support(built: "Process") -> "Running":
    """Build the role that takes requests for help, and opens cases that nobody asks for."""
    from vignettes.eventstore.append import Appender, Numbers
    from vignettes.eventstore.connections import READ_ONLY
    from vignettes.eventstore.journal import Journal
    from vignettes.services.grouping import GroupWriter
    from vignettes.services.links import BodyHash
    from vignettes.services.support.cases import CaseWriter
    from vignettes.services.support.desk import SupportDesk
    from vignettes.services.support.forgetting import Forgetting
    from vignettes.services.support.opening import Opening
    from vignettes.services.support.returning import Returning

    settings = built.settings
    root = root_of(settings, built.conninfo("vignettes_writer", "support"))
    appender = Appender(
        Journal(needed(settings.database_url, "VIGNETTES_DATABASE_URL")), vault(settings), Numbers()
    )
    built.stack.push_async_callback(appender.close)
    writer = CaseWriter(GroupWriter(appender.execute_all), BodyHash(root).of)
    built.stack.push_async_callback(writer.end)
    # The desk only reads; what it decides goes through the writer.
    pool = await built.pool("vignettes_projector", "support pool", 4, options=READ_ONLY)
    SupportDesk(pool, writer).register(built.endpoints)
    kept = timedelta(days=settings.support_kept_days)
    return Together(
        "support",
        [
            Opening(built.conninfo("vignettes_projector", "opening"), writer),
            Returning(built.conninfo("vignettes_projector", "returning"), writer),
            Forgetting(built.conninfo("vignettes_projector", "forgetting"), writer, kept),
        ],
    )
