"""As whom we come to NATS: what the settings may say, and how a wrong file is told of."""

import asyncio
import ssl

import nats
import pytest

from nats_cluster import certificates
from vignettes.runtime.nats_access import NatsAccess, make_seed, public_key
from vignettes.runtime.nats_settings import plain_addresses
from vignettes.runtime.settings import ConfigurationError, load_settings

#: The first byte of a record that opens TLS.
TLS_HANDSHAKE = b"\x16"


def access(**said):
    return NatsAccess.of(load_settings(**said))


async def test_a_seed_is_made_once_and_only_its_owner_can_read_it(run, tmp_path):
    seed = tmp_path / "ordering.nk"
    code, said, _ = await run({}, "keys", "nats", str(seed))
    assert (code, said.strip()) == (0, public_key(seed))
    assert seed.stat().st_mode & 0o777 == 0o600
    assert seed.read_text().startswith("SU")
    assert said.startswith("U")
    code, _, complained = await run({}, "keys", "nats", str(seed))
    assert code == 1
    assert "File exists" in complained


def test_without_settings_nats_is_told_nothing_but_where_answers_come():
    assert access().options() == {"inbox_prefix": "_INBOX"}
    assert access().broker_options() == {"inbox_prefix": "_INBOX"}


def test_a_key_is_told_to_both_libraries(tmp_path):
    make_seed(tmp_path / "seed")
    known = access(nats_nkey_file=tmp_path / "seed", nats_inbox="_INBOX.web")
    assert known.options() == {"inbox_prefix": "_INBOX.web", "nkeys_seed": str(tmp_path / "seed")}
    assert known.broker_options()["security"].seed == str(tmp_path / "seed")


@pytest.mark.parametrize(
    ("content", "mode", "told"),
    [
        (None, 0o600, "can't be read: No such file"),
        ("SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY", 0o640, "is open to others"),
        ("0123456789", 0o600, "holds no seed of a user's NKEY"),
        ("", 0o600, "holds no seed of a user's NKEY"),
    ],
)
def test_a_wrong_file_is_told_of_without_its_content(tmp_path, content, mode, told):
    seed = tmp_path / "seed"
    if content is not None:
        seed.write_text(content)
        seed.chmod(mode)
    with pytest.raises(ConfigurationError, match=told) as refused:
        access(nats_nkey_file=seed)
    assert "VIGNETTES_NATS_NKEY_FILE" in str(refused.value)
    assert not content or content not in str(refused.value)


def test_certificates_that_are_none_are_told_of(tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(ConfigurationError, match=r"VIGNETTES_NATS_CA_FILE: .*/ca\.pem can't be used"):
        access(nats_ca_file=tmp_path / "ca.pem")


@pytest.mark.parametrize(
    ("said", "told"),
    [({"nats_replicas": 2}, "is none of 1, 3 and 5"), ({"nats_inbox": "_INBOX.>"}, "VIGNETTES_NATS_INBOX")],
)
def test_what_nats_could_not_do_is_refused(said, told):
    with pytest.raises(ConfigurationError, match=told):
        access(**said)


@pytest.mark.parametrize(
    ("urls", "plain"),
    [
        ("tls://one:4222,tls://two:4222", []),
        ("nats://127.0.0.1:4222,nats://localhost:4222,nats://[::1]:4222", []),
        ("tls://one:4222,nats://two:4222", ["two"]),
        ("nats://10.0.0.1:4222,ws://three", ["10.0.0.1", "three"]),
    ],
)
def test_plain_text_is_for_this_machine_alone(urls, plain):
    assert plain_addresses(urls) == plain


@pytest.mark.parametrize("scheme", ["nats", "tls"])
async def test_nobody_talks_us_out_of_tls(tmp_path, scheme):
    """Left to itself the library goes on in plain text with whoever says that no TLS is asked for here."""
    heard = bytearray()

    async def in_between(reader, writer):
        writer.write(
            b'INFO {"server_id": "x", "version": "2.15.0", "max_payload": 1048576, "nonce": "abc"}\r\n'
        )
        heard.extend(await reader.read(4096))
        writer.close()

    make_seed(tmp_path / "seed")
    certificates(tmp_path / "tls")
    async with await asyncio.start_server(in_between, "127.0.0.1", 0) as server:
        url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        ours = access(
            nats_url=url, nats_ca_file=tmp_path / "tls" / "ca.crt", nats_nkey_file=tmp_path / "seed"
        )
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await nats.connect(url, **ours.options(), allow_reconnect=False)
    assert heard[:1] == TLS_HANDSHAKE
    assert b"CONNECT" not in heard


def test_both_libraries_begin_with_tls_where_the_address_says_so():
    known = access(nats_url="tls://bus:4222")
    assert known.options()["tls_handshake_first"]
    assert known.broker_options()["security"].tls_handshake_first
    assert known.options()["tls"].check_hostname
