"""The ledger follows the log, signs what it knows, and never signs over what it signed before."""

import asyncio
import json
import shlex
import subprocess
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import nats
import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import AsyncConnection
from psycopg.rows import args_row

from eventstore_helpers import an_order, ask, erase, issue, pay, record, start, stories
from service import running_service, until
from vignettes.eventstore import heads, ledger
from vignettes.eventstore.connections import conninfo
from vignettes.eventstore.ledger import Row
from vignettes.eventstore.merkle import Frontier, inclusion_proof, root_by_inclusion
from vignettes.services.auditing import keeping
from vignettes.services.auditing.handing_out import hand_out
from vignettes.services.auditing.keeping import Keeper, LedgerForked, tiles
from vignettes.services.auditing.outside import HeadsFolder, Signed

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ORIGIN = "vignettes/log"
ROWS = "SELECT notification_id, originator_id, originator_version, topic, state FROM log.events ORDER BY 1"
HEADS_FIRST = "SELECT size, position, note FROM ledger.heads ORDER BY size"


def leaves(database):
    with psycopg.connect(database) as connection, connection.cursor(row_factory=args_row(Row)) as cursor:
        return [ledger.hash_of(row) for row in cursor.execute(ROWS).fetchall()]


def root(hashes):
    tree = Frontier()
    for each in hashes:
        tree.add(each)
    return tree.root


@asynccontextmanager
async def keeping_of(database, outside=None):
    """A keeper that has taken up the ledger where it is."""
    url = conninfo(database, "vignettes_ledger")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        keeper = Keeper(connection, KEY, ORIGIN)
        await keeper.begin(outside)
        yield keeper


async def signed(database, outside=None):
    """Let a keeper add what is there, and sign it."""
    async with keeping_of(database, outside) as keeper:
        while await keeper.advance():
            pass
        return await keeper.sign()


@pytest.fixture
def folder(tmp_path):
    folder = HeadsFolder(tmp_path / "heads", KEY.public_key())
    folder.prepare()
    return folder


async def test_a_head_says_what_the_log_is(database, orders):
    record(orders, *stories())
    head = await signed(database)
    hashes = leaves(database)
    assert (head.size, head.root) == (len(hashes), root(hashes))
    assert head.position == ask(database, "SELECT max(notification_id) FROM log.events")[0]
    assert heads.opened(ask(database, "SELECT note FROM ledger.heads")[0], KEY.public_key()) == head


async def test_a_keeper_that_comes_after_another_goes_on_where_that_was(database, orders, monkeypatch):
    """However the batches were cut, and wherever it was stopped."""
    monkeypatch.setattr(keeping, "_BATCH", 7)
    for order in stories()[:12]:
        record(orders, order)
        async with keeping_of(database) as keeper:
            await keeper.advance()
    head = await signed(database)
    assert head.root == root(leaves(database))


async def test_each_event_is_proven_by_a_few_tiles(database, orders):
    record(orders, *stories())
    head, hashes = await signed(database), leaves(database)
    [position] = ask(database, "SELECT max(notification_id) - 5 FROM log.events")
    url = conninfo(database, "vignettes_auditor")
    async with await AsyncConnection.connect(url) as connection:
        [(_, number, positions)] = await (
            await connection.execute(ledger.SELECT_INDICES, ([position],))
        ).fetchall()
        index = ledger.index_of(number, positions, position)
        found = await tiles(connection, ledger.tiles_for([index], head.size))
    proof = inclusion_proof(index, head.size, ledger.TileNodes(found))
    assert root_by_inclusion(index, head.size, hashes[index], proof) == head.root


async def test_positions_that_were_never_used_are_passed_over(database, orders):
    """An append that failed leaves a gap: the tree has none."""
    record(orders, an_order())
    ask(database, "SELECT nextval('log.events_notification_id_seq')")
    record(orders, an_order())
    head = await signed(database)
    assert head.size < head.position
    assert head.root == root(leaves(database))


async def test_erasing_a_person_changes_no_head(database, orders):
    """Keys are destroyed, not bytes."""
    order = issue(start(pay(an_order())))
    record(orders, order)
    before = await signed(database)
    erase(database, orders, order)
    head, hashes = await signed(database), leaves(database)
    assert before.root == root(hashes[: before.size])
    assert head.root == root(hashes)


async def test_nothing_is_signed_over_a_ledger_that_was_rewritten(database, orders):
    """Its tables can be rewritten by who administers the database; the head outside can not."""
    record(orders, an_order())
    head = await signed(database)
    with psycopg.connect(database) as connection:
        connection.execute("ALTER TABLE ledger.tiles DISABLE TRIGGER ALL")
        connection.execute("UPDATE ledger.tiles SET hashes = sha256(hashes) || substring(hashes FROM 33)")
    with pytest.raises(LedgerForked, match=f"first {head.size} events differ from the database"):
        await signed(database)


async def test_nothing_is_signed_over_a_head_outside_that_the_database_has_forgotten(database, orders):
    """As after a restore from a backup that was too old."""
    record(orders, pay(an_order()))
    head = await signed(database)
    with psycopg.connect(database) as connection:
        for table in ("ledger.heads", "ledger.tiles", "ledger.stamps"):
            connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        connection.execute("TRUNCATE ledger.heads, ledger.tiles, ledger.stamps")
    with pytest.raises(LedgerForked, match="folder of heads it has 2 events, here 0"):
        await signed(database, head)


async def test_nothing_is_signed_over_what_was_rewritten_while_it_was_kept(database, orders):
    """Log and tiles together, by who administers the database, under a keeper that goes on."""
    record(orders, pay(an_order()))
    async with keeping_of(database) as keeper:
        await keeper.advance()
        with psycopg.connect(database) as connection:
            connection.execute("SET session_replication_role = replica")
            for table in ("log.events", "ledger.tiles"):
                connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
            connection.execute("UPDATE log.events SET state = state || ' '::bytea")
            whole = connection.execute(ROWS).fetchall()
            hashes = b"".join(ledger.hash_of(Row(*row)) for row in whole)
            connection.execute("UPDATE ledger.tiles SET hashes = %s", (hashes,))
        with pytest.raises(LedgerForked, match="first 2 events differ from what was read"):
            await keeper.sign()


async def test_heads_that_a_key_before_has_signed_go_to_no_new_folder(
    database, orders, tmp_path, monkeypatch
):
    """They are in the folder of that key: here they could not be checked."""
    record(orders, an_order())
    await signed(database)
    record(orders, an_order())
    key = Ed25519PrivateKey.generate()
    monkeypatch.setattr(f"{__name__}.KEY", key)
    head = await signed(database)
    folder = HeadsFolder(tmp_path / "new", key.public_key())
    folder.prepare()
    url = conninfo(database, "vignettes_ledger")
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        monkeypatch.setattr("vignettes.services.auditing.handing_out._AT_A_TIME", 1)
        first = await hand_out(connection, folder, key.public_key())
        assert await hand_out(connection, folder, key.public_key(), first) == head.size
    assert folder.last() == head


async def test_two_processes_with_one_folder_add_each_head_once(database, orders, folder, tmp_path):
    record(orders, an_order())
    await signed(database)
    [told] = ask(database, "SELECT size, position, root, at, note FROM ledger.heads")
    both = [HeadsFolder(tmp_path / "heads", KEY.public_key()) for _ in range(2)]
    await asyncio.gather(*(each.deliver([Signed(*told)]) for each in both))
    assert len((tmp_path / "heads" / "heads.jsonl").read_text().splitlines()) == 1


async def test_tiles_are_only_ever_extended_whoever_writes(database, orders):
    record(orders, an_order())
    await signed(database)
    with psycopg.connect(database, autocommit=True) as connection:
        for statement in (
            "UPDATE ledger.tiles SET hashes = sha256(hashes)",
            "UPDATE ledger.tiles SET hashes = hashes || hashes, positions = '{9,10}'",
            "UPDATE ledger.tiles SET number = 5",
            "DELETE FROM ledger.tiles",
            "TRUNCATE ledger.tiles",
            "UPDATE ledger.heads SET note = ''",
            "DELETE FROM ledger.heads",
            "SET session_replication_role = replica; DELETE FROM ledger.heads",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


async def test_the_folder_has_every_head_and_the_key(database, orders, folder, tmp_path):
    url = conninfo(database, "vignettes_ledger")
    for _ in range(3):
        record(orders, an_order())
        await signed(database)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        assert await hand_out(connection, folder, KEY.public_key()) == 3
        assert await hand_out(connection, folder, KEY.public_key()) == 0
    lines = (tmp_path / "heads" / "heads.jsonl").read_text().splitlines()
    told = [(each["size"], each["position"], each["note"]) for each in map(json.loads, lines)]
    with psycopg.connect(database) as connection:
        assert told == connection.execute(HEADS_FIRST).fetchall()
    public = heads.read_public((tmp_path / "heads" / "ledger.pub").read_text())
    assert heads.opened(told[-1][2], public) == folder.last()


async def test_a_line_that_a_crash_has_cut_is_written_again(database, orders, folder, tmp_path):
    url, file = conninfo(database, "vignettes_ledger"), tmp_path / "heads" / "heads.jsonl"
    record(orders, an_order())
    await signed(database)
    record(orders, an_order())
    await signed(database)
    async with await AsyncConnection.connect(url, autocommit=True) as connection:
        await hand_out(connection, folder, KEY.public_key())
        whole = file.read_bytes()
        file.write_bytes(whole[:-40])
        assert folder.last().size == 1
        await hand_out(connection, folder, KEY.public_key())
    assert file.read_bytes() == whole


def test_a_folder_of_another_ledger_is_refused(folder, tmp_path):
    other = Ed25519PrivateKey.generate().public_key()
    with pytest.raises(heads.WrongLedgerKey, match="another ledger"):
        HeadsFolder(tmp_path / "heads", other).prepare()


class _Taking(BaseHTTPRequestHandler):
    """Keeps what is posted; answers time stamp queries as the authority of `server.authority`."""

    def do_POST(self):  # the name that http.server calls
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append(body)
        answer = self.server.answer(body)
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


@pytest.fixture
def outside():
    """Somebody on the network who takes what is posted."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    server.taken, server.answer = [], lambda _: b""
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def openssl(*arguments, folder):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def authority(tmp_path, outside):
    """A time stamp authority that anybody has: openssl."""
    (tmp_path / "tsa").mkdir()
    folder = tmp_path / "tsa"
    (folder / "serial").write_text("01\n")
    (folder / "tsa.cnf").write_text(
        "[tsa]\ndefault_tsa=one\n[one]\ndir=.\nserial=serial\nsigner_cert=tsa.crt\nsigner_key=tsa.key\ncerts=tsa.crt\n"
        "default_policy=1.2.3.4\ndigests=sha256\nsigner_digest=sha256\ness_cert_id_alg=sha256\n"
    )
    openssl(
        *shlex.split("req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.crt -days 2 -subj /CN=tsa"),
        *("-addext", "extendedKeyUsage=critical,timeStamping"),
        folder=folder,
    )

    def stamp(query):
        (folder / "query.tsq").write_bytes(query)
        openssl(*shlex.split("ts -reply -config tsa.cnf -queryfile query.tsq -out reply.tsr"), folder=folder)
        return (folder / "reply.tsr").read_bytes()

    outside.answer = stamp
    return folder


@pytest.mark.thorough
async def test_the_role_hands_each_head_to_all_places_outside(
    database, orders, nats_server, outside, tmp_path
):
    record(orders, pay(an_order()))
    data = tmp_path / "data"
    async with running_service(
        database, nats_server.url, data, ["auditing"], head_seconds=1, heads_url=f"{outside.url}/heads"
    ):
        await until(lambda: a_moment(lambda: outside.taken))
        client = await nats.connect(nats_server.url)
        published = await until(lambda: first(client))
        await client.close()
        file = await until(lambda: a_moment((data / "heads" / "heads.jsonl").read_bytes))
    public = heads.read_public((data / "heads" / "ledger.pub").read_text())
    assert published.data == outside.taken[0] == file.splitlines()[0]
    head = heads.opened(json.loads(published.data)["note"], public)
    assert (head.size, head.root) == (2, root(leaves(database)))
    assert published.subject == f"heads.v1.{heads.fingerprint(public)}"
    assert published.headers["Nats-Msg-Id"] == f"{heads.fingerprint(public)}:2"


async def a_moment(look):
    """Look once, as `until` wants it; what is not there yet is nothing."""
    try:
        return look()
    except FileNotFoundError:
        return None


async def first(client):
    try:
        return await client.jetstream().get_msg("HEADS", seq=1)
    except nats.js.errors.NotFoundError:
        return None


@pytest.mark.thorough
async def test_a_time_stamp_authority_confirms_when_a_head_was_there(
    database, orders, nats_server, outside, authority, tmp_path
):
    """Checked with openssl, as an auditor would."""
    record(orders, an_order())
    data = tmp_path / "data"
    async with running_service(
        database, nats_server.url, data, ["auditing"], head_seconds=1, timestamp_url=outside.url
    ):
        await until(lambda: a_moment(lambda: ask(database, "SELECT size FROM ledger.stamps")))
    stamp, note = data / "heads" / "stamps" / "1.tsr", tmp_path / "note"
    note.write_text(ask(database, "SELECT note FROM ledger.heads")[0])
    openssl("ts", "-verify", "-data", str(note), "-in", str(stamp), "-CAfile", "tsa.crt", folder=authority)
    assert len(outside.taken) == 1
