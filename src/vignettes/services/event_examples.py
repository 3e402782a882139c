"""One example of what every stored event says, as a history shows it: personal data open, as it is under no key."""

from uuid import UUID

from eventsourcing.domain import AggregateEvent

from vignettes.domain import references
from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment, payment_id_of
from vignettes.domain.support_case import SupportCase, case_id_of, case_number
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands, replies
from vignettes.services.example_order import (
    COMMAND_ID,
    CONSENT,
    IBAN,
    NUMBER,
    ORDER_ID,
    PAID_AT,
    PAYMENT_ID,
    PAYOUT_ID,
    PLACE,
    PLACED_AT,
    PRICE,
    TOTAL,
    Example,
)
from vignettes.services.examples import EXAMPLES

_PLACED, _PAID = (event["data"] for event in EXAMPLES[replies.History]["events"])
_ISSUED = EXAMPLES[commands.RecordIssue]
_REJECTED = EXAMPLES[commands.RecordRejection]
_CALLED = EXAMPLES[commands.CallPerson]
_OUTAGE = EXAMPLES[commands.RegardOutage]["outage"]
_VALIDITY = {name: EXAMPLES[commands.RecordValidity][name] for name in ("valid_from", "valid_until")}
_DUE = EXAMPLES[replies.PaymentCounted]["due"]
_NOTHING: Example = {"amount": 0, "currency": "CZK"}
_SURPLUS: Example = {"amount": 5_100, "currency": "CZK"}
_PRICE: Example = {name: PRICE[name] for name in ("official", "fee")}
_CONSENT: Example = {**CONSENT, "language": PLACE["language"]}
_TWIN = str(order_id_of("V1000000064"))
_FILE_ID = f"F{UUID(COMMAND_ID).hex}"
_PAYER_ACCOUNT = "FR7630006000011234567890189"

_ENTRY_ID = "1f6c0b7a4e2d95830a7be4c1d2f38965"
_BANK_PAYMENT = payment_id_of(_ENTRY_ID)
_SHARE = f"bank-payment:{_BANK_PAYMENT}:1"
_RETURN = f"P{_BANK_PAYMENT.hex[:20]}-1"
_ALLOCATION: Example = {"order_id": ORDER_ID, "amount": TOTAL}
_ENTRY: Example = {
    "entry_id": _ENTRY_ID,
    "account": IBAN,
    "booked_on": PAID_AT[:10],
    "amount": TOTAL,
    "credit": True,
    "reversal": False,
    "booked": True,
    "variable_symbol": references.variable_symbol(NUMBER),
    "creditor_reference": None,
    "remittance": f"vignette {NUMBER}",
    "counterparty": "A payer",
    "counterparty_account": _PAYER_ACCOUNT,
    "end_to_end_id": "NOTPROVIDED",
    "bank_reference": "26489132775",
}

_CASE = case_id_of(UUID(COMMAND_ID))
_ASKED = "My car was sold today. Can the vignette be for the new one?"
_CLASSES: Example = {"classes": ["contact", "vehicle"]}

_ORDERS: dict[type[AggregateEvent], Example] = {
    Order.OrderPlaced: _PLACED,
    Order.PaymentReceived: _PAID,
    Order.PaymentNoticed: {"payment": {**_PAID["payment"], "booked": False}},
    Order.SurplusSetAside: {"amount": _SURPLUS, "reason": "overpaid"},
    Order.SurplusReturned: {"refund_id": f"{NUMBER}-2", "amount": _SURPLUS},
    Order.PaymentReversed: {
        "payment_id": PAYMENT_ID,
        "amount": TOTAL,
        "surplus": _NOTHING,
        "refund": None,
    },
    Order.PaymentTakenBack: {"payment_id": _SHARE, "amount": TOTAL, "surplus": _NOTHING},
    Order.PayoutApproved: {
        "payout": {"payout_id": PAYOUT_ID, "purpose": "refund", "amount": TOTAL, "file_id": None},
        "to_account": _PAYER_ACCOUNT,
    },
    Order.PayoutOrdered: {"payout_id": PAYOUT_ID, "file_id": _FILE_ID},
    Order.PayoutFailed: {"payout_id": PAYOUT_ID, "surplus": _NOTHING, "refund": TOTAL},
    Order.DetailsCorrected: {
        "details": {
            **_PLACED["details"],
            "vehicle": {"country": "FR", "plate": "AB-123-CE", "normal": "AB123CE"},
        },
        "price": _PRICE,
    },
    Order.EmailCorrected: {"email": EXAMPLES[commands.CorrectEmail]["email"]},
    Order.LinkRequested: {
        "others": [
            {
                "order_id": _TWIN,
                "number": "V1000000064",
                "product": "SK-10D",
                "starts_at": "2026-12-20T23:00:00Z",
                "placed_at": PLACED_AT,
                "status": "scheduled",
                "generation": 1,
            }
        ],
        "by_reference": False,
    },
    Order.MailReturned: {"mail_version": 1, "mail_kind": "placed", "why": "permanent", "status": "5.1.1"},
    Order.StartWished: {"consent": _CONSENT},
    Order.TermsChanged: {
        "terms": {**_PLACED["terms"], "lead": "P1D"},
        "before_mark": True,
    },
    Order.OutageRegarded: {"outage": _OUTAGE, "in_passing": False},
    Order.OutageDisregarded: {"outage_id": _OUTAGE["id"]},
    Order.OrderHeld: {"reason": "same_vehicle_and_period", "because_of": _TWIN},
    Order.HoldReleased: {},
    Order.TwinAccepted: {"twin": _TWIN},
    Order.RegistrationStarted: {"rule": "lead", "due_at": _DUE, "generation": 1, "consent": None},
    Order.PersonCalled: {name: _CALLED[name] for name in ("why", "act_by", "generation")},
    Order.VignetteIssued: {
        "vignette": {
            name: _ISSUED[name]
            for name in (
                "number",
                "reference",
                "valid_from",
                "valid_until",
                "authorisation_code",
                "document",
            )
        }
    },
    Order.ValidityChanged: _VALIDITY,
    Order.RegistrationRejected: {name: _REJECTED[name] for name in ("code", "reason")},
    Order.OrderWithdrawn: {"name": EXAMPLES[commands.Withdraw]["name"]},
    Order.RefundRequested: {"amount": TOTAL, "reason": EXAMPLES[commands.RequestRefund]["reason"]},
    Order.OrderRefunded: {"refund_id": PAYOUT_ID, "amount": TOTAL},
    Order.OrderExpired: {},
    Order.PersonalDataErased: _CLASSES,
}

_BANK_PAYMENTS: dict[type[AggregateEvent], Example] = {
    BankPayment.PaymentBooked: {
        "entry": _ENTRY,
        "source": "statement",
        "method": "bank_transfer",
        "test": False,
    },
    BankPayment.PaymentArrived: {"booked_on": "2026-12-11", "amount": TOTAL},
    BankPayment.PaymentMatched: {"allocation": _ALLOCATION, "reasons": ["reference_checks", "amount_exact"]},
    BankPayment.PaymentQueued: {
        "reasons": ["check_digit_wrong"],
        "suggestions": [
            {
                "allocations": [_ALLOCATION],
                "reasons": ["reference_nearly", "amount_exact", "order_waits", "date_near"],
            }
        ],
    },
    BankPayment.PaymentAllocated: {
        "allocations": [_ALLOCATION],
        "note": "one digit of the variable symbol is wrong",
    },
    BankPayment.PaymentCounted: {"share_id": _SHARE},
    BankPayment.ShareRefused: {"share_id": _SHARE, "code": "conflict"},
    BankPayment.ReassignmentAsked: {
        "allocations": [{"order_id": _TWIN, "amount": TOTAL}],
        "note": "the payer has told which order it was for",
    },
    BankPayment.ShareReleased: {"share_id": _SHARE},
    BankPayment.ReassignmentRefused: {"share_id": _SHARE, "code": "conflict"},
    BankPayment.LineRecognised: {
        "notice": str(payment_id_of("7d9e1c55a0b34f6288de01c9a4b7f312")),
        "reasons": ["names_the_notice"],
    },
    BankPayment.RecognitionUndone: {"note": "the same amount twice on one day, by two customers"},
    BankPayment.LineDismissed: {"note": "rent of June"},
    BankPayment.PaymentReversed: {
        "reversal": str(payment_id_of("c0415b7de93a4f10b6a2d8e57f3c9164")),
        "reversed_on": "2026-12-14",
    },
    BankPayment.ReturnApproved: {
        "payout_id": _RETURN,
        "to_account": _PAYER_ACCOUNT,
        "note": "it was meant for somebody else",
    },
    BankPayment.ReturnOrdered: {"payout_id": _RETURN, "file_id": _FILE_ID},
    BankPayment.ReturnFailed: {"payout_id": _RETURN},
    BankPayment.PaymentReturned: {"payout_id": _RETURN, "returned_on": "2026-12-15"},
    BankPayment.PersonalDataErased: {"classes": ["contact"]},
}

_CASES: dict[type[AggregateEvent], Example] = {
    SupportCase.CaseOpened: {
        "number": case_number(_CASE),
        "topic": "question",
        "channel": "form",
        "particulars": {
            "order_id": ORDER_ID,
            "order_number": NUMBER,
            "typed_number": None,
            "email": PLACE["email"],
            "link_generation": 1,
            "country": "FR",
            "plate": "AB-123-CD",
            "ordered_on": PLACED_AT[:10],
        },
        "language": PLACE["language"],
        "message": _ASKED,
        "acknowledged": True,
    },
    SupportCase.MessageAdded: {"channel": "mail", "message": "It is registered in Germany, by the way."},
    SupportCase.CaseAnswered: {
        "text": "Yes: change the plate on your order's page until the registration starts.",
        "email": PLACE["email"],
        "link_generation": 1,
    },
    SupportCase.CaseClosed: {},
    SupportCase.CaseReopened: {},
    SupportCase.AnswerReturned: {
        "mail_version": 3,
        "mail_kind": "case_answered",
        "why": "permanent",
        "status": "5.1.1",
    },
    SupportCase.PersonalDataErased: _CLASSES,
}

SAID: dict[type[AggregateEvent], Example] = {**_ORDERS, **_BANK_PAYMENTS, **_CASES}
