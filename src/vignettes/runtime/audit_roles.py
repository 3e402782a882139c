"""How the role of auditing is built: it keeps the ledger, has its heads kept outside, and answers auditors.

Imports stand in the builder: each process loads only what its roles need.
"""
# ruff: noqa: PLC0415

from typing import TYPE_CHECKING

from vignettes.runtime.parts import Piece, Together
from vignettes.runtime.settings import ConfigurationError, variable
from vignettes.services.trusting import trusted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
    from httpx import AsyncClient

    from vignettes.runtime.process import Process, Running
    from vignettes.runtime.settings import Settings
    from vignettes.services.auditing.outside import HeadsFolder


async def auditing(built: "Process") -> "Running":
    """Build the role that keeps the ledger and answers auditors."""
    import httpx

    from vignettes.eventstore.heads import WrongLedgerKey
    from vignettes.services.auditing.keeping import Keeping
    from vignettes.services.auditing.outside import HeadsFolder

    settings, key = built.settings, ledger_key(built.settings)
    folder = HeadsFolder(settings.heads_folder, key.public_key())
    try:
        folder.prepare()
    except (OSError, WrongLedgerKey) as error:
        raise ConfigurationError(f"{variable('heads_folder')}: {error}") from None
    client = await built.stack.enter_async_context(httpx.AsyncClient(timeout=10.0, verify=trusted()))
    conninfo = built.conninfo("vignettes_ledger", "ledger")
    keeping = Keeping(conninfo, key, settings.ledger_origin, folder, settings.head_seconds)
    await _answer_auditors(built, key.public_key())
    return Together("auditing", [keeping, *_outside(built, key.public_key(), folder, client)])


def _outside(
    built: "Process", key: "Ed25519PublicKey", folder: "HeadsFolder", client: "AsyncClient"
) -> "Iterator[Piece]":
    """Return what brings heads to the places outside, and has them time-stamped."""
    from vignettes.services.auditing.handing_out import HandingOut
    from vignettes.services.auditing.outside import Address, Outlet, Stream
    from vignettes.services.auditing.stamping import Stamping

    settings = built.settings
    outlets: list[Outlet] = [folder, Stream(built.client.jetstream(), key)]
    if settings.heads_url:
        outlets.append(Address(client, settings.heads_url))
    for each in outlets:
        yield HandingOut(built.conninfo("vignettes_ledger", f"heads to the {each.name}"), each, key)
    if settings.timestamp_url:
        yield Stamping(
            built.conninfo("vignettes_ledger", "time stamps"),
            client,
            settings.timestamp_url,
            minutes=settings.timestamp_minutes,
            folder=settings.heads_folder,
        )


async def _answer_auditors(built: "Process", key: "Ed25519PublicKey") -> None:
    """Open the desk: it looks at the database as an auditor may, and no key of personal data is in this process."""
    from vignettes.services.auditing.desk import AuditDesk
    from vignettes.services.auditing.verification import Verification

    settings = built.settings
    verification = Verification(
        built.conninfo("vignettes_auditor", "verification"), str(settings.heads_folder), key
    )
    built.stack.callback(verification.end)
    pool = await built.pool("vignettes_auditor", "auditing pool", 4)
    AuditDesk(pool, key, settings.ledger_origin, verification, settings.head_seconds).register(
        built.endpoints
    )


def ledger_key(settings: "Settings") -> "Ed25519PrivateKey":
    """Return the key that signs heads; a local installation that has none is given one."""
    from vignettes.eventstore import heads
    from vignettes.runtime.keys import create_file

    path = settings.ledger_key_file
    if not path.exists():
        if settings.environment == "production":
            raise ConfigurationError(
                f"{variable('ledger_key_file')}: {path} does not exist. Put the key there that the heads were "
                "signed with so far (mode 0600); only a first installation may make a new one: "
                f"(umask 077; openssl genpkey -algorithm ed25519 -out {path})"
            )
        create_file(path, heads.new_private_pem())
    try:
        return heads.read_private(path)
    except heads.WrongLedgerKey as error:
        raise ConfigurationError(f"{variable('ledger_key_file')}: {error}") from None
