"""Jobs that are all due at one instant, for Procrastinate. Runs in a virtual environment that holds nothing of ours.

Reads what is asked on stdin: url of the database, jobs, how many at once, the instant in seconds since 1970.
Says on stdout when everything was in place. Each job inserts one row, in a transaction and commit of its own.
"""

import asyncio
import json
import logging
import sys
import time
from datetime import UTC, datetime
from typing import Any

from procrastinate import App, PsycopgConnector
from psycopg_pool import AsyncConnectionPool

_INSERT = "INSERT INTO done (job) VALUES (%s)"
_JOBS_A_DEFER = 1_000
#: Nothing tells a worker that a scheduled job has come due: it looks, by default every 5 s.
_LOOK_EVERY_SECONDS = 0.1


async def main(database_url: str, jobs: int, at_once: int, due: float) -> dict[str, Any]:
    """Defer all, work them off, and return when they were in place."""
    app = App(connector=PsycopgConnector(conninfo=database_url, min_size=at_once, max_size=at_once))
    rows = AsyncConnectionPool(
        database_url, kwargs={"autocommit": True}, min_size=at_once, max_size=at_once, open=False
    )
    left, nothing_left = set(range(jobs)), asyncio.Event()

    @app.task(name="noon")
    async def noon(job: int) -> None:
        async with rows.connection() as connection:
            await connection.execute(_INSERT, (job,), prepare=True)
        left.discard(job)
        if not left:
            nothing_left.set()

    async with app.open_async(), rows:
        await app.schema_manager.apply_schema_async()
        later = noon.configure(schedule_at=datetime.fromtimestamp(due, UTC))
        for begin in range(0, jobs, _JOBS_A_DEFER):
            batch = range(begin, min(begin + _JOBS_A_DEFER, jobs))
            await later.batch_defer_async(*({"job": job} for job in batch))
        async with rows.connection() as connection:
            await connection.execute(
                "VACUUM (ANALYZE)"
            )  # as autovacuum would have, where they wait for hours
        worker = asyncio.create_task(
            app.run_worker_async(
                concurrency=at_once,
                fetch_job_polling_interval=_LOOK_EVERY_SECONDS,
                install_signal_handlers=False,
            )
        )
        ready = time.time()
        await asyncio.wait(
            {worker, asyncio.create_task(nothing_left.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    return {"ready": ready}


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    json.dump(asyncio.run(main(**json.load(sys.stdin))), sys.stdout)
