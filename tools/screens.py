"""Take the pictures in docs/screens anew (`make screens`): what customers see, on a phone and on a desk.

The service runs for it with all its roles, on servers and with a clock of its own; the orders are the same each time.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image
from playwright.async_api import Browser, FloatRect, Page

from browsing import DESKTOP, NAMES, PHONE, chromium, running_browser
from eventstore_helpers import prepare
from order_states import awaiting_payment, issued, scheduled
from service import Service, running_service
from vignettes.runtime import logs
from vignettes.runtime.embedded import EmbeddedNats, EmbeddedPostgres

SCREENS = Path(__file__).parents[1] / "docs" / "screens"
DATABASE = "screens"
#: What is further down than two screens of a phone is more of the same kind.
HIGHEST = 1_690
#: So many show the pages as they are, in a small file.
COLOURS = 256
DEVICES: Mapping[str, Mapping[str, Any]] = {
    "phone": {**PHONE, "device_scale_factor": 1.5},
    "desktop": DESKTOP,
}

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

Act = Callable[[Page], Awaitable[None]]
Links = Mapping[str, str]


@dataclass(frozen=True)
class Shot:
    """One picture: of the page of an order (`at` is what follows its link), or of another page of ours."""

    name: str
    language: str
    order: str = ""
    at: str = ""
    dark: bool = False
    device: str = "phone"
    act: Act | None = None


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
        async with _page(browser, shot) as page:
            await page.goto(link + shot.at)
            if shot.act:
                await shot.act(page)
            await _save(page, folder / f"{shot.name}.png")
    for shot in MAILS:
        mail = await _mail(service, placed[shot.order], "paid")
        async with _page(browser, shot) as page:
            await page.set_content(mail["html"])
            await _save(page, folder / f"{shot.name}.png")


@asynccontextmanager
async def _page(browser: Browser, shot: Shot) -> AsyncIterator[Page]:
    scheme = "dark" if shot.dark else "light"
    context = await browser.new_context(**DEVICES[shot.device], locale=shot.language, color_scheme=scheme)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def _mail(service: Service, placed: dict[str, Any], kind: str) -> dict[str, Any]:
    def is_it(mail: dict[str, Any]) -> bool:
        head = mail["headers"]
        return (head["X-Mail-Kind"], head.get("X-Order-Number")) == (kind, placed["order_number"])

    mails = await service.inbox(lambda all_: any(map(is_it, all_)))
    return next(filter(is_it, mails))


async def _save(page: Page, path: Path) -> None:
    width, height = await page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    clip = FloatRect(x=0, y=0, width=width, height=min(height, HIGHEST))
    picture = Image.open(BytesIO(await page.screenshot(full_page=True, clip=clip))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


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


if __name__ == "__main__":
    asyncio.run(main())
