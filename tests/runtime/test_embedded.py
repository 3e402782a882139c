"""Embedded servers, with the real ones: first and second start, kill -9, taken ports, foreign directories."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import psutil
import psycopg
import pytest

from vignettes.runtime.children import end_with_parent
from vignettes.runtime.embedded import (
    DataDirectoryInUse,
    EmbeddedNats,
    EmbeddedPostgres,
    EmbeddedServerError,
    InstanceLock,
    NotInstalled,
    PortInUse,
    ServerDidNotStart,
    check_port_free,
    free_port,
)

BOTH = textwrap.dedent(
    """
    import signal, sys
    from pathlib import Path
    from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres, InstanceLock
    from vignettes.runtime.logs import configure

    configure("json", "info", "run")
    data_dir = Path(sys.argv[1])
    with InstanceLock(data_dir):
        postgres, nats = EmbeddedPostgres(data_dir), EmbeddedNats(data_dir, port=0)
        postgres.start()
        nats.start()
        print(postgres.pid, nats.pid, flush=True)
        signal.pause()
    """
)


def until(condition, seconds=15.0):
    """Wait for what must come true; polling, with a deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


def gone(pid):
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
def data_dir():
    """A closed directory with a short name, below one of root's that nobody else may enter."""
    top = Path(tempfile.mkdtemp(prefix="vig"))
    yield top / "data"
    shutil.rmtree(top)


@pytest.fixture
def postgres(data_dir):
    server = EmbeddedPostgres(data_dir)
    yield server
    server.stop()


@pytest.fixture
def nats(data_dir):
    server = EmbeddedNats(data_dir, port=0)
    yield server
    server.stop()


@pytest.fixture
def instance(data_dir):
    """Another process that runs both servers on the data directory."""
    with subprocess.Popen(
        [sys.executable, "-c", BOTH, str(data_dir)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent(signal.SIGKILL),  # noqa: PLW1509  # it makes two system calls
    ) as process:
        try:
            process.servers = [int(pid) for pid in process.stdout.readline().split()]
            yield process
        finally:
            process.kill()
    until(lambda: all(gone(pid) for pid in process.servers))


def fetch(server, query, dbname="vignettes"):
    with psycopg.connect(server.url(dbname)) as connection:
        return connection.execute(query).fetchone()


def test_a_database_survives_a_restart(postgres):
    postgres.start()
    postgres.ensure_database("vignettes")
    postgres.ensure_database("vignettes")
    with psycopg.connect(postgres.url("vignettes")) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    first = postgres.pid
    postgres.stop()
    assert gone(first)
    postgres.start()
    assert fetch(postgres, "SELECT one FROM kept") == (1,)


def test_postgres_is_safe_and_the_same_everywhere(postgres, data_dir):
    postgres.start()
    names = ("fsync", "listen_addresses", "max_connections", "server_encoding", "timezone")
    query = "SELECT " + ", ".join(f"current_setting('{name}')" for name in names) + ", lower('ČŽ')"
    assert fetch(postgres, query, "postgres") == ("on", "", "200", "UTF8", "UTC", "čž")
    assert stat.S_IMODE((data_dir / "postgres").stat().st_mode) == 0o700


def test_root_lends_postgres_an_account_and_nothing_else(postgres, data_dir):
    """As root the server runs as nobody; as anybody else it runs as that user."""
    postgres.start()
    user = psutil.Process(postgres.pid).username()
    if os.geteuid() == 0:
        assert user == "nobody"
        assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o701
        assert (data_dir.stat().st_uid, (data_dir / "postgres.log").stat().st_uid) == (0, 0)
    else:
        assert user == psutil.Process().username()
        assert stat.S_IMODE(data_dir.parent.stat().st_mode) == 0o700


@pytest.mark.thorough
def test_a_directory_with_a_long_name_works(data_dir):
    """A socket's path has at most 107 bytes, so it moves to a short place."""
    server = EmbeddedPostgres(data_dir / ("x" * 100))
    try:
        server.start()
        assert fetch(server, "SELECT 1", "postgres") == (1,)
    finally:
        server.stop()
        sockets = Path(psycopg.conninfo.conninfo_to_dict(server.url("x"))["host"])
        assert sockets.parent == Path(tempfile.gettempdir())
        shutil.rmtree(sockets)


def test_an_initdb_that_was_killed_leaves_nothing_half_made(postgres, data_dir):
    (data_dir / "postgres" / "new-1" / "base").mkdir(parents=True)
    if os.geteuid() == 0:
        shutil.chown(data_dir / "postgres", "nobody")
    postgres.start()
    assert not (data_dir / "postgres" / "new-1").exists()


def test_a_killed_postgres_starts_again(postgres):
    postgres.start()
    os.kill(postgres.pid, signal.SIGKILL)
    until(lambda: not postgres.running)
    postgres.start()
    assert fetch(postgres, "SELECT 1", "postgres") == (1,)


def test_a_recycled_pid_does_not_keep_postgres_from_starting(postgres, data_dir):
    """After a reboot the pid on file may be anybody's: here it is ours."""
    postgres.start()
    pidfile = data_dir / "postgres" / "data" / "postmaster.pid"
    content = pidfile.read_text()
    postgres.stop()
    pidfile.write_text(content.replace(content.split("\n", 1)[0], str(os.getpid()), 1))
    postgres.start()
    assert fetch(postgres, "SELECT 1", "postgres") == (1,)


def test_a_server_that_can_not_start_says_why(postgres, data_dir):
    postgres.start()
    postgres.stop()
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("9.6\n")
    with pytest.raises(ServerDidNotStart, match=r"data directory was initialized by PostgreSQL version 9\.6"):
        postgres.start()
    assert not postgres.running


def test_nats_answers_and_stores_where_told(nats, data_dir):
    nats.start()
    port = int(nats.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as connection:
        assert b'"jetstream":true' in connection.recv(4096)
    config = (data_dir / "nats" / "nats.conf").read_text()
    assert "sync_interval: always" in config
    first = nats.pid
    nats.stop()
    assert gone(first)


def test_a_killed_nats_starts_again_at_its_address(nats):
    nats.start()
    url = nats.url
    os.kill(nats.pid, signal.SIGKILL)
    until(lambda: not nats.running)
    nats.start()
    assert nats.running
    assert nats.url == url


@pytest.mark.thorough
def test_a_taken_port_is_told_with_its_setting(data_dir):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortInUse, match=f"Port {port} .*VIGNETTES_NATS_PORT"):
            EmbeddedNats(data_dir, port).start()
    check_port_free(free_port(), "VIGNETTES_HTTP_PORT")


def test_a_second_instance_is_refused_with_the_first_ones_pid(instance, data_dir):
    with pytest.raises(DataDirectoryInUse, match=rf"process {instance.pid}\b.*VIGNETTES_DATA_DIR"):
        InstanceLock(data_dir).acquire()


def test_a_directory_is_free_again_after_its_owner(data_dir):
    for _ in range(2):
        with InstanceLock(data_dir), pytest.raises(DataDirectoryInUse):
            InstanceLock(data_dir).acquire()


@pytest.mark.thorough
def test_an_impossible_directory_is_told(data_dir):
    data_dir.write_text("a file")
    with pytest.raises(EmbeddedServerError, match="VIGNETTES_DATA_DIR"):
        InstanceLock(data_dir).acquire()


@pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux's PR_SET_PDEATHSIG; elsewhere the next start cleans up"
)
def test_an_instance_killed_with_9_leaves_no_process_and_the_next_one_starts(
    instance, data_dir, postgres, nats
):
    instance.kill()
    instance.wait()
    with InstanceLock(data_dir):
        postgres.start()
        nats.start()
        assert fetch(postgres, "SELECT 1", "postgres") == (1,)
    until(lambda: all(gone(pid) for pid in instance.servers))


def test_a_leftover_server_is_ended_before_the_next_start(postgres, data_dir):
    """As when the parent's death went unnoticed: the same directory, a server of nobody's."""
    postgres.start()
    leftover, successor = postgres.pid, EmbeddedPostgres(data_dir)
    try:
        successor.start()
        until(lambda: gone(leftover))
        assert successor.pid != leftover
        assert fetch(successor, "SELECT 1", "postgres") == (1,)
    finally:
        successor.stop()


def test_a_missing_wheel_is_told_with_the_way_out(monkeypatch, data_dir):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(NotInstalled, match="VIGNETTES_DATABASE_URL"):
        EmbeddedPostgres(data_dir).start()
    monkeypatch.setattr("shutil.which", lambda *_args, **_options: None)
    with pytest.raises(NotInstalled, match="VIGNETTES_NATS_URL"):
        EmbeddedNats(data_dir).start()
