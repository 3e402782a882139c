"""Settings: where they come from, what is refused and in which words, and the master key."""

import os
import stat

import pytest

from vignettes.eventstore.masterkeys import WrongMasterKey
from vignettes.runtime import settings as module
from vignettes.runtime.keys import master_keys
from vignettes.runtime.settings import (
    ConfigurationError,
    load_settings,
    origins,
    unknown_variables,
)

IN_EARNEST = {
    "environment": "production",
    "database_url": "postgresql://vignettes@db/vignettes",
    "nats_url": "tls://bus:4222",
    "smtp_url": "smtps://mail:465",
    "authority_url": "https://authority.example",
    "public_url": "https://vignettes.example",
    "payee_name": "Vignettes Ltd",
    "payee_iban": "DE89370400440532013000",
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.upper().startswith("VIGNETTES_") or name == "POSTGRES_ENABLE_DB_FUNCTIONS":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(**overrides):
    with pytest.raises(ConfigurationError) as refused:
        load_settings(**overrides)
    return str(refused.value)


def shown(settings, **overrides):
    return {name: (value, origin) for name, value, origin in origins(settings, **overrides)}


def test_an_empty_environment_is_enough(tmp_path):
    settings = load_settings()
    assert settings.data_dir == tmp_path / ".data"
    assert settings.master_key_file == tmp_path / ".data" / "master.key"
    assert settings.public_url == "http://127.0.0.1:8000"
    assert (settings.database_url, settings.nats_url, settings.sandbox) == (None, None, False)
    assert {origin for _, origin in shown(settings).values()} == {"default"}


def test_derived_settings_follow_what_they_derive_from(tmp_path):
    settings = load_settings(http_port=9000, data_dir=tmp_path / "elsewhere")
    assert settings.public_url == "http://127.0.0.1:9000"
    assert settings.master_key_file == tmp_path / "elsewhere" / "master.key"


def test_each_setting_shows_where_it_comes_from(monkeypatch, tmp_path):
    (tmp_path / ".env").write_text("VIGNETTES_LEAD_HOURS=6\nVIGNETTES_HTTP_PORT=8100\nOTHERS_SETTING=1\n")
    monkeypatch.setenv("VIGNETTES_HTTP_PORT", "8200")
    settings = load_settings(sandbox=True, nats_port=None)
    table = shown(settings, sandbox=True, nats_port=None)
    assert table["VIGNETTES_SANDBOX"] == ("true", "command line")
    assert table["VIGNETTES_HTTP_PORT"] == ("8200", "environment")
    assert table["VIGNETTES_LEAD_HOURS"] == ("6", ".env")
    assert table["VIGNETTES_NATS_PORT"] == ("4222", "default")


def test_secrets_are_shown_nowhere(monkeypatch):
    monkeypatch.setenv("VIGNETTES_DATABASE_URL", "postgresql://u:hush@db/v?password=hush&sslmode=require")
    monkeypatch.setenv("VIGNETTES_NATS_URL", "nats://hush@one:4222,nats://u:hush@two:4222")
    monkeypatch.setenv("VIGNETTES_SMTP_URL", "smtp://u:hush@mail:25")
    settings = load_settings()
    table = shown(settings)
    assert table["VIGNETTES_DATABASE_URL"][0] == "postgresql://u:***@db/v?password=***&sslmode=require"
    assert table["VIGNETTES_NATS_URL"][0] == "nats://***@one:4222,nats://u:***@two:4222"
    assert "hush" not in str(table) + repr(settings)
    monkeypatch.setenv("VIGNETTES_SMTP_URL", "http://u:hush@mail:25")
    assert "hush" not in refusal()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAME_DAY_GRACE_SECONDS", "241"),
        ("SAME_DAY_GRACE_SECONDS", "-1"),
        ("LEAD_HOURS", "0"),
        ("HTTP_PORT", "eighty"),
        ("NATS_PORT", "65536"),
        ("CLOCK", "sundial"),
        ("LOG_FORMAT", "xml"),
        ("DATABASE_URL", "mysql://db/v"),
        ("NATS_URL", "nats://one,http://two"),
        ("SMTP_URL", "smtp://"),
        ("PUBLIC_URL", "vignettes.example"),
        ("PAYEE_IBAN", "CZ6508000000192000145398"),
        ("MAIL_FROM", "orders"),
        ("SUPPORT_WHATSAPP", "call us"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(monkeypatch, name, value):
    """The message names the variable, what was given, and what it takes."""
    monkeypatch.setenv(f"VIGNETTES_{name}", value)
    message = refusal()
    assert message.startswith(f"VIGNETTES_{name}: '{value}' (environment) is refused: ")
    assert module.Settings.model_fields[name.lower()].description in message
    assert len(message.splitlines()) == 1


def test_all_wrong_values_are_told_at_once(monkeypatch):
    monkeypatch.setenv("VIGNETTES_HTTP_PORT", "x")
    monkeypatch.setenv("VIGNETTES_LEAD_HOURS", "x")
    assert [line.split(":")[0] for line in refusal().splitlines()] == [
        "VIGNETTES_HTTP_PORT",
        "VIGNETTES_LEAD_HOURS",
    ]


def test_the_clock_moves_in_the_sandbox_only():
    message = refusal(clock="movable")
    assert "VIGNETTES_CLOCK=movable" in message
    assert "VIGNETTES_SANDBOX=true" in message
    assert load_settings(clock="movable", sandbox=True).clock == "movable"


def test_the_sandbox_is_refused_in_production():
    assert "VIGNETTES_SANDBOX=true is refused" in refusal(**IN_EARNEST, sandbox=True)
    assert load_settings(**IN_EARNEST).environment == "production"


def test_in_production_nats_is_reached_by_tls_alone_but_on_this_machine():
    plain = IN_EARNEST | {"nats_url": "tls://bus:4222,nats://other:4222"}
    assert "VIGNETTES_NATS_URL names other without TLS" in refusal(**plain)
    assert load_settings(**plain, nats_ca_file="/etc/vignettes/ca.crt")
    assert load_settings(**IN_EARNEST | {"nats_url": "nats://127.0.0.1:4222"})


@pytest.mark.parametrize("name", sorted(set(IN_EARNEST) - {"environment"}))
def test_production_takes_nothing_that_is_meant_for_local_runs(name):
    """A forgotten IBAN would send the drivers' money to an example account."""
    given = {key: value for key, value in IN_EARNEST.items() if key != name}
    assert f"VIGNETTES_{name.upper()} must be set" in refusal(**given)


@pytest.mark.parametrize("value", ["y", "YES", "true", "1", "on"])
def test_the_librarys_unsafe_mode_is_refused(monkeypatch, value):
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", value)
    assert "POSTGRES_ENABLE_DB_FUNCTIONS" in refusal()


def test_the_librarys_unsafe_mode_may_be_switched_off(monkeypatch):
    monkeypatch.setenv("POSTGRES_ENABLE_DB_FUNCTIONS", "n")
    assert load_settings()


def test_a_misspelt_variable_is_told(monkeypatch, tmp_path):
    monkeypatch.setenv("VIGNETTES_HTP_PORT", "1")
    monkeypatch.setenv("VIGNETTES_RESTARTS", "3")
    (tmp_path / ".env").write_text("VIGNETTES_ZZZZ=1\n")
    htp, zzzz = unknown_variables()
    assert "VIGNETTES_HTP_PORT" in htp
    assert "did you mean VIGNETTES_HTTP_PORT?" in htp
    assert "VIGNETTES_ZZZZ" in zzzz


def test_a_local_installation_is_given_a_key_of_its_own(tmp_path):
    settings = load_settings()
    key = master_keys(settings).current
    assert master_keys(settings).current == key
    assert stat.S_IMODE(settings.master_key_file.stat().st_mode) == 0o600
    assert [path.name for path in settings.data_dir.iterdir()] == ["master.key"]


def test_a_missing_key_is_refused_in_production(tmp_path):
    settings = load_settings(**IN_EARNEST)
    with pytest.raises(ConfigurationError, match=r"VIGNETTES_MASTER_KEY_FILE: .* does not exist"):
        master_keys(settings)
    assert not settings.master_key_file.exists()


def test_a_key_that_others_can_read_is_refused():
    settings = load_settings()
    master_keys(settings)
    settings.master_key_file.chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        master_keys(settings)


@pytest.mark.parametrize("content", ["", "abc", "zz" * 32, "00" * 31])
def test_a_damaged_key_is_refused(tmp_path, content):
    settings = load_settings()
    settings.data_dir.mkdir()
    settings.master_key_file.touch(mode=0o600)
    settings.master_key_file.write_text(content)
    with pytest.raises(ConfigurationError, match="64 hexadecimal digits"):
        master_keys(settings)


def test_the_previous_key_opens_what_it_closed_while_the_new_one_closes(tmp_path):
    """Both are read while keys are wrapped anew; each file is judged by the same rules."""
    old = tmp_path / "old.key"
    settings = load_settings()
    closed = master_keys(settings).wrap(b"a key", b"what for")
    name = master_keys(settings).current
    settings.master_key_file.rename(old)
    with pytest.raises(WrongMasterKey):
        master_keys(settings).unwrap(name, closed, b"what for")
    both = master_keys(load_settings(previous_master_key_file=old))
    assert both.current != name
    assert both.unwrap(name, closed, b"what for") == b"a key"
    with pytest.raises(WrongMasterKey):
        both.unwrap(name, closed, b"something else")
    old.chmod(0o644)
    with pytest.raises(ConfigurationError, match="VIGNETTES_PREVIOUS_MASTER_KEY_FILE"):
        master_keys(load_settings(previous_master_key_file=old))
