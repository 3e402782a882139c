"""What lies around the service: mail server, authorities, folders, disks."""

import os
import shutil
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import aiosmtplib

from vignettes.runtime.doctoring.finding import Finding, ok, skipped, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside
from vignettes.runtime.mail_roles import signer
from vignettes.runtime.settings import ConfigurationError, hide_secrets
from vignettes.services.authorities import directory
from vignettes.services.authorities.files import AuthorityFileError

_SMTP_SECONDS: Final = 8.0
_LEAST_SHARE, _SOON_SHARE = 0.05, 0.15
_LEAST_BYTES: Final = 2 * 2**30
_AUTHORITIES = (
    "SELECT country, state, last_error FROM read.authorities WHERE state <> 'closed' ORDER BY country"
)


# --- mail


async def mail(patient: Patient) -> list[Finding]:
    """Look whether mails can be signed and handed over; none is sent."""
    return [_signing(patient), *await _server(patient)]


def _signing(patient: Patient) -> Finding:
    try:
        is_signed = signer(patient.settings) is not None
    except ConfigurationError as error:
        return wrong("DKIM", str(error), "See there.")
    settings = patient.settings
    if is_signed:
        domain = settings.mail_from.rpartition("@")[2].rstrip(">")
        return ok("DKIM", f"signs; the DNS must hold {settings.dkim_selector}._domainkey.{domain}")
    if settings.environment == "production":
        return warning(
            "DKIM",
            "mails are not signed: many land in spam",
            "Set VIGNETTES_DKIM_KEY_FILE; see docs/mails.md.",
        )
    return ok("DKIM", "not signed in a local run")


async def _server(patient: Patient) -> list[Finding]:
    address = patient.settings.smtp_url
    if address is None:
        return [skipped("mail server", "none is set: the sandbox's inbox takes mails")]
    shown = hide_secrets(address)
    try:
        is_closed = await _greeted(address)
    except aiosmtplib.SMTPAuthenticationError as error:
        return [
            wrong("mail server", f"{shown} refuses the login: {error.code}", "Correct VIGNETTES_SMTP_URL.")
        ]
    except (aiosmtplib.SMTPException, OSError) as error:
        way = "Start it, or correct VIGNETTES_SMTP_URL; mails wait meanwhile, and none is lost."
        return [wrong("mail server", f"{shown}: {type(error).__name__}", way)]
    if not is_closed and patient.settings.environment == "production":
        way = "Let it offer STARTTLS, or use smtps://"
        return [warning("mail server", f"{shown} takes mails in the clear", way)]
    return [ok("mail server", f"{shown} answers, {'by TLS' if is_closed else 'in the clear'}")]


async def _greeted(address: str) -> bool:
    """Log in to a mail server, and tell whether nobody between could read along."""
    url = urlsplit(address)
    server = aiosmtplib.SMTP(
        hostname=url.hostname or "127.0.0.1",
        port=url.port,
        username=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        use_tls=url.scheme == "smtps",
        timeout=_SMTP_SECONDS,
    )
    try:
        await server.connect()
        await server.ehlo()
        return url.scheme == "smtps" or server.get_transport_info("sslcontext") is not None
    finally:
        server.close()


# --- authorities


async def authorities(patient: Patient) -> list[Finding]:
    """Look at the authorities' files and their secrets, and whether they are called at all."""
    settings = patient.settings
    found = []
    if settings.authorities_dir or settings.authority_url:
        try:
            async with directory.connected(settings.authorities_dir, settings.authority_url, os.environ):
                found.append(ok("files", str(settings.authorities_dir or "the bundled one")))
        except AuthorityFileError as error:
            found.append(wrong("files", str(error), "Correct that file, or set the variable that it names."))
    else:
        found.append(skipped("files", "none is set: the sandbox's authority"))
    if patient.database_url is None:
        return found
    for country, state, last in await patient.rows(_AUTHORITIES, role="vignettes_reader"):
        way = "Registrations wait for it. Ask the authority how long, and run: vignettes outages announce"
        found.append(warning(country, f"is {state}: {last or 'does not answer'}", way))
    return found


# --- folders and disks


async def bank(patient: Patient) -> list[Finding]:
    """Look whether bank files can be taken in and moved."""
    folder = patient.settings.bank_folder or (
        patient.settings.data_dir / "bank" if patient.is_embedded else None
    )
    if folder is None:
        return [skipped("bank folder", "none is set: files come by `vignettes payments import`")]
    return [await aside(_writable, folder)]


def _writable(folder: Path) -> Finding:
    missing = [each for each in (folder, folder / "in") if not each.is_dir()]
    if missing:
        return wrong("bank folder", f"{missing[0]} is not there", f"Run: mkdir -p {folder / 'in'}")
    if not os.access(folder / "in", os.R_OK | os.W_OK | os.X_OK):
        return wrong("bank folder", f"{folder / 'in'} can't be written", f"Run: chmod u+rwx {folder / 'in'}")
    waiting = sum(1 for each in (folder / "in").iterdir() if each.is_file())
    return ok("bank folder", f"{folder / 'in'}: {waiting} files wait")


async def disk(patient: Patient) -> list[Finding]:
    """Look how much room is left where this machine keeps things."""
    settings = patient.settings
    wanted = {
        settings.data_dir,
        settings.heads_folder,
        *filter(None, [settings.bank_folder, settings.returns_folder]),
    }
    seen: dict[int, Finding] = {}
    for path in sorted(wanted):
        there = await aside(_room, path)
        if there is not None:
            seen.setdefault(*there)
    return list(seen.values())


def _room(path: Path) -> tuple[int, Finding] | None:
    """Return the room on the disk of a folder, or of the next above it that is there."""
    here = next((each for each in (path, *path.parents) if each.exists()), None)
    if here is None:
        return None
    total, _, free = shutil.disk_usage(here)
    told = f"{free / 2**30:,.1f} GB of {total / 2**30:,.1f} GB free at {here}"
    way = (
        "Make room: nothing can be recorded on a full disk. Retired views go by `vignettes projections drop`."
    )
    share = free / total
    if free < _LEAST_BYTES or share < _LEAST_SHARE:
        finding = wrong("room", told, way)
    else:
        finding = warning("room", told, way) if share < _SOON_SHARE else ok("room", told)
    return here.stat().st_dev, finding
