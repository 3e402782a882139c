"""Ending when told to, whatever libraries make of it."""

import asyncio


def end_if_cancelled() -> None:
    """Notice a cancellation that went under: Python 3.11's wait_for, deep in libraries, drops one that comes late."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
