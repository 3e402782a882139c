"""One form for every line that is logged, ours and the libraries', on stderr.

Nobody may log personal data (invariant I10). The mask here is the last line of defence, not the way to do it.
"""

import logging
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final, Literal
from uuid import UUID

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

#: What lines call an id, and what it is called everywhere else.
_LONGER: Final = {"order": "order_id", "command": "command_id", "correlation": "correlation_id"}

Format = Literal["auto", "json", "console"]

PERSONAL: Final = frozenset(
    {
        "email",
        "plate",
        "to",
        "subject",
        "body",
        "text",
        "html",
        "token",
        "manage_url",
        "recipient",
        "password",
    }
)
TALKATIVE: Final = {  # at "info" these log addresses, requests with tokens in them, or each message
    "aiosmtpd": logging.WARNING,
    "mail": logging.WARNING,
    "httpx": logging.WARNING,
    "httpcore": logging.WARNING,
    "asyncio": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.error": logging.WARNING,
}
SELF_WILLED: Final = ("faststream", "faststream.access.nats", "uvicorn", "uvicorn.error")


class _Routed(logging.Logger):
    """A logger that its library can't take out of our hands: FastStream gives its own a handler on stdout."""

    def addHandler(self, hdlr: logging.Handler) -> None:  # noqa: N802  # the name that logging gave it
        """Keep none: everything goes up to the root."""
        del hdlr

    def callHandlers(self, record: logging.LogRecord) -> None:  # noqa: N802  # the name that logging gave it
        self.propagate = True
        super().callHandlers(record)


def configure(fmt: Format, level: str, role: str) -> None:
    """Send all logging of this process to stderr in one form, each line with the role that wrote it."""
    shared = _shared(role)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(fmt, shared))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    _tame_libraries()


def _shared(role: str) -> list[Processor]:
    """Say what every line goes through, whoever wrote it."""

    def name_the_role(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event.setdefault("role", role)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        name_the_role,
        name_the_ids,
        hide_personal_data,
    ]


def _formatter(fmt: Format, shared: list[Processor]) -> logging.Formatter:
    console = fmt == "console" or (fmt == "auto" and sys.stderr.isatty())
    # Plain tracebacks in both: the richer ones print local variables, and with them the driver's data.
    rendering: list[Processor] = (
        [
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            )
        ]
        if console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )


def _tame_libraries() -> None:
    for name, level in TALKATIVE.items():
        logging.getLogger(name).setLevel(level)
    for name in SELF_WILLED:
        _route(name)
    access = logging.getLogger("uvicorn.access")  # it would write the path of an order page, which is its key
    access.handlers[:] = [logging.NullHandler()]
    access.propagate = False


def _route(name: str) -> None:
    usual = logging.getLoggerClass()
    logging.setLoggerClass(_Routed)
    try:
        logger = logging.getLogger(name)
    finally:
        logging.setLoggerClass(usual)
    logger.handlers.clear()
    logger.propagate = True


def name_the_ids(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Call ids as metrics, traces and the log of events do; an order's is that of its trace as well."""
    for short, name in _LONGER.items():
        if short in event:
            event[name] = event.pop(short)
    with suppress(ValueError):
        if order_id := event.get("order_id"):
            event.setdefault("trace_id", UUID(str(order_id)).hex)
    return event


def hide_personal_data(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace values under names that hold a person's data, at any depth of mappings."""
    return {name: _hidden(name, value) for name, value in event.items()}


def _hidden(name: object, value: object) -> object:
    if isinstance(name, str) and name.lower() in PERSONAL and value is not None:
        return "[hidden]"
    if isinstance(value, Mapping):
        return {inner: _hidden(inner, content) for inner, content in value.items()}
    return value
