"""Small files of every kind that we read from outside, all of them made up: what changed ones are made from."""

import json

from bank_files import (
    abo,
    abo_header,
    abo_item,
    balance,
    camt053,
    camt054,
    entry,
    mt940,
    statement,
    transaction,
)
from mail_helpers import RETURNS

BANK_FILES = {
    "camt": [
        camt053(statement(entry())),
        camt053(statement(entry(), balances=balance("OPBD", "0") + balance("CLBD", "300"))),
        camt053(statement(entry(details=transaction("V1000000064")))),
        camt054(statement(entry(reference=None))),
    ],
    "mt940": [
        mt940(":61:2601050105CR30,00N166X//B", ":86:166?00A?20SVWZ+B?32C", closing="C260105EUR130,00"),
        mt940(":61:260105D30,00NTRF", ":86:/EREF/X//REMI/USTD//V1000000064/", closing="C260105EUR70,00"),
        mt940(":61:260229C1,00NMSC//R", ":86:CZ5855000000001265098001 A. PAYER", closing="C260229EUR101,00"),
    ],
    "abo": [abo(abo_header(old=0, new=5, credited=5), abo_item(5, 2, symbol=1), "078text")],
    "csv": [
        b"""\
day;amount;balance;symbol;text
06.01.2026;-1 100,50;100,00;;rent
05.01.2026;+300,00;1 200,50;1000000064;V1000000064
"""
    ],
}
CSV_MAP = """
account = "CZ6508000000192000145399"
currency = "CZK"
delimiter = ";"
encoding = "utf-8"
decimal = ","
thousands = " "
date_format = "%d.%m.%Y"
newest_first = true
[columns]
booked_on = "day"
amount = "amount"
balance = "balance"
variable_symbol = "symbol"
remittance = "text"
"""
_HERE = RETURNS.address(RETURNS.tag("<an-order.1.placed@vignettes.example>"))
RETURNED = [
    f"""\
Return-Path: <>
Delivered-To: {_HERE}
From: MAILER-DAEMON@mx.example.net
Auto-Submitted: auto-replied
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; driver@example.com
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 no such user
--b
Content-Type: text/rfc822-headers

From: orders@vignettes.example
To: driver@example.com
--b--
""".encode(),
    f"""\
To: {_HERE}
From: Mail Delivery System <Mailer-Daemon@mx.example.net>
X-Failed-Recipients: driver@example.com
Subject: Mail delivery failed: returning message to sender

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  driver@example.com
    no mailbox
""".encode(),
    f"""\
To: {_HERE}
From: feedback@isp.example
Content-Type: multipart/report; report-type=feedback-report; boundary="b"

--b
Content-Type: message/feedback-report

Feedback-Type: abuse
Original-Mail-From: <{_HERE}>
--b--
""".encode(),
]
NOTICE = {
    "event_id": "evt-1",
    "payment_id": "pay-1",
    "state": "paid",
    "amount": {"amount": 39900, "currency": "CZK"},
    "order_reference": "V1000000064",
    "method": "card",
    "occurred_at": "2026-07-01T10:00:00Z",
    "test": False,
    "payer": "A. Payer",
}
NOTICES = [json.dumps(NOTICE).encode()]
