"""Our own form of notices, for any provider or partner that can sign JSON."""

from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from vignettes.domain.money import Money
from vignettes.messages.forms import Currency, Instant, Line, Message
from vignettes.services.notices import Acknowledgement, Delivery, Notice, NoticeState, reading
from vignettes.services.notices.signatures import Signature


class Paid(Message):
    """Money above zero, in minor units of ISO 4217."""

    amount: Annotated[int, Field(ge=1, le=10**15)]
    currency: Currency


class NoticeForm(Message):
    """One notice. `event_id` is the sender's own name for it."""

    event_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z._:-]{1,100}$")]
    payment_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z._:-]{1,100}$")]
    state: NoticeState
    amount: Paid
    order_reference: Line | None
    method: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
    occurred_at: Instant
    test: bool
    payer: Line | None = None
    payer_account: reading.Account | None = None
    line_reference: Line | None = None


class SignedJson:
    """Takes notices in our own form whose `Webhook-Signature` is made with one of the secrets."""

    media_type = "application/json"
    acknowledgement = Acknowledgement("application/json", '{"ok":true}')

    def __init__(
        self, name: str, secrets: Sequence[str], tolerance: int, now: Callable[[], float], *, test: bool
    ) -> None:
        self._name = name
        self._secrets = [secret.encode() for secret in secrets]
        self._tolerance = tolerance
        self._now = now
        self._test = test

    async def read(self, delivery: Delivery) -> Notice:
        """Return what is told. Raises Refused."""
        signature = Signature.read(delivery.headers.get("webhook-signature"))
        signature.check(delivery.body, self._secrets)
        signature.check_age(self._now(), self._tolerance)
        told = reading.parsed(NoticeForm, delivery.body)
        return Notice(
            provider=self._name,
            payment_id=told.payment_id,
            state=told.state,
            amount=Money(told.amount.amount, told.amount.currency),
            order_reference=told.order_reference,
            method=told.method,
            occurred_at=told.occurred_at,
            test=told.test or self._test,
            payer=told.payer,
            payer_account=told.payer_account,
            line_reference=told.line_reference,
        )
