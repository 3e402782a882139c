"""Builds views anew, one after the other, as an operator beside the service does; prints how long each switch took."""

import asyncio
import contextlib
import json
import os
import sys
import time

import psycopg

from service import until
from vignettes.eventstore.connections import conninfo
from vignettes.projections import editions
from vignettes.projections.lease import LeaseLost
from vignettes.projections.rebuild import Rebuild
from vignettes.runtime import roles
from vignettes.runtime.keys import root_of
from vignettes.runtime.settings import load_settings

_UNDER_WAY = "SELECT count(*) FROM view.editions WHERE view = %s AND state = 'building'"


async def rebuilt(database, pair, vault):
    """Build one view; when another process takes that over, wait until it is done."""
    definition, began, switched = pair[0].definition, time.monotonic(), None
    with psycopg.connect(conninfo(database, "vignettes_owner"), autocommit=True) as connection:
        editions.begin(connection, definition)
        with contextlib.suppress(LeaseLost):
            switched = await Rebuild(conninfo(database, "vignettes_projector"), pair, vault).run()

        async def look():
            return connection.execute(_UNDER_WAY, (definition.name,)).fetchone() == (0,)

        await until(look, seconds=300)
    seconds = round(time.monotonic() - began, 2)
    return {
        "view": definition.name,
        "seconds": seconds,
        "switch_ms": round(switched.seconds * 1000, 1) if switched else None,
    }


async def main(names):
    """Build these views."""
    os.nice(10)
    settings = load_settings()
    vault, lookup = roles.vault(settings), roles.index(root_of(settings, settings.database_url))
    for pair in zip(roles.views(settings, vault, lookup), roles.views(settings, vault, lookup), strict=True):
        if pair[0].definition.name in names:
            print(json.dumps(await rebuilt(settings.database_url, pair, vault)), flush=True)  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
