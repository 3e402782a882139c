"""The same over NATS to everything that answers, with its databases: what the form lets through is decided there."""

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import strategies as st

from hostile.bodies import SECRET, bodies
from hostile.inside import check, examples_about, fresh
from service import running_service
from vignettes.services.asyncapi import contract

_ANSWERED = [each.subject for each in contract().answered]
_SECONDS = 30.0


@pytest.mark.fuzz
async def test_whatever_comes_is_answered_by_the_whole_service(
    database, nats_server, tmp_path: Path, tries, logged
):
    """Never unavailable: nothing that anybody sends breaks what answers it, and the log holds none of it."""
    async with running_service(database, nats_server.url, tmp_path / "data") as service:
        placed = [await service.place() for _ in range(3)]
        await service.pay(placed[1])
        sent_to = {
            subject: st.tuples(st.just(subject), bodies(examples_about(subject, placed)))
            for subject in _ANSWERED
        }
        message = st.sampled_from(_ANSWERED).flatmap(sent_to.__getitem__)
        loop = asyncio.get_running_loop()

        def answered(sent):
            subject, body = sent[0], fresh(sent[1])
            asking = asyncio.run_coroutine_threadsafe(
                service.client.request(subject, body, timeout=_SECONDS), loop
            )
            check(body, asking.result().data)
            assert logged == [], logged[0]

        await asyncio.to_thread(tries, message, answered, few=50, share=0.05)
        assert (await service.place())["ok"]
        assert SECRET not in json.dumps(await service.inbox())
