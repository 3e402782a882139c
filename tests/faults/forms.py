"""A form of an event that only a later release can read."""

from contextlib import contextmanager

from vignettes.eventstore import upcasting

LATER = "order.email-corrected.v9"
_OF_TODAY = "order.email-corrected.v2"


def later(data):
    """Say it as the later release does."""
    return {"address": data["email"]}


def _of_today(data):
    return {"email": data["address"]}


def readable():
    """Let this process read the later form from now on."""
    upcasting.UPCASTERS[LATER] = (_OF_TODAY, _of_today)


@contextmanager
def reading_later_forms():
    """Let this process read it while the block runs."""
    readable()
    try:
        yield
    finally:
        del upcasting.UPCASTERS[LATER]
