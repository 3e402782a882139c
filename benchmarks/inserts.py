"""The limit of PostgreSQL: one row of an event's size, prepared, in a transaction and commit of its own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg

from benchmarks.apart import answer
from benchmarks.echo import PAYLOAD
from benchmarks.figures import Point, Window

_TABLE = "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, state bytea NOT NULL)"
_INSERT = "INSERT INTO bare (state) VALUES (%s)"


def prepare(database_url: str) -> None:
    """Make the table."""
    with psycopg.connect(database_url) as connection:
        connection.execute(_TABLE)


def insert(connection: psycopg.Connection, window: Window) -> None:
    """Insert one after the other while the window is open; the connection commits each by itself."""
    while window.open:
        began = time.perf_counter()
        connection.execute(_INSERT, (PAYLOAD,), prepare=True)
        window.note(began)


def measure(
    database_url: str, connections: int, seconds: float, warm_up: float, workload: str = "W1"
) -> list[Point]:
    """Return how fast so many threads insert, each on its connection."""
    prepare(database_url)
    windows: list[Window] = []
    together = threading.Barrier(connections, action=lambda: windows.append(Window(seconds, warm_up)))

    def work() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            together.wait()
            insert(connection, windows[0])

    with ThreadPoolExecutor(connections) as threads:
        for done in [threads.submit(work) for _ in range(connections)]:
            done.result()
    return [Point.of((workload, "limit", "single-row inserts"), connections, seconds, *windows)]


if __name__ == "__main__":
    answer(measure)
