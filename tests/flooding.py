"""A stranger who looks for one plate after the other, as quickly as it goes; tells how often which status came."""

import asyncio
import sys
from collections import Counter

import httpx

from forms import BROWSER, hidden

AT_ONCE = 8


async def main(base: str, lookups: int) -> None:
    statuses: Counter[int] = Counter()
    numbers = iter(range(lookups))
    headers = {**BROWSER, "X-Forwarded-For": "198.51.100.1"}
    async with httpx.AsyncClient(base_url=base, headers=headers, trust_env=False, timeout=60) as http:
        fields = hidden((await http.get("/")).text, "vehicle")

        async def look() -> None:
            for number in numbers:
                typed = {"country": "CZ", "plate": f"2A{number:05}", "email": f"somebody{number}@example.com"}
                answer = await http.post("/", data={**fields, **typed})
                statuses[answer.status_code] += 1

        await asyncio.gather(*(look() for _ in range(AT_ONCE)))
    for status, count in sorted(statuses.items()):
        sys.stdout.write(f"{status}: {count}\n")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
