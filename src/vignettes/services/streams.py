"""The JetStream streams: created once, compared ever after, never merged in silence."""

from collections.abc import Collection
from dataclasses import replace

import structlog
from nats.aio.client import Client
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError

from vignettes.messages import events

log = structlog.get_logger(__name__)

#: How long the stream remembers a Nats-Msg-Id. The log remembers for ever: consumers dedupe by ce-id.
_DEDUPLICATION_SECONDS = 120.0

_STREAMS = (
    (events.STREAM, events.SUBJECTS, "What happened to orders, for other services (CloudEvents)"),
    (events.TRIGGER_STREAM, events.TRIGGER_SUBJECTS, "Orders whose registration is due"),
    (
        events.HEAD_STREAM,
        events.HEAD_SUBJECTS,
        "Signed heads of the ledger, for whoever keeps watch over the log",
    ),
)

EVERY = frozenset(name for name, _, _ in _STREAMS)


class StreamDiffers(Exception):
    """A stream of this name exists with another form; bring it in line or remove it, then start again."""


def forms(replicas: int = 1) -> list[StreamConfig]:
    """Return the streams as they are to be."""
    return [
        StreamConfig(
            name=name,
            subjects=[subjects],
            description=description,
            retention=RetentionPolicy.LIMITS,
            storage=StorageType.FILE,
            discard=DiscardPolicy.OLD,
            # Nothing is dropped by age or number: what an operator limits must be decided, not found out.
            max_age=0.0,
            max_msgs=-1,
            max_bytes=-1,
            duplicate_window=_DEDUPLICATION_SECONDS,
            # Many messages with one write to disk: a burst of triggers can't wait for one each.
            allow_atomic=True,
            num_replicas=replicas,
        )
        for name, subjects, description in _STREAMS
    ]


def differences(found: StreamConfig, wanted: StreamConfig) -> list[str]:
    """Return what our promises rest on and is otherwise in a stream, in words."""
    named = ["subjects", "retention", "storage", "discard", "max_age", "max_msgs", "max_bytes"]
    if (found.num_replicas or 1) < (
        wanted.num_replicas or 1
    ):  # on more servers than was asked for is no harm
        named.append("num_replicas")
    return [
        f"{what} is {getattr(found, what)}, not {getattr(wanted, what)}"
        for what in named
        if getattr(found, what) != getattr(wanted, what)
    ]


async def ensure(client: Client, replicas: int = 1, names: Collection[str] = EVERY) -> None:
    """Create the streams that are missing; refuse those that differ in what our promises rest on."""
    for wanted in forms(replicas):
        if wanted.name in names:
            await _ensure(client, wanted)


async def _ensure(client: Client, wanted: StreamConfig) -> None:
    jetstream = client.jetstream(timeout=5.0)
    name = str(wanted.name)
    try:
        found = (await jetstream.stream_info(name)).config
    except NotFoundError:
        try:
            await jetstream.add_stream(wanted)
        except BadRequestError:  # another process created it in between: compare
            found = (await jetstream.stream_info(name)).config
        else:
            log.info("stream.created", stream=name)
            return
    if differing := differences(found, wanted):
        raise StreamDiffers(f"{StreamDiffers.__doc__} {name}: {'; '.join(differing)}")
    if not found.allow_atomic:  # of an earlier release; nothing that is kept changes by it
        await jetstream.update_stream(replace(found, allow_atomic=True))
        log.info("stream.updated", stream=name)
