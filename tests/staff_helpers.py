"""Staff as tests sign them in: the sandbox has one member of each role, named like it."""

import httpx

from forms import send
from service import Service


def token_of(service: Service, role: str) -> str:
    """Return the token of the member of a role."""
    assert service.settings.staff_file is not None
    return service.settings.staff_file.with_name(f"{role}.token").read_text().strip()


async def signed_in(service: Service, role: str) -> httpx.AsyncClient:
    """Return a browser, as far as HTTP goes, in which the member of a role is signed in; to be closed."""
    http = httpx.AsyncClient(base_url=service.settings.public_url, trust_env=False, timeout=20)
    page = await http.get("/sign-in")
    answer = await send(http, page, "/sign-in", token=token_of(service, role), to="/ops")
    assert answer.status_code == 303, answer.text
    return http
