"""One example of every message about support, as JSON."""

from uuid import UUID

from pydantic import BaseModel

from vignettes.domain.support_case import case_id_of, case_number
from vignettes.messages import support
from vignettes.services.example_order import COMMAND_ID, NUMBER, ORDER_ID, Example

_CASE = case_id_of(UUID(COMMAND_ID))
_NUMBER = case_number(_CASE)
_OPENED_AT = "2026-12-11T18:40:12Z"
_ANSWERED_AT = "2026-12-11T19:02:44Z"
_ASKED = "My car was sold today. Can the vignette be for the new one?"
_ANSWER = "Yes: change the plate on your order's page until the registration starts."
_BY_PERSON: Example = {"command_id": COMMAND_ID, "actor": "support:duty-1"}
_PARTICULARS: Example = {
    "order_number": NUMBER,
    "email": "driver@example.org",
    "country": "FR",
    "plate": "AB-123-CD",
    "ordered_on": "2026-12-10",
}
_SHOWN: Example = {
    "case_id": str(_CASE),
    "case_number": _NUMBER,
    "state": "open",
    "topic": "question",
    "channel": "form",
    "order_id": ORDER_ID,
    **_PARTICULARS,
    "language": "fr",
    "message": _ASKED,
    "messages": 1,
    "answers": 0,
    "opened_at": _OPENED_AT,
    "open_since": _OPENED_AT,
    "closed_at": None,
    "updated_at": _OPENED_AT,
    "returned": None,
}

SUPPORT_EXAMPLES: dict[type[BaseModel], Example] = {
    support.OpenCase: {
        "command_id": COMMAND_ID,
        "topic": "question",
        "channel": "form",
        **_PARTICULARS,
        "language": "fr",
        "message": _ASKED,
    },
    support.AddMessage: {
        "command_id": COMMAND_ID,
        "case_number": _NUMBER,
        "channel": "mail",
        "message": "It is registered in Germany, by the way.",
    },
    support.AnswerCase: {**_BY_PERSON, "case_id": str(_CASE), "text": _ANSWER},
    support.CloseCase: {**_BY_PERSON, "case_number": _NUMBER},
    support.EraseCase: {**_BY_PERSON, "case_number": _NUMBER},
    support.AskCases: {"actor": "support:duty-1", "state": "open", "limit": 20},
    support.AskCase: {"actor": "support:duty-1", "case_number": _NUMBER},
    support.CaseMoved: {
        "ok": True,
        "command_id": COMMAND_ID,
        "case_id": str(_CASE),
        "case_number": _NUMBER,
        "state": "open",
        "version": 1,
        "position": 1_070,
    },
    support.Cases: {"ok": True, "cases": [_SHOWN], "open": 1},
    support.CaseTold: {
        "ok": True,
        "case": {
            **_SHOWN,
            "state": "answered",
            "answers": 1,
            "open_since": None,
            "updated_at": _ANSWERED_AT,
        },
        "thread": [
            {"number": 1, "channel": "form", "text": _ASKED, "written_at": _OPENED_AT},
            {"number": 2, "channel": None, "text": _ANSWER, "written_at": _ANSWERED_AT},
        ],
        "mails": [
            {"kind": "case_opened", "state": "sent", "called_at": _OPENED_AT},
            {"kind": "case_answered", "state": "sent", "called_at": _ANSWERED_AT},
        ],
    },
}
