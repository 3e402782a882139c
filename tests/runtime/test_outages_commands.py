"""`vignettes outages`: announced outages put on record, listed and withdrawn, and what they mean for orders."""

import asyncio
import io
from uuid import UUID, uuid4

import pytest
from rich.console import Console

from vignettes.runtime import announcing
from vignettes.runtime.settings import load_settings

#: Of the authority's day before the usual order begins: 12:00 in Prague is its mark.
NIGHT = ("--country", "CZ", "--from", "2027-03-16 10:00", "--until", "2027-03-16 14:00")


async def test_an_announced_outage_brings_registrations_forward_and_tells_how_many(service, beside, told):
    """Given in the authority's time; the order is due an hour before it."""
    placed = await service.place()
    await service.pay(placed)
    unpaid = await service.place(vehicle={"country": "CZ", "plate": "3A3 2345"})
    await service.status(placed["order_id"], "scheduled")
    await service.status(unpaid["order_id"], "awaiting_payment")
    added = await told(
        beside, "outages", "add", *NIGHT, "--actor", "ops@night", "--note", "Announced by mail"
    )
    assert (added["begins_at"], added["announced_by"]) == ("2027-03-16T09:00:00Z", "ops@night")
    assert added["registrations"] == {"moved": 1, "waiting": 0, "late": 0}
    order = await service.status(placed["order_id"], "scheduled")
    assert (order["due_rule"], order["due_at"]) == ("outage", "2027-03-16T08:00:00Z")


@pytest.mark.thorough
async def test_an_outage_is_listed_in_both_times_until_it_is_withdrawn(service, beside, run):
    """Withdrawn, it stays on record, with who did it; what there is not is refused with its field, by exit code 1."""
    await service.ask("outages.v1.list")  # once it answers at all
    code, said, complained = await run(beside, "outages", "add", *NIGHT)
    assert code == 0, complained
    assert "CZ, 2027-03-16 10:00 to 2027-03-16 14:00 Europe/Prague" in said
    assert "It touches no registration." in said
    [outage] = (await service.ask("outages.v1.list"))["outages"]
    assert outage["outage_id"] in said

    code, said, complained = await run(
        beside, "outages", "withdraw", outage["outage_id"], "--actor", "ops@day"
    )
    assert code == 0, complained
    assert "Withdrawn: CZ" in said
    assert (await service.ask("outages.v1.list"))["outages"] == []
    _, listed, _ = await run(beside, "outages", "list", "--all")
    for expected in (outage["outage_id"], "10:00 to 2027-03-16 14:00 Europe/Prague", "withdrawn by ops@day"):
        assert expected in listed
    code, _, complained = await run(beside, "outages", "withdraw", str(UUID(int=0)))
    assert (code, "not_found: outage_id:" in complained) == (1, True)


@pytest.mark.thorough
async def test_what_can_not_come_before_it_any_more_is_told(service):
    """The outage has begun: they are registered when the authority answers again."""
    placed = await service.place()
    await service.pay(placed)
    await service.status(placed["order_id"], "scheduled")
    span = {"begins_at": "2027-03-10T07:00:00Z", "ends_at": "2027-03-16T12:00:00Z"}
    announced = {"command_id": str(uuid4()), "actor": "ops@night", "country": "CZ", **span}
    reply = await service.ask("outages.v1.announce", **announced)
    touched = await asyncio.to_thread(
        announcing.follow, service.settings, reply["outage_id"], Console(quiet=True)
    )
    assert touched == announcing.Touched(moved=0, waiting=0, late=1)
    assert (
        "Too late for 1: those are registered when the authority answers again."
        in announcing.touched_shown(touched)
    )


def test_without_a_database_nobody_can_tell_what_it_touches(tmp_path):
    """It is on record all the same: whoever announces needs NATS only, as any program."""
    console = Console(file=io.StringIO())
    assert announcing.follow(load_settings(data_dir=tmp_path), "any", console) is None
    assert "Set VIGNETTES_DATABASE_URL" in console.file.getvalue()


def test_nothing_announced_is_told_in_words():
    """And not by an empty table."""
    assert announcing.listed_shown([]) == "No outage is announced."


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("--country", "XX", *NIGHT[2:]), "Invalid value for '--country': XX: there are CZ, SK"),
        ((*NIGHT[:3], "tomorrow", *NIGHT[4:]), "Invalid value for --from: tomorrow is no such time: give a local time"),
        ((*NIGHT[:3], "2027-03-28 02:30", *NIGHT[4:]), "is skipped in Europe/Prague: give 2027-03-28T01:30"),
        ((*NIGHT[:5], "2027-03-16 10:00"), "Invalid value for --until: It must lie after --from."),
        (NIGHT[:4], "Missing option '--until'"),
    ],
)  # fmt: skip
def test_a_misuse_names_the_option_and_the_way_out(misused, words, way_out):
    """Exit code 2, before anything is asked of anybody."""
    assert way_out in misused("outages", "add", *words)
