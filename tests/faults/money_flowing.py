"""Customers, banks and people who move money about, drawn by chance, through the writers that the service has."""

import asyncio
import random
from collections import Counter
from datetime import date
from uuid import uuid4

from bank_payments import an_entry
from eventstore_helpers import a_vault, changing, placing
from vignettes.domain.account import Purpose
from vignettes.domain.details import Payment, Vignette
from vignettes.domain.errors import DomainError
from vignettes.domain.money import Money
from vignettes.domain.payment import payment_id_of
from vignettes.domain.payment_events import Allocation
from vignettes.eventstore.append import Appender, Numbers
from vignettes.eventstore.deciding import Reply
from vignettes.eventstore.journal import Journal
from vignettes.services.grouping import GroupWriter
from vignettes.services.payments.booking import PaymentWriter, booking, on

PRICE, CURRENCY = 39_900, "CZK"
_DAY = date(2026, 6, 1)
#: Customers at a time.
_TOGETHER = 300


class Town:
    """Where all of it happens. Whatever is refused is counted, and goes no further."""

    def __init__(self, database, seed):
        self._appender = Appender(Journal(database), a_vault(), Numbers())
        self._writer = GroupWriter(self._appender.execute_all)
        self._payments = PaymentWriter(self._writer, lambda body: body)
        self._seed = seed
        self._under_way = asyncio.Semaphore(_TOGETHER)
        self.met = Counter()

    async def live(self, payments):
        """Let so many payments come in, and what follows."""
        await asyncio.gather(*(self._one(number) for number in range(payments)))
        await self._writer.end()
        await self._appender.close()

    async def _one(self, number):
        async with self._under_way:
            customer = Customer(self, random.Random(f"{self._seed}:{number}"))
            await customer.pays()

    async def order(self, command, chance):
        """Have a command on an order decided, now and then twice at once; None when it is refused."""
        done = [self._put(command) for _ in range(2 if chance.random() < 0.1 else 1)]
        return self._told((await asyncio.gather(*done))[-1])

    async def payment(self, ask, chance):
        """Have a command on a bank payment decided; as above."""
        done = [self._payments.execute_all([ask]) for _ in range(2 if chance.random() < 0.1 else 1)]
        return self._told((await asyncio.gather(*done))[-1][0])

    async def _put(self, command):
        settled = asyncio.get_running_loop().create_future()

        async def settle(outcome):
            settled.set_result(outcome)

        self._writer.put(command, settle)
        return await settled

    def _told(self, outcome):
        refused = not isinstance(outcome, Reply) or outcome.refusal
        if refused and not isinstance(outcome, Reply | DomainError):
            raise outcome
        self.met["refused" if refused else "done"] += 1
        return None if refused else outcome


class Customer:
    """One payment, the order or orders that it is for, and what becomes of both."""

    def __init__(self, town, chance):
        self._town = town
        self._chance = chance

    async def pays(self):
        way = self._chance.choices(
            [
                self._by_bank,
                self._directly,
                self._by_several,
                self._for_two,
                self._to_the_wrong_order,
                self._for_nobody,
            ],
            [50, 15, 10, 8, 7, 10],
        )[0]
        self._town.met[way.__name__.strip("_")] += 1
        await way()

    # --- how it comes in

    async def _by_bank(self):
        order = await self._places()
        amount = self._chance.choice([PRICE] * 6 + [PRICE + 500, PRICE - 500, 2 * PRICE])
        payment = await self._books(amount)
        [share] = await self._allocated(payment, [(order, amount)])
        await self._goes_on(order, [(payment, share)])

    async def _directly(self):
        order = await self._places()
        share = f"direct-{uuid4()}"
        await self._tells(order, share, self._chance.choice([PRICE, PRICE, PRICE + 700]))
        await self._goes_on(order, [(None, share)])

    async def _by_several(self):
        order, shares = await self._places(), []
        for amount in (15_000, PRICE - 15_000, *self._chance.choice([(), (PRICE,)])):
            payment = await self._books(amount)
            [share] = await self._allocated(payment, [(order, amount)])
            shares.append((payment, share))
        await self._goes_on(order, shares)

    async def _for_two(self):
        orders = [await self._places(), await self._places()]
        payment = await self._books(2 * PRICE)
        shares = await self._allocated(payment, [(each, PRICE) for each in orders])
        if self._chance.random() < 0.2:
            await self._reversed(payment, list(zip(orders, shares, strict=True)))
        else:
            for order, share in zip(orders, shares, strict=True):
                await self._goes_on(order, [(payment, share)], may_reverse=False)

    async def _to_the_wrong_order(self):
        wrong, right = await self._places(), await self._places()
        payment = await self._books(PRICE)
        [share] = await self._allocated(payment, [(wrong, PRICE)])
        if self._chance.random() < 0.3:
            await self._refunded(wrong)  # too late for some
        allocations = [Allocation(right, Money(PRICE, CURRENCY))]
        await self._on(payment, lambda it, at: it.reassign(allocations, None, at))
        if await self._of(wrong, lambda order, at: order.take_back_payment(share, at)):
            await self._on(payment, lambda it, at: it.note_released(share, at))
            moved = f"bank-payment:{payment}:2"
            await self._tells(right, moved, PRICE)
            await self._on(payment, lambda it, at: it.note_counted(moved, at))
            await self._goes_on(right, [(payment, moved)])
        else:
            await self._on(payment, lambda it, at: it.note_kept(share, "conflict", at))

    async def _for_nobody(self):
        payment = await self._books(self._chance.randrange(100, 90_000))
        await self._on(payment, lambda it, at: it.queue(["no_reference"], [], at))
        for _ in range(self._chance.choice([0, 1, 1, 2])):
            await self._sent_back(payment)
        if self._chance.random() < 0.15:
            await self._on(payment, lambda it, at: it.reverse("entry", _DAY, at))

    # --- what becomes of it

    async def _goes_on(self, order, shares, *, may_reverse=True):
        fate = self._chance.choices(["issued", "refunded", "surplus", "nothing"], [35, 35, 15, 15])[0]
        if fate == "issued":
            await self._issued(order)
        elif fate == "refunded":
            await self._refunded(order)
        if fate in {"issued", "surplus"}:
            await self._paid_out(order, Purpose.SURPLUS)
        if may_reverse and self._chance.random() < 0.2:
            payment, share = self._chance.choice(shares)
            await self._reversed(payment, [(order, share)])
            await self._refunded(order)

    async def _issued(self, order):
        def issue(it, at):
            it.start_at_once(None, at)
            it.record_issue(Vignette("n-1", "r-1", at, at), it.generation, at)

        await self._of(order, issue)

    async def _refunded(self, order):
        await self._of(order, lambda it, at: it.request_refund("customer", at))
        for _ in range(2):
            await self._paid_out(order, Purpose.REFUND)

    async def _paid_out(self, order, purpose):
        """As far as it comes: approved, in a file, shown by the statement, and come back after all."""
        steps = self._chance.choice([1, 2, 3, 3, 3, 3, 4])
        seen = {}

        def approve(it, at):
            it.approve_payout(purpose, "account", at)
            seen["id"] = next(reversed(it.payouts))
            seen["amount"] = it.payouts[seen["id"]].amount

        acts = (
            approve,
            lambda it, at: it.order_payout(seen["id"], f"F-{uuid4()}", at),
            lambda it, at: it.confirm_refund(seen["id"], seen["amount"], at),
            lambda it, at: it.fail_payout(seen["id"], at),
        )
        for act in acts[:steps]:
            if not await self._of(order, act):
                return

    async def _sent_back(self, payment):
        payout = {}

        def approve(it, at):
            it.approve_return("account", None, at)
            payout["id"] = it.payout_id

        acts = (
            approve,
            lambda it, at: it.order_return(payout["id"], f"F-{uuid4()}", at),
            lambda it, at: it.confirm_return(payout["id"], _DAY, at),
            lambda it, at: it.fail_return(payout["id"], at),
        )
        for act in acts[: self._chance.choice([1, 2, 3, 3, 4])]:
            if not await self._on(payment, act):
                return

    async def _reversed(self, payment, shares):
        if payment:
            await self._on(payment, lambda it, at: it.reverse("entry", _DAY, at))
        for order, share in shares:
            await self._of(order, lambda it, at, share=share: it.reverse_payment(share, at))
            if payment:
                await self._on(payment, lambda it, at, share=share: it.note_released(share, at))

    # --- by which commands

    async def _places(self):
        return (await self._town.order(placing(), self._chance)).order_id

    async def _books(self, amount):
        entry = an_entry(amount, CURRENCY, entry_id=uuid4().hex)
        for _ in range(self._chance.choice([1, 1, 2])):  # the file is imported again
            await self._town.payment(booking(entry, "statement", "bank_transfer", "test"), self._chance)
        return payment_id_of(entry.entry_id)

    async def _allocated(self, payment, shares):
        """Let a person share it out, and tell the orders."""
        allocations = [Allocation(order, Money(amount, CURRENCY)) for order, amount in shares]

        def allocate(it, at):
            it.queue(["no_reference"], [], at)
            it.allocate(allocations, None, at)

        await self._on(payment, allocate)
        names = [f"bank-payment:{payment}:{number}" for number in range(1, len(shares) + 1)]
        for name, (order, amount) in zip(names, shares, strict=True):
            await self._tells(order, name, amount)
            await self._on(payment, lambda it, at, name=name: it.note_counted(name, at))
        return names

    async def _tells(self, order, share, amount):
        def receive(it, at):
            it.receive_payment(Payment(share, Money(amount, CURRENCY), "test", at), at)

        await self._town.order(changing(order, receive, payment_id=share), self._chance)

    async def _of(self, order, act):
        return await self._town.order(changing(order, act), self._chance)

    async def _on(self, payment, act):
        return await self._town.payment(on(payment, uuid4(), act, "test"), self._chance)
