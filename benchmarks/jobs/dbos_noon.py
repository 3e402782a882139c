"""Workflows that all sleep until one instant, for DBOS. Runs in a virtual environment that holds nothing of ours.

Reads what is asked on stdin: url of the database, jobs, size of its pools, the instant in seconds since 1970.
Says on stdout when everything was in place. Each workflow wakes from a durable sleep, and inserts one row by a step,
in a transaction and commit of its own.
"""

import asyncio
import json
import sys
import time
from typing import Any

from dbos import DBOS
from psycopg_pool import AsyncConnectionPool

_INSERT = "INSERT INTO done (job) VALUES (%s)"


async def main(database_url: str, jobs: int, at_once: int, due: float) -> dict[str, Any]:
    """Start all, wait for them, and return when they were in place."""
    DBOS(
        config={
            "name": "noon",
            "system_database_url": database_url.replace("postgresql://", "postgresql+psycopg://"),
            "sys_db_pool_size": at_once,
            "log_level": "ERROR",
        }
    )
    rows = AsyncConnectionPool(
        database_url, kwargs={"autocommit": True}, min_size=at_once, max_size=at_once, open=False
    )

    @DBOS.step()
    async def insert(job: int) -> None:
        async with rows.connection() as connection:
            await connection.execute(_INSERT, (job,), prepare=True)

    @DBOS.workflow()
    async def noon(job: int) -> None:
        await DBOS.sleep_async(due - time.time())
        await insert(job)

    DBOS.launch()
    async with rows:
        handles = [await DBOS.start_workflow_async(noon, job) for job in range(jobs)]
        ready = time.time()
        for handle in handles:
            await handle.get_result()
    DBOS.destroy()
    return {"ready": ready}


if __name__ == "__main__":
    json.dump(asyncio.run(main(**json.load(sys.stdin))), sys.stdout)
