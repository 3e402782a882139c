"""What a sharing out of money among orders must be: whole, in one currency, one share for each order (case 25)."""

from collections.abc import Sequence

from vignettes.domain import errors
from vignettes.domain.money import Money, zero
from vignettes.domain.payment_events import Allocation


def check(allocations: Sequence[Allocation], wanted: Money) -> None:
    """Refuse shares that are not equal to the money in sum."""
    if any(each.amount.currency != wanted.currency for each in allocations):
        raise errors.InvalidValue(f"The payment is in {wanted.currency}.", field="allocations")
    if any(each.amount.amount <= 0 for each in allocations):
        raise errors.InvalidValue("Each share is above zero.", field="allocations")
    if len({each.order_id for each in allocations}) != len(allocations):
        raise errors.InvalidValue("An order has one share.", field="allocations")
    total = sum((each.amount for each in allocations), zero(wanted.currency))
    if total != wanted:
        raise errors.InvalidValue(f"The shares are {total} in sum, not {wanted}.", field="allocations")
