"""Several servers of each kind: they can be named, and one that has gone silent is given up within seconds."""

import pytest
from psycopg.conninfo import conninfo_to_dict

from vignettes.eventstore.connections import conninfo
from vignettes.runtime.link import Link
from vignettes.runtime.settings import ConfigurationError, hide_secrets, load_settings

THREE = "postgresql://v:hush@db-1:5432,db-2:5433,db-3/vignettes?target_session_attrs=read-write"
#: Of the 30 s within which everything goes on, so much is for noticing.
_NOTICED_WITHIN_SECONDS = 12


def test_a_database_may_have_several_hosts():
    """Which of them writes is found out anew with each connection."""
    assert load_settings(database_url=THREE).database_url == THREE
    known = conninfo_to_dict(conninfo(THREE, "vignettes_writer"))
    assert (known["host"], known["target_session_attrs"]) == ("db-1,db-2,db-3", "read-write")
    assert "hush" not in hide_secrets(THREE)


@pytest.mark.parametrize("hosts", ["db-1:5432,db-2:many", "db-1:99999,db-2"])
def test_each_of_them_is_looked_at(hosts):
    with pytest.raises(ConfigurationError, match="VIGNETTES_DATABASE_URL"):
        load_settings(database_url=f"postgresql://v@{hosts}/vignettes")


def test_a_database_that_is_cut_off_is_given_up():
    """Nobody hangs up then: the kernel asks for signs of life, and no pause is left to libpq."""
    known = conninfo_to_dict(conninfo("postgresql://v@db/v", "vignettes_reader"))
    idle, pause, times = (int(known[f"keepalives_{each}"]) for each in ("idle", "interval", "count"))
    assert idle + pause * times <= _NOTICED_WITHIN_SECONDS
    assert int(known["tcp_user_timeout"]) <= _NOTICED_WITHIN_SECONDS * 1000
    assert int(known["connect_timeout"]) < idle


def test_what_the_operator_says_of_a_connection_stands():
    known = conninfo_to_dict(conninfo("postgresql://v@db/v?keepalives_idle=60", "vignettes_reader"))
    assert known["keepalives_idle"] == "60"


def test_a_nats_server_that_is_cut_off_is_given_up():
    options = Link().options("a role")
    assert options["ping_interval"] * (options["max_outstanding_pings"] + 1) <= _NOTICED_WITHIN_SECONDS
