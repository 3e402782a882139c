"""The order of all examples: how it was placed, what it costs, and how answers begin that are about it."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from vignettes.domain.catalogue import product
from vignettes.domain.details import Consent, Details, Payment
from vignettes.domain.order import Order
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.orders import order_id_of

Example = dict[str, Any]

NUMBER = "V9922747891"
ORDER_ID = str(order_id_of(NUMBER))
COMMAND_ID = "0d5b2c1e-6f5a-4c39-9a53-2f5f4e9d8b10"
PAYING_ID = "6c1f0a52-3a0e-4a55-8f0e-9be8f3c2d7a4"
PAYMENT_ID = "fio-26489132775"
PAYOUT_ID = f"{NUMBER}-1"
IBAN = "CZ6508000000192000145399"
PLACED_AT = "2026-12-10T08:15:30.120000Z"
PAID_AT = "2026-12-10T09:02:11Z"
CONSENT: Example = {
    "kind": "immediate_performance",
    "text_version": "2026-01",
    "given_at": "2026-12-10T08:15:02+01:00",
}
COMMAND: Example = {"command_id": COMMAND_ID, "actor": "shop"}
OF_ORDER: Example = {**COMMAND, "order_id": ORDER_ID}
PLACE: Example = {
    **COMMAND,
    "product": "CZ-10D",
    "vehicle": {"country": "FR", "plate": "AB-123-CD"},
    "valid_from": "2026-12-19",
    "email": "driver@example.org",
    "language": "fr",
    "consents": [CONSENT],
}

_JSON: TypeAdapter[Any] = TypeAdapter(Any)


def _paid_order() -> Order:
    """Take down the order of all examples, as the command above asks for it, and pay it."""
    wished = product(PLACE["product"])
    details = Details(
        wished.code,
        Vehicle.of(PLACE["vehicle"]["country"], PLACE["vehicle"]["plate"]),
        Start.parse(PLACE["valid_from"], wished),
    )
    consent = Consent(CONSENT["kind"], CONSENT["text_version"], datetime.fromisoformat(CONSENT["given_at"]))
    order = Order.place(
        order_id_of(NUMBER),
        number=NUMBER,
        details=details,
        email=PLACE["email"],
        language=PLACE["language"],
        consents=[consent],
        at=datetime.fromisoformat(PLACED_AT),
    )
    paid_at = datetime.fromisoformat(PAID_AT)
    order.receive_payment(Payment(PAYMENT_ID, order.outstanding, "bank_transfer", paid_at), paid_at)
    return order


ORDER = _paid_order()
PRICE: Example = {
    **_JSON.dump_python(ORDER.price, mode="json"),
    "total": _JSON.dump_python(ORDER.price.total, mode="json"),
}
TOTAL: Example = PRICE["total"]


def done(version: int, status: str) -> Example:
    """Return the common part of an answer, once the order has come to a version and a status."""
    return {
        "ok": True,
        "command_id": COMMAND_ID,
        "order_id": ORDER_ID,
        "order_number": NUMBER,
        "version": version,
        "position": 1_041 + version,
        "status": status,
    }
