"""The logins that deploy/postgresql ships, on a server of the tests."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

POSTGRESQL = Path(__file__).parents[1] / "deploy" / "postgresql"
LOGINS = (POSTGRESQL / "logins.sql").read_text()
NAMES = re.findall(r"CREATE ROLE (\w+) LOGIN", LOGINS)


def as_login(url: str, name: str) -> str:
    """Return the address of a database for another login."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{name}@{parts.netloc.rpartition('@')[2]}"))


@contextmanager
def logins(url: str) -> Iterator[None]:
    """Make the logins as they are shipped; they belong to the whole server, and go again."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(LOGINS)
    try:
        yield
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            for name in NAMES:
                connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")
