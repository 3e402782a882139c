"""`/`: an order found without its link, by whoever knows enough of it. A stranger learns nothing, by text or by time.

What is found is told to the address of the order alone, by mail. Only the reference by which an order is paid opens
its page here, together with plate and day, for customers whose address was mistyped.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from vignettes.domain.vehicle import Vehicle
from vignettes.messages.links import OpenPage, RequestLink
from vignettes.services.calling import NoAnswer
from vignettes.services.web.asking import Ask
from vignettes.services.web.countries import countries
from vignettes.services.web.rendering import language_of, rendered
from vignettes.services.web.throttling import Rate, Throttle, network_of
from vignettes.services.web.typed import Typed, Wrong
from vignettes.services.web.visits import Form, Visits

log = structlog.get_logger(__name__)

#: Answers leave on this beat, whatever was found: what finding takes stays below it.
BEAT_SECONDS: Final = 0.3

# A mobile network may show thousands of customers under one address.
_FROM_NETWORK: Final = Rate("find_network", "30/hour; 100/day")
# What is known of somebody may be asked about by anybody: narrow for each network, and for all together so wide that a
# stranger who asks keeps nobody from asking. How often an order is mailed its link is bounded by the order itself.
_OFTEN_FROM_ONE: Final = "10/hour; 20/day"
_OFTEN_FROM_ALL: Final = "60/hour"
_FIND_PLATE_FROM_ONE: Final = Rate("find_plate_network", _OFTEN_FROM_ONE)
_FIND_PLATE: Final = Rate("find_plate", _OFTEN_FROM_ALL)
_FIND_EMAIL_FROM_ONE: Final = Rate("find_email_network", _OFTEN_FROM_ONE)
_FIND_EMAIL: Final = Rate("find_email", _OFTEN_FROM_ALL)
_FIND_NUMBER_FROM_ONE: Final = Rate("find_number_network", _OFTEN_FROM_ONE)
_FIND_NUMBER: Final = Rate("find_number", _OFTEN_FROM_ALL)
# Somebody might try references here, one after the other: of plates and of references failed attempts are counted.
_OPEN_FROM_NETWORK: Final = Rate("open_network", "20/hour; 60/day")
_OPEN_PLATE: Final = Rate("open_plate", "5/hour; 10/day")
_OPEN_REFERENCE: Final = Rate("open_reference", "5/hour; 10/day")

_FIELDS: Final = ("way", "country", "plate", "email", "ordered_on", "order_number", "reference")
_LONGEST_SHOWN: Final = 100
_LATER_SECONDS: Final = 30


class Finding:
    """Takes the forms of customers who have lost their links."""

    def __init__(self, visits: Visits, ask: Ask, throttle: Throttle) -> None:
        self._visits = visits
        self._ask = ask
        self._throttle = throttle
        self.router = APIRouter(include_in_schema=False)
        self.router.add_api_route("/", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/", self._find, methods=["POST"])
        self.router.add_api_route("/open", self._lead_back, methods=["GET", "HEAD"])
        self.router.add_api_route("/open", self._open, methods=["POST"])

    async def _show(self, request: Request) -> Response:
        return self._page(request, "find.html", {})

    async def _lead_back(self) -> Response:
        return RedirectResponse("/", 303)

    async def _find(self, request: Request) -> Response:
        self._throttle.count(_FROM_NETWORK, network_of(request))
        form = await self._visits.checked(request, "find")
        typed = Typed(form)
        wanted = _by_number(typed) if typed.text("way") == "number" else _by_vehicle(typed)
        if wanted is None:
            return self._page(request, "find.html", form, wrong=typed.wrong, status=422)
        self._count(wanted, network_of(request))
        try:
            await _on_the_beat(self._ask(wanted))
        except NoAnswer:
            return self._try_later(request, form)
        return self._page(request, "find_sent.html", form)

    async def _open(self, request: Request) -> Response:
        self._throttle.count(_OPEN_FROM_NETWORK, network_of(request))
        form = await self._visits.checked(request, "open")
        typed = Typed(form)
        wanted = _by_reference(typed)
        if wanted is None:
            return self._page(request, "find.html", form, wrong=typed.wrong, status=422)
        tried = ((_OPEN_PLATE, wanted.country, wanted.plate), (_OPEN_REFERENCE, wanted.reference))
        for each in tried:
            self._throttle.check(*each)
        try:
            reply = await _on_the_beat(self._ask(wanted))
        except NoAnswer:
            return self._try_later(request, form)
        if not reply["ok"]:
            for each in tried:
                self._throttle.count(*each)
            return self._page(request, "find.html", form, notice="not_opened", status=422)
        # The path alone: whoever came here by another name of ours stays there.
        return RedirectResponse(urlsplit(reply["manage_url"]).path, 303)

    def _count(self, wanted: RequestLink, network: str) -> None:
        if wanted.order_number is not None:
            self._throttle.count(_FIND_NUMBER_FROM_ONE, network, wanted.order_number)
            self._throttle.count(_FIND_NUMBER, wanted.order_number)
        if wanted.country is not None and wanted.plate is not None:
            self._throttle.count(_FIND_PLATE_FROM_ONE, network, wanted.country, wanted.plate)
            self._throttle.count(_FIND_PLATE, wanted.country, wanted.plate)
        if wanted.email is not None:
            self._throttle.count(_FIND_EMAIL_FROM_ONE, network, wanted.email.casefold())
            self._throttle.count(_FIND_EMAIL, wanted.email.casefold())

    def _try_later(self, request: Request, form: Form) -> Response:
        later = self._page(request, "find.html", form, notice="later", status=503)
        later.headers["Retry-After"] = str(_LATER_SECONDS)
        return later

    def _page(
        self,
        request: Request,
        template: str,
        typed: Form | dict[str, str],
        *,
        wrong: dict[str, Wrong] | None = None,
        notice: str = "",
        status: int = 200,
    ) -> Response:
        visit, language = self._visits.of(request), language_of(request)
        told = {
            "typed": {name: typed.get(name, "")[:_LONGEST_SHOWN] for name in _FIELDS},
            "wrong": {name: wrong[name] for name in _FIELDS if name in wrong} if wrong else {},
            "notice": notice,
            "countries": countries(language),
            "find": visit.hidden("find"),
            "open": visit.hidden("open"),
        }
        response = HTMLResponse(rendered(template, language, told), status)
        self._visits.keep(response, visit)
        return response


async def _on_the_beat(asked: Awaitable[dict[str, Any]]) -> dict[str, Any]:
    """Return or raise what comes of it, but at one of few moments, so that the time it took tells nothing."""
    began = asyncio.get_running_loop().time()
    try:
        return await asked
    finally:
        passed = asyncio.get_running_loop().time() - began
        await asyncio.sleep(BEAT_SECONDS - passed % BEAT_SECONDS)


def _by_number(typed: Typed) -> RequestLink | None:
    typed.need("order_number")
    number = typed.order_number("order_number")
    return RequestLink(order_number=number) if number else None


def _by_vehicle(typed: Typed) -> RequestLink | None:
    typed.need("country", "plate")
    vehicle, email, day = typed.vehicle(), typed.email(), typed.day()
    if not (typed.text("email") or typed.text("ordered_on")):
        typed.wrong["email"] = Wrong("one_of")
    if vehicle is None or typed.wrong:
        return None
    return RequestLink(**_named(vehicle), email=email, ordered_on=day)


def _by_reference(typed: Typed) -> OpenPage | None:
    typed.need("country", "plate", "ordered_on", "reference")
    vehicle, day, number = typed.vehicle(), typed.day(), typed.order_number("reference")
    if vehicle is None or day is None or number is None:
        return None
    return OpenPage(**_named(vehicle), ordered_on=day, reference=number)


def _named(vehicle: Vehicle) -> dict[str, str]:
    return {"country": vehicle.country, "plate": vehicle.normal or ""}
