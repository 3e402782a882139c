"""One example of every message about auditing, as JSON."""

from pydantic import BaseModel

from vignettes.messages import audit
from vignettes.services.example_order import COMMAND_ID, NUMBER, ORDER_ID, PAID_AT, PLACED_AT, TOTAL, Example

_ACTOR: Example = {"actor": "staff:auditor-1"}
_OF_ORDER: Example = {**_ACTOR, "order_id": ORDER_ID}
_SEALED: Example = {"sealed": True}
_FINGERPRINT = "8c1f0b0e6f0c7a2f4e4d3b1a99d07c5b2f6e8a1d4c3b5a69788796a5b4c3d2e1"
_ROOT = "xWCsZkGcuXlMlsTM9vCQoAdfKXYKWOQDwKUb+Kxk7oo="
_SIGNED_AT = "2026-12-10T08:15:40.200000Z"
_PROVEN_BY: Example = {"size": 998, "position": 1_042, "at": _SIGNED_AT}
_NOTE = (
    f"vignettes/log\n998\n{_ROOT}\nposition 1042\ntime 2026-12-10T08:15:40.200000+00:00\n\n"
    "— vignettes/log Bf1zq2n1K3qvVnB5x0Zb7vQm0b1q9m0l7m3b1mZ8d3tXb6Yx1J2Qy8mO8n1o3fW7c0mC9i4mF2wq3l6d1aV0sQoIAw==\n"
)
_HEAD: Example = {**_PROVEN_BY, "root": _ROOT, "note": _NOTE}
_SENTENCE = (
    f"Order {NUMBER} was placed: CZ-10D from 2026-12-19 for a vehicle of FR, at 399.00 CZK, "
    f"by shop (command {COMMAND_ID[:8]})."
)
_EVENT: Example = {
    "position": 1_042,
    "version": 1,
    "type": "OrderPlaced",
    "recorded_at": PLACED_AT,
    "actor": "shop",
    "command_id": COMMAND_ID,
    "correlation_id": None,
    "data": {"number": NUMBER, "email": _SEALED, "language": "fr"},
    "leaf_index": 997,
    "sentence": _SENTENCE,
}
_STATE: Example = {
    "id": ORDER_ID,
    "version": 1,
    "status": "awaiting_payment",
    "email": _SEALED,
    "paid_at": None,
}
_BUNDLE: Example = {
    "form": "vignettes-audit-bundle/1",
    "exported_at": "2026-12-11T09:00:00+00:00",
    "code_version": "0.1.0",
    "about": {"kind": "order", "id": ORDER_ID, "number": NUMBER},
    "events": [
        {
            "position": 1_042,
            "version": 1,
            "topic": "order.placed.v3",
            "state": "eyJ2IjoxLCJhdCI6IjIwMjYtMTItMTBUMDg6MTU6MzAuMTJaIn0=",
            "index": 997,
            "proof": [_ROOT],
        }
    ],
    "head": _NOTE,
    "key": {
        "fingerprint": _FINGERPRINT,
        "pem": "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA...\n-----END PUBLIC KEY-----\n",
    },
    "row": {"order_id": ORDER_ID, "status": "awaiting_payment", "price_total": TOTAL["amount"]},
    "fold": {"order_id": ORDER_ID, "status": "awaiting_payment", "price_total": TOTAL["amount"]},
    "differs": [],
    "digest": "2f6e8a1d4c3b5a69788796a5b4c3d2e18c1f0b0e6f0c7a2f4e4d3b1a99d07c5b",
}

AUDIT_EXAMPLES: dict[type[BaseModel], Example] = {
    audit.FindAudited: {**_ACTOR, "query": NUMBER},
    audit.AskAuditedHistory: {**_OF_ORDER, "version": 1},
    audit.ProveHistory: _OF_ORDER,
    audit.ExportBundle: _OF_ORDER,
    audit.AskHeads: {**_ACTOR, "limit": 20},
    audit.VerifyLog: _ACTOR,
    audit.AskLooks: {**_OF_ORDER, "limit": 20},
    audit.AuditedOrders: {
        "ok": True,
        "orders": [
            {
                "order_id": ORDER_ID,
                "order_number": NUMBER,
                "product": "CZ-10D",
                "status": "scheduled",
                "placed_at": PLACED_AT,
            }
        ],
    },
    audit.AuditedHistory: {
        "ok": True,
        "order_id": ORDER_ID,
        "order_number": NUMBER,
        "kind": "order",
        "events": [_EVENT],
        "versions": 2,
        "state": _STATE,
        "state_now": {**_STATE, "version": 2, "status": "scheduled", "paid_at": PAID_AT},
        "differs": [
            {"field": "version", "then": 1, "now": 2},
            {"field": "status", "then": "awaiting_payment", "now": "scheduled"},
            {"field": "paid_at", "then": None, "now": PAID_AT},
        ],
        "proven": _PROVEN_BY,
    },
    audit.HistoryProven: {
        "ok": True,
        "events": [
            {"position": 1_042, "leaf_index": 997, "verified": True},
            {"position": 1_043, "leaf_index": None, "verified": False},
        ],
        "head": _HEAD,
        "verified": False,
        "reason": "No head covers positions 1043 yet: the newest ends at 1042.",
    },
    audit.BundleGiven: {"ok": True, "bundle": _BUNDLE},
    audit.Heads: {"ok": True, "origin": "vignettes/log", "fingerprint": _FINGERPRINT, "heads": [_HEAD]},
    audit.LogVerified: {
        "ok": True,
        "verified": False,
        "size": 1_000,
        "covered": 0,
        "heads": 1,
        "fingerprint": _FINGERPRINT,
        "findings": [
            {
                "kind": "changed",
                "told": f"The event at position 1042 was changed; it is version 1 of {ORDER_ID} (order.placed.v3) now.",
                "position": 1_042,
                "until": None,
                "index": 997,
                "belongs_at": None,
                "order_id": ORDER_ID,
                "version": 1,
                "topic": "order.placed.v3",
                "head": None,
            }
        ],
        "more": 0,
        "began_at": "2026-12-11T09:00:00Z",
    },
    audit.Looks: {
        "ok": True,
        "looks": [
            {
                "id": 17,
                "looked_at": "2026-12-11T09:00:00.012000Z",
                "actor": "staff:auditor-1",
                "what": "history",
                "order_id": ORDER_ID,
                "details": {"until": None, "version": 1},
            }
        ],
    },
}
