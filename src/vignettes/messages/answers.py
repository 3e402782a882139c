"""What all answers have in common."""

from pydantic import BaseModel, ConfigDict


def absent(value: object) -> bool:
    """Leave a field out of the JSON rather than send null where the contract says that it may be missing."""
    return value is None


class Answer(BaseModel):
    """Replies are ours: closed, but not strict about how we build them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
