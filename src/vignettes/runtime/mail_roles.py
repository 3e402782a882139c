"""How the role that sends mails is built: with its signature, and with what reads back those that are returned.

Imports stand in the builder: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING

from vignettes.runtime.keys import root_of
from vignettes.runtime.link import needed
from vignettes.runtime.parts import Piece, Together, sender, writing
from vignettes.runtime.settings import ConfigurationError, Settings, variable

if TYPE_CHECKING:
    from vignettes.runtime.process import Process, Running
    from vignettes.services.returns.path import ReturnPath
    from vignettes.services.signing import Signer


async def mailing(built: "Process") -> "Running":
    """Build the role that sends mails and learns of those that come back."""
    from vignettes.services.calling import Calling
    from vignettes.services.intervening import MailDesk
    from vignettes.services.mailing import Mailing
    from vignettes.services.posting import Posting
    from vignettes.services.returns.telling import ReturnTelling
    from vignettes.services.returns.watching import ReturnWatching

    settings = built.settings
    smtp_url = needed(settings.smtp_url, variable("smtp_url"))
    url = built.conninfo("vignettes_projector", "mailing")
    root = root_of(settings, url)
    path = _return_path(settings, root)
    MailDesk(await built.pool("vignettes_projector", "mail desk", 2)).register(built.endpoints)
    pieces: list[Piece] = [
        Mailing(url, smtp_url, writing(settings, root), Posting(path, signer(settings)), built.tracing),
        ReturnTelling(built.conninfo("vignettes_projector", "return telling"), Calling(built.client)),
    ]
    if settings.returns_folder:
        reading = built.conninfo("vignettes_projector", "returns")
        pieces.append(ReturnWatching(reading, settings.returns_folder, path))
    return Together(Mailing.name, pieces)


def _return_path(settings: Settings, root: bytes) -> "ReturnPath":
    """Return where mails come back to."""
    from vignettes.services.links import derived
    from vignettes.services.returns.path import ReturnPath

    return ReturnPath(settings.return_address, derived(root, b"mail returns"))


def signer(settings: Settings) -> "Signer | None":
    """Return who signs mails, or None without a key. Raises ConfigurationError for one that can't."""
    from vignettes.services.signing import BadSigningKey, Signer, read_key

    if settings.dkim_key_file is None:
        return None
    try:
        key = read_key(settings.dkim_key_file)
    except BadSigningKey as error:
        raise ConfigurationError(f"{variable('dkim_key_file')}: {error}") from None
    return Signer(key, settings.dkim_selector, sender(settings).domain)
