"""Money on its way back: what waits for whom, approvals, and files for the bank."""

import base64
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain import references
from vignettes.domain.account import Purpose
from vignettes.domain.errors import InvalidValue, Unavailable
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import commands, payments, replies
from vignettes.messages.forms import Amount
from vignettes.services.calling import Calling, NoAnswer
from vignettes.services.edge import Endpoints
from vignettes.services.payments.accounts import payable
from vignettes.services.payments.payers import payer_account
from vignettes.services.payments.paying_out import PayingOut

QUEUE = "payments"
#: So many fit into one message.
_MOST_SHOWN = 1_000

_UNDER_WAY: LiteralString = """
SELECT payout_id, state, purpose, order_id, order_number, payment_id, currency, amount, official, fee, account, file_id,
       since
FROM read.payouts WHERE state IN ('to_approve', 'approved', 'with_bank') ORDER BY since, position, payout_id LIMIT %s
"""
_CURRENCY = "SELECT currency FROM view.order_status WHERE order_id = %s"

Row = dict[str, Any]


class PayoutDesk:
    """Shows what is to go back, takes approvals, and makes files for the bank."""

    def __init__(self, pool: AsyncConnectionPool, ordering: Calling, paying_out: PayingOut) -> None:
        self._pool = pool
        self._ordering = ordering
        self._paying_out = paying_out

    def register(self, endpoints: Endpoints) -> None:
        """Answer the three subjects."""
        for request, handle in (
            (payments.AskPayouts, self._list),
            (payments.ApproveRefund, self._approve),
            (payments.PayOut, self._pay_out),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _list(self, _: payments.AskPayouts, __: UUID | None) -> BaseModel:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = await (await cursor.execute(_UNDER_WAY, (_MOST_SHOWN,))).fetchall()
        return payments.Payouts(payouts=[_shown(row) for row in rows])

    async def _approve(self, asked: payments.ApproveRefund, correlation: UUID | None) -> BaseModel:
        order_id = asked.order_id or _order_of(asked.order_number or "")
        command = commands.ApprovePayout(
            command_id=asked.command_id,
            actor=asked.actor,
            order_id=order_id,
            purpose=asked.purpose,
            account=await self._account(asked, order_id),
        )
        try:
            reply = await self._ordering.command(command, correlation)
        except NoAnswer:
            raise Unavailable from None
        form = replies.PayoutsUnderWay if reply["ok"] else replies.Refused
        return form.model_validate(reply)

    async def _account(self, asked: payments.ApproveRefund, order_id: UUID) -> str:
        async with self._pool.connection() as connection:
            if asked.account is None:
                return await payer_account(connection, order_id, Purpose(asked.purpose))
            row = await (await connection.execute(_CURRENCY, (order_id,))).fetchone()
        return payable(asked.account, row[0] if row else "")

    async def _pay_out(self, asked: payments.PayOut, _: UUID | None) -> BaseModel:
        file = await self._paying_out.file(asked.command_id, asked.currency, asked.actor)
        return payments.PayoutFile(
            command_id=asked.command_id,
            file_id=file.file_id if file else None,
            payouts=file.payouts if file else 0,
            total=Amount(amount=file.total.amount if file else 0, currency=asked.currency),
            content=base64.b64encode(file.content).decode() if file else None,
        )


def _shown(row: Row) -> payments.PayoutShown:
    amounts = {name: _amount(row[name], row["currency"]) for name in ("amount", "official", "fee")}
    told = {name: value for name, value in row.items() if name != "currency"}
    return payments.PayoutShown.model_validate({**told, **amounts})


def _amount(minor_units: int | None, currency: str) -> Amount | None:
    return None if minor_units is None else Amount(amount=minor_units, currency=currency)


def _order_of(text: str) -> UUID:
    number = references.parse_number(text)
    if number is None:
        raise InvalidValue("Its check digits are wrong.", field="order_number")
    return order_id_of(number)
