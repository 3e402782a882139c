"""`/support` and `/o/<token>/support`: a form for whoever needs a person, and the other ways to one.

Nothing is asked for but something to go by, and that once: sent once more it is taken as it is. What can't be read is
passed on as it was typed: a person will make sense of it.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response

from vignettes.domain.catalogue import zone
from vignettes.domain.errors import CommandIdReused, InvalidValue
from vignettes.domain.vehicle import country_from_sign
from vignettes.messages.support import OpenCase
from vignettes.projections.order_pages import digest_of
from vignettes.services.calling import NoAnswer
from vignettes.services.contact import Contact
from vignettes.services.mails.language import Language
from vignettes.services.web.asking import Ask
from vignettes.services.web.countries import countries
from vignettes.services.web.linked import LinkedOrders, Row
from vignettes.services.web.order_facts import particulars
from vignettes.services.web.rendering import language_of, rendered
from vignettes.services.web.throttling import Rate, Throttle, Throttled, network_of
from vignettes.services.web.typed import Typed, Wrong
from vignettes.services.web.visits import Form, NotTaken, Visit, Visits

log = structlog.get_logger(__name__)

MOST_LETTERS: Final = 4_000
#: So many letters of any alphabet, as browsers send them, and the other fields.
LONGEST_BODY: Final = 12 * MOST_LETTERS + 4_000

_FROM_NETWORK: Final = Rate("support_network", "10/hour; 30/day")
_FOR_EMAIL: Final = Rate("support_email", "5/hour; 10/day")
#: Forms that are read at all, for what was typed is shown again to whoever sends too many.
_READ_FROM_NETWORK: Final = Rate("support_read_network", "60/hour")

_LONGEST: Final = {"email": 254, "country": 3, "plate": 40, "ordered_on": 40, "order_number": 40}
#: How what can't be read is told to the person who reads the case.
_UNREADABLE: Final = {"email": "E-mail address", "ordered_on": "Day of the order"}
Notice = Literal["later", "reused", "stale", "as_it_is"]
"""Why the form is shown again although nothing in it was wrong; `as_it_is`: sent once more it is taken as it is."""
_STATUS: Final[Mapping[Notice, int]] = {"later": 503, "reused": 409, "stale": 403, "as_it_is": 422}
_NOT_WRITTEN: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who looks at the form: in a visit and a language, and with an order if it is that of an order's page."""

    request: Request
    visit: Visit
    language: Language
    purpose: str
    home: str = "/"
    order: Row | None = None

    @property
    def number(self) -> str:
        """That of the order; empty where none is known."""
        return self.order["order_number"] if self.order else ""

    @property
    def email(self) -> str:
        """That of the order; empty where none is known."""
        return (self.order["email"] or "") if self.order else ""

    @property
    def particulars(self) -> str:
        """What support would ask for, as far as it is known."""
        return particulars(self.order) if self.order else ""


class SupportPages:
    """Takes what people ask, and passes it on to the support desk."""

    def __init__(
        self, orders: LinkedOrders, visits: Visits, ask: Ask, throttle: Throttle, contact: Contact
    ) -> None:
        self._orders = orders
        self._visits = visits
        self._ask = ask
        self._throttle = throttle
        self._contact = contact
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/support", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/support", self._take, methods=["POST"])
        self.router.add_api_route("/o/{token}/support", self._show_of_order, methods=["GET", "HEAD"])
        self.router.add_api_route("/o/{token}/support", self._take_of_order, methods=["POST"])

    async def _show(self, request: Request) -> Response:
        return self._form(self._stranger(request), {})

    async def _show_of_order(self, request: Request, token: str) -> Response:
        visitor = await self._customer(request, token)
        return self._form(visitor, {"email": visitor.email})

    async def _take(self, request: Request) -> Response:
        return await self._taken(self._stranger(request))

    async def _take_of_order(self, request: Request, token: str) -> Response:
        return await self._taken(await self._customer(request, token))

    async def _customer(self, request: Request, token: str) -> Visitor:
        order = await self._orders.found(token)
        language = Language.best_for(order["language"])
        visit, purpose = self._visits.of(request), f"support:{digest_of(token).hex()}"
        return Visitor(request, visit, language, purpose, f"/o/{token}", order)

    def _stranger(self, request: Request) -> Visitor:
        return Visitor(request, self._visits.of(request), language_of(request), "support")

    async def _taken(self, visitor: Visitor) -> Response:
        network = network_of(visitor.request)
        self._throttle.count(_READ_FROM_NETWORK, network)
        try:
            form = await self._visits.checked(visitor.request, visitor.purpose, most_bytes=LONGEST_BODY)
        except NotTaken as refusal:
            if refusal.why != "stale":
                raise
            return self._form(visitor, refusal.typed, notice="stale")
        typed = Typed(form)
        case = _case(typed, form.command_id, visitor)
        may_be_taken = case.message is not None and "message" not in typed.wrong
        if typed.wrong and not (may_be_taken and form["as_it_is"]):
            return self._form(visitor, form, wrong=typed.wrong, notice="as_it_is" if may_be_taken else None)
        try:
            self._throttle.count(_FROM_NETWORK, network)
            if case.email:
                self._throttle.count(_FOR_EMAIL, case.email.casefold())
        except Throttled as throttled:
            return self._form(visitor, form, throttled=throttled)
        return await self._open(visitor, form, case)

    async def _open(self, visitor: Visitor, form: Form, case: OpenCase) -> Response:
        try:
            reply = await self._ask(case)
        except NoAnswer:
            return self._form(visitor, form, notice="later", command_id=form.command_id)
        if not reply["ok"]:
            log.warning("page.case_refused", code=reply["error"]["code"])
            # Changed, and sent once more from a page that had been sent already: it may be meant so.
            is_reused = reply["error"]["code"] == CommandIdReused.code
            return self._form(visitor, form, notice="reused" if is_reused else "later")
        told = {"case_number": reply["case_number"], "email": case.email}
        return self._page(visitor, "support_opened.html", told, reply["case_number"])

    def _form(
        self,
        visitor: Visitor,
        typed: Mapping[str, str],
        *,
        wrong: dict[str, Wrong] | None = None,
        throttled: Throttled | None = None,
        notice: Notice | None = None,
        command_id: UUID | None = None,
    ) -> Response:
        """Return the form, with what somebody typed into it, and what came between."""
        shown = {name: typed.get(name, "")[:longest] for name, longest in _LONGEST.items()}
        told = {
            "typed": {**shown, "message": typed.get("message", "")},
            "wrong": wrong or {},
            "notice": notice,
            "as_it_is": notice == "as_it_is" or typed.get("as_it_is", "") != "",
            "minutes": throttled.minutes if throttled else None,
            "most_letters": MOST_LETTERS,
            "hidden": visitor.visit.hidden(visitor.purpose, command_id),
        }
        page = self._page(visitor, "support.html", told, visitor.number)
        page.status_code = _STATUS[notice] if notice else 422 if wrong else 429 if throttled else 200
        if throttled:
            page.headers["Retry-After"] = str(throttled.retry_after)
        return page

    def _page(self, visitor: Visitor, template: str, told: dict[str, Any], subject: str) -> Response:
        told = {
            **told,
            **self._contact.links(subject, visitor.particulars),
            "order": visitor.order,
            "home": visitor.home,
            "support": visitor.request.url.path,
            "countries": countries(visitor.language),
        }
        response = HTMLResponse(rendered(template, visitor.language, told))
        self._visits.keep(response, visitor.visit)
        return response


def _case(typed: Typed, command_id: UUID, visitor: Visitor) -> OpenCase:
    """Return the case as far as it can be told; what is missing, or can't be taken, is noted in `typed`."""
    email, message = typed.email(), _words(typed.text("message"))
    about = _of_order(visitor.order) if visitor.order else _of_stranger(typed)
    if not (email or typed.wrong or any(about.values())):
        typed.wrong["email"] = Wrong("way_to_answer")
    if len(message) > MOST_LETTERS:
        typed.wrong["message"] = Wrong("length")
    return OpenCase(
        command_id=command_id,
        topic="question",
        channel="page" if visitor.order else "form",
        email=email,
        language=visitor.language.code,
        message="\n".join([message[:MOST_LETTERS], *_unreadable(typed)]).strip() or None,
        **about,
    )


def _unreadable(typed: Typed) -> Iterator[str]:
    """Return what was typed where it can't be read, in lines for the person who reads the case."""
    for name, label in _UNREADABLE.items():
        if typed.wrong.get(name) == Wrong("form") and (line := _line(typed, name)):
            yield f"{label}: {line}"


def _of_order(row: Row) -> dict[str, Any]:
    return {
        "order_id": row["order_id"],
        "order_number": row["order_number"],
        "country": row["vehicle_country"],
        "plate": row["plate"],
        "ordered_on": row["placed_at"].astimezone(zone(row["zone"])).date(),
    }


def _of_stranger(typed: Typed) -> dict[str, Any]:
    plate = _line(typed, "plate")
    return {
        "order_number": _line(typed, "order_number"),
        "country": _country(typed.text("country")) if plate else None,
        "plate": plate,
        "ordered_on": typed.day(),
    }


def _country(text: str) -> str | None:
    try:
        return country_from_sign(text)
    except InvalidValue:
        return None


def _line(typed: Typed, name: str) -> str | None:
    """Return a field as it was typed, in one line and without controls."""
    return " ".join(_words(typed.text(name)).split())[: _LONGEST[name]] or None


def _words(text: str) -> str:
    """Return a text without controls; its lines stay."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    written = (each for each in lines if each in "\n\t" or unicodedata.category(each) not in _NOT_WRITTEN)
    return "".join(written).strip()
