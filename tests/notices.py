"""Notices as payment providers send them, and a provider that can be asked."""

import asyncio
import hashlib
import hmac
import json
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlencode

from fastapi import FastAPI, Request
from starlette.responses import Response

from vignettes.services.notices import Delivery
from vignettes.services.web.serving import serving

SECRET = "a secret of the tests"
#: When the notices are signed, in Unix seconds: 23 November 2026, 10:00 UTC.
SIGNED_AT = 1_795_428_000


def signature(body: bytes, *secrets: str, at: int = SIGNED_AT) -> str:
    """Sign as an integrator would, without any code of ours."""
    signed = str(at).encode() + b"." + body
    made = [hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets or (SECRET,)]
    return ",".join([f"t={at}", *(f"v1={each}" for each in made)])


def notice(**changes) -> dict:
    """Our own form; a field of None stays away."""
    told = {
        "event_id": "evt-1",
        "payment_id": "pay-1",
        "state": "paid",
        "amount": {"amount": 39900, "currency": "CZK"},
        "order_reference": "V1234567802",
        "method": "card",
        "occurred_at": "2026-11-23T09:59:58+00:00",
        "test": False,
    }
    return {name: value for name, value in (told | changes).items() if value is not None}


def encoded(told: dict) -> bytes:
    return json.dumps(told).encode()


def signed(told: dict | bytes, *secrets: str, at: int = SIGNED_AT, header="webhook-signature") -> Delivery:
    body = told if isinstance(told, bytes) else encoded(told)
    return Delivery({header: signature(body, *secrets, at=at)}, body)


class AskedProvider:
    """Answers for payments as it was told to, and notes what it was asked. `gate` holds answers back."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, str] | bytes] = {}
        self.asked: list[dict[str, str]] = []
        self.status = 200
        self.gate = asyncio.Event()
        self.gate.set()
        self.url = ""

    def knows(self, payment_id: str, **changes: str) -> None:
        told = {
            "code": "0",
            "message": "OK",
            "merchant": "shop-1",
            "test": "false",
            "price": "39900",
            "curr": "CZK",
            "label": "Vignette",
            "refId": "V1234567802",
            "method": "CARD_CZ_CSOB_2",
            "email": "driver@example.org",
            "transId": payment_id,
            "secret": SECRET,
            "status": "PAID",
            "payerName": "Jana Nováková",
            "payerAcc": "000000-0192000145/0800",
            "fee": "unknown",
        }
        self.answers[payment_id] = told | changes

    async def answer(self, request: Request) -> Response:
        asked = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        self.asked.append(asked)
        told = self.answers.get(asked["transId"], {"code": "1400", "message": "wrong query"})
        await self.gate.wait()
        content = told if isinstance(told, bytes) else urlencode(told).encode()
        return Response(content, self.status, media_type="application/x-www-form-urlencoded")


@asynccontextmanager
async def asked_provider():
    """Run it on a real socket while the block runs."""
    provider, app = AskedProvider(), FastAPI()
    app.add_api_route("/v1.0/status", provider.answer, methods=["POST"])
    async with serving(app) as port:
        provider.url = f"http://127.0.0.1:{port}/v1.0/status"
        yield provider
        provider.gate.set()
