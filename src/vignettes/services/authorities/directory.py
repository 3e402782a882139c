"""Which authority is asked for which country."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from vignettes.services.authorities import Authority, files
from vignettes.services.authorities.files import EVERYWHERE, AuthorityFile, AuthorityFileError
from vignettes.services.authorities.http import HttpAuthority
from vignettes.services.trusting import trusted


class Authorities:
    """The authorities by country; one that stands for every country is asked where no other is."""

    def __init__(self, by_country: Mapping[str, Authority]) -> None:
        self._by_country = by_country

    def of(self, country: str) -> Authority | None:
        """Return the authority of a country; None where nobody can be asked."""
        return self._by_country.get(country) or self._by_country.get(EVERYWHERE)


@asynccontextmanager
async def connected(
    folder: Path | None, base_url: str | None, environment: Mapping[str, str]
) -> AsyncIterator[Authorities]:
    """Give the authorities of a folder, and the bundled one for the rest where `base_url` says where it is.

    Raises AuthorityFileError for a file that can't be used.
    """
    found = {} if folder is None else files.read(folder)
    if base_url is not None and EVERYWHERE not in found:
        found[EVERYWHERE] = files.bundled()
    async with AsyncExitStack() as stack:
        asked: dict[int, Authority] = {}
        for country, form in found.items():
            if id(form) not in asked:
                client = _client(country, form, base_url, environment)
                asked[id(form)] = HttpAuthority(form, await stack.enter_async_context(client))
        yield Authorities({country: asked[id(form)] for country, form in found.items()})


def _client(
    country: str, form: AuthorityFile, base_url: str | None, environment: Mapping[str, str]
) -> httpx.AsyncClient:
    url = form.base_url or base_url
    if url is None:
        raise AuthorityFileError(f"{country}: base_url is missing, and VIGNETTES_AUTHORITY_URL is not set")
    headers = form.headers_with_secrets(environment)
    # One connection more than calls: a question about a document may come while all register.
    return httpx.AsyncClient(
        base_url=url,
        headers=headers,
        limits=httpx.Limits(max_connections=form.limits.concurrency + 1),
        verify=trusted(),
    )
