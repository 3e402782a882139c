"""A log that was signed as it grew, and what somebody can do to it who may do anything."""

import asyncio
from collections.abc import Sequence

import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection, Connection
from psycopg.rows import args_row

from eventstore_helpers import ask
from vignettes.eventstore import heads, ledger
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.heads import Head
from vignettes.eventstore.ledger import WIDTH, Row, Tree
from vignettes.services.auditing.keeping import Keeper
from vignettes.services.auditing.outside import Signed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
PUBLIC = KEY.public_key()
ORIGIN = "vignettes/log"

_ROWS = """
SELECT notification_id, originator_id, originator_version, topic, state FROM log.events ORDER BY notification_id
"""
_HEADS = "SELECT size, position, root, at, note FROM ledger.heads ORDER BY size"


def keep(database: str, *, signing: bool = True, key: Ed25519PrivateKey = KEY) -> Head | None:
    """Let the ledger take in what is there, and sign it."""

    async def keeping() -> Head | None:
        url = conninfo(database, "vignettes_ledger")
        async with await AsyncConnection.connect(url, autocommit=True) as connection:
            keeper = Keeper(connection, key, ORIGIN)
            await keeper.begin(None)
            while await keeper.advance():
                pass
            return await keeper.sign() if signing else None

    return asyncio.run(keeping())


def rows_of(connection: Connection) -> list[Row]:
    """Return the log as it stands."""
    with connection.cursor(row_factory=args_row(Row)) as cursor:
        return cursor.execute(_ROWS).fetchall()


def log_of(database: str) -> list[Row]:
    """Return the log of a database."""
    with psycopg.connect(database) as connection:
        return rows_of(connection)


def signed(database: str) -> list[Signed]:
    """Return the heads that the database holds."""
    return [Signed(*row) for row in ask(database, _HEADS)]


def file_of(kept: Sequence[Signed]) -> str:
    """Return heads as their file outside holds them."""
    return "".join(f"{each.line}\n" for each in kept)


def signed_by(key: Ed25519PrivateKey, head: Signed) -> Signed:
    """Return a head that somebody else has signed."""
    told = Head(ORIGIN, head.size, head.root, head.position, head.at)
    return head._replace(note=heads.sign(told, key))


def rewrite_tiles(connection: Connection) -> None:
    """Make the ledger anew from the log as it stands, as its keeper would have."""
    rows, tree = rows_of(connection), Tree()
    for row in rows:
        tree.add(ledger.hash_of(row))
    connection.execute("TRUNCATE ledger.tiles")
    for tile, hashes in tree.changed().items():
        of_tile = [row.position for row in rows[tile.number * WIDTH : (tile.number + 1) * WIDTH]]
        connection.execute(
            "INSERT INTO ledger.tiles (level, number, hashes, positions) VALUES (%s, %s, %s, %s)",
            (tile.level, tile.number, hashes, None if tile.level else of_tile),
        )
