"""The file of the providers: what it may say, and where secrets come from."""

import httpx
import pytest

from notices import SECRET
from vignettes.runtime.settings import ConfigurationError, load_settings
from vignettes.services.notices.comgate import Comgate
from vignettes.services.notices.directory import connected
from vignettes.services.notices.files import ProviderFileError, read
from vignettes.services.notices.signed_json import SignedJson
from vignettes.services.notices.stripe import Stripe

EVERY_SCHEME = """
[shop]
scheme = "signed-json"
secrets = [{ env = "SHOP_SECRET" }, { file = "shop.secret" }]
tolerance_seconds = 60

[stripe]
scheme = "stripe"
secrets = [{ env = "SHOP_SECRET" }]
test = true

[comgate]
scheme = "comgate"
merchant = "123456"
secret = { file = "shop.secret" }
url = "http://127.0.0.1:9000/v1.0/status"
"""


@pytest.fixture
def written(tmp_path):
    def write(text, secret=SECRET, mode=0o600):
        (tmp_path / "shop.secret").write_text(secret + "\n")
        (tmp_path / "shop.secret").chmod(mode)
        path = tmp_path / "webhooks.toml"
        path.write_text(text)
        return path

    return write


async def refusal(path, environment=None):
    with pytest.raises(ProviderFileError) as refused:
        async with connected(path, environment or {}):
            pass
    return str(refused.value)


async def test_each_provider_is_known_by_its_name(written):
    async with connected(written(EVERY_SCHEME), {"SHOP_SECRET": SECRET}) as providers:
        kinds = {name: type(provider) for name, provider in providers.items()}
    assert kinds == {"shop": SignedJson, "stripe": Stripe, "comgate": Comgate}


async def test_a_file_that_is_empty_takes_no_notices(written):
    async with connected(written(""), {}) as providers:
        assert providers == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[shop", "Expected"),
        ('[Shop]\nscheme = "signed-json"\nsecrets = [{ env = "A" }]', "Shop"),
        ('["a/b"]\nscheme = "signed-json"\nsecrets = [{ env = "A" }]', "a/b"),
        ('[shop]\nscheme = "mine"', "shop"),
        ('[shop]\nscheme = "signed-json"\nsecrets = []', "shop.signed-json.secrets"),
        ('[shop]\nscheme = "signed-json"\nsecrets = [{}]', "takes either env or file"),
        (
            '[shop]\nscheme = "signed-json"\nsecrets = [{ env = "A" }]\ntolerance_seconds = 0',
            "tolerance_seconds",
        ),
        (
            '[shop]\nscheme = "signed-json"\nsecret = "in the clear"\nsecrets = [{ env = "A" }]',
            "shop.signed-json.secret",
        ),
        (
            '[pay]\nscheme = "comgate"\nmerchant = "1"\nsecret = { env = "A" }\nsettles = "daily"',
            "pay.comgate.settles",
        ),
        (
            '[pay]\nscheme = "comgate"\nmerchant = "1"\nsecret = { env = "A" }\nurl = "http://pay.example"',
            "https://",
        ),
        (
            '[pay]\nscheme = "comgate"\nmerchant = "1"\nsecret = { env = "A" }\nurl = "https://u:p@pay.example"',
            "https://",
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_refused_when_the_service_starts(written, text, told):
    """With the place, and without a word of what stands there."""
    path = written(text)
    with pytest.raises(ProviderFileError, match=told):
        read(path)
    with pytest.raises(ConfigurationError, match="VIGNETTES_WEBHOOKS_FILE") as refused:
        load_settings(webhooks_file=path)
    assert "in the clear" not in str(refused.value)


async def test_who_settles_singly_is_told_by_the_file(written):
    """Many payments in one transfer, unless it says otherwise."""
    for line, settles in (("", "together"), ('settles = "singly"', "singly")):
        path = written(EVERY_SCHEME + line)
        async with connected(path, {"SHOP_SECRET": SECRET}) as providers:
            assert vars(providers["comgate"])["_account"].settles == settles


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="VIGNETTES_WEBHOOKS_FILE"):
        load_settings(webhooks_file=tmp_path / "none.toml")


async def test_a_secret_that_is_not_there_is_named_by_its_place(written):
    assert await refusal(written(EVERY_SCHEME)) == "shop: SHOP_SECRET holds no secret"
    missing = EVERY_SCHEME.replace("shop.secret", "none.secret")
    assert "none.secret can't be read (FileNotFoundError)" in await refusal(
        written(missing), {"SHOP_SECRET": SECRET}
    )


async def test_a_secret_that_protects_nothing_is_refused(written):
    """Too short, not of one line, or open to others; the text never holds it."""
    for environment in ({"SHOP_SECRET": "short"}, {"SHOP_SECRET": f"{SECRET}\n{SECRET}"}):
        text = await refusal(written(EVERY_SCHEME), environment)
        assert "is not a line of 16 characters or more" in text
        assert environment["SHOP_SECRET"] not in text
    assert "is open to others" in await refusal(written(EVERY_SCHEME, mode=0o644), {"SHOP_SECRET": SECRET})


async def test_secrets_are_in_nothing_that_is_printed(written):
    """Not in what a debugger or a log would write of a provider."""
    path = written(EVERY_SCHEME)
    async with connected(path, {"SHOP_SECRET": SECRET}) as providers:
        shown = repr(providers) + repr(vars(providers["comgate"])) + repr(read(path))
    assert SECRET not in shown
    assert httpx.URL(read(path)["comgate"].url).host == "127.0.0.1"
