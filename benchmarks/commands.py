"""Ours: customers who order through NATS, one command at a time each, as any other service would."""

import asyncio
import random

from benchmarks.apart import answer
from benchmarks.crowd import Crowd
from benchmarks.dialogue import orders
from benchmarks.figures import Point, Window


def measure(
    nats_url: str, of: tuple[str, str], in_flight: int, seed: str, seconds: float, warm_up: float
) -> list[Point]:
    """Return how many commands so many customers get done. `of` are the workload and what it is."""
    workload, what = of
    window = Window(seconds, warm_up)
    customers = [
        orders(random.Random(f"{seed}/{n}"), lambda: window.open)  # noqa: S311  # repeatable
        for n in range(in_flight)
    ]
    asyncio.run(Crowd(customers, window).ask(nats_url))
    return [Point.of((workload, "ours", what), in_flight, seconds, window)]


if __name__ == "__main__":
    answer(measure)
