"""One example of every message of the published language, as JSON: shown in the AsyncAPI document."""

from typing import Any, cast
from uuid import UUID

from eventsourcing.domain import AggregateEvent
from pydantic import BaseModel, TypeAdapter

from vignettes.domain import references
from vignettes.domain.order import Order
from vignettes.domain.vehicle import warnings
from vignettes.eventstore.codec import Envelope, Recorded
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands, events, links, outages, queries, replies
from vignettes.projections import order_status
from vignettes.services.audit_examples import AUDIT_EXAMPLES
from vignettes.services.example_order import (
    COMMAND,
    COMMAND_ID,
    CONSENT,
    IBAN,
    NUMBER,
    OF_ORDER,
    ORDER,
    ORDER_ID,
    PAID_AT,
    PAYING_ID,
    PAYMENT_ID,
    PAYOUT_ID,
    PLACE,
    PLACED_AT,
    PRICE,
    TOTAL,
    Example,
    done,
)
from vignettes.services.ops_examples import OPS_EXAMPLES
from vignettes.services.payment_examples import PAYMENT_EXAMPLES
from vignettes.services.support_examples import SUPPORT_EXAMPLES

_MANAGE_URL = "https://vignettes.example/o/Qm9uIHZveWFnZSwgZXQgcmVzcGVjdGV6IGxlcyBsaW1pdGU"
_TWIN = str(order_id_of("V1000000064"))
_TWINS_COMMAND_ID = "b3f0a1c4-8f5e-4f0e-9a9e-51b6f0b7d7a3"
_OUTAGE_ID = "e2a6d0f4-3a1b-4b3e-8d55-7c9e0a5f1b26"
_OUTAGE_SPAN: Example = {"begins_at": "2026-12-18T08:00:00Z", "ends_at": "2026-12-18T16:00:00Z"}
_OUTAGE: Example = {"country": "CZ", **_OUTAGE_SPAN}
_NOTE = "maintenance, as told in the authority's letter of 9 December"

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _history(order: Order) -> list[Example]:
    """Return what is on record of an order, as a query is told it."""
    askers = (Envelope("shop", UUID(COMMAND_ID)), Envelope("payments", UUID(PAYING_ID)))
    return [
        {
            "position": 1_041 + event.originator_version,
            "version": event.originator_version,
            "type": type(event).__name__,
            "recorded_at": _JSON.dump_python(event.timestamp, mode="json"),
            "actor": envelope.actor,
            "command_id": str(envelope.command_id),
            "correlation_id": None,
            "data": Recorded(
                0, order.id, 0, "", event.timestamp, envelope, cast("AggregateEvent", event)
            ).data,
        }
        for event, envelope in zip(order.collect_events(), askers, strict=True)
    ]


def _state(order: Order) -> Example:
    """Return all that an order's events have assigned."""
    assigned = {name: value for name, value in vars(order).items() if not name.startswith("_")}
    told = {"order_id": order.id, "version": order.version, "status": order.status, **assigned}
    told["erased"] = sorted(order.erased)
    return cast("Example", _JSON.dump_python(told, mode="json"))


_NOTHING: Example = {"amount": 0, "currency": "CZK"}
_ROW: Example = _JSON.dump_python(order_status.row(ORDER, 1_043), mode="json")
_DUE: str = _ROW["due_at"]
_STARTS: str = _ROW["starts_at"]
_ENDS: str = _ROW["ends_at"]
_EXTENDED = "2026-12-29T22:59:59Z"
_ACT_BY = "2026-12-18T17:00:00Z"
_BEFORE_OUTAGE = "2026-12-18T07:00:00Z"
_DIGEST = "4b5e1f0c9a7d2836e1c05fb4a9d8723c6e0f1b2a3d4c5968778695a4b3c2d1e0"
_ANNOUNCED: Example = {
    "ok": True,
    "outage_id": _OUTAGE_ID,
    **_OUTAGE,
    "note": _NOTE,
    "announced_by": "operator",
    "announced_at": "2026-12-10T12:30:00Z",
    "withdrawn_by": None,
    "withdrawn_at": None,
}


def _event(version: int, status: str, **said: Any) -> Example:
    return {
        "order_id": ORDER_ID,
        "order_number": NUMBER,
        "version": version,
        "status": status,
        "country": "CZ",
        "product": "CZ-10D",
        **said,
    }


_COMMANDS: dict[type[BaseModel], Example] = {
    commands.Place: PLACE,
    commands.ReceivePayment: {
        **COMMAND,
        "order_number": NUMBER,
        "payment_id": PAYMENT_ID,
        "amount": TOTAL,
        "method": "bank_transfer",
        "received_at": PAID_AT,
    },
    commands.CorrectDetails: {**OF_ORDER, "changes": {"plate": "AB-123-CE"}},
    commands.CorrectEmail: {**OF_ORDER, "email": "driver.again@example.org"},
    commands.StartRegistration: {**OF_ORDER, "consent": CONSENT},
    commands.RequestRefund: {**OF_ORDER, "reason": "journey cancelled"},
    commands.StartDueRegistration: {**OF_ORDER, "actor": "registration", "generation": 1},
    commands.StartDueRegistrations: {
        "starts": [
            {**OF_ORDER, "actor": "registration", "generation": 1},
            {
                "command_id": _TWINS_COMMAND_ID,
                "order_id": _TWIN,
                "actor": "registration",
                "generation": 2,
            },
        ]
    },
    commands.RecordIssue: {
        **OF_ORDER,
        "actor": "registration",
        "generation": 1,
        "number": "CZ26-0048817",
        "reference": ORDER_ID,
        "valid_from": _STARTS,
        "valid_until": _ENDS,
        "authorisation_code": "K7RT2291",
        "document": {"media_type": "application/pdf", "size": 48_213, "digest": _DIGEST},
    },
    commands.RecordRejection: {
        **OF_ORDER,
        "actor": "registration",
        "generation": 1,
        "reason": "registration mark not found in the register of FR",
        "code": "plate_not_accepted",
    },
    commands.RecordValidity: {
        **OF_ORDER,
        "actor": "registration",
        "valid_from": _STARTS,
        "valid_until": _EXTENDED,
    },
    commands.CallPerson: {
        **OF_ORDER,
        "actor": "registration",
        "generation": 1,
        "why": "outcome_unknown",
        "act_by": _ACT_BY,
    },
    commands.RegardOutage: {
        **OF_ORDER,
        "actor": "deadlines",
        "outage": {"id": _OUTAGE_ID, **_OUTAGE},
    },
    commands.HoldAsTwin: {**OF_ORDER, "actor": "deadlines", "twin": _TWIN},
    commands.ReleaseTwin: {**OF_ORDER, "actor": "deadlines", "twin": _TWIN},
    commands.AcceptTwin: {**OF_ORDER, "actor": "support"},
    commands.ChangeTerms: {**OF_ORDER, "actor": "operator", "lead_hours": 24},
    commands.ExpireOrder: {**OF_ORDER, "actor": "deadlines"},
    commands.RefundUnanswered: {**OF_ORDER, "actor": "deadlines"},
    commands.EraseOrder: {**OF_ORDER, "actor": "support", "classes": ["contact", "vehicle"]},
    commands.Withdraw: {**OF_ORDER, "actor": "customer", "name": "A. Driver"},
    commands.SendLink: {**OF_ORDER, "actor": "customer"},
    commands.NoteReturnedMail: {
        **OF_ORDER,
        "actor": "mailing",
        "message_id": f"<{ORDER_ID}.1.placed@vignettes.example>",
        "why": "permanent",
        "status": "5.1.1",
    },
    commands.ConfirmRefund: {
        **OF_ORDER,
        "actor": "accounting",
        "refund_id": "fio-26490011842",
        "amount": TOTAL,
    },
}

_OUTAGES: dict[type[BaseModel], Example] = {
    outages.AnnounceOutage: {"command_id": _OUTAGE_ID, "actor": "operator", **_OUTAGE, "note": _NOTE},
    outages.WithdrawOutage: {"command_id": COMMAND_ID, "actor": "operator", "outage_id": _OUTAGE_ID},
    outages.AskOutages: {"actor": "operator", "country": "CZ"},
}

_QUERIES: dict[type[BaseModel], Example] = {
    queries.AskStatus: {"order_number": NUMBER, "min_position": 1_043},
    queries.AskHistory: {"order_id": ORDER_ID, "until": "2026-12-12T00:00:00+01:00", "actor": "support"},
    queries.AskEmails: {"order_id": ORDER_ID, "actor": "support"},
    queries.FindOrders: {**PLACE["vehicle"], "email": "driver@example.org", "actor": "support"},
    links.RequestLink: {**PLACE["vehicle"], "email": "driver@example.org"},
    links.OpenPage: {**PLACE["vehicle"], "ordered_on": PLACED_AT[:10], "reference": NUMBER.removeprefix("V")},
    links.AskDocument: {"order_id": ORDER_ID},
}

_REPLIES: dict[type[BaseModel], Example] = {
    replies.Refused: {
        "ok": False,
        "command_id": COMMAND_ID,
        "error": {
            "code": "invalid_request",
            "message": "Input should be a valid integer",
            "field": "amount.amount",
        },
    },
    replies.Done: done(3, "registering"),
    replies.Placed: {
        **done(1, "awaiting_payment"),
        "price": PRICE,
        "payment": {
            "variable_symbol": references.variable_symbol(NUMBER),
            "creditor_reference": references.creditor_reference(NUMBER),
            "spayd": references.spayd(IBAN, ORDER.price.total, NUMBER, NUMBER),
        },
        "manage_url": _MANAGE_URL,
        "warnings": list(warnings(ORDER.details.vehicle)),
    },
    replies.PaymentCounted: {**done(2, "scheduled"), "due": _DUE, "outstanding": _NOTHING},
    replies.DetailsNowCorrect: {**done(3, "scheduled"), "due": _DUE, "warnings": []},
    replies.EmailNowCorrect: {**done(3, "scheduled"), "manage_url": _MANAGE_URL},
    replies.Withdrawn: {**done(4, "refund_pending"), "refund": TOTAL},
    replies.RefundGranted: {**done(3, "refund_pending"), "refund": TOTAL},
    replies.Planned: {**done(3, "scheduled"), "due": _BEFORE_OUTAGE},
    replies.Starts: {
        "ok": True,
        "outcomes": [
            {"command_id": COMMAND_ID, "ok": True},
            {"command_id": _TWINS_COMMAND_ID, "ok": False, "code": "unavailable"},
        ],
    },
    replies.OutageOnRecord: _ANNOUNCED,
    replies.Outages: {"ok": True, "outages": [_ANNOUNCED]},
    replies.Erased: {**done(5, "issued"), "erased": ["contact", "vehicle"]},
    replies.Standing: {"ok": True, "order": _ROW, "as_of_position": 1_043},
    replies.History: {
        "ok": True,
        "order_id": ORDER_ID,
        "events": _history(ORDER),
        "state": _state(ORDER),
    },
    replies.Mails: {
        "ok": True,
        "order_id": ORDER_ID,
        "emails": [
            {
                "kind": "placed",
                "to": "driver@example.org",
                "language": "fr",
                "subject": f"Commande {NUMBER} : comment payer votre vignette",
                "state": "sent",
                "message_id": f"<{ORDER_ID}.1.placed@vignettes.example>",
                "called_at": PLACED_AT,
                "sent_at": "2026-12-10T08:15:30.480000Z",
                "returned_at": None,
                "return_kind": None,
            }
        ],
    },
    links.LinkRequestTaken: {"ok": True},
    links.PageOpened: {"ok": True, "manage_url": _MANAGE_URL},
    links.DocumentGiven: {
        "ok": True,
        "media_type": "application/pdf",
        "name": "vignette-CZ26-0048817.pdf",
        "content": "JVBERi0xLjcK",
    },
    replies.FoundOrders: {
        "ok": True,
        "orders": [
            {
                "order_id": ORDER_ID,
                "order_number": NUMBER,
                "status": "scheduled",
                "placed_at": PLACED_AT,
            }
        ],
    },
}

_EVENTS: dict[type[BaseModel], Example] = {
    events.OrderPlaced: _event(1, "awaiting_payment", total=TOTAL),
    events.PaymentReceived: _event(
        2, "scheduled", payment_id=PAYMENT_ID, amount=TOTAL, outstanding=_NOTHING, due_at=_DUE
    ),
    events.PaymentNoticed: _event(2, "awaiting_payment", payment_id=PAYMENT_ID, amount=TOTAL),
    events.SurplusSetAside: _event(
        3, "scheduled", amount={"amount": 5100, "currency": "CZK"}, reason="overpaid"
    ),
    events.SurplusReturned: _event(4, "scheduled", amount={"amount": 5100, "currency": "CZK"}),
    events.PaymentReversed: _event(
        3, "awaiting_payment", payment_id=PAYMENT_ID, amount=TOTAL, outstanding=TOTAL, owed=_NOTHING
    ),
    events.PaymentTakenBack: _event(
        5, "issued", payment_id=PAYMENT_ID, amount=TOTAL, outstanding=TOTAL, owed=TOTAL
    ),
    events.PayoutApproved: _event(4, "refund_pending", payout_id=PAYOUT_ID, purpose="refund", amount=TOTAL),
    events.PayoutOrdered: _event(5, "refund_pending", payout_id=PAYOUT_ID, file_id="payouts-2026-12-11-1"),
    events.PayoutFailed: _event(6, "refund_pending", payout_id=PAYOUT_ID),
    events.DetailsCorrected: _event(3, "scheduled", due_at=_DUE),
    events.EmailCorrected: _event(3, "scheduled"),
    events.LinkRequested: _event(4, "scheduled", by_reference=False),
    events.MailReturned: _event(5, "issued", mail_kind="issued", why="permanent"),
    events.StartWished: _event(2, "awaiting_payment"),
    events.TermsChanged: _event(3, "scheduled", due_at="2026-12-17T23:00:00Z"),
    events.OutageRegarded: _event(3, "scheduled", outage_id=_OUTAGE_ID, due_at=_BEFORE_OUTAGE),
    events.OutageDisregarded: _event(4, "scheduled", outage_id=_OUTAGE_ID, due_at=_DUE),
    events.OrderHeld: _event(3, "on_hold", reason="start_passed"),
    events.HoldReleased: _event(5, "scheduled"),
    events.TwinAccepted: _event(4, "scheduled", due_at=_DUE),
    events.RegistrationStarted: _event(3, "registering", rule="lead", due_at=_DUE),
    events.PersonCalled: _event(4, "registering", why="outcome_unknown", act_by=_ACT_BY),
    events.VignetteIssued: _event(
        4, "issued", vignette_number="CZ26-0048817", valid_from=_STARTS, valid_until=_ENDS
    ),
    events.ValidityChanged: _event(
        5, "issued", vignette_number="CZ26-0048817", valid_from=_STARTS, valid_until=_EXTENDED
    ),
    events.RegistrationRejected: _event(4, "action_needed", reason="plate_not_accepted"),
    events.OrderWithdrawn: _event(3, "refund_pending"),
    events.RefundRequested: _event(3, "refund_pending", amount=TOTAL),
    events.OrderRefunded: _event(4, "refunded", amount=TOTAL),
    events.OrderExpired: _event(2, "expired"),
    events.PersonalDataErased: _event(5, "issued", classes=["contact", "vehicle"]),
    events.Trigger: {
        "order_id": ORDER_ID,
        "generation": 1,
        "due_at": _DUE,
        "rule": "lead",
        "emitted_at": "2026-12-18T11:00:00.014000Z",
    },
    events.SignedHead: {
        "size": 1_044,
        "position": 1_044,
        "root": "wXK7iJ2P6sH2k1f1vT3lC8yGmJb1a0rYk7dC0m5n3xE=",
        "at": "2026-12-18T11:00:05.120000Z",
        "note": (
            "vignettes/log\n1044\nwXK7iJ2P6sH2k1f1vT3lC8yGmJb1a0rYk7dC0m5n3xE=\nposition 1044\n"
            "time 2026-12-18T11:00:05.120000+00:00\n\n\u2014 vignettes/log 9bMuSd1v...\n"
        ),
    },
}

EXAMPLES: dict[type[BaseModel], Example] = {
    **_COMMANDS,
    **PAYMENT_EXAMPLES,
    **SUPPORT_EXAMPLES,
    **AUDIT_EXAMPLES,
    **OPS_EXAMPLES,
    **_OUTAGES,
    **_QUERIES,
    **_REPLIES,
    **_EVENTS,
}

TRIGGER_HEADERS: dict[str, str] = {"Nats-Msg-Id": f"{ORDER_ID}:1"}
HEAD_HEADERS: dict[str, str] = {"Nats-Msg-Id": f"{'5f' * 32}:1044"}


def event_headers(kind: str) -> dict[str, str]:
    """Return the headers of the example of one type of event."""
    version = EXAMPLES[events.EVENTS[kind]]["version"]
    identity = f"{ORDER_ID}:{version}"
    return {
        "ce-specversion": "1.0",
        "ce-id": identity,
        "ce-source": "/vignettes/orders",
        "ce-type": kind,
        "ce-time": "2026-12-10T09:02:11+00:00",
        "ce-subject": ORDER_ID,
        "content-type": "application/json",
        "Nats-Msg-Id": identity,
        "Vignettes-Position": str(1_041 + version),
    }
