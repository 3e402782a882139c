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


#: For each form that is not written any more: the form that came after it, and how to get there.
UPCASTERS: Mapping[str, tuple[str, Callable[[Data], Data]]] = {
    # The first forms held personal data in the clear.
    "order.placed.v1": ("order.placed.v2", _placed_under_keys),
    "order.details-corrected.v1": ("order.details-corrected.v2", _plate_under_key),
    "order.email-corrected.v1": ("order.email-corrected.v2", _email_under_key),
    "order.refund-requested.v1": ("order.refund-requested.v2", _reason_under_key),
    "order.registration-rejected.v1": ("order.registration-rejected.v2", _reason_under_key),
}


def upcast(topic: str, data: Data) -> tuple[str, Data]:
    """Return topic and data in the newest form. Raises KeyError or TypeError for data that is not of its form."""
    while topic in UPCASTERS:
        topic, change = UPCASTERS[topic]
        data = change(data)
    return topic, data
