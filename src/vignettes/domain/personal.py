"""Which words of an order say who somebody is: marked here, kept under keys by the log, gone with these."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated


class DataClass(StrEnum):
    """What is erased together: how to reach a person, or which vehicle it drives."""

    CONTACT = "contact"
    VEHICLE = "vehicle"


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field whose text is personal data of one class."""

    data_class: DataClass


#: None in the place of either means that it was erased.
ContactText = Annotated[str | None, Personal(DataClass.CONTACT)]
VehicleText = Annotated[str | None, Personal(DataClass.VEHICLE)]
