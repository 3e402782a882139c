"""The catalogue of events as people read it."""

from typing import Any

from vignettes.services.web.pages import as_text, rendered
from vignettes.services.web.schema_tables import flattened

Json = dict[str, Any]


def events(catalogue: Json, wanted: str = "") -> str:
    """Return the page of all events, or of those with the letters that are wanted."""
    wanted = wanted.strip()
    stored, published = (
        [_shown(each) for each in catalogue[name] if _mentions(each, wanted.lower())]
        for name in ("stored", "published")
    )
    kept = dict.fromkeys(each["about"] for each in stored)
    return rendered(
        "docs_events.html",
        here="/docs/events",
        title=catalogue["title"],
        version=catalogue["version"],
        wanted=wanted,
        stored=stored,
        groups=[(about, [each for each in stored if each["about"] == about]) for about in kept],
        published=published,
    )


def _shown(event: Json) -> Json:
    return {**event, "fields": flattened(event["schema"]), "text": as_text(event["example"])}


def _mentions(event: Json, wanted: str) -> bool:
    told = [event["type"], event["meaning"], event.get("topic", "")]
    told += [field.name for field in flattened(event["schema"])]
    return any(wanted in each.lower() for each in told)
