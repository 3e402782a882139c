"""Write down who may do what in a database that was just migrated (`python -m tools.privileges`).

To be done with every migration that gives or takes a right, or changes a function or a view: what differs from it in a
living database, `vignettes doctor` tells of.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from psycopg import AsyncConnection

from vignettes.eventstore import privileges
from vignettes.eventstore.migrations import migrate
from vignettes.runtime.embedded import DATABASE, EmbeddedPostgres
from vignettes.runtime.viewing import install_views

FILE = Path(privileges.__file__).with_name("privileges.txt")
_HEAD = """\
# Who may do what in the database, beside its owner (vignettes_owner), as the migrations make it: what follows GRANT;
# triggers, with the function that they call; functions and views, by the beginning of the SHA-256 of their text.
# Made by `python -m tools.privileges`; `vignettes doctor` compares a living database with it.
"""


async def standing(url: str) -> set[str]:
    """Return the lines of a database."""
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        return await privileges.standing(connection)


def main() -> None:
    """Write the file anew."""
    with tempfile.TemporaryDirectory(prefix="vignettes-privileges-") as folder:
        server = EmbeddedPostgres(Path(folder))
        server.start()
        try:
            server.ensure_database(DATABASE)
            migrate(server.url(DATABASE))
            install_views(server.url(DATABASE))
            lines = sorted(asyncio.run(standing(server.url(DATABASE))), key=_by_thing)
        finally:
            server.stop()
    FILE.write_text(_HEAD + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    sys.stdout.write(f"{len(lines)} lines in {FILE.name}\n")


def _by_thing(line: str) -> tuple[str, str]:
    return line.rpartition(" ON ")[2], line


if __name__ == "__main__":
    main()
