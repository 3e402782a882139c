"""What is lost on the way comes again, and what two of a kind do at once is done once."""

import psycopg
import pytest

from service import running_service, until
from vignettes.messages import events
from vignettes.services import deadlines, streams

QUIET = ["ordering", "projecting", "sandbox"]


@pytest.fixture
def start(database, nats_server, tmp_path):
    """Run some roles on this test's servers; another call runs others beside them."""

    def started(roles, beside=None, **different):
        if beside is not None:
            different |= {
                "smtp_url": beside.settings.smtp_url,
                "authority_url": beside.settings.authority_url,
            }
        return running_service(database, nats_server.url, tmp_path / "data", roles, **different)

    return started


def ask(database, query, *values):
    with psycopg.connect(database) as connection:
        return connection.execute(query, values).fetchall()


async def test_a_trigger_that_the_stream_lost_is_sent_again(start, monkeypatch):
    """Acknowledged, and then gone: the deadline still stands open, so it is told once more, and the order starts."""
    monkeypatch.setattr(deadlines, "AGAIN_SECONDS", 1.0)
    monkeypatch.setattr(streams, "_DEDUPLICATION_SECONDS", 0.5)
    async with start([*QUIET, "deadlines"]) as service:
        placed = await service.place(product="SK-1D", valid_from=(await service.day(0)).isoformat())
        await service.pay(placed)
        await service.advance(minutes=2)
        await service.client.jetstream().purge_stream(events.TRIGGER_STREAM)
        async with start(["registration"], beside=service):
            await service.status(placed["order_id"], "issued")
        [registration] = await service.registrations()
        assert registration["requests"] == 1


@pytest.mark.thorough
async def test_two_mailers_send_each_mail_once(start, database):
    """Any number of each role may run; a driver is told once."""
    async with start(QUIET) as service:
        orders = [await service.place() for _ in range(15)]
        for placed in orders:
            await service.pay(placed)
        async with start(["mailing"], beside=service), start(["mailing"], beside=service):
            mails = await service.inbox(lambda arrived: len(arrived) >= 30)
            sent = "SELECT 1 FROM effect.mails WHERE sent_at IS NOT NULL HAVING count(*) = 30"
            await until(lambda: _asked(database, sent))
        assert len({mail["message_id"] for mail in mails}) == len(await service.inbox()) == 30


async def test_a_mail_that_can_not_be_written_holds_up_no_other(start, database):
    """It is noted with its error and tried again; the next driver's mail leaves meanwhile."""
    async with start(QUIET) as service:
        broken, fine = await service.place(), await service.place()
        query = "UPDATE view.emails SET facts = '{}' WHERE order_id = %s RETURNING 1"
        await until(lambda: _asked(database, query, broken["order_id"]))
        async with start(["mailing"], beside=service):
            [arrived] = await service.inbox(lambda mails: len(mails) == 1)
        assert arrived["headers"]["X-Order-Number"] == fine["order_number"]
        kept = ask(
            database, "SELECT last_error, sent_at FROM effect.mails WHERE attempts > 0 AND sent_at IS NULL"
        )
        assert kept == [("KeyError", None)]


async def _asked(database, query, *values):
    with psycopg.connect(database) as connection:
        return connection.execute(query, values).fetchall()


@pytest.mark.thorough
async def test_an_answer_to_an_earlier_start_does_not_count(start):
    """A worker that was paused tells of a registration that has been rejected, corrected and started again since."""
    async with start(QUIET) as service:
        placed = await service.place()
        await service.pay(placed)
        order = {"order_id": placed["order_id"]}
        await service.command("start_registration", **order)
        assert (await service.command("record_rejection", **order, generation=1, reason="other"))["ok"]
        await service.command("correct_details", **order, changes={"plate": "3A3 3456"})
        await service.command("start_registration", **order)

        late = await service.command("record_rejection", **order, generation=1, reason="other")
        assert late["status"] == "registering"
        at = (await service.now()).isoformat()
        found = {"number": "CZ1", "reference": "r", "valid_from": at, "valid_until": at}
        refused = await service.command("record_issue", **order, generation=1, **found)
        assert refused["error"]["code"] == "conflict"
        assert (await service.command("record_issue", **order, generation=3, **found))["status"] == "issued"
