"""One example of every message of the published language, as JSON: shown in the AsyncAPI document."""

from typing import Any

from pydantic import BaseModel

from vignettes.messages import commands, events, queries, replies

Example = dict[str, Any]

_ORDER_ID = "454fa8e6-b8dd-5b57-8225-7030578165d9"
_NUMBER = "V9922747891"
_COMMAND_ID = "0d5b2c1e-6f5a-4c39-9a53-2f5f4e9d8b10"
_PAYMENT_ID = "fio-26489132775"
_MANAGE_URL = "https://vignettes.example/o/Qm9uIHZveWFnZSwgZXQgcmVzcGVjdGV6IGxlcyBsaW1pdGU"
_TOTAL: Example = {"amount": 34900, "currency": "CZK"}
_NOTHING: Example = {"amount": 0, "currency": "CZK"}
_DUE = "2026-12-18T11:00:00Z"
_STARTS = "2026-12-18T23:00:00Z"
_ENDS = "2026-12-28T22:59:59Z"
_PLACED_AT = "2026-12-10T08:15:30.120000Z"
_PAID_AT = "2026-12-10T09:02:11Z"
_CONSENT: Example = {
    "kind": "immediate_performance",
    "text_version": "2026-01",
    "given_at": "2026-12-10T08:15:02+01:00",
}
_COMMAND: Example = {"command_id": _COMMAND_ID, "actor": "shop"}
_OF_ORDER: Example = {**_COMMAND, "order_id": _ORDER_ID}


def _done(version: int, status: str) -> Example:
    return {
        "ok": True,
        "command_id": _COMMAND_ID,
        "order_id": _ORDER_ID,
        "order_number": _NUMBER,
        "version": version,
        "position": 1_041 + version,
        "status": status,
    }


def _event(version: int, status: str, **said: Any) -> Example:
    return {
        "order_id": _ORDER_ID,
        "order_number": _NUMBER,
        "version": version,
        "status": status,
        "country": "CZ",
        "product": "CZ-10D",
        **said,
    }


_COMMANDS: dict[type[BaseModel], Example] = {
    commands.Place: {
        **_COMMAND,
        "product": "CZ-10D",
        "vehicle": {"country": "FR", "plate": "AB-123-CD"},
        "valid_from": "2026-12-19",
        "email": "driver@example.org",
        "language": "fr",
        "consents": [_CONSENT],
    },
    commands.ReceivePayment: {
        **_COMMAND,
        "order_number": _NUMBER,
        "payment_id": _PAYMENT_ID,
        "amount": _TOTAL,
        "method": "bank_transfer",
        "received_at": _PAID_AT,
    },
    commands.CorrectDetails: {**_OF_ORDER, "changes": {"plate": "AB-123-CE"}},
    commands.CorrectEmail: {**_OF_ORDER, "email": "driver.again@example.org"},
    commands.StartRegistration: {**_OF_ORDER, "consent": _CONSENT},
    commands.RequestRefund: {**_OF_ORDER, "reason": "journey cancelled"},
    commands.StartDueRegistration: {**_OF_ORDER, "actor": "registration", "generation": 1},
    commands.RecordIssue: {
        **_OF_ORDER,
        "actor": "registration",
        "number": "CZ26-0048817",
        "reference": _ORDER_ID,
        "valid_from": _STARTS,
        "valid_until": _ENDS,
    },
    commands.RecordRejection: {**_OF_ORDER, "actor": "registration", "reason": "plate_not_accepted"},
    commands.ExpireOrder: {**_OF_ORDER, "actor": "deadlines"},
    commands.ConfirmRefund: {
        **_OF_ORDER,
        "actor": "accounting",
        "refund_id": "fio-26490011842",
        "amount": _TOTAL,
    },
}

_QUERIES: dict[type[BaseModel], Example] = {
    queries.AskStatus: {"order_number": _NUMBER, "min_position": 1_043},
    queries.AskHistory: {"order_id": _ORDER_ID, "until": "2026-12-12T00:00:00+01:00", "actor": "support"},
    queries.AskEmails: {"order_id": _ORDER_ID, "actor": "support"},
}

_ROW: Example = {
    "order_id": _ORDER_ID,
    "order_number": _NUMBER,
    "status": "scheduled",
    "country": "CZ",
    "product": "CZ-10D",
    "vehicle_country": "FR",
    "plate": "AB123CD",
    "valid_from": "2026-12-19",
    "starts_at": _STARTS,
    "ends_at": _ENDS,
    "email": "driver@example.org",
    "language": "fr",
    "currency": "CZK",
    "price_official": 30000,
    "price_fee": 4900,
    "price_total": 34900,
    "received": 34900,
    "outstanding": 0,
    "surplus": 0,
    "refund": None,
    "paid_at": _PAID_AT,
    "due_at": _DUE,
    "due_rule": "lead",
    "generation": 1,
    "start_wished": False,
    "hold_reason": None,
    "started_at": None,
    "started_rule": None,
    "rejection_reason": None,
    "vignette_number": None,
    "vignette_reference": None,
    "vignette_valid_from": None,
    "vignette_valid_until": None,
    "placed_at": _PLACED_AT,
    "updated_at": _PAID_AT,
    "version": 2,
    "position": 1_043,
}

_REPLIES: dict[type[BaseModel], Example] = {
    replies.Refused: {
        "ok": False,
        "command_id": _COMMAND_ID,
        "error": {
            "code": "invalid_request",
            "message": "Input should be a valid integer",
            "field": "amount.amount",
        },
    },
    replies.Done: _done(3, "registering"),
    replies.Placed: {
        **_done(1, "awaiting_payment"),
        "price": {
            "official": {"amount": 30000, "currency": "CZK"},
            "fee": {"amount": 4900, "currency": "CZK"},
            "total": _TOTAL,
        },
        "payment": {
            "variable_symbol": "9922747891",
            "creditor_reference": "RF749922747891",
            "spayd": "SPD*1.0*ACC:CZ6508000000192000145399*AM:349.00*CC:CZK*X-VS:9922747891",
        },
        "manage_url": _MANAGE_URL,
        "warnings": [],
    },
    replies.PaymentCounted: {**_done(2, "scheduled"), "due": _DUE, "outstanding": _NOTHING},
    replies.DetailsNowCorrect: {**_done(3, "scheduled"), "due": _DUE, "warnings": []},
    replies.EmailNowCorrect: {**_done(3, "scheduled"), "manage_url": _MANAGE_URL},
    replies.RefundGranted: {**_done(3, "refund_pending"), "refund": _TOTAL},
    replies.Standing: {"ok": True, "order": _ROW, "as_of_position": 1_043},
    replies.History: {
        "ok": True,
        "order_id": _ORDER_ID,
        "events": [
            {
                "position": 1_043,
                "version": 2,
                "type": "PaymentReceived",
                "recorded_at": _PAID_AT,
                "actor": "payments",
                "command_id": _COMMAND_ID,
                "correlation_id": None,
                "data": {"payment": {"payment_id": _PAYMENT_ID, "amount": _TOTAL}},
            }
        ],
        "state": {"order_id": _ORDER_ID, "version": 2, "status": "scheduled", "number": _NUMBER},
    },
    replies.Mails: {
        "ok": True,
        "order_id": _ORDER_ID,
        "emails": [
            {
                "kind": "placed",
                "to": "driver@example.org",
                "language": "fr",
                "subject": f"Votre commande {_NUMBER}",
                "state": "sent",
                "message_id": f"<{_ORDER_ID}.1.placed@vignettes.example>",
                "called_at": _PLACED_AT,
                "sent_at": "2026-12-10T08:15:30.480000Z",
            }
        ],
    },
}

_EVENTS: dict[type[BaseModel], Example] = {
    events.OrderPlaced: _event(1, "awaiting_payment", total=_TOTAL),
    events.PaymentReceived: _event(
        2, "scheduled", payment_id=_PAYMENT_ID, amount=_TOTAL, outstanding=_NOTHING, due_at=_DUE
    ),
    events.PaymentNoticed: _event(2, "awaiting_payment", payment_id=_PAYMENT_ID, amount=_TOTAL),
    events.SurplusSetAside: _event(
        3, "scheduled", amount={"amount": 5100, "currency": "CZK"}, reason="overpaid"
    ),
    events.SurplusReturned: _event(4, "scheduled", amount={"amount": 5100, "currency": "CZK"}),
    events.DetailsCorrected: _event(3, "scheduled", due_at=_DUE),
    events.EmailCorrected: _event(3, "scheduled"),
    events.StartWished: _event(2, "awaiting_payment"),
    events.OrderHeld: _event(3, "on_hold", reason="start_passed"),
    events.HoldReleased: _event(4, "scheduled"),
    events.RegistrationStarted: _event(3, "registering", rule="lead", due_at=_DUE),
    events.VignetteIssued: _event(
        4, "issued", vignette_number="CZ26-0048817", valid_from=_STARTS, valid_until=_ENDS
    ),
    events.RegistrationRejected: _event(4, "action_needed", reason="plate_not_accepted"),
    events.RefundRequested: _event(3, "refund_pending", amount=_TOTAL),
    events.OrderRefunded: _event(4, "refunded", amount=_TOTAL),
    events.OrderExpired: _event(2, "expired"),
    events.Trigger: {
        "order_id": _ORDER_ID,
        "generation": 1,
        "due_at": _DUE,
        "rule": "lead",
        "emitted_at": "2026-12-18T11:00:00.014000Z",
    },
}

EXAMPLES: dict[type[BaseModel], Example] = {**_COMMANDS, **_QUERIES, **_REPLIES, **_EVENTS}

TRIGGER_HEADERS: dict[str, str] = {"Nats-Msg-Id": f"{_ORDER_ID}:1"}


def event_headers(kind: str) -> dict[str, str]:
    """Return the headers of the example of one type of event."""
    version = EXAMPLES[events.EVENTS[kind]]["version"]
    identity = f"{_ORDER_ID}:{version}"
    return {
        "ce-specversion": "1.0",
        "ce-id": identity,
        "ce-source": "/vignettes/orders",
        "ce-type": kind,
        "ce-time": "2026-12-10T09:02:11+00:00",
        "ce-subject": _ORDER_ID,
        "content-type": "application/json",
        "Nats-Msg-Id": identity,
        "Vignettes-Position": str(1_041 + version),
    }
