"""Events as earlier releases wrote them, brought to the form of today. Stored bytes are never touched."""

from collections.abc import Callable, Mapping
from typing import Any

from vignettes.eventstore.personal import plain

Data = dict[str, Any]
"""What an event says, as JSON."""


def _email_under_key(data: Data) -> Data:
    return {**data, "email": plain(data["email"])}


def _reason_under_key(data: Data) -> Data:
    return {**data, "reason": plain(data["reason"])}


def _plate_under_key(data: Data) -> Data:
    vehicle = data["details"]["vehicle"]
    hidden = {**vehicle, "plate": plain(vehicle["plate"]), "normal": plain(vehicle["normal"])}
    return {**data, "details": {**data["details"], "vehicle": hidden}}


def _placed_under_keys(data: Data) -> Data:
    return _plate_under_key(_email_under_key(data))


def _by_usual_terms(data: Data) -> Data:
    return {**data, "terms": {"lead": "PT12H", "grace": "PT1M", "unpaid_expiry": "P14D"}}


def _because_of_itself(data: Data) -> Data:
    return {**data, "because_of": None}


def _without_code(data: Data) -> Data:
    return {**data, "code": "other"}


#: For each form that is not written any more: the form that came after it, and how to get there.
UPCASTERS: Mapping[str, tuple[str, Callable[[Data], Data]]] = {
    # The first forms had no keys, see IN_THE_CLEAR.
    "order.placed.v1": ("order.placed.v2", _placed_under_keys),
    "order.details-corrected.v1": ("order.details-corrected.v2", _plate_under_key),
    "order.email-corrected.v1": ("order.email-corrected.v2", _email_under_key),
    "order.refund-requested.v1": ("order.refund-requested.v2", _reason_under_key),
    "order.registration-rejected.v1": ("order.registration-rejected.v2", _reason_under_key),
    # Until then orders were served by the settings of whoever asked.
    "order.placed.v2": ("order.placed.v3", _by_usual_terms),
    "order.held.v1": ("order.held.v2", _because_of_itself),
    # Its code was among the authority's words, if anywhere.
    "order.registration-rejected.v2": ("order.registration-rejected.v3", _without_code),
}


#: The forms that held personal data in the clear: no key that could be destroyed hides it.
IN_THE_CLEAR = tuple(
    f"order.{name}.v1"
    for name in (
        "placed",
        "details-corrected",
        "email-corrected",
        "refund-requested",
        "registration-rejected",
    )
)


def upcast(topic: str, data: Data) -> tuple[str, Data]:
    """Return topic and data in the newest form. Raises KeyError or TypeError for data that is not of its form."""
    while topic in UPCASTERS:
        topic, change = UPCASTERS[topic]
        data = change(data)
    return topic, data
