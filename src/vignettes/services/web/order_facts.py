"""What the page of an order tells: its row as amounts, steps with their times, warnings and mails."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Literal

from vignettes.domain import references, vehicle
from vignettes.domain.catalogue import product
from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money
from vignettes.domain.vehicle import Vehicle
from vignettes.services.contact import Contact
from vignettes.services.deciding import Payee
from vignettes.services.mails.language import Language
from vignettes.services.mails.texts import environment
from vignettes.services.payment_codes import PaymentCode, payment_code
from vignettes.services.web.linked import Row, sign_of

_AMOUNTS: Final = (
    "price_official",
    "price_fee",
    "price_total",
    "received",
    "outstanding",
    "surplus",
    "refund",
    "owed",
)
_LOOK_ALIKE: Final = re.compile(r"look_alike:(.)/(.) at (\d+)")
#: Mails that nobody waits for: there is nobody left to read them, or they were never called for.
_UNTOLD: Final = frozenset({"erased", "not_called"})
_CLOSED: Final = frozenset({"refund_pending", "refunded", "expired"})
_HOUR: Final = timedelta(hours=1)

When = Literal["done", "now", "next"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way of an order; the template `order_timeline.html` has its words."""

    name: str
    when: When
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LookAlike:
    """A character of the plate, counted from 1, that may have been meant as its twin."""

    seen: str
    twin: str
    place: int


@dataclass(frozen=True, slots=True)
class Doubts:
    """What the driver should look at again in the plate."""

    unusual: bool
    look_alikes: tuple[LookAlike, ...]

    def __bool__(self) -> bool:
        return self.unusual or bool(self.look_alikes)


@dataclass(frozen=True, slots=True)
class ToldMail:
    """One mail, as the page tells of it."""

    kind: str
    state: str
    called_at: datetime
    sent_at: datetime | None


class Facts:
    """Turns rows into what the templates of an order's pages need."""

    def __init__(self, payee: Payee, contact: Contact) -> None:
        self._payee = payee
        self._contact = contact

    def of(self, row: Row, token: str) -> dict[str, Any]:
        """Return what every page of an order needs, and where its pages are."""
        return {
            **row,
            **{name: _amount(row[name], row["currency"]) for name in _AMOUNTS},
            **_of_product(row),
            "paid": Money(row["price_total"] - row["outstanding"], row["currency"]),
            "is_closed": row["status"] in _CLOSED,
            "page": f"/o/{token}",
            "support": f"/o/{token}/support",
            "preview": None,
        }

    def of_page(self, row: Row) -> dict[str, Any]:
        """Return what the page of the order itself needs beside that."""
        return {
            **self._to_pay(row),
            **self._contact.links(row["order_number"], particulars(row)),
            "doubts": doubts(row["vehicle_country"], row["plate"]),
            "steps": list(steps(row)),
            "mails": list(mails(row)),
            "lead_hours": _lead_hours(row),
            "sign": sign_of(row),
        }

    def _to_pay(self, row: Row) -> dict[str, Any]:
        """Tell how to pay the rest, or what was taken back from us."""
        number = row["order_number"]
        rest = Money(row["owed"] or row["outstanding"], row["currency"])
        code = payment_code(self._payee.name, self._payee.iban, rest, number) if rest else None
        return {
            "to_pay": rest,
            "payee_name": self._payee.name,
            "payee_iban": self._payee.iban,
            "variable_symbol": references.variable_symbol(number),
            "creditor_reference": references.creditor_reference(number),
            "code": _drawn(code) if code else None,
        }


@lru_cache(maxsize=1000)  # drawing one takes longer than all the rest of a page, and pages are opened again
def _drawn(code: PaymentCode) -> str:
    return code.svg()


def particulars(row: Row) -> str:
    """Return what support would ask for, as mails give it."""
    written = environment(Language.best_for(row["language"]), "txt").get_template("particulars.j2")
    return written.render({**row, "ordered_at": row["placed_at"], "case_number": None}).strip()


def _amount(minor_units: int | None, currency: str) -> Money | None:
    return Money(minor_units, currency) if minor_units else None


def _of_product(row: Row) -> dict[str, Any]:
    """Tell what the catalogue says; what starts after its day has begun is valid from its registration (9)."""
    bought = product(row["product"])
    return {
        "from_registration": bought.valid_at_once or row["starts_at"] <= (row["started_at"] or row["now"]),
        "still_possible": bought.still_possible,
        "notice_days": bought.notice_days,
        "instead": bought.instead,
    }


def doubts(country: str, plate: str | None) -> Doubts:
    """Return what looks wrong about a plate, never a reason to refuse it (case 42)."""
    try:
        codes = vehicle.warnings(Vehicle.of(country, plate)) if plate else ()
    except InvalidValue:  # it was taken by older rules
        codes = ()
    found = [_LOOK_ALIKE.fullmatch(code) for code in codes]
    alike = tuple(LookAlike(each[1], each[2], int(each[3])) for each in found if each)
    return Doubts(unusual=len(alike) < len(codes), look_alikes=alike)


def _lead_hours(row: Row) -> int | None:
    """Return how many whole hours before its beginning a vignette is registered by the usual rule."""
    if row["due_rule"] != "lead":
        return None
    lead: timedelta = row["starts_at"] - row["due_at"]
    return None if lead % _HOUR else lead // _HOUR


def mails(row: Row) -> Iterator[ToldMail]:
    """Return the mails in the order in which they were called for."""
    for kind, state, called_at, sent_at in row["mails"]:
        if state not in _UNTOLD:
            yield ToldMail(kind, state, _instant(called_at), _instant(sent_at) if sent_at else None)


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- the way of an order ---


def steps(row: Row) -> Iterator[Step]:
    """Return what has happened, what happens now, and what comes next."""
    yield Step("placed", "done", row["placed_at"])
    if row["status"] in _CLOSED:
        yield from _back(row)
    else:
        yield _payment(row)
        yield from _registration(row)
        yield from _cover(row)


def _payment(row: Row) -> Step:
    return Step("paid", "done", row["paid_at"]) if row["paid_at"] else Step("paid", "now")


def _registration(row: Row) -> Iterator[Step]:
    if row["status"] in {"on_hold", "action_needed"}:
        yield Step(row["status"], "now")
    if row["started_at"]:
        yield Step("started", "done", row["started_at"])
    else:
        yield Step("started", "now" if row["status"] == "scheduled" else "next", row["due_at"])
    when: When = "next" if row["started_at"] is None else "done" if row["status"] == "issued" else "now"
    yield Step("issued", when, row["issued_at"])


def _cover(row: Row) -> Iterator[Step]:
    is_issued, now = row["status"] == "issued", row["now"]
    begins = row["vignette_valid_from"] or row["starts_at"]
    ends = row["vignette_valid_until"] or row["ends_at"]
    has_begun, is_over = is_issued and begins <= now, is_issued and ends < now
    unknown = not is_issued and _of_product(row)["from_registration"]
    yield Step("begins", "done" if has_begun else "next", None if unknown else begins)
    yield Step("ends", "done" if is_over else "now" if has_begun else "next", ends)


def _back(row: Row) -> Iterator[Step]:
    if row["paid_at"]:
        yield Step("paid", "done", row["paid_at"])
    if row["withdrawn_at"]:
        yield Step("withdrawn", "done", row["withdrawn_at"])
    if row["status"] == "expired":
        yield Step("closed", "done")
    else:
        yield Step("refunded", "done" if row["status"] == "refunded" else "now")
