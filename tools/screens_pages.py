"""How a picture of a page is taken: on which device, in which colours, and how it is kept."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.async_api import Browser, FloatRect, Page

from browsing import DESKTOP, PHONE

#: What is further down than two screens of a phone is more of the same kind.
HIGHEST = 1_690
#: So many show the pages as they are, in a small file.
COLOURS = 256
DEVICES: Mapping[str, Mapping[str, Any]] = {
    "phone": {**PHONE, "device_scale_factor": 1.5},
    "desktop": DESKTOP,
}

Act = Callable[[Page], Awaitable[None]]


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


@asynccontextmanager
async def page_for(browser: Browser, shot: Shot) -> AsyncIterator[Page]:
    """Give a page in a browser as the picture wants it."""
    scheme = "dark" if shot.dark else "light"
    context = await browser.new_context(**DEVICES[shot.device], locale=shot.language, color_scheme=scheme)
    try:
        yield await context.new_page()
    finally:
        await context.close()


async def save(page: Page, path: Path) -> None:
    """Take the picture."""
    width, height = await page.evaluate("[innerWidth, document.documentElement.scrollHeight]")
    clip = FloatRect(x=0, y=0, width=width, height=min(height, HIGHEST))
    picture = Image.open(BytesIO(await page.screenshot(full_page=True, clip=clip))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
