"""Where money stands that came in."""

from enum import StrEnum


class PaymentStatus(StrEnum):
    """Where money stands."""

    ANNOUNCED = "announced"
    UNPLACED = "unplaced"
    TO_MATCH = "to_match"
    MATCHED = "matched"
    IN_REVIEW = "in_review"
    REASSIGNING = "reassigning"
    LINE_OF_NOTICE = "line_of_notice"
    DISMISSED = "dismissed"
    RETURN_PENDING = "return_pending"
    RETURNED = "returned"
    REVERSED = "reversed"


#: What a person, or the matcher, is still to look at.
UNSETTLED = frozenset({PaymentStatus.TO_MATCH, PaymentStatus.IN_REVIEW, PaymentStatus.UNPLACED})
_UNDER_WAY = frozenset({PaymentStatus.REASSIGNING, PaymentStatus.RETURN_PENDING})
SETTLED = frozenset(PaymentStatus) - UNSETTLED - _UNDER_WAY
