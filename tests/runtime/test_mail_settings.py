"""The settings of mails: addresses, and the key that they are signed with."""

import pytest

from vignettes.runtime.mail_roles import signer
from vignettes.runtime.settings import ConfigurationError, load_settings


def test_mails_come_back_to_the_senders_domain_unless_it_is_said_otherwise(monkeypatch):
    """One setting is enough to begin with."""
    assert load_settings(mail_from="A <a@shop.example>").return_address == "returns@shop.example"
    given = load_settings(mail_from="A <a@shop.example>", return_address="back@mail.shop.example")
    assert given.return_address == "back@mail.shop.example"


@pytest.mark.parametrize(
    "value", ["A <a@b.example>", "a+b@c.example", "a@b.example, c@d.example", "a@", "@b", "a\nb@c"]
)
def test_a_return_address_takes_a_tag(value):
    """So it has no name beside it, and no tag yet."""
    with pytest.raises(ConfigurationError, match="VIGNETTES_RETURN_ADDRESS"):
        load_settings(return_address=value)


@pytest.mark.parametrize("field", ["mail_from", "support_email"])
def test_two_addresses_are_not_one(field):
    """The second one would be told of everything."""
    with pytest.raises(ConfigurationError, match="is not one mail address"):
        load_settings(**{field: "a@b.example, c@d.example"})


@pytest.mark.parametrize("value", ["", "Upper", "a.b", "-a", "a-", "a" * 64, "a b"])
def test_a_selector_is_one_name_of_the_dns(value):
    """It stands in every mail, and in the name of the record."""
    with pytest.raises(ConfigurationError, match="VIGNETTES_DKIM_SELECTOR"):
        load_settings(dkim_selector=value)


def test_a_key_that_can_not_sign_ends_the_start(tmp_path):
    """With the setting's name, not with the first mail."""
    settings = load_settings(dkim_key_file=tmp_path / "dkim.pem")
    with pytest.raises(ConfigurationError, match=r"VIGNETTES_DKIM_KEY_FILE: .*dkim\.pem can't be read"):
        signer(settings)
    assert signer(load_settings()) is None
