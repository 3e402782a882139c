"""When registration of an order is due, told anew from its events: by domain.md, and by none of the service's code."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from faults.year.evidence import instant

LEAD, GRACE, MARGIN = timedelta(hours=12), timedelta(seconds=60), timedelta(hours=1)
_DAY = timedelta(days=1)
_ZONES = {
    "CZ": ZoneInfo("Europe/Prague"),
    "SK": ZoneInfo("Europe/Bratislava"),
    "AT": ZoneInfo("Europe/Vienna"),
    "CH": ZoneInfo("Europe/Zurich"),
    "SI": ZoneInfo("Europe/Ljubljana"),
    "HU": ZoneInfo("Europe/Budapest"),
    "RO": ZoneInfo("Europe/Bucharest"),
    "BG": ZoneInfo("Europe/Sofia"),
}
#: How many days ahead an authority sells; the others always do, and Switzerland from 1 December on.
_SOLD_AHEAD = {"CZ": 30, "SK": 60, "SI": 30, "RO": 30, "BG": 30}
#: To be bought eighteen days before.
_EIGHTEEN_DAYS = ("AT-2M", "AT-1Y")


class Order:
    """What of an order decides when it is due."""

    def __init__(self):
        self.product, self.day, self.hour = "", date.min, None
        self.price = self.credited = 0
        self.paid_at = self.began_at = self.started_at = None
        self.generation = 0
        self.hold = None
        self.outages = {}
        self.wished = self.was_started = self.rejected = self.issued = self.refund = self.expired = False

    # --- its events

    def tell(self, event):
        """Take in what happened."""
        told = getattr(self, f"_{event.kind.replace('-', '_')}", None)
        if told:
            told(event)

    def _placed(self, event):
        self._details(event.data)

    def _details(self, data):
        start = data["details"]["start"]
        self.product = data["details"]["product"]
        self.day = date.fromisoformat(start["day"])
        self.hour = instant(start["at"]) if start["at"] else None
        self.price = data["price"]["official"]["amount"] + data["price"]["fee"]["amount"]

    def _payment_received(self, event):
        self.credited += event.data["payment"]["amount"]["amount"]
        if self.is_open and self.is_paid and self.paid_at is None:
            self.paid_at = instant(event.data["payment"]["received_at"])
            self._plan_anew(event)

    def _surplus_set_aside(self, event):
        self.credited -= event.data["amount"]["amount"]

    def _details_corrected(self, event):
        self._details(event.data)
        self.paid_at = (self.paid_at or event.at) if self.is_paid else None
        self.rejected = False
        self._plan_anew(event)

    def _start_wished(self, _):
        self.wished = True

    def _outage_regarded(self, event):
        outage = event.data["outage"]
        self.outages[outage["id"]] = (instant(outage["begins_at"]), instant(outage["ends_at"]))
        if self.is_scheduled:
            self._plan_anew(event)

    def _outage_disregarded(self, event):
        del self.outages[event.data["outage_id"]]
        if self.is_scheduled:
            self._plan_anew(event)

    def _held(self, event):
        self.hold = event.data["reason"]

    def _hold_released(self, event):
        self.hold = None
        self._plan_anew(event)

    _twin_accepted = _hold_released

    def _registration_started(self, event):
        self.started_at, self.was_started, self.rejected = event.at, True, False

    def _vignette_issued(self, _):
        self.issued = True

    def _registration_rejected(self, event):
        self.rejected, self.started_at = True, None
        self._plan_anew(event)

    def _refund_requested(self, _):
        self.refund = True

    def _expired(self, _):
        self.expired = True

    def _plan_anew(self, event):
        self.generation += 1
        self.began_at = event.at

    # --- where it stands

    @property
    def is_paid(self):
        return self.credited >= self.price

    @property
    def is_open(self):
        return not self.refund and not self.expired

    @property
    def is_scheduled(self):
        """Tell whether it waits for its start, and for nothing else."""
        over = self.issued or self.started_at or self.rejected or self.hold
        return self.is_open and self.is_paid and not over

    # --- when it is due

    @property
    def zone(self):
        return _ZONES[self.product[:2]]

    def _midnight(self, day, at=time.min):
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    @property
    def begins_at(self):
        """The instant from which the driver wants to be covered."""
        if self.product == "BG-1D":
            return self.hour.astimezone(UTC)
        return self._midnight(self.day, time(12) if self.product == "BG-WE" else time.min)

    @property
    def opens_at(self):
        """The first instant at which the authority sells it, if there is one."""
        if self.product == "CH-1Y":
            return self._midnight(date(self.day.year - (self.day.month < 12), 12, 1))
        ahead = _SOLD_AHEAD.get(self.product[:2])
        return self._midnight(self.day - ahead * _DAY) if ahead else None

    def due(self):
        """Return when it must start, and by which of the promises: 1 at the mark, 2 after the money, 3 at once."""
        due_at, promise = self._by_rule()
        due_at = max(due_at, self.began_at)
        margin = MARGIN if promise == 1 else timedelta()
        soonest = max(filter(None, (self.began_at, self.paid_at, self.opens_at)))
        for begins_at, ends_at in sorted(self.outages.values(), reverse=True):
            before = max(begins_at - MARGIN, soonest)
            if begins_at - margin <= due_at < ends_at and before < begins_at and before < due_at:
                due_at = before
        return due_at, promise

    def _by_rule(self):
        opens_at, paid_at = self.opens_at, self.paid_at
        if self.wished or self.was_started:
            return max(paid_at, opens_at or paid_at), 3 if (opens_at or paid_at) <= paid_at else 1
        mark = self.begins_at - LEAD
        if self.product in _EIGHTEEN_DAYS:
            mark = self._midnight(self.day - 18 * _DAY)
        mark = max(mark, opens_at or mark)
        if mark > paid_at:
            return mark, 1
        last = self._midnight(self.day - 17 * _DAY) - timedelta(seconds=1)
        if self.product in _EIGHTEEN_DAYS and paid_at <= last < paid_at + GRACE:
            return last, 1
        return paid_at + GRACE, 2
