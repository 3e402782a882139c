"""`vignettes top`: one look at everything, which fits a small terminal; a side that is down is told as such."""

import io
from functools import partial

import pytest
from rich.console import Console
from typer.testing import CliRunner

from service import until
from vignettes.runtime import top
from vignettes.runtime.cli import app
from vignettes.runtime.embedded import free_port
from vignettes.runtime.looking import Looking
from vignettes.runtime.settings import load_settings

COLUMNS, LINES = 80, 24


def page(frame):
    """Return the lines of a look in a small terminal."""
    console = Console(file=io.StringIO(), width=COLUMNS, height=LINES)
    console.print(top.shown(frame))
    return [line.rstrip() for line in console.file.getvalue().splitlines()]


async def everybody(looking):
    """Look until every role answers and every view is written."""
    frame = await looking.look()
    whole = frame.there and frame.kept and all(role.processes for role in frame.there.roles)
    return frame if whole and all(view.is_held for view in frame.kept.views) else None


async def test_one_look_tells_everything_on_one_page(service):
    """Orders, views, what waits, and who runs; with one more line below, it fits."""
    placed = await service.place()
    await service.pay(placed)
    await service.status(placed["order_id"], "scheduled")
    looking = Looking(service.settings)
    try:
        first = await until(partial(everybody, looking))
        await service.place()
        second = await until(partial(counted, looking))
    finally:
        await looking.close()
    assert (first.there.commands, second.there.commands) == (2, 3)
    assert second.there.commands_per_second > 0
    lines = page(second)
    assert len(lines) < LINES
    assert max(map(len, lines)) <= COLUMNS
    said = "\n".join(lines)
    for expected in (
        "commands/s",
        "scheduled",
        "next due",
        "in 6 d",
        "published",
        "ordering 1",
        "auditing 1",
    ):
        assert expected in said
    told = top.as_json(second)
    assert told["kept"]["orders"]["scheduled"] == 1
    assert {view["view"] for view in told["kept"]["views"]} >= {"order_status", "published"}


async def counted(looking):
    """Look until the writer has counted one command more."""
    frame = await looking.look()
    return frame if frame.there and frame.there.commands_per_second else None


@pytest.mark.thorough
def test_what_does_not_answer_is_told(tmp_path, monkeypatch):
    """Without a terminal it is one look; both sides may be down."""
    for name, value in (
        ("DATABASE_URL", f"postgresql://127.0.0.1:{free_port()}/none"),
        ("NATS_URL", f"nats://127.0.0.1:{free_port()}"),
        ("DATA_DIR", str(tmp_path)),
    ):
        monkeypatch.setenv(f"VIGNETTES_{name}", value)
    result = CliRunner().invoke(app, ["top"])
    assert result.exit_code == 0
    assert "PostgreSQL does not answer" in result.stdout
    assert "NATS does not answer" in result.stdout
    assert load_settings().data_dir == tmp_path
