"""What the authority is told of an order, and what its answer means for the order."""

from datetime import datetime
from uuid import uuid4

from vignettes.domain import schedule
from vignettes.domain.catalogue import Product, product
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle
from vignettes.messages import commands
from vignettes.messages.forms import DocumentForm
from vignettes.services.authorities import Application, Registered, Rejected
from vignettes.services.authorities.documents import SealedDocument
from vignettes.services.registering.ledger import Taken, Wanted

ACTOR = "registration"


def application_for(wanted: Wanted) -> Application:
    """Return what the authority is told: the plate in normal form, days as days and hours as hours."""
    bought = product(wanted.product)
    plate = Vehicle.of(wanted.vehicle_country, wanted.plate).normal
    assert plate is not None  # noqa: S101  # only an erased vehicle has none; for the type only
    return Application(
        order=wanted.order_id,
        generation=wanted.generation,
        country=wanted.country,
        vehicle_country=wanted.vehicle_country,
        plate=plate,
        product=wanted.product,
        valid_from=wanted.valid_from,
        valid_until=_last_day(bought, wanted.ends_at),
    )


def _last_day(bought: Product, ends_at: datetime) -> str:
    local = ends_at.astimezone(bought.zone)
    return local.isoformat() if bought.starts_at_hour else local.date().isoformat()


def rejection(taken: Taken, answer: Rejected) -> commands.RecordRejection:
    """Return the command that records a refusal."""
    return commands.RecordRejection(
        command_id=uuid4(),
        order_id=taken.order_id,
        generation=taken.generation,
        reason=answer.reason,
        code=answer.code,
        actor=ACTOR,
    )


def issue(taken: Taken, answer: Registered, document: SealedDocument | None) -> commands.RecordIssue:
    """Return the command that records a registration. Raises InvalidValue, ValueError for dates that are none."""
    bought = product(taken.product)
    validity = schedule.validity(bought, Start.parse(answer.valid_from, bought), answer.registered_at)
    return commands.RecordIssue(
        command_id=uuid4(),
        order_id=taken.order_id,
        generation=taken.generation,
        number=answer.number,
        reference=answer.reference,
        valid_from=validity.starts_at,
        valid_until=confirmed_end(bought, answer.valid_until, validity.ends_at),
        authorisation_code=answer.authorisation_code,
        document=None if document is None else _form(document),
        actor=ACTOR,
    )


def _form(document: SealedDocument) -> DocumentForm:
    return DocumentForm(media_type=document.media_type, size=document.size, digest=document.digest)


def confirmed_end(bought: Product, text: str, computed: datetime) -> datetime:
    """Return the last second that the authority confirms: its own date wins over what we computed."""
    if bought.starts_at_hour:
        return datetime.fromisoformat(text)
    clock = computed.astimezone(bought.zone).time()
    return datetime.combine(datetime.fromisoformat(text).date(), clock, bought.zone)
