"""The catalogue of events: all that is ever stored and published, from the classes that are used for it."""

import re
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

from eventsourcing.domain import AggregateEvent
from pydantic import BaseModel

from vignettes.eventstore.codec import about, event_classes, personal_of, schema_of
from vignettes.eventstore.upcasting import UPCASTERS
from vignettes.messages import events
from vignettes.services.event_examples import SAID
from vignettes.services.event_origins import ORIGINS, Origin
from vignettes.services.examples import EXAMPLES, event_headers
from vignettes.services.telling import kind_of

Json = dict[str, Any]

_ABOUT = {"Order": "order", "BankPayment": "bank payment", "SupportCase": "case of support"}


def catalogue() -> Json:
    """Return the catalogue as JSON. It depends on the code alone, so two versions can be compared line by line."""
    stored = [_stored(topic, each) for topic, each in recorded().items()]
    return {
        "title": "Vignettes",
        "version": version("vignettes"),
        "stored": stored,
        "published": [_published(kind, model, stored) for kind, model in events.EVENTS.items()],
    }


def recorded() -> dict[str, type[AggregateEvent]]:
    """Return every event that is ever recorded, by its topic: without what beginnings are made of."""
    return {topic: each for topic, each in event_classes().items() if each.__name__ != "Created"}


def _stored(topic: str, event_class: type[AggregateEvent]) -> Json:
    name, kept = event_class.__name__, _ABOUT[about(event_class).__name__]
    kind = kind_of(name)
    return {
        "topic": topic,
        "type": name,
        "about": kept,
        "version": int(topic.rpartition(".v")[2]),
        "meaning": meaning(event_class),
        "because_of": [_origin(each) for each in ORIGINS[event_class]],
        "published_as": kind if kept == "order" else None,
        "earlier_forms": _earlier(topic),
        "personal": personal_of(event_class),
        "schema": schema_of(event_class),
        "example": SAID[event_class],
    }


def _published(kind: str, model: type[BaseModel], stored: list[Json]) -> Json:
    return {
        "type": kind,
        "subject": events.subject(kind, ">"),
        "meaning": meaning(model),
        "because_of": [each["topic"] for each in stored if each["published_as"] == kind],
        "schema": model.model_json_schema(mode="serialization"),
        "headers": event_headers(kind),
        "example": EXAMPLES[model],
    }


def meaning(known: type) -> str:
    """Return what the docstring of a class says, in one paragraph.

    An aggregate's events are derived from those that the domain has written, and get a signature for a docstring.
    """
    said = (str(vars(each).get("__doc__")) for each in known.__mro__ if each.__name__ == known.__name__)
    [*_, written] = said
    return re.sub(r"\s+", " ", cleandoc(written))


def _origin(origin: Origin) -> Json:
    return {"role": origin} if isinstance(origin, str) else {"request": origin.subject}  # type: ignore[attr-defined]


def _earlier(topic: str) -> list[str]:
    """Return the forms in which old logs hold the event; they are read as the one of today."""
    before = [old for old, (newer, _) in UPCASTERS.items() if newer == topic]
    return [each for old in before for each in (*_earlier(old), old)]
