"""Heads as they are kept outside: read from a folder, a file or an address, and held against one another."""

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest

from auditing import KEY, ORIGIN, OTHER_KEY, PUBLIC, file_of, keep, signed, signed_by
from eventstore_helpers import an_order, ask, record
from service import until
from vignettes.domain.errors import Unavailable
from vignettes.eventstore.connections import conninfo
from vignettes.services.auditing import kept_heads, verification, verifying
from vignettes.services.auditing.findings import Kind
from vignettes.services.auditing.kept_heads import NoSource
from vignettes.services.auditing.outside import Signed
from vignettes.services.auditing.verification import Verification

AT = datetime(2026, 6, 1, 10, tzinfo=UTC)


def a_head(size, root=1, at=AT):
    """A head that our key has signed."""
    return signed_by(KEY, Signed(size, size + 10, bytes([root]) * 32, at, ""))


def kinds(*heads):
    return [finding.kind for finding in kept_heads.read(file_of(heads), PUBLIC).findings]


def test_heads_that_grow_are_in_order():
    found = kept_heads.read(file_of([a_head(3), a_head(5, at=AT + timedelta(minutes=1))]), PUBLIC)
    assert (found.findings, found.last) == ([], 5)
    assert found.heads[3][0].origin == ORIGIN


def test_two_heads_of_one_size_contradict_each_other():
    """Somebody with the key has shown one log to some and another to others."""
    assert kinds(a_head(3), a_head(3, root=2)) == [Kind.HEADS_CONTRADICT]


def test_heads_that_shrink_or_go_back_in_time_are_disordered():
    assert kinds(a_head(5), a_head(3)) == [Kind.HEADS_DISORDERED]
    assert kinds(a_head(3), a_head(5, at=AT - timedelta(hours=1))) == [Kind.HEADS_DISORDERED]
    assert kinds(a_head(3), a_head(5, at=AT - timedelta(seconds=1))) == []


def test_the_very_same_head_again_is_no_disorder():
    """As two processes write it that hand out at once; one that says other than before is."""
    first, second, third = a_head(3), a_head(5), a_head(7)
    assert kinds(first, second, first, second, third) == []
    assert kinds(first, second, first._replace(note=first.note + first.note.splitlines()[-1] + "\n")) != []


@pytest.mark.parametrize("line", ["", "nonsense", "[]", '{"note": 5}', '{"note": ""}'])
def test_a_line_that_is_no_head_is_forged(line):
    [finding, *_] = kept_heads.read(f"{a_head(3).line}\n{line}\n", PUBLIC).findings
    assert finding.kind is Kind.HEAD_FORGED
    assert finding.told.startswith("Line 2 of the heads: ")


def test_a_line_that_is_being_written_is_left_for_the_next_time():
    text = file_of([a_head(3), a_head(5)])
    found = kept_heads.read(text[:-20], PUBLIC)
    assert (found.findings, found.last) == ([], 3)


def test_a_folder_a_file_and_an_address_are_read_alike(tmp_path):
    text = file_of([a_head(3)])
    (tmp_path / "heads.jsonl").write_text(text)

    class Serving(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/heads.jsonl" else 404)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        places = (str(tmp_path), str(tmp_path / "heads.jsonl"), f"{address}/heads.jsonl")
        assert {kept_heads.source_of(place)() for place in places} == {text}
        with pytest.raises(NoSource, match="HTTPStatusError"):
            kept_heads.source_of(f"{address}/other")()
        server.shutdown()
        thread.join()
    with pytest.raises(NoSource, match="ConnectError"):
        kept_heads.source_of(f"{address}/heads.jsonl")()
    with pytest.raises(NoSource, match="No such file"):
        kept_heads.source_of(str(tmp_path / "elsewhere"))()


def test_a_head_that_was_signed_a_moment_ago_is_waited_for(database, orders, monkeypatch):
    """The database has each before it is outside: that is no cut."""
    monkeypatch.setattr(verifying, "_AGAIN_SECONDS", 0)
    record(orders, an_order())
    keep(database)
    first = file_of(signed(database))
    record(orders, an_order())
    keep(database)
    whole = file_of(signed(database))
    texts, read, limits = iter([first, first, whole]), [], []

    def reading(text, *rest):
        read.append(text)
        return kept(text, *rest)

    def source():
        limits.append(connection.execute("SHOW idle_in_transaction_session_timeout").fetchone()[0])
        return next(texts)

    kept = kept_heads.read
    monkeypatch.setattr(kept_heads, "read", reading)
    with psycopg.connect(conninfo(database, "vignettes_auditor"), autocommit=True) as connection:
        verdict = verifying.verify(connection, source, PUBLIC, lambda *_: None)
    assert (verdict.verified, verdict.agreed) == (True, 2)
    assert read == [first, "", whole.removeprefix(first)]  # signatures take their time: each is checked once
    assert limits == ["30s", "0", "0"]


def test_after_a_change_of_the_key_each_key_verifies_its_heads(database, orders):
    """The old folder by the old key, the new folder by the new one; the database holds the heads of both."""
    for key in (OTHER_KEY, OTHER_KEY, KEY, KEY):
        record(orders, an_order())
        keep(database, key=key)
    old, new = signed(database)[:2], signed(database)[2:]
    for mine, key in ((old, OTHER_KEY), (new, KEY)):
        with psycopg.connect(conninfo(database, "vignettes_auditor"), autocommit=True) as connection:
            file, public = file_of(mine), key.public_key()
            verdict = verifying.verify(connection, lambda file=file: file, public, lambda *_: None)
        assert (verdict.findings, verdict.agreed, verdict.others) == ((), 2, 2)
        assert verdict.covered == mine[-1].size


async def test_whoever_asks_while_the_log_is_compared_is_told_how_far_it_is(database, tmp_path, monkeypatch):
    """And has the verdict when asking again: nothing is compared twice meanwhile."""
    (tmp_path / "heads.jsonl").write_text("")
    go_on, has_told, began = threading.Event(), threading.Event(), []
    compare = verification.verify

    def slowly(*given):
        began.append(True)
        given[-1](1_000, 5_000)
        has_told.set()
        go_on.wait(30)
        return compare(*given)

    monkeypatch.setattr(verification, "verify", slowly)
    monkeypatch.setattr(verification, "_ANSWERED_WITHIN", 0.2)
    verifier = Verification(conninfo(database, "vignettes_auditor"), str(tmp_path), PUBLIC)
    with pytest.raises(Unavailable):
        await verifier.verdict()
    assert await asyncio.to_thread(has_told.wait, 30)
    with pytest.raises(Unavailable, match="1,000 of 5,000 events are compared so far"):
        await verifier.verdict()
    go_on.set()
    monkeypatch.setattr(verification, "_ANSWERED_WITHIN", 30)
    _, verdict = await verifier.verdict()
    assert verdict.verified
    assert began == [True]


async def test_a_verdict_that_nobody_fetched_is_not_given_out_later(database, tmp_path, monkeypatch):
    """The log is another by then: whoever asks wants to know of it as it is."""
    (tmp_path / "heads.jsonl").write_text("")
    monkeypatch.setattr(verification, "_ANSWERED_WITHIN", 0)
    verifier = Verification(conninfo(database, "vignettes_auditor"), str(tmp_path), PUBLIC)
    with pytest.raises(Unavailable):
        await verifier.verdict()
    monkeypatch.setattr(verification, "_ANSWERED_WITHIN", 30)
    await verifier._running.task
    monkeypatch.setattr(verification, "_FRESH_SECONDS", -1)
    asked_at = datetime.now(UTC)
    began_at, _ = await verifier.verdict()
    assert began_at >= asked_at


async def test_the_end_of_the_service_waits_for_no_statement(database, tmp_path, monkeypatch):
    """Some look at all of the log."""
    statement = "SELECT pg_sleep(25)"
    running = "SELECT pid FROM pg_stat_activity WHERE state = 'active' AND query = %s"
    monkeypatch.setattr(verification, "verify", lambda connection, *_: connection.execute(statement))
    verifier = Verification(conninfo(database, "vignettes_auditor"), str(tmp_path), PUBLIC)
    asking = asyncio.create_task(verifier.verdict())

    async def is_running():
        return ask(database, running, statement)

    await until(is_running)
    verifier.end()
    with pytest.raises(psycopg.errors.QueryCanceled):
        await asyncio.wait_for(asking, 10)


async def test_heads_that_can_not_be_read_are_told_to_whoever_asks(database, tmp_path):
    verifier = Verification(conninfo(database, "vignettes_auditor"), str(tmp_path / "none"), PUBLIC)
    with pytest.raises(Unavailable, match=r"can't be read\."):
        await verifier.verdict()
