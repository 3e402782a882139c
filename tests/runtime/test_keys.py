"""Replacing the master key as an operator does it, and erasing from the command line."""

import subprocess
import sys

import pytest
from rich.console import Console

from commanding import vignettes
from eventstore_helpers import Writer, ask, changing, placing
from vignettes.eventstore.journal import Journal
from vignettes.eventstore.masterkeys import WrongMasterKey
from vignettes.eventstore.personal import Vault
from vignettes.runtime.keys import give_keys_to_first_orders, master_keys, root_of
from vignettes.runtime.rotating import rotate
from vignettes.runtime.settings import Settings, load_settings


@pytest.fixture
def settings(database, tmp_path) -> Settings:
    return load_settings(database_url=database, data_dir=tmp_path)


@pytest.fixture
def appender(settings):
    writer = Writer(Journal(settings.database_url), Vault(master_keys(settings)))
    yield writer
    writer.close()


def test_the_master_key_is_replaced_while_orders_stay_readable(settings, appender, tmp_path):
    """New key, both keys, wrap, the old one gone: and the orders are read with the new one alone."""
    order_id = appender.execute(placing()).order_id
    root = root_of(settings, settings.database_url)
    old = tmp_path / "old.key"
    settings.master_key_file.rename(old)
    with pytest.raises(WrongMasterKey):
        root_of(settings, settings.database_url)
    both = settings.model_copy(update={"previous_master_key_file": old})
    assert rotate(both, Console(stderr=True)) == 1
    assert rotate(both, Console(stderr=True)) == 0
    assert root_of(settings, settings.database_url) == root
    reader = Writer(Journal(settings.database_url), Vault(master_keys(settings)))
    seen = []
    reader.execute(changing(order_id, lambda order, _: seen.append(order.email)))
    reader.close()
    assert seen == ["driver@example.com"]


def test_a_database_without_old_orders_has_nobody_to_give_keys_to(settings, appender):
    """Every start looks; orders that have keys keep them."""
    appender.execute(placing())
    before = ask(settings.database_url, "SELECT contact FROM personal.keys")
    assert give_keys_to_first_orders(settings, settings.database_url) == 0
    assert ask(settings.database_url, "SELECT contact FROM personal.keys") == before


@pytest.mark.thorough
async def test_vignettes_erase_tells_what_it_did_or_why_not(service):
    """Asked by number; refused while under way, with the way out; done once it has ended."""
    placed = await service.place()

    async def erase(*options):
        told = {"VIGNETTES_NATS_URL": service.settings.nats_url, "COLUMNS": "200"}
        ended = await vignettes("erase", placed["order_number"], *options, **told)
        return ended.code, ended.said + ended.complained

    code, said = await erase("--yes")
    assert (code, "still under way" in said) == (1, True)
    await service.pay(placed)
    consent = {
        "kind": "immediate_performance",
        "text_version": "1",
        "given_at": (await service.now()).isoformat(),
    }
    await service.command("start_registration", order_id=placed["order_id"], consent=consent)
    await service.mail_kinds("issued")
    assert await erase("--yes", "--class", "contact") == (
        0,
        f"Erased of order {placed['order_number']}: contact.\n",
    )
    code, said = await erase("--yes", "--json")
    assert (code, '"vehicle"' in said) == (0, True)
    row = await service.status(placed["order_id"])
    assert (row["status"], row["email"], row["plate"]) == ("issued", None, None)
    assert await service.inbox() == []
    assert "driver@example.com" not in str(
        await service.ask("orders.v1.history", order_id=placed["order_id"])
    )


def test_an_order_is_not_erased_unless_it_is_meant():
    """It asks first, and takes no answer for a no."""
    command = [sys.executable, "-m", "vignettes", "erase", "V6562305984"]
    asked = subprocess.run(command, input="n\n", capture_output=True, text=True, check=False)
    assert asked.returncode == 1
    assert "Nobody can bring it back" in asked.stderr
