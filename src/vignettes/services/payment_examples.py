"""One example of every message about money, as JSON: how it comes in, is placed, goes back, and is accounted for."""

import base64
import hashlib
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from vignettes.domain import references
from vignettes.domain.payment import payment_id_of
from vignettes.messages import bank_files, commands, payments, replies
from vignettes.services.deciding import Payee
from vignettes.services.example_order import (
    COMMAND_ID,
    IBAN,
    NUMBER,
    OF_ORDER,
    ORDER,
    ORDER_ID,
    PAYMENT_ID,
    PAYOUT_ID,
    TOTAL,
    Example,
    done,
)
from vignettes.services.payments import pain001
from vignettes.services.payments.reasons import in_words

_NOTHING: Example = {"amount": 0, "currency": "CZK"}
_DAY = "2026-12-10"
_COMMAND: Example = {"command_id": COMMAND_ID, "actor": "accounting"}
_SYMBOL = references.variable_symbol(NUMBER)
_PAYER: Example = {"counterparty": "A payer", "counterparty_account": "FR7630006000011234567890189"}
_ENTRY: Example = {
    "entry_id": "1f6c0b7a4e2d95830a7be4c1d2f38965",
    "account": IBAN,
    "booked_on": _DAY,
    **TOTAL,
    "credit": True,
    "reversal": False,
    "booked": True,
    "variable_symbol": _SYMBOL,
    "remittance": f"vignette {NUMBER}",
    **_PAYER,
    "end_to_end_id": "NOTPROVIDED",
    "bank_reference": "26489132775",
}
_CSV = f"day;amount;symbol\n{_DAY};399,00;{_SYMBOL}\n"
_CSV_MAP = f"""\
account = "{IBAN}"
currency = "CZK"
delimiter = ";"
decimal = ","
[columns]
booked_on = "day"
amount = "amount"
variable_symbol = "symbol"
"""
_FILE_ID = hashlib.sha256(_CSV.encode()).hexdigest()
_FILE: Example = {"digest": _FILE_ID, "name": "account-2026-12-10.csv", "format": "csv"}
_BANK_PAYMENT = str(payment_id_of(_ENTRY["entry_id"]))
_SHARE = f"bank-payment:{_BANK_PAYMENT}:1"
_OF_PAYMENT: Example = {**_COMMAND, "payment_id": _BANK_PAYMENT}
_NOTICE = str(payment_id_of("7d9e1c55a0b34f6288de01c9a4b7f312"))
_REVERSAL = str(payment_id_of("c0415b7de93a4f10b6a2d8e57f3c9164"))
_PAYOUT_FILE = f"F{UUID(COMMAND_ID).hex}"
_APPROVED_AT = "2026-12-11T08:30:00Z"
_REASONS = ["check_digit_wrong"]
_BOOKS: Example = {
    "day": _DAY,
    "currency": "CZK",
    "money_in": 119_700,
    "matched": 79_800,
    "in_review": 39_900,
    "returned": 0,
}


def _payout_file() -> bytes:
    """Return the file for the bank that the payout of the examples is in."""
    transfer = pain001.Transfer(
        PAYOUT_ID,
        ORDER.price.total,
        _PAYER["counterparty_account"],
        _PAYER["counterparty"],
        f"Refund {NUMBER}",
    )
    ordered_at = datetime.fromisoformat(_APPROVED_AT)
    return pain001.document(_PAYOUT_FILE, ordered_at, Payee("Vignettes", IBAN), [transfer])


_COMMANDS: dict[type[BaseModel], Example] = {
    commands.ReversePayment: {**OF_ORDER, "actor": "payments", "payment_id": _SHARE},
    commands.TakeBackPayment: {**OF_ORDER, "actor": "payments", "payment_id": _SHARE},
    commands.ApprovePayout: {
        **OF_ORDER,
        "actor": "accounting",
        "purpose": "refund",
        "account": _PAYER["counterparty_account"],
    },
    commands.OrderPayout: {
        **OF_ORDER,
        "actor": "accounting",
        "payout_id": PAYOUT_ID,
        "file_id": _PAYOUT_FILE,
    },
    commands.FailPayout: {**OF_ORDER, "actor": "payments", "payout_id": PAYOUT_ID},
}

_FILES: dict[type[BaseModel], Example] = {
    bank_files.ImportFile: {
        **_COMMAND,
        "file_name": _FILE["name"],
        "content": base64.b64encode(_CSV.encode()).decode(),
        "format": "csv",
        "encoding": "utf-8",
        "csv_map": _CSV_MAP,
    },
    bank_files.BookEntries: {"actor": "accounting", "file": _FILE, "entries": [_ENTRY]},
    bank_files.NoteFile: {"actor": "accounting", "file": _FILE, "state": "imported", "entries": 1},
    bank_files.AskStandings: {"payment_ids": [_BANK_PAYMENT]},
    payments.TakeNotice: {
        "provider": "cards",
        "payment_id": PAYMENT_ID,
        "state": "paid",
        "amount": TOTAL,
        "order_reference": NUMBER,
        "method": "card",
        "occurred_at": "2026-12-10T10:02:11+01:00",
        "test": False,
        "line_reference": "po-26489132775",
    },
    bank_files.FileTaken: {
        "ok": True,
        "file_id": _FILE_ID,
        "file_name": _FILE["name"],
        "state": "imported",
        "entries": 1,
        "new": 1,
        "known": 0,
        "matched": 1,
        "in_review": 0,
        "reversals": 0,
        "payouts": 0,
        "ignored": 0,
    },
    bank_files.Booked: {
        "ok": True,
        "new": 1,
        "known": 0,
        "reversals": 0,
        "payouts": 0,
        "ignored": 0,
        "payment_ids": [_BANK_PAYMENT],
    },
    bank_files.FileNoted: {"ok": True, "file_id": _FILE_ID},
    bank_files.Standings: {"ok": True, "matched": 1, "in_review": 0, "undecided": []},
    payments.NoticeTaken: {"ok": True, "payment_id": _NOTICE},
}

_REVIEW: dict[type[BaseModel], Example] = {
    payments.AskReview: {"actor": "accounting", "limit": 20},
    payments.Allocate: {
        **_OF_PAYMENT,
        "allocations": [{"order_number": NUMBER}],
        "note": "one digit of the variable symbol is wrong",
    },
    payments.Reassign: {
        **_OF_PAYMENT,
        "allocations": [{"order_number": NUMBER, "amount": TOTAL}],
        "note": "the payer has told which order it was for",
    },
    payments.DismissLine: {**_COMMAND, "payment_id": _REVERSAL, "note": "rent of June"},
    payments.PlaceReversal: {**_COMMAND, "payment_id": _REVERSAL, "reverses": _BANK_PAYMENT},
    payments.ReturnPayment: {**_OF_PAYMENT, "note": "it was meant for somebody else"},
    payments.ReviewQueue: {
        "ok": True,
        "payments": [
            {
                "payment_id": _BANK_PAYMENT,
                "status": "in_review",
                "source": "statement",
                "method": "bank_transfer",
                "account": IBAN,
                "amount": TOTAL,
                "unallocated": TOTAL,
                "booked_on": _DAY,
                "arrived_at": "2026-12-10T11:20:04Z",
                "variable_symbol": f"{_SYMBOL[:-1]}{(int(_SYMBOL[-1]) + 1) % 10}",
                "creditor_reference": None,
                "remittance": None,
                **_PAYER,
                "reasons": _REASONS,
                "why": [in_words(reason) for reason in _REASONS],
                "suggestions": [
                    {
                        "orders": [
                            {
                                "order_id": ORDER_ID,
                                "amount": ORDER.price.total.amount,
                                "order_number": NUMBER,
                                "order_status": "awaiting_payment",
                                "outstanding": ORDER.price.total.amount,
                            }
                        ],
                        "reasons": ["reference_nearly", "amount_exact", "order_waits", "date_near"],
                    }
                ],
                "shares": [],
                "position": 1_060,
            }
        ],
        "waiting": 1,
    },
    payments.PaymentMoved: {
        "ok": True,
        "command_id": COMMAND_ID,
        "payment_id": _BANK_PAYMENT,
        "status": "matched",
        "version": 3,
        "position": 1_061,
    },
}

_MONEY_BACK: dict[type[BaseModel], Example] = {
    payments.AskPayouts: {"actor": "accounting"},
    payments.ApproveRefund: {**_COMMAND, "order_number": NUMBER, "purpose": "refund"},
    payments.PayOut: {**_COMMAND, "currency": "CZK"},
    replies.PayoutsUnderWay: {
        **done(4, "refund_pending"),
        "payouts": [{"payout_id": PAYOUT_ID, "purpose": "refund", "amount": TOTAL}],
    },
    payments.Payouts: {
        "ok": True,
        "payouts": [
            {
                "payout_id": PAYOUT_ID,
                "state": "approved",
                "purpose": "refund",
                "order_id": ORDER_ID,
                "order_number": NUMBER,
                "payment_id": None,
                "amount": TOTAL,
                "official": {"amount": ORDER.price.official.amount, "currency": "CZK"},
                "fee": {"amount": ORDER.price.fee.amount, "currency": "CZK"},
                "account": _PAYER["counterparty_account"],
                "file_id": None,
                "since": _APPROVED_AT,
            }
        ],
    },
    payments.PayoutFile: {
        "ok": True,
        "command_id": COMMAND_ID,
        "file_id": _PAYOUT_FILE,
        "payouts": 1,
        "total": TOTAL,
        "content": base64.b64encode(_payout_file()).decode(),
    },
    payments.AskBalance: {"actor": "accounting", "since": _DAY, "until": _DAY},
    payments.Balance: {
        "ok": True,
        "days": [_BOOKS],
        "totals": [_BOOKS],
        "equal": True,
        "as_of_position": 1_061,
    },
}

PAYMENT_EXAMPLES: dict[type[BaseModel], Example] = {**_COMMANDS, **_FILES, **_REVIEW, **_MONEY_BACK}
