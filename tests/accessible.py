"""What makes a page one for everybody, looked at by axe and on the narrowest phone."""

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from browsing import DESKTOP, NARROW, PHONE

CONFORMANCE = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa"]
#: What another width or another colour scheme can change.
OF_COLOURS_AND_PLACES = ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]
#: Whatever goes beyond the screen, or beyond an edge that cuts it off. Tables and notes as they were signed may be
#: scrolled by themselves (WCAG 2.2, 1.4.10).
CUT_OFF = """() => [document.documentElement, ...document.querySelectorAll("main *:not(.unseen)")]
    .filter(each => each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0)
    .filter(each => !each.matches(".table, pre"))
    .filter(each => each === document.documentElement || getComputedStyle(each).overflowX !== "visible")
    .map(each => each.outerHTML.slice(0, 80))"""
#: Some that have a name would close the others.
UNFOLD = "all => all.forEach(each => { each.removeAttribute('name'); each.open = true; })"


async def violations(page: Page, axe: Axe, **of: str | list[str]) -> str | None:
    """Return what axe has against a page, by these rules; None for nothing."""
    results = await axe.run(page, options={"resultTypes": ["violations"], "runOnly": of})
    return results.generate_report() if results.violations_count else None


async def is_for_everybody(page: Page) -> None:
    """Look at a page with axe: on a phone by day, then what is different in the dark and on a desk.

    And see whether the narrowest phone shows all of it.
    """
    await page.set_viewport_size(PHONE["viewport"])
    assert await violations(page, Axe(), type="tag", values=CONFORMANCE) is None
    await page.emulate_media(color_scheme="dark")
    await page.set_viewport_size(DESKTOP["viewport"])
    there = Axe(axe_script="axe.version")  # half a megabyte need not be read twice
    assert await violations(page, there, type="rule", values=OF_COLOURS_AND_PLACES) is None
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size(NARROW["viewport"])
    assert await cut_off(page) == []


async def cut_off(page: Page) -> list[str]:
    """Return what cannot be read without scrolling sideways, or at all, once everything is unfolded."""
    await page.locator("details").evaluate_all(UNFOLD)
    return await page.evaluate(CUT_OFF)
