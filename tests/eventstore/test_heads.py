"""Signed heads: what the key has signed is read, and nothing else."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from vignettes.eventstore import heads
from vignettes.eventstore.heads import ForgedHead, Head, WrongLedgerKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(32))
HEAD = Head("vignettes/log", 7, b"r" * 32, 9, datetime(2026, 6, 1, 10, 0, 0, 123456, UTC))
NOTE = heads.sign(HEAD, KEY)


def test_a_head_is_a_checkpoint_that_other_programs_read():
    """The forms are C2SP tlog-checkpoint and C2SP signed note."""
    text, _, signature = NOTE.partition("\n\n")
    assert text.splitlines() == [
        "vignettes/log",
        "7",
        "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=",
        "position 9",
        "time 2026-06-01T10:00:00.123456+00:00",
    ]
    assert signature.startswith("\N{EM DASH} vignettes/log ")
    assert heads.opened(NOTE, KEY.public_key()) == HEAD


def test_each_changed_letter_is_noticed():
    for at, letter in enumerate(NOTE):
        forged = NOTE[:at] + ("A" if letter != "A" else "B") + NOTE[at + 1 :]
        with pytest.raises(ForgedHead):
            heads.opened(forged, KEY.public_key())


@pytest.mark.parametrize(
    "forged",
    [
        "",
        "\n\n",
        HEAD.text,
        NOTE.replace("\n\n", "\n"),
        NOTE + NOTE.splitlines()[-1] + "\n",
        heads.sign(HEAD, OTHER),
        NOTE.replace("vignettes/log", "another/log"),
        heads.sign(replace(HEAD, root=b"short"), KEY),
    ],
)
def test_what_the_key_has_not_signed_in_this_form_is_no_head(forged):
    with pytest.raises(ForgedHead):
        heads.opened(forged, KEY.public_key())


def test_a_signature_of_somebody_else_beside_ours_does_no_harm():
    """Witnesses add theirs below."""
    cosigned = NOTE + heads.sign(HEAD, OTHER).splitlines()[-1] + "\n"
    assert heads.opened(cosigned, KEY.public_key()) == HEAD


def private_file(folder, content, mode=0o600):
    file = folder / "ledger.key"
    file.write_bytes(content)
    file.chmod(mode)
    return file


def test_the_key_is_read_from_a_file_of_its_own(tmp_path):
    key = heads.read_private(private_file(tmp_path, heads.new_private_pem()))
    public = heads.read_public(heads.public_pem(key.public_key()))
    assert heads.fingerprint(public) == heads.fingerprint(key.public_key())
    assert heads.fingerprint(public) != heads.fingerprint(KEY.public_key())


def test_a_key_that_others_can_read_is_refused_with_the_way_out(tmp_path):
    with pytest.raises(WrongLedgerKey, match="chmod 600"):
        heads.read_private(private_file(tmp_path, heads.new_private_pem(), 0o644))


def test_a_key_of_another_kind_is_refused(tmp_path):
    rsa = generate_private_key(65537, 2048)
    pem = rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(WrongLedgerKey, match="no Ed25519 key"):
        heads.read_private(private_file(tmp_path, pem))
    with pytest.raises(WrongLedgerKey, match="no private key"):
        heads.read_private(private_file(tmp_path, b"nothing"))
    with pytest.raises(WrongLedgerKey, match="can't be read"):
        heads.read_private(tmp_path / "none")
    with pytest.raises(WrongLedgerKey, match="no public key"):
        heads.read_public("nothing")
