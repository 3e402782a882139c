"""`vignettes support`, asked of the running service, and what is shown of it."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vignettes.messages.support import AnswerCase, AskCase, AskCases, CloseCase, EraseCase
from vignettes.runtime import asking
from vignettes.runtime.settings import Settings

_DAY = timedelta(days=1)


def cases(settings: Settings, state: str | None, order: str | None, limit: int) -> dict[str, Any]:
    """Ask for cases; those of an order by its id, or its number."""
    wanted: dict[str, Any] = {"limit": limit, **({"state": state} if state else {})}
    if order:
        named = asking.named(order)
        if "order_number" in named:
            found = asyncio.run(asking.status(settings, order))
            if not found["ok"]:
                return found
            named = {"order_id": found["order"]["order_id"]}
        wanted |= named
    return _ask(settings, AskCases.subject, wanted)


def case(settings: Settings, named: str) -> dict[str, Any]:
    """Ask for one case."""
    return _ask(settings, AskCase.subject, _named(named))


def decide(
    settings: Settings, command: type[AnswerCase | CloseCase | EraseCase], named: str, actor: str, **said: str
) -> dict[str, Any]:
    """Send what a person has decided of a case."""
    body = {"command_id": uuid4(), "actor": actor, **_named(named), **said}
    return _ask(settings, command.subject, body)


def _ask(settings: Settings, subject: str, body: dict[str, Any]) -> dict[str, Any]:
    return asyncio.run(asking.ask(settings, subject, json.dumps(body, default=str).encode()))


def _named(text: str) -> dict[str, str]:
    """Return how a request names a case: by id, else by number."""
    try:
        return {"case_id": str(UUID(text))}
    except ValueError:
        return {"case_number": text}


# --- what is shown of it


def shown(reply: dict[str, Any]) -> RenderableType:
    """Show cases to people, a line each."""
    if not reply["cases"]:
        return "No case waits."
    table = Table("Case", "State", "Topic", "Waits", "Order", "Customer", "Says", box=None, pad_edge=False)
    for each in reply["cases"]:
        table.add_row(
            each["case_number"],
            _state(each),
            _words(each["topic"]),
            _waits(each["open_since"]),
            each["order_number"] or "",
            each["email"] or "",
            Text(" ".join((each["message"] or "").split()), overflow="ellipsis", no_wrap=True),
        )
    count = reply["open"]
    return Group(table, "", f"{count:,} {'case is' if count == 1 else 'cases are'} open.")


def told(reply: dict[str, Any]) -> RenderableType:
    """Show one case to people: what is known of it, then what was written, in order."""
    case = reply["case"]
    head = Text(f"{case['case_number']}  {_words(case['topic'])}, {_state(case)}", style="bold")
    known = [f"{name}: {value}" for name, value in _known(case)]
    written = [part for each in reply["thread"] for part in _written(each)]
    return Group(head, Padding(Text("\n".join(known)), (0, 0, 0, 2)), *written, *_unsent(reply["mails"]))


def _known(case: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield "case_id", case["case_id"]
    order = case["order_number"]
    yield "order", f"{order or 'not told'}{'' if case['order_id'] or not order else ' (none of ours)'}"
    plate = " ".join(filter(None, (case["country"], case["plate"])))
    for name, value in (
        ("e-mail", case["email"]),
        ("vehicle", plate),
        ("ordered on", case["ordered_on"]),
        ("language", case["language"]),
        ("came by", case["channel"]),
        ("opened", _minute(case["opened_at"])),
        ("waits since", case["open_since"] and _minute(case["open_since"])),
        ("closed", case["closed_at"] and _minute(case["closed_at"])),
    ):
        if value:
            yield name, value


def _written(said: dict[str, Any]) -> Iterator[RenderableType]:
    if said["text"] is not None:
        who = f"customer, by {said['channel']}" if said["channel"] else "we"
        yield Text(f"\n{_minute(said['written_at'])}  {who}", style="dim")
        yield Padding(Text(said["text"]), (0, 0, 0, 2))


def _unsent(mails: list[dict[str, Any]]) -> Iterator[RenderableType]:
    """Tell of mails that have not left, or have come back: the customer does not know what they say."""
    for each in mails:
        if each["state"] != "sent":
            yield Text(f"\nThe mail {each['kind']} of {_minute(each['called_at'])} is {each['state']}.")


def _state(case: dict[str, Any]) -> str:
    """Return whose turn it is, and whether what we wrote has come back."""
    returned = {None: "", "complaint": ", called spam"}.get(case["returned"], ", mail returned")
    return f"{case['state']}{returned}"


def _words(topic: str) -> str:
    return topic.replace("_", " ")


def _minute(text: str) -> str:
    return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M}Z"


def _waits(since: str | None) -> str:
    """Return for how long somebody has waited, by this machine's clock."""
    if since is None:
        return ""
    waited = max(datetime.now(UTC) - datetime.fromisoformat(since), timedelta(0))
    hours, minutes = divmod(waited.seconds // 60, 60)
    return f"{waited.days} d {hours} h" if waited >= _DAY else f"{hours} h {minutes} min"
