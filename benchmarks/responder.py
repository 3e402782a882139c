"""Answers beside what asks: see `echo`."""

import asyncio
import json
import sys

from benchmarks.echo import respond

if __name__ == "__main__":
    asyncio.run(respond(**json.load(sys.stdin)))
