"""How often strangers may ask, by who asks and what is asked about: moving windows, in the memory of each process.

Several processes of the web role count apart, so that together they let through that many times more. What is counted
is kept as a keyed hash only, by a key that ends with the process.
"""

import hmac
import math
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

from fastapi import Request
from fastapi.responses import HTMLResponse, Response
from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from prometheus_client import CollectorRegistry, Counter

from vignettes.services.web.rendering import language_of, rendered

#: Of how many keys the windows are kept. Beyond that those are forgotten that were used the longest ago.
MOST_KEYS: Final = 50_000
_V6_OF_ONE_HOUSEHOLD: Final = 64


class Throttled(Exception):
    """This was asked too often; nothing was done."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(retry_after)
        #: In how many whole seconds, at least one, it may be asked again.
        self.retry_after = max(1, math.ceil(retry_after))

    @property
    def minutes(self) -> int:
        """The same as people are told it."""
        return math.ceil(self.retry_after / 60)


class Rate:
    """How often something may be asked by one `of` (an address, a plate): `Rate("open_plate", "5/hour; 10/day")`."""

    def __init__(self, of: str, often: str) -> None:
        self.of = of
        self.windows: tuple[RateLimitItem, ...] = tuple(parse_many(often))


class Throttle:
    """Counts what is asked, and in `registry` what it refused. `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most_keys: int = MOST_KEYS) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._limiter = MovingWindowRateLimiter(_Windows(clock, most_keys))
        self.registry = CollectorRegistry()
        meaning = "Requests of customers' pages that were one too many, by what was counted."
        self._refused = Counter("vignettes_throttled", meaning, ["of"], registry=self.registry)

    def tell(self, rate: Rate) -> None:
        """Let it be told as zero before anything was refused by it: who is alarmed by it sees it grow from there."""
        self._refused.labels(rate.of)

    def count(self, rate: Rate, *who: str) -> None:
        """Count one more. Raises Throttled if it is one too many."""
        self._passed(rate, who, self._limiter.hit)

    def check(self, rate: Rate, *who: str) -> None:
        """Raise Throttled if one more would be too many; nothing is counted, for it may be none that counts."""
        self._passed(rate, who, self._limiter.test)

    def _passed(self, rate: Rate, who: tuple[str, ...], passes: Callable[[RateLimitItem, str], bool]) -> None:
        key = hmac.digest(self._key, "\0".join((rate.of, *who)).encode(), "sha256").hex()
        for window in rate.windows:
            if not passes(window, key):
                self._refused.labels(rate.of).inc()
                opens_at = self._limiter.get_window_stats(window, key).reset_time
                raise Throttled(opens_at - self._clock())


class _Windows(MemoryStorage):
    """The library's own keeps every key for ever, and looks through all of them in a new thread for each hit."""

    def __init__(self, clock: Callable[[], float], most_keys: int) -> None:
        super().__init__()
        self._clock = clock
        self._most_keys = most_keys
        self._instants: OrderedDict[str, list[float]] = OrderedDict()

    def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        now = self._clock()
        instants = [each for each in self._instants.pop(key, ()) if each > now - expiry]
        self._instants[key] = instants
        if len(self._instants) > self._most_keys:
            self._instants.popitem(last=False)
        if len(instants) + amount > limit:
            return False
        instants += [now] * amount
        return True

    def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:  # noqa: ARG002  # theirs
        now = self._clock()
        instants = [each for each in self._instants.get(key, ()) if each > now - expiry]
        return (instants[0] if instants else now), len(instants)


async def throttled(request: Request, error: Exception) -> Response:
    """Answer whoever asked too often: in words, with the time to wait, and with the way to a person."""
    assert isinstance(error, Throttled)  # noqa: S101  # it is registered for these only; for the type
    page = rendered("throttled.html", language_of(request), {"minutes": error.minutes})
    # Or the server would go on taking a body that nobody reads.
    return HTMLResponse(page, 429, {"Retry-After": str(error.retry_after), "Connection": "close"})


def network_of(request: Request) -> str:
    """Return who asks: an IPv4 address, or the /64 of an IPv6 one, for a household may take any address of it."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host  # a socket that is no network's
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(IPv6Network((address, _V6_OF_ONE_HOUSEHOLD), strict=False))
