"""Whose certificates we believe when we call others over HTTP."""

from functools import cache
from ssl import SSLContext

import httpx


@cache
def trusted() -> SSLContext:
    """Return httpx's own context, read once: each client would read all certificates of the machine anew."""
    return httpx.create_ssl_context()
