"""From the web to the log: a notice is passed on, and answered for when it is durable."""

import json
from typing import Any

from nats.aio.client import Client
from nats.errors import Error as NatsError

from vignettes.domain.errors import PaymentIdReused, Unavailable
from vignettes.messages.forms import Amount
from vignettes.messages.payments import TakeNotice
from vignettes.services.notices import Notice

#: Providers wait about ten seconds for their answer.
_TIMEOUT = 8.0
#: It was told of with another amount before.
_OTHERWISE = frozenset({"conflict", "command_id_reused"})


class Passing:
    """Passes notices to the payments service."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def take(self, notice: Notice) -> None:
        """Return when the notice is on record. Raises Unavailable where that is not known."""
        message = TakeNotice(
            provider=notice.provider,
            payment_id=notice.payment_id,
            state=notice.state.value,
            amount=Amount(amount=notice.amount.amount, currency=notice.amount.currency),
            order_reference=notice.order_reference,
            method=notice.method,
            occurred_at=notice.occurred_at,
            test=notice.test,
            payer=notice.payer,
            payer_account=notice.payer_account,
            line_reference=notice.line_reference,
        )
        try:
            body = message.model_dump_json().encode()
            reply = await self._client.request(message.subject, body, timeout=_TIMEOUT)
        except NatsError as error:
            raise Unavailable from error
        told: dict[str, Any] = json.loads(reply.data)
        if not told["ok"]:
            raise PaymentIdReused(field="amount") if told["error"]["code"] in _OTHERWISE else Unavailable
