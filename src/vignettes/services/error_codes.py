"""What a refusal's code means, and what whoever asked can do about it: for the reference."""

from dataclasses import dataclass

from vignettes.domain import errors

#: What to do, by code. The texts of refusals tell what is wrong; these tell a program how to go on.
TO_DO = {
    "invalid_request": "Mend what `field` names and ask with a new command_id: the same one is refused again.",
    "not_found": "Check the id or number. Right after an answer, a view may not have the order yet: `min_position`.",
    "already_started": "Nothing can be changed any more; tell the customer what the country still allows.",
    "not_paid": "Wait for the money, or for `orders.v1.receive_payment`.",
    "not_refundable": "Nothing goes back: the service is being, or has been, provided.",
    "too_early": "Ask again when the authority sells this vignette.",
    "conflict": "Ask for the status and decide anew, with a new command_id.",
    "command_id_reused": "Two different commands were given one command_id: give each its own.",
    "unavailable": "Ask again with the same command_id until it is answered otherwise; it is executed once.",
}


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """One code, all that it may be said for, and what to do."""

    code: str
    texts: tuple[str, ...]
    to_do: str


def error_codes() -> list[ErrorCode]:
    """Return every code of the domain's refusals, in the order in which they are told of above."""
    return [ErrorCode(code, tuple(_texts(code)), to_do) for code, to_do in TO_DO.items()]


def _texts(code: str) -> list[str]:
    return [str(each.__doc__) for each in refusals() if each.code == code]


def refusals() -> list[type[errors.DomainError]]:
    """Return every refusal that the domain knows, but the one that they all are."""
    known = [each for each in vars(errors).values() if isinstance(each, type)]
    return [each for each in known if issubclass(each, errors.DomainError) and each is not errors.DomainError]
