"""What the reasons of payments say to people: those of matching, and those of what came after it."""

from vignettes.domain.matching import TEXTS

NOT_UNDERSTOOD = "not_understood"
_FURTHER = {
    NOT_UNDERSTOOD: "Something in it can't be read by the rules.",
    "names_the_notice": "It names the payment that a provider, or another service, has told of before.",
    "same_order_and_transfer": "The same transfer for the same order was told of before.",
    "placed_by_person": "A person has told which payment it took back.",
    "reversal_names_payment": "It took back the payment that it names.",
    "reversal_like_payment": "It took back the only payment of this amount from that account, or with that symbol.",
    "taken_back_before": "Some of it went back before it was known to have come.",
    "match_undone": "A person has undone its match.",
    "return_failed": "The bank did not carry its return out.",
}
_REFUSED = "order_refused_"


def in_words(reason: str) -> str:
    """Return what a reason says; codes of refusals end with that of the order."""
    if reason.startswith(_REFUSED):
        return f"The order refused it: {reason.removeprefix(_REFUSED).replace('_', ' ')}."
    return TEXTS.get(reason) or _FURTHER.get(reason) or reason
