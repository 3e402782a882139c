"""The settings: misspelt ones, those that are for local runs only, and files that others may read."""

import stat
from collections.abc import Iterator
from pathlib import Path

from vignettes.runtime.doctoring.finding import Finding, ok, warning, wrong
from vignettes.runtime.doctoring.patient import Patient, aside
from vignettes.runtime.settings import EXAMPLE_IBAN, Settings, unknown_variables, variable

_CLOSED = 0o077


async def look(patient: Patient) -> list[Finding]:
    """Look at the settings themselves."""
    settings = patient.settings
    found = [_unknown(each) for each in unknown_variables()]
    found += [*_of_earnest(settings)] if not patient.is_embedded else []
    found += [each for each in [await aside(_mode, name, path) for name, path in _secret(settings)] if each]
    kind = "sandbox" if settings.sandbox or patient.is_embedded else settings.environment
    return found or [ok("settings", f"every variable is known; {kind}")]


def _unknown(told: str) -> Finding:
    name = told.partition(" ")[0]
    return warning("variables", told, f"Correct or unset {name}.")


def _of_earnest(settings: Settings) -> Iterator[Finding]:
    """Tell of what is meant for a laptop, with servers of one's own."""
    if settings.environment == "local":
        yield warning(
            "environment",
            "local, with servers of your own: what only fits a laptop is not refused",
            "Set VIGNETTES_ENVIRONMENT=production, unless this is a test.",
        )
        return
    if settings.payee_iban == EXAMPLE_IBAN:
        yield wrong(
            "payee", "the account is the example's", "Set VIGNETTES_PAYEE_IBAN and VIGNETTES_PAYEE_NAME."
        )
    if settings.mail_from == Settings.model_fields["mail_from"].default:
        yield wrong("sender", f"mails come from {settings.mail_from}", "Set VIGNETTES_MAIL_FROM.")
    if not settings.public_url.startswith("https:"):
        yield wrong(
            "pages",
            f"links in mails lead to {settings.public_url}: order pages would be read in passing",
            "Set VIGNETTES_PUBLIC_URL to an https:// address.",
        )
    elif not settings.trusted_proxies:
        yield warning(
            "proxies",
            "nobody is trusted to tell who asks: all visitors count as one",
            "Set VIGNETTES_TRUSTED_PROXIES to the addresses of the proxies before the pages.",
        )
    if settings.support_email is None:
        yield warning("support", "pages and mails name no address of support", "Set VIGNETTES_SUPPORT_EMAIL.")


def _secret(settings: Settings) -> Iterator[tuple[str, Path]]:
    """Give the files that only their owner should read, and that nobody else here looks at."""
    for field in ("openid_secret_file", "staff_key_file", "nats_nkey_file"):
        path = getattr(settings, field)
        if path is not None:
            yield variable(field), path
    if settings.environment == "production":
        yield ".env", Path(".env")


def _mode(name: str, path: Path) -> Finding | None:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None
    except OSError as error:
        return wrong(name, f"{path} can't be looked at: {error.strerror}", f"Run: ls -ld {path}")
    if mode & _CLOSED:
        return warning(name, f"{path} is open to others (mode {mode:04o})", f"Run: chmod 600 {path}")
    return None
