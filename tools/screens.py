"""Take the pictures in docs/screens anew (`make screens`): what customers, auditors and people on duty see.

The service runs for it with all its roles, on servers and with a clock of its own; the orders are the same each time.
"""

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, Page

from browsing import NAMES, chromium, running_browser
from eventstore_helpers import prepare
from order_states import awaiting_payment, issued, scheduled
from service import Service, running_service
from tools import screens_audit, screens_ops
from tools.screens_pages import Shot, page_for, save
from vignettes.runtime import logs
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres

SCREENS = Path(__file__).parents[1] / "docs" / "screens"
DATABASE = "screens"
#: Letters as most people have them, whatever this machine would choose.
_FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
<include ignore_missing="yes">/etc/fonts/fonts.conf</include>
{aliases}
</fontconfig>
"""
_ALIAS = """<match target="pattern"><test name="family"><string>{name}</string></test>
<edit name="family" mode="assign" binding="strong"><string>Liberation Sans</string></edit></match>"""

Links = Mapping[str, str]


async def _wish_for_more_days(page: Page) -> None:
    await page.locator("[name=product]").select_option("CZ-30D")
    await page.locator("main form button").first.click()
    await page.locator("[value=confirm]").wait_for()


SHOTS = (
    Shot("awaiting-phone-fr", "fr", "fr"),
    Shot("awaiting-desktop-en-dark", "en", "doubtful", dark=True, device="desktop"),
    Shot("scheduled-phone-en", "en", "paid"),
    Shot("scheduled-desktop-de", "de", "paid-de", device="desktop"),
    Shot("issued-phone-de-dark", "de", "issued", dark=True),
    Shot("issued-phone-bg", "bg", "issued-bg"),
    Shot("start-phone-fr-dark", "fr", "paid-fr", "/start", dark=True),
    Shot("correct-phone-en", "en", "paid", "/correct"),
    Shot("correct-price-phone-en", "en", "paid", "/correct", act=_wish_for_more_days),
    Shot("withdraw-phone-de", "de", "paid-de", "/withdraw"),
    Shot("find-phone-bg-dark", "bg", at="/", dark=True),
    Shot("find-desktop-fr", "fr", at="/", device="desktop"),
    Shot("support-phone-en", "en", "paid", "/support"),
)
MAILS = (
    Shot("mail-paid-phone-fr", "fr", "paid-fr"),
    Shot("mail-paid-phone-fr-dark", "fr", "paid-fr", dark=True),
)


async def orders(service: Service) -> dict[str, dict[str, Any]]:
    """Place the orders that the pictures show."""

    def of(country: str, plate: str, product: str, language: str) -> dict[str, Any]:
        vehicle = {"country": country, "plate": plate}
        return {"vehicle": vehicle, "product": product, "language": language}

    return {
        "fr": await awaiting_payment(service, **of("FR", "FK-437-RT", "SI-7D", "fr")),
        "doubtful": await awaiting_payment(service, **of("DE", "M-AB 8345", "CZ-10D", "en")),
        "paid": await scheduled(service, **of("CZ", "2A2 2345", "CZ-10D", "en")),
        "paid-de": await scheduled(service, **of("DE", "HH-RK 4472", "AT-10D", "de")),
        "paid-fr": await scheduled(service, **of("FR", "FK-437-RT", "CZ-10D", "fr")),
        "issued": await issued(service, **of("DE", "M-KA 7345", "AT-10D", "de")),
        "issued-bg": await issued(service, **of("BG", "CA 4473 KH", "RO-30D", "bg")),
    }


async def take(browser: Browser, service: Service, folder: Path) -> None:
    """Take all pictures into a folder."""
    placed = await orders(service)
    for shot in SHOTS:
        link = placed[shot.order]["manage_url"] if shot.order else service.settings.public_url
        async with page_for(browser, shot) as page:
            await page.goto(link + shot.at)
            if shot.act:
                await shot.act(page)
            await save(page, folder / f"{shot.name}.png")
    for shot in MAILS:
        mail = await _mail(service, placed[shot.order], "paid")
        async with page_for(browser, shot) as page:
            await page.set_content(mail["html"])
            await save(page, folder / f"{shot.name}.png")


async def _mail(service: Service, placed: dict[str, Any], kind: str) -> dict[str, Any]:
    def is_it(mail: dict[str, Any]) -> bool:
        head = mail["headers"]
        return (head["X-Mail-Kind"], head.get("X-Order-Number")) == (kind, placed["order_number"])

    mails = await service.inbox(lambda all_: any(map(is_it, all_)))
    return next(filter(is_it, mails))


@contextmanager
def _servers(folder: Path) -> Iterator[tuple[str, str]]:
    """Run PostgreSQL with our schema, and NATS, while the block runs: their URLs."""
    postgres, nats = EmbeddedPostgres(folder), EmbeddedNats(folder / "nats", 0)
    postgres.start()
    nats.start()
    try:
        postgres.ensure_database(DATABASE)
        prepare(postgres.url(DATABASE))
        yield postgres.url(DATABASE), nats.url
    finally:
        nats.stop()
        postgres.stop()


def _fonts(folder: Path) -> Path:
    names = ("system-ui", "sans-serif", "sans", "Sans", "Roboto", "Noto Sans", "DejaVu Sans")
    path = folder / "fonts.conf"
    path.write_text(_FONTS.format(aliases="\n".join(_ALIAS.format(name=name) for name in names)))
    return path


async def main() -> None:
    """Take all pictures."""
    path = chromium()
    if path is None:
        sys.exit(f"none of {', '.join(NAMES)} is on the PATH: install Chromium")
    logs.configure("console", "error", "screens")
    SCREENS.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="vignettes-screens-") as name, _servers(Path(name)) as urls:
        folder = Path(name)
        ways = {"support_email": "support@example.com", "support_whatsapp": "+420 600 000 000"}
        async with (
            running_service(*urls, folder / "data", **ways) as service,
            running_browser(path, FONTCONFIG_FILE=str(_fonts(folder))) as browser,
        ):
            await take(browser, service, SCREENS)
            await screens_audit.take(browser, service, SCREENS)
            await screens_ops.take(browser, service, SCREENS)


if __name__ == "__main__":
    asyncio.run(main())
