"""The AsyncAPI 3.0 document of everything that we answer and publish, from the models that are used for it.

FastStream's own document (0.7.8) knows neither replies nor headers, nor what is published without FastStream.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from vignettes.messages import (
    audit,
    bank_files,
    commands,
    events,
    links,
    ops,
    outages,
    payments,
    queries,
    replies,
    support,
)
from vignettes.messages.replies import Refused
from vignettes.services.auditing.desk import QUEUE as AUDIT
from vignettes.services.examples import EXAMPLES, HEAD_HEADERS, TRIGGER_HEADERS, event_headers
from vignettes.services.intervening import MAILS_QUEUE, VIEWS_QUEUE
from vignettes.services.ordering import QUEUE as ORDERS
from vignettes.services.payments.review import QUEUE as PAYMENTS
from vignettes.services.support.desk import QUEUE as SUPPORT

Json = dict[str, Any]
_Mode = Literal["validation", "serialization"]
_Outages = outages.AnnounceOutage | outages.WithdrawOutage | outages.AskOutages
_Links = links.RequestLink | links.OpenPage | links.AskDocument
_Files = bank_files.ImportFile | bank_files.BookEntries | bank_files.NoteFile | bank_files.AskStandings
_Decisions = (
    payments.Allocate
    | payments.Reassign
    | payments.PlaceReversal
    | payments.DismissLine
    | payments.ReturnPayment
)
_MoneyBack = payments.AskPayouts | payments.ApproveRefund | payments.PayOut
_Payments = _Files | payments.TakeNotice | payments.AskReview | _Decisions | _MoneyBack | payments.AskBalance
_Cases = (
    support.OpenCase
    | support.AddMessage
    | support.AnswerCase
    | support.CloseCase
    | support.EraseCase
    | support.AskCases
    | support.AskCase
)
_Looks = (
    audit.FindAudited
    | audit.AskAuditedHistory
    | audit.ProveHistory
    | audit.ExportBundle
    | audit.AskHeads
    | audit.VerifyLog
    | audit.AskLooks
)
_OfOrders = commands.Command | commands.StartDueRegistrations | _Outages | queries.Query | _Links
_Request = _OfOrders | _Payments | _Cases | _Looks | ops.ResendMail | ops.RetryParked

_DESCRIPTION = """\
Orders of motorway e-vignettes and their money, over NATS.

Requests are answered on the reply subject of the message; whatever can't be done, however malformed, is \
answered with `ok: false` and a code. Ask a command again with the same command_id until it is answered: it \
is executed once.

Events are CloudEvents 1.0 in binary mode, delivered at least once and without personal data: \
recognise a repeated one by ce-id. Every service answers NATS micro discovery ($SRV.PING, INFO, STATS)."""

_HEADER_MEANINGS = {
    "ce-specversion": "The version of CloudEvents.",
    "ce-id": "The order and its version: the same whenever the event is published again.",
    "ce-source": "Who publishes.",
    "ce-type": "The type of the event, as in the subject.",
    "ce-time": "When it was recorded.",
    "ce-subject": "The order.",
    "content-type": "The form of the body.",
    "Nats-Msg-Id": "By this the stream drops what is published again within minutes.",
    "Vignettes-Position": "The position in the log: grows from event to event.",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """One subject that is answered, and in which form."""

    subject: str
    queue: str
    request: type[BaseModel]
    reply: type[BaseModel]


@dataclass(slots=True)
class Contract:
    """What is answered, as the document needs it: known from the messages alone, without any server."""

    answered: list[Answered] = field(default_factory=list)


def contract() -> Contract:
    """Return what the services of orders, payments, support and auditing answer, and who tries things again."""
    of_orders: tuple[type[_Request], ...] = (
        *commands.COMMANDS,
        commands.StartDueRegistrations,
        *get_args(_Outages),
        *queries.QUERIES,
        *get_args(_Links),
    )
    of_payments: tuple[type[_Request], ...] = get_args(_Payments)
    of_support: tuple[type[_Request], ...] = get_args(_Cases)
    of_auditing: tuple[type[_Request], ...] = get_args(_Looks)
    return Contract(
        [
            *_answered(ORDERS, of_orders),
            *_answered(PAYMENTS, of_payments),
            *_answered(SUPPORT, of_support),
            *_answered(AUDIT, of_auditing),
            *_answered(MAILS_QUEUE, (ops.ResendMail,)),
            *_answered(VIEWS_QUEUE, (ops.RetryParked,)),
        ]
    )


def _answered(queue: str, requests: Iterable[type[_Request]]) -> list[Answered]:
    return [Answered(one.subject, queue, one, replies.REPLY_OF[one]) for one in requests]


def document(answered: Contract | None = None) -> Json:
    """Return the document. It depends on the code alone, so two versions can be compared line by line."""
    answered = answered or contract()
    parts = [_request_reply(one) for one in answered.answered]
    parts += [_published(kind, model) for kind, model in events.EVENTS.items()]
    parts += [_triggered(), _signed()]
    messages = _Messages(answered)
    return _sorted(
        {
            "asyncapi": "3.0.0",
            "info": {"title": "Vignettes", "version": version("vignettes"), "description": _DESCRIPTION},
            "defaultContentType": "application/json",
            "channels": {name: channel for part in parts for name, channel in part.channels.items()},
            "operations": {name: operation for part in parts for name, operation in part.operations.items()},
            "components": {"messages": messages.forms(), "schemas": messages.schemas()},
        }
    )


@dataclass(frozen=True, slots=True)
class _Part:
    channels: Json
    operations: Json


def _request_reply(one: Answered) -> _Part:
    name, back = one.subject, f"{one.subject}.reply"
    replies = (one.reply, Refused)
    return _Part(
        channels={
            name: {"address": one.subject, "messages": _named(one.request)},
            back: {
                "address": None,
                "description": "The reply subject (inbox) of the request.",
                "messages": _named(*replies),
            },
        },
        operations={
            f"answer.{one.subject}": {
                "action": "receive",
                "summary": _meaning(one.request),
                "channel": _ref("channels", name),
                "messages": _of_channel(name, one.request),
                "reply": {"channel": _ref("channels", back), "messages": _of_channel(back, *replies)},
                "bindings": {"nats": {"queue": one.queue, "bindingVersion": "0.1.0"}},
            }
        },
    )


def _published(kind: str, model: type[BaseModel]) -> _Part:
    name = f"orders.events.v1.{kind}"
    return _sent(
        name,
        model,
        address=f"{name}.{{order_id}}",
        stream=events.STREAM,
        parameters={"order_id": {"description": "The order."}},
    )


def _triggered() -> _Part:
    return _sent(
        "registrations.triggers.v1",
        events.Trigger,
        address=events.trigger_subject("{country}"),
        stream=events.TRIGGER_STREAM,
        parameters={
            "country": {"description": "The authority's country, ISO 3166.", "examples": ["AT", "CZ"]}
        },
    )


def _signed() -> _Part:
    return _sent(
        "heads.v1",
        events.SignedHead,
        address=events.head_subject("{fingerprint}"),
        stream=events.HEAD_STREAM,
        parameters={"fingerprint": {"description": "Of the public key: SHA-256 of its DER, hexadecimal."}},
    )


def _sent(name: str, model: type[BaseModel], *, address: str, stream: str, parameters: Json) -> _Part:
    return _Part(
        channels={
            name: {
                "address": address,
                "description": f"In the JetStream stream {stream}.",
                "parameters": parameters,
                "messages": _named(model),
                "x-jetstream-stream": stream,
            }
        },
        operations={
            f"publish.{name}": {
                "action": "send",
                "summary": _meaning(model),
                "channel": _ref("channels", name),
                "messages": _of_channel(name, model),
            }
        },
    )


class _AsSent(GenerateJsonSchema):
    """What we send holds every field, also `ok` with its default, but for those left out when absent."""

    def field_is_required(
        self,
        field: core_schema.ModelField | core_schema.DataclassField | core_schema.TypedDictField,
        total: bool,
    ) -> bool:
        if self.mode == "validation":
            return super().field_is_required(field, total)
        return not field.get("serialization_exclude_if")


class _Messages:
    """The models of all messages, each in the direction in which it goes."""

    def __init__(self, answered: Contract) -> None:
        requests = {one.request for one in answered.answered}
        replies = {one.reply for one in answered.answered} | {Refused}
        sent: set[type[BaseModel]] = {
            *replies,
            events.Trigger,
            events.SignedHead,
            *events.EVENTS.values(),
        }
        self._modes: dict[type[BaseModel], _Mode] = {
            **dict.fromkeys(requests, "validation"),
            **dict.fromkeys(sent, "serialization"),
        }

    def forms(self) -> Json:
        return {model.__name__: self._form(model) for model in self._modes}

    def schemas(self) -> Json:
        # In an order of our own: a set's is another in every process, and pydantic's names depend on it.
        models = sorted(self._modes.items(), key=lambda pair: pair[0].__name__)
        _, schemas = models_json_schema(
            models, ref_template="#/components/schemas/{model}", schema_generator=_AsSent
        )
        return cast("Json", schemas["$defs"])

    def _form(self, model: type[BaseModel]) -> Json:
        headers = _headers(model)
        example = {"payload": EXAMPLES[model], **({"headers": headers["examples"][0]} if headers else {})}
        return {
            "name": model.__name__,
            "title": model.__name__,
            "summary": _meaning(model),
            "contentType": "application/json",
            "payload": _ref("components", "schemas", model.__name__),
            "examples": [example],
            **({"headers": headers} if headers else {}),
        }


def _headers(model: type[BaseModel]) -> Json | None:
    if model is events.Trigger:
        return _header_schema(TRIGGER_HEADERS)
    if model is events.SignedHead:
        return _header_schema(HEAD_HEADERS)
    for kind, event in events.EVENTS.items():
        if event is model:
            return _header_schema(event_headers(kind))
    return None


def _header_schema(example: dict[str, str]) -> Json:
    return {
        "type": "object",
        "required": sorted(example),
        "properties": {name: {"type": "string", "description": _HEADER_MEANINGS[name]} for name in example},
        "examples": [example],
    }


def _meaning(model: type[BaseModel]) -> str:
    """Return what a model's docstring says; without one its name is told in words."""
    text = vars(model).get("__doc__")
    if text:
        return str(text).strip()
    words = "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in model.__name__)
    return f"{words.strip().capitalize()}."


def _named(*models: type[BaseModel]) -> Json:
    return {model.__name__: _ref("components", "messages", model.__name__) for model in models}


def _of_channel(channel: str, *models: type[BaseModel]) -> list[Json]:
    return [_ref("channels", channel, "messages", model.__name__) for model in models]


def _ref(*path: str) -> Json:
    return {"$ref": "#/" + "/".join(path)}


def _sorted(document: Json) -> Json:
    """Return the same with its keys in order; lists and examples keep theirs, which means something."""
    return {key: document[key] if key == "examples" else _inside(document[key]) for key in sorted(document)}


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return _sorted(value)
    return [_inside(item) for item in value] if isinstance(value, list) else value
