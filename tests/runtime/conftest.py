"""The command line as people and programs use it: a process, with its settings in the environment."""

import json

import pytest
from typer.testing import CliRunner

from commanding import vignettes
from eventstore_helpers import MASTER
from vignettes.runtime.cli import app


@pytest.fixture
def settings(database, tmp_path):
    """Return what a command is told by its environment."""
    key = tmp_path / "key"
    key.write_text(MASTER.hex())
    key.chmod(0o600)
    return {"database_url": database, "master_key_file": str(key), "data_dir": str(tmp_path)}


@pytest.fixture
def run():
    """Run a command to its end: exit code, and what it said where."""

    async def run(settings, *words):
        told = {f"VIGNETTES_{name.upper()}": str(value) for name, value in settings.items()}
        return await vignettes(*words, COLUMNS="160", **told)

    return run


@pytest.fixture
def told(run):
    """Run a command and read its JSON."""

    async def told(settings, *words):
        code, said, complained = await run(settings, *words, "--json")
        assert code == 0, complained
        return json.loads(said)

    return told


@pytest.fixture
def beside(service):
    """Return the settings of a command beside the running service."""
    known = service.settings
    return {"database_url": known.database_url, "nats_url": known.nats_url, "data_dir": known.data_dir}


@pytest.fixture
def misused():
    """Give a command what it does not take, which needs no process and no service, and return what it complains of."""

    def misused(*words):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2
        return " ".join(result.stderr.replace("│", " ").split())

    return misused
