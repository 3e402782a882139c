"""Which provider's notices are taken under which name."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from vignettes.services.notices import Provider, files
from vignettes.services.notices.comgate import Account, Comgate
from vignettes.services.notices.files import AskedForm, ProviderFileError, SigningForm
from vignettes.services.notices.signed_json import SignedJson
from vignettes.services.notices.stripe import Stripe
from vignettes.services.trusting import trusted


@asynccontextmanager
async def connected(
    path: Path, environment: Mapping[str, str], now: Callable[[], float] = time.time
) -> AsyncIterator[dict[str, Provider]]:
    """Give the providers of a file. Raises ProviderFileError for what can't be used, a secret included.

    `now` in Unix seconds is the world's clock, also where a sandbox moves ours: providers sign by it.
    """
    async with httpx.AsyncClient(verify=trusted()) as client:
        yield {
            name: _provider(name, form, lambda secret: secret.revealed(path.parent, environment), client, now)
            for name, form in files.read(path).items()
        }


def _provider(
    name: str,
    form: SigningForm | AskedForm,
    revealed: Callable[[files.Secret], str],
    client: httpx.AsyncClient,
    now: Callable[[], float],
) -> Provider:
    try:
        if isinstance(form, AskedForm):
            account = Account(form.merchant, revealed(form.secret), form.url, form.settles)
            return Comgate(name, account, client, now, test=form.test)
        secrets = [revealed(secret) for secret in form.secrets]
    except ProviderFileError as error:
        raise ProviderFileError(f"{name}: {error}") from None
    signing = Stripe if form.scheme == "stripe" else SignedJson
    return signing(name, secrets, form.tolerance_seconds, now, test=form.test)
