"""Pages for staff: English only, so without the catalogues that customers' pages need."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from vignettes.services.web.rendering import static


def rendered(name: str, told: Mapping[str, Any]) -> str:
    """Return a page of a template."""
    return _environment().get_template(name).render(told)


def instant(at: datetime | str | None) -> str:
    """Return a time to the second, in UTC, with its zone; nothing for none."""
    if at is None:
        return ""
    known = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{known.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def broken(path: str) -> Markup:
    """Return the path of a field that may be broken where its words end."""
    return Markup(str(escape(path)).replace(".", ".<wbr>").replace("_", "_<wbr>"))  # noqa: S704  # it is escaped


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("vignettes.services.web"),
        auto_reload=False,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["static"] = static
    made.filters |= {"instant": instant, "broken": broken}
    return made
