"""Pages with forms, as a browser without JavaScript sends them."""

import re
from html import unescape

import httpx

#: A browser that wants pages, in English.
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "en-GB,en;q=0.9"}

_FORM = re.compile(r"<form\b[^>]*>.*?</form>", re.DOTALL)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')
_PROOFS = re.compile(r'name="(command_id|proof)" value="[^"]*"')


def hidden(page: str, way: str | None = None) -> dict[str, str]:
    """Return the hidden fields of a page's form: of that one of several which goes this way."""
    forms = [dict(_HIDDEN.findall(form)) for form in _FORM.findall(page)]
    [chosen] = [fields for fields in forms if way is None or fields.get("way") == way]
    return chosen


async def send(
    http: httpx.AsyncClient, page: httpx.Response, action: str, way: str | None = None, **typed: str
) -> httpx.Response:
    """Send the form of a page as somebody filled it in."""
    return await http.post(action, data={**hidden(page.text, way), **typed})


def words(page: str) -> str:
    """Return what a person reads on a page."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page)).replace("\xa0", " ").split())


def without_proofs(page: str, *typed: str) -> str:
    """Return a page without what differs from one showing to the next, and without what was typed."""
    bare = _PROOFS.sub("", page)
    for text in typed:
        bare = bare.replace(text, "")
    return bare
