"""Notices in Comgate's manner: whoever sends one is not believed, the provider is asked what is true of the payment."""

import asyncio
import hmac
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vignettes.domain.money import Money
from vignettes.messages.forms import Currency
from vignettes.services.notices import Acknowledgement, Delivery, Notice, NoticeState, Refused, reading
from vignettes.services.notices.signatures import UNAUTHORISED

#: All of one question; the provider's own patience with our answer is longer.
ASK_SECONDS: Final = 8.0
_PATIENCE: Final = httpx.Timeout(4.0, connect=3.0)
#: Anybody may send a notice: how many questions it may lead to at a time.
_AT_ONCE: Final = 8
_WAITING: Final = 64
_LONGEST_ANSWER: Final = 64_000
_UNAVAILABLE: Final = 503
_PAYMENT_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)
#: What a payment through the payer's bank is called, by whether the provider passes each on as a line of its own. Only
#: then may a transfer on the statement that names the same order be taken for it: else it may be a second one.
_TRANSFERS: Final = {"singly": "bank_transfer", "together": "bank_transfer_via_provider"}
_STATES: Final = {
    "PENDING": NoticeState.PENDING,
    "AUTHORIZED": NoticeState.AUTHORISED,
    "PAID": NoticeState.PAID,
    "CANCELLED": NoticeState.FAILED,
}


class Answer(BaseModel):
    """What the provider answers of one payment; it has more fields. `price` in minor units, `refId` is ours."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    code: Literal["0"]
    merchant: str
    trans_id: Annotated[str, Field(alias="transId")]
    test: Literal["true", "false"]
    price: Annotated[str, Field(pattern=r"^[0-9]{1,15}$")]
    curr: Currency
    status: Literal["PENDING", "AUTHORIZED", "PAID", "CANCELLED"]
    ref_id: Annotated[str | None, Field(alias="refId")] = None
    method: str | None = None
    payer_name: Annotated[str | None, Field(alias="payerName")] = None
    payer_account: Annotated[str | None, Field(alias="payerAcc")] = None


@dataclass(frozen=True, slots=True)
class Account:
    """How the provider knows us, where it is asked, and how it passes on what was paid."""

    merchant: str
    secret: str
    url: str
    settles: Literal["singly", "together"] = "together"

    def __repr__(self) -> str:
        return f"Account({self.merchant})"


class Comgate:
    """Takes notices as a hint to ask. A question that fails is answered so that the provider notifies again."""

    media_type = "application/x-www-form-urlencoded"
    acknowledgement = Acknowledgement("application/x-www-form-urlencoded", "code=0&message=OK")

    def __init__(
        self, name: str, account: Account, client: httpx.AsyncClient, now: Callable[[], float], *, test: bool
    ) -> None:
        self._name = name
        self._account = account
        self._client = client
        self._now = now
        self._test = test
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._asking: dict[str, asyncio.Task[Answer | Refused]] = {}
        self._next: dict[str, asyncio.Task[Answer | Refused]] = {}

    async def read(self, delivery: Delivery) -> Notice:
        """Return what the provider answers. Raises Refused."""
        payment_id = self._hinted(reading.form_fields(delivery.body))
        answer = await self._asked(payment_id)
        if isinstance(answer, Refused):
            raise answer
        return self._notice(answer)

    def _hinted(self, fields: Mapping[str, str]) -> str:
        """Return the payment to ask about. A secret that is given spares us to ask after forged ones."""
        if not hmac.compare_digest(
            fields.get("secret", self._account.secret).encode(), self._account.secret.encode()
        ):
            raise Refused(
                UNAUTHORISED, "secret_wrong", "The secret of this notice is not the one that we share."
            )
        if fields.get("merchant", self._account.merchant) != self._account.merchant:
            raise reading.invalid("The merchant is another one.", "merchant")
        payment_id = fields.get("transId", "")
        if not _PAYMENT_ID.fullmatch(payment_id):
            raise reading.invalid("The payment's id is missing, or is none.", "transId")
        return payment_id

    async def _asked(self, payment_id: str) -> Answer | Refused:
        """Ask once for all who came before the question left.

        Who comes while one is under way waits for the next: the answer to come may be older than the notice.
        """
        task = self._next.get(payment_id)
        if task is None:
            if len(self._next) >= _WAITING:
                raise _unanswered("too many notices wait")
            before = self._asking.get(payment_id)
            task = asyncio.create_task(self._in_turn(payment_id, before), name="asking a payment provider")
            self._next[payment_id] = task
        return await asyncio.shield(task)  # others may wait for it too

    async def _in_turn(
        self, payment_id: str, before: "asyncio.Task[Answer | Refused] | None"
    ) -> Answer | Refused:
        if before is not None:
            await asyncio.wait({before})
        async with self._slots:
            ours = self._asking[payment_id] = self._next.pop(payment_id)
            try:
                return await self._answer(payment_id)
            except Refused as refusal:
                return refusal
            finally:
                if self._asking.get(payment_id) is ours:
                    del self._asking[payment_id]

    async def _answer(self, payment_id: str) -> Answer:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                fields = reading.form_fields(await self._content(payment_id))
            answer = Answer.model_validate(fields)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _unanswered(type(error).__name__) from None
        except (ValidationError, Refused):
            raise _unanswered("no answer that tells of a payment") from None
        if (answer.trans_id, answer.merchant) != (payment_id, self._account.merchant):
            raise _unanswered("an answer about another payment")
        return answer

    async def _content(self, payment_id: str) -> bytes:
        asked = {"merchant": self._account.merchant, "transId": payment_id, "secret": self._account.secret}
        # Uncompressed: what little it is may then be measured while it comes.
        headers = {"Accept-Encoding": "identity"}
        async with self._client.stream(
            "POST", self._account.url, data=asked, headers=headers, timeout=_PATIENCE
        ) as answer:
            answer.raise_for_status()
            content = bytearray()
            async for part in answer.aiter_raw():
                content += part
                if len(content) > _LONGEST_ANSWER:
                    raise _unanswered("too long an answer")
        return bytes(content)

    def _notice(self, answer: Answer) -> Notice:
        return Notice(
            provider=self._name,
            payment_id=answer.trans_id,
            state=_STATES[answer.status],
            amount=Money(int(answer.price), answer.curr),
            order_reference=reading.line(answer.ref_id),
            method=_method(answer.method, _TRANSFERS[self._account.settles]),
            occurred_at=datetime.fromtimestamp(self._now(), UTC),
            test=self._test or answer.test == "true",
            payer=reading.line(answer.payer_name),
            payer_account=reading.account(answer.payer_account),
            line_reference=None,  # its lines name none
        )


def _unanswered(why: str) -> Refused:
    return Refused(
        _UNAVAILABLE, "provider_unavailable", f"The provider could not be asked ({why}). Notify again."
    )


def _method(theirs: str | None, transfer: str) -> str:
    """Return how it was paid, without the bank: `CARD_CZ_CSOB_2`, `BANK_CZ_RB`."""
    kind = (theirs or "other").partition("_")[0].lower()
    return transfer if kind == "bank" else reading.line(kind) or "other"
