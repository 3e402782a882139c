"""The review queue: what is not certain, a person decides; each decision is a command with an actor."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString
from uuid import UUID, uuid5

from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool
from pydantic import BaseModel

from vignettes.domain import errors, references
from vignettes.domain.money import Money
from vignettes.domain.payment import BankPayment
from vignettes.domain.payment_events import Allocation
from vignettes.eventstore.orders import order_id_of
from vignettes.messages import payments, replies
from vignettes.messages.forms import Amount, Message
from vignettes.services.edge import Endpoints
from vignettes.services.payments.accounts import payable
from vignettes.services.payments.booking import Act, PaymentWriter, on
from vignettes.services.payments.reasons import in_words

QUEUE = "payments"

_QUEUE: LiteralString = """
SELECT * FROM read.bank_payments WHERE status IN ('in_review', 'unplaced') AND position > %s ORDER BY position LIMIT %s
"""
_ONE: LiteralString = "SELECT * FROM read.bank_payments WHERE payment_id = %s"
_WAITING = "SELECT count(*) FROM view.bank_payments WHERE status IN ('in_review', 'unplaced')"
_ORDERS: LiteralString = """
SELECT order_id, order_number, status, currency, outstanding FROM view.order_status WHERE order_id = ANY(%s)
"""

Row = dict[str, Any]


class ReviewDesk:
    """Shows what waits, and takes what people decide."""

    def __init__(self, pool: AsyncConnectionPool, writer: PaymentWriter) -> None:
        self._pool = pool
        self._writer = writer

    def register(self, endpoints: Endpoints) -> None:
        """Answer its subjects."""
        for request, handle in (
            (payments.AskReview, self._review),
            (payments.Allocate, self._allocate),
            (payments.Reassign, self._reassign),
            (payments.PlaceReversal, self._place_reversal),
            (payments.DismissLine, self._dismiss),
            (payments.ReturnPayment, self._return),
        ):
            endpoints.answer(request.subject, QUEUE, request, replies.REPLY_OF[request], handle)

    async def _review(self, asked: payments.AskReview, _: UUID | None) -> BaseModel:
        if asked.payment_id:
            rows = [await self._payment(asked.payment_id, "payment_id")]
        else:
            rows = await self._rows(_QUEUE, (asked.after, asked.limit))
        [waiting] = await self._rows(_WAITING, ())
        orders = await self._orders(rows)
        return payments.ReviewQueue(payments=[_shown(row, orders) for row in rows], waiting=waiting["count"])

    async def _allocate(self, asked: payments.Allocate, _: UUID | None) -> BaseModel:
        allocations = await self._allocations(asked)
        return await self._decide(asked, lambda payment, at: payment.allocate(allocations, asked.note, at))

    async def _reassign(self, asked: payments.Reassign, _: UUID | None) -> BaseModel:
        allocations = await self._allocations(asked)

        def act(payment: BankPayment, at: datetime) -> None:
            if payment.notice and not allocations:
                payment.undo_recognition(asked.note, at)
            else:
                payment.reassign(allocations, asked.note, at)

        return await self._decide(asked, act)

    async def _return(self, asked: payments.ReturnPayment, _: UUID | None) -> BaseModel:
        return await self._decide(
            asked,
            lambda payment, at: payment.approve_return(_payable(payment, asked.account), asked.note, at),
        )

    async def _dismiss(self, asked: payments.DismissLine, _: UUID | None) -> BaseModel:
        return await self._decide(asked, lambda payment, at: payment.dismiss(asked.note, at))

    async def _place_reversal(self, asked: payments.PlaceReversal, _: UUID | None) -> BaseModel:
        row = await self._payment(asked.payment_id, "payment_id")
        taken_back = await self._counting(asked.reverses)
        original = taken_back["payment_id"]
        is_placed_so = row["notice"] == original and row["arrived_at"] is None  # asked once more
        if row["status"] != "unplaced" and not is_placed_so:
            raise errors.PaymentNotFound("It is no reversal that waits.", field="payment_id")
        if (taken_back["amount"], taken_back["currency"]) != (row["amount"], row["currency"]):
            raise errors.InvalidValue("That payment is of another amount.", field="reverses")
        # The payment first: should we end in between, the reversal still waits, and is placed when asked again. And
        # where something else has taken the payment back, this refuses, and the reversal waits on.
        await self._writer.execute(
            on(
                original,
                _after(asked.command_id),
                lambda payment, at: payment.reverse(str(asked.payment_id), row["booked_on"], at),
                asked.actor,
            )
        )
        return await self._decide(
            asked, lambda payment, at: payment.recognise(original, ("placed_by_person",), at)
        )

    async def _counting(self, payment_id: UUID) -> Row:
        """Return the payment that counts: of what a notice has told of before, the notice's."""
        row = await self._payment(payment_id, "reverses")
        if row["arrived_at"] is None or row["status"] == "dismissed":
            raise errors.InvalidValue("That is no money that has come in.", field="reverses")
        if row["notice"] is None:
            return row
        counting = await self._rows(_ONE, (row["notice"],))
        if not counting:
            raise errors.InvalidValue(
                "Another service has told its order of that payment: it is reversed there "
                "(orders.v1.reverse_payment), and this line dismissed.",
                field="reverses",
            )
        return counting[0]

    async def _decide(self, asked: "_Asked", act: Act) -> BaseModel:
        body = f"{asked.subject} {asked.model_dump_json(exclude={'command_id', 'actor'}, exclude_unset=True)}"
        ask = on(asked.payment_id, asked.command_id, act, asked.actor, body.encode())
        reply = await self._writer.execute(ask)
        return payments.PaymentMoved(command_id=asked.command_id, position=reply.position, **reply.body)

    async def _allocations(self, asked: payments.Allocate | payments.Reassign) -> list[Allocation]:
        row = await self._payment(asked.payment_id, "payment_id")
        whole = _whole(row, asked)
        wanted = [Allocation(_order_id(form), _amount(form, whole)) for form in asked.allocations]
        known = await self._rows(_ORDERS, ([each.order_id for each in wanted],))
        currencies = {order["order_id"]: order["currency"] for order in known}
        for each in wanted:
            if each.order_id not in currencies:
                raise errors.OrderNotFound(field="allocations")
            if currencies[each.order_id] != each.amount.currency:
                way_out = (
                    f"The order is in {currencies[each.order_id]}, the payment in {each.amount.currency}."
                )
                raise errors.InvalidValue(f"{way_out} Send the money back.", field="allocations")
        return wanted

    async def _payment(self, payment_id: UUID, field: str) -> Row:
        rows = await self._rows(_ONE, (payment_id,))
        if not rows:
            raise errors.PaymentNotFound(field=field)
        return rows[0]

    async def _orders(self, rows: Sequence[Row]) -> dict[str, Row]:
        """Return all orders that these payments are shared among, or suggested for, as they stand now."""
        shares = [share["order_id"] for row in rows for share in row["shares"]]
        suggested = [
            each["order_id"]
            for row in rows
            for suggestion in row["suggestions"]
            for each in suggestion["allocations"]
        ]
        orders = await self._rows(_ORDERS, ([UUID(each) for each in {*shares, *suggested}],))
        return {str(order["order_id"]): order for order in orders}

    async def _rows(self, query: LiteralString, values: Sequence[Any]) -> list[Row]:
        async with self._pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            await cursor.execute(query, values)
            return await cursor.fetchall()


def _payable(payment: BankPayment, named: str | None) -> str | None:
    """Return where a payment can be sent back to; None where nobody has told. Raises InvalidValue for `account`."""
    account = named or payment.entry.counterparty_account
    return payable(account, payment.entry.amount.currency) if account else None


_Asked = (
    payments.Allocate
    | payments.Reassign
    | payments.ReturnPayment
    | payments.PlaceReversal
    | payments.DismissLine
)


def _after(command_id: UUID) -> UUID:
    """Return the id of the command on the other payment that goes with one."""
    return uuid5(command_id, "the other payment")


def _whole(row: Row, asked: Message) -> Money:
    amount = row["unallocated"] if isinstance(asked, payments.Allocate) else row["amount"]
    return Money(amount, row["currency"])


def _order_id(form: payments.AllocationForm) -> UUID:
    if form.order_id:
        return form.order_id
    number = references.parse_number(form.order_number or "")
    if number is None:
        raise errors.InvalidValue("Its check digits are wrong.", field="allocations")
    return order_id_of(number)


def _amount(form: payments.AllocationForm, whole: Money) -> Money:
    return Money(form.amount.amount, form.amount.currency) if form.amount else whole


def _shown(row: Row, orders: Mapping[str, Row]) -> payments.PaymentShown:
    currency = row["currency"]
    same = (
        "payment_id", "status", "source", "method", "account", "booked_on", "arrived_at", "variable_symbol",
        "creditor_reference", "remittance", "counterparty", "counterparty_account", "reasons", "position",
    )  # fmt: skip
    return payments.PaymentShown(
        **{name: row[name] for name in same},
        amount=Amount(amount=row["amount"], currency=currency),
        unallocated=Amount(amount=row["unallocated"], currency=currency),
        why=[in_words(reason) for reason in row["reasons"]],
        suggestions=[
            payments.SuggestionShown(
                orders=[_with_order(each, orders) for each in suggested["allocations"]],
                reasons=suggested["reasons"],
            )
            for suggested in row["suggestions"]
        ],
        shares=[_with_order(share, orders) for share in row["shares"]],
    )


def _with_order(part: Row, orders: Mapping[str, Row]) -> Row:
    """Return a share, or what is suggested, with how its order stands now: it may have been paid since."""
    order = orders.get(part["order_id"], {})
    return {
        **part,
        "order_number": order.get("order_number"),
        "order_status": order.get("status"),
        "outstanding": order.get("outstanding"),
    }
