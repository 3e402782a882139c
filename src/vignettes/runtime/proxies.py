"""The proxies before our web pages, as a setting."""

from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator


def _proxies(value: str) -> str:
    given = [each.strip() for each in value.split(",") if each.strip()]
    for each in given:
        try:
            ip_network(each)
        except ValueError:
            raise ValueError(f"{each} is neither an address nor a network") from None
    return ",".join(given)


Proxies = Annotated[str, AfterValidator(_proxies)]
