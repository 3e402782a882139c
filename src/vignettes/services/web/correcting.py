"""`/o/<token>/correct`: plate, country, start and product, corrected until registration starts (promise 7)."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from vignettes.domain.catalogue import PRODUCTS, product
from vignettes.domain.details import Details
from vignettes.messages.commands import CorrectDetails, DetailsChange
from vignettes.services.calling import NoAnswer
from vignettes.services.web.correction import Correction, bounds, known_details, options, shown_start
from vignettes.services.web.countries import countries
from vignettes.services.web.linked import Row
from vignettes.services.web.order_facts import doubts
from vignettes.services.web.order_forms import ACTOR, Notice, Opened, OrderForms
from vignettes.services.web.typed import Wrong
from vignettes.services.web.visits import Form

_FIELDS = ("plate", "country", "product", "day", "time")
#: Which of our fields the ordering service means.
_FIELD_OF = {
    "changes.plate": "plate",
    "changes.vehicle_country": "country",
    "changes.product": "product",
    "changes.valid_from": "day",
}


class Correcting:
    """Shows the form, then what would follow from it, and sends the correction when that is confirmed."""

    def __init__(self, forms: OrderForms) -> None:
        self._forms = forms
        self.router = APIRouter(prefix="/o", include_in_schema=False)
        self.router.add_api_route("/{token}/correct", self._show, methods=["GET", "HEAD"])
        self.router.add_api_route("/{token}/correct", self._take, methods=["POST"])

    async def _show(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        return self._form(opened, _as_known(opened.row))

    async def _take(self, request: Request, token: str) -> Response:
        opened = await self._forms.opened(request, token)
        form = await self._forms.taken(request, token, "correct")
        typed = {name: form[name] for name in _FIELDS}
        if not opened.row["can_be_corrected"]:
            return self._form(opened, typed, notice="refused")
        if form["step"] == "edit":
            return self._form(opened, typed)
        wish = Correction(opened.row, form, opened.language)
        if wish.details is None or wish.wrong:
            return self._form(opened, typed, wrong=wish.wrong)
        if form["step"] == "confirm":
            return await self._confirmed(opened, form, wish, wish.details)
        if wish.changes_nothing:
            return self._form(opened, typed, notice="unchanged")
        return self._preview(opened, typed, wish)

    async def _confirmed(self, opened: Opened, form: Form, wish: Correction, details: Details) -> Response:
        typed = {name: form[name] for name in _FIELDS}
        if opened.is_stale(form):
            # Pressed twice, it has changed by the first press.
            return (
                opened.back()
                if wish.changes_nothing
                else self._preview(opened, typed, wish, notice="changed")
            )
        if wish.preview and form["total"] != str(wish.preview.price.total):
            return self._preview(opened, typed, wish, notice="priced")
        try:
            reply = await self._forms.send(_command(opened, form, details))
        except NoAnswer:
            again = form.command_id
            return self._preview(opened, typed, wish, notice="unavailable", command_id=again)
        if reply["ok"]:
            return opened.back()
        return await self._refused(opened, typed, wish, reply["error"])

    async def _refused(
        self, opened: Opened, typed: dict[str, str], wish: Correction, error: dict[str, Any]
    ) -> Response:
        if error["code"] == "command_id_reused":
            return self._preview(opened, typed, wish, notice="reused")
        if field := _FIELD_OF.get(error.get("field") or ""):
            return self._form(opened, typed, wrong={field: Wrong("form")})
        return self._form(await self._forms.anew(opened), typed, notice="refused")

    def _form(
        self,
        opened: Opened,
        typed: dict[str, str],
        *,
        wrong: dict[str, Wrong] | None = None,
        notice: Notice | None = None,
    ) -> Response:
        told: dict[str, Any] = {"typed": typed, "wrong": wrong or {}, "preview": None}
        if opened.row["can_be_corrected"]:
            told |= _choices(opened, typed)
        return self._forms.shown(opened, "correct", told, notice=notice)

    def _preview(
        self,
        opened: Opened,
        typed: dict[str, str],
        wish: Correction,
        *,
        notice: Notice | None = None,
        command_id: UUID | None = None,
    ) -> Response:
        preview = wish.preview
        vehicle = preview.details.vehicle if preview else known_details(opened.row).vehicle
        told = {"typed": typed, "preview": preview, "new_doubts": doubts(vehicle.country, vehicle.plate)}
        return self._forms.shown(opened, "correct", told, notice=notice, command_id=command_id)


def _command(opened: Opened, form: Form, details: Details) -> CorrectDetails:
    """Return the correction to exactly what was shown, whatever of it the order holds already."""
    vehicle = details.vehicle
    changes = DetailsChange(
        plate=vehicle.plate,
        vehicle_country=vehicle.country,
        valid_from=details.start.text(),
        product=details.product,
    )
    order_id = opened.row["order_id"]
    return CorrectDetails(command_id=form.command_id, actor=ACTOR, order_id=order_id, changes=changes)


def _as_known(row: Row) -> dict[str, str]:
    """Return the fields as they stand before anybody types."""
    if not row["can_be_corrected"]:
        return dict.fromkeys(_FIELDS, "")
    day, time = shown_start(known_details(row))
    return {
        "plate": row["plate"],
        "country": row["vehicle_country"],
        "product": row["product"],
        "day": day,
        "time": time,
    }


def _choices(opened: Opened, typed: dict[str, str]) -> dict[str, Any]:
    """Return what can be chosen from."""
    row = opened.row
    bought = PRODUCTS.get(typed["product"]) or product(row["product"])
    today, last = row["now"].astimezone(bought.zone).date(), bounds(bought, row["now"])[1]
    return {
        "countries": countries(opened.language),
        "options": list(options(row, bought.code)),
        "first_day": today,
        "last_day": last,
        "asks_hour": any(each.starts_at_hour for each in PRODUCTS.values() if each.country == bought.country),
    }
