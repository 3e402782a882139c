"""One small class per refusal. The docstring is the message; the code is stable (docs/contracts)."""

from typing import ClassVar


class DomainError(Exception):
    """The request was refused."""

    code: ClassVar[str] = "invalid_request"

    def __init__(self, detail: str = "", *, field: str | None = None) -> None:
        message = type(self).__doc__ or ""
        super().__init__(f"{message} {detail}".strip())
        self.field = field


class InvalidValue(DomainError):
    """This value can't be accepted."""


class OrderNotFound(DomainError):
    """There is no such order."""

    code = "not_found"


class RegistrationAlreadyStarted(DomainError):
    """Registration with the toll authority has started, so the order can't be changed any more."""

    code = "already_started"


class NotPaid(DomainError):
    """No money has arrived for this order."""

    code = "not_paid"


class NotRefundable(DomainError):
    """The money can't be given back: the service is being, or has been, provided."""

    code = "not_refundable"


class TooEarly(DomainError):
    """The authority does not sell this vignette yet."""

    code = "too_early"


class OrderClosed(DomainError):
    """The order has ended or its money is on its way back, so this can't be done any more."""

    code = "conflict"


class OrderUnderWay(DomainError):
    """The order is still under way: its personal data is needed until it is issued, refunded or expired."""

    code = "conflict"


class WrittenInTheClear(DomainError):
    """Its first events hold personal data in the clear, from before there were keys: it can't be erased."""

    code = "conflict"


class OnHold(DomainError):
    """The order is on hold: choose a new start, or ask for the money back."""

    code = "conflict"


class ConsentNeeded(DomainError):
    """Within 14 days of the order a start at once needs the customer's express request: send it as a consent."""


class PaymentIdReused(DomainError):
    """This payment_id stands for another payment already."""

    code = "conflict"


class PaymentNotFound(DomainError):
    """There is no such payment."""

    code = "not_found"


class PaymentSettled(DomainError):
    """This payment does not wait for that: it counts for an order, or its money has gone back."""

    code = "conflict"


class RefundUnderWay(DomainError):
    """The money of this payment is on its way back through its order already."""

    code = "conflict"


class PaidOutAlready(DomainError):
    """This money was put into a payout file already, or is none to be paid out any more."""

    code = "conflict"


class CaseNotFound(DomainError):
    """There is no such case."""

    code = "not_found"


class CaseIsClosed(DomainError):
    """The case is closed: a message of the customer opens it again, and then it can be answered."""

    code = "conflict"


class NoAddress(DomainError):
    """There is no address to answer to: reach the customer by the way the request came, then close the case."""

    code = "conflict"


class CaseUnderWay(DomainError):
    """The case is open: its personal data is needed until it is answered or closed."""

    code = "conflict"


class CaseForgotten(DomainError):
    """Whom this case concerned was erased: open another one."""

    code = "conflict"


class SharedCaseNumber(DomainError):
    """Several cases have this number: name the one that is meant by its case_id."""

    code = "conflict"


class MailNotFound(DomainError):
    """There is no such mail."""

    code = "not_found"


class MailSettled(DomainError):
    """This mail is not sent again."""

    code = "conflict"


class CommandIdReused(DomainError):
    """This command_id was used for another command already."""

    code = "command_id_reused"


class Conflict(DomainError):
    """Others kept changing this order at the same moment; nothing was recorded. Ask again."""

    code = "conflict"


class Unavailable(DomainError):
    """Nothing was recorded, or it is not known. Ask again with the same command_id."""

    code = "unavailable"
