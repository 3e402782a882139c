"""Payment QR codes: exactly what is asked for, in the form that banking apps of its currency read."""

from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Final, Literal

import segno

from vignettes.domain import references
from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money

#: EPC069-12: no more than version 13 with error correction M holds.
_LONGEST: Final = 331
#: Pixels of one module; with the quiet zone an image is some 250 pixels wide.
_SCALE: Final = 5


@dataclass(frozen=True, slots=True)
class PaymentCode:
    """The text of one code, and in which form. Its image has a name of its own wherever it is enclosed (RFC 2392)."""

    form: Literal["spayd", "epc"]
    text: str

    @property
    def content_id(self) -> str:
        """The same code has the same name: mail programs keep images by it."""
        return f"payment-code-{sha256(self.text.encode()).hexdigest()[:32]}@vignettes"

    def png(self) -> bytes:
        """Return the image for a mail: a few hundred bytes, dark on light whatever the mail's colours."""
        image = BytesIO()
        _drawn(self.text).save(image, kind="png", scale=_SCALE)
        return image.getvalue()

    def svg(self) -> str:
        """Return the image as an element to stand in a page, without scripts, styles or anything to fetch."""
        return _drawn(self.text).svg_inline(scale=_SCALE, light="white", svgclass=None, lineclass=None)


def payment_code(name: str, iban: str, amount: Money, number: str) -> PaymentCode | None:
    """Return the code that pays this amount for an order; None where no form of code can ask for it."""
    try:
        code = _code(name, iban, amount, number)
    except InvalidValue:
        return None
    return code if code and len(code.text.encode()) <= _LONGEST else None


def _code(name: str, iban: str, amount: Money, number: str) -> PaymentCode | None:
    if amount.currency == "CZK":
        return PaymentCode("spayd", references.spayd(iban, amount, number, number))
    if amount.currency == "EUR":
        return PaymentCode("epc", references.epc(name, iban, amount, number))
    return None


def _drawn(text: str) -> segno.QRCode:
    """Draw it as EPC069-12 wants: error correction M and no other, UTF-8 without a mark of it."""
    return segno.make_qr(text, error="m", boost_error=False, encoding="utf-8")
