"""How often strangers may ask: moving windows, by who asks and what is asked about."""

import json

import httpx
import pytest
from fastapi import FastAPI, Request
from prometheus_client import generate_latest
from structlog.testing import capture_logs

from vignettes.runtime.settings import ConfigurationError, load_settings
from vignettes.runtime.web_roles import proxies_of
from vignettes.services.web.serving import serving
from vignettes.services.web.throttling import Rate, Throttle, Throttled, network_of

BY_PLATE = Rate("plate", "3/minute; 5/hour")
EMAIL = Rate("email", "3/minute")


class Clock:
    """A clock that stands still until it is moved."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def throttle(clock):
    return Throttle(clock)


def asks(throttle, *who, times=1, rate=BY_PLATE):
    for _ in range(times):
        throttle.count(rate, *who)


def test_what_fits_the_window_passes_and_one_more_is_told_how_long_to_wait(throttle, clock):
    asks(throttle, "1AB2345")
    clock.now = 20
    asks(throttle, "1AB2345", times=2)
    clock.now = 30.5
    with pytest.raises(Throttled) as refused:
        asks(throttle, "1AB2345")
    assert (refused.value.retry_after, refused.value.minutes) == (30, 1)


def test_the_window_moves_with_the_time(throttle, clock):
    """Not all at once on the hour: each that was counted makes place when its own time is over."""
    asks(throttle, "1AB2345")
    clock.now = 30
    asks(throttle, "1AB2345", times=2)
    clock.now = 61
    asks(throttle, "1AB2345")
    with pytest.raises(Throttled):
        asks(throttle, "1AB2345")


def test_the_longer_window_holds_when_the_shorter_one_has_moved_on(throttle, clock):
    asks(throttle, "1AB2345", times=3)
    clock.now = 120
    asks(throttle, "1AB2345", times=2)
    with pytest.raises(Throttled) as refused:
        asks(throttle, "1AB2345")
    assert refused.value.minutes == 58


def test_a_refusal_makes_nobody_wait_longer(throttle, clock):
    asks(throttle, "1AB2345", times=3)
    clock.now = 59
    with pytest.raises(Throttled):
        asks(throttle, "1AB2345")
    clock.now = 61
    asks(throttle, "1AB2345")


def test_to_look_whether_one_more_would_pass_counts_nothing(throttle, clock):
    for _ in range(9):
        throttle.check(EMAIL, "1AB2345")
    asks(throttle, "1AB2345", times=3, rate=EMAIL)
    clock.now = 20
    with pytest.raises(Throttled) as refused:
        throttle.check(EMAIL, "1AB2345")
    assert refused.value.retry_after == 40


def test_others_are_counted_apart(throttle):
    """Another plate, another kind, and another cut between what it is made of."""
    asks(throttle, "1", "23", times=3)
    asks(throttle, "12", "3", times=3)
    asks(throttle, "1", "23", times=3, rate=EMAIL)


def test_what_was_refused_is_counted_without_saying_whose_it_was(throttle):
    asks(throttle, "1AB2345", times=3)
    for _ in range(2):
        with pytest.raises(Throttled):
            asks(throttle, "1AB2345")
    told = [line for line in generate_latest(throttle.registry).decode().splitlines() if "_total" in line]
    assert told[-1] == 'vignettes_throttled_total{of="plate"} 2.0'


def test_nothing_of_what_is_counted_is_kept(throttle):
    asks(throttle, "1AB2345", rate=EMAIL)
    [key] = throttle._limiter.storage._instants
    assert "1AB2345" not in key


def test_another_process_knows_it_by_another_key():
    kept = []
    for _ in range(2):
        throttle = Throttle()
        asks(throttle, "1AB2345", rate=EMAIL)
        kept += throttle._limiter.storage._instants
    assert len(set(kept)) == 2


def test_however_much_is_asked_the_memory_is_bounded(clock):
    """The library's own windows would keep each for ever. Those that were used last are kept."""
    throttle = Throttle(clock, most_keys=100)
    asks(throttle, "first", times=3, rate=EMAIL)
    for number in range(1000):
        asks(throttle, str(number), rate=EMAIL)
    assert len(throttle._limiter.storage._instants) == 100
    asks(throttle, "999", times=2, rate=EMAIL)
    with pytest.raises(Throttled):
        asks(throttle, "999", rate=EMAIL)
    asks(throttle, "first", rate=EMAIL)


@pytest.mark.parametrize(
    ("host", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::9", "2001:db8:1:3::/64"),
        ("testclient", "testclient"),
    ],
)
def test_who_asks_is_an_address_or_the_network_of_a_household(host, network):
    assert network_of(Request({"type": "http", "client": (host, 1)})) == network


def test_without_an_address_all_are_one():
    assert network_of(Request({"type": "http", "client": None})) == ""


# ------------------------------------------------------------ behind proxies


async def seen(forwarded, proxies):
    """Return whom an application sees when a request over loopback says for whom it asks."""
    app = FastAPI()

    @app.get("/")
    async def who(request: Request):
        return network_of(request)

    async with serving(app, proxies=proxies) as port, httpx.AsyncClient(trust_env=False) as http:
        answer = await http.get(
            f"http://127.0.0.1:{port}/", headers=[("X-Forwarded-For", each) for each in forwarded]
        )
    return json.loads(answer.content)


@pytest.mark.parametrize("proxies", [(), ("10.0.0.0/8", "192.0.2.1")])
async def test_a_forged_x_forwarded_for_changes_nothing(proxies):
    assert await seen(["203.0.113.7"], proxies) == "127.0.0.1"


async def test_a_proxy_that_we_trust_says_who_asks():
    assert await seen(["203.0.113.7"], ["127.0.0.0/8"]) == "203.0.113.7"


async def test_of_a_chain_the_last_that_is_no_proxy_of_ours_counts():
    """What stands before it was written by whoever asks."""
    ours = ["127.0.0.1", "10.0.0.0/8"]
    assert await seen(["198.51.100.1, 203.0.113.7", "10.1.2.3"], ours) == "203.0.113.7"


@pytest.mark.parametrize("given", ["*", "10.0.0.1/8", "proxy.example", "10.0.0.1 10.0.0.2"])
def test_a_setting_that_names_no_network_is_refused(given):
    with pytest.raises(ConfigurationError, match="VIGNETTES_TRUSTED_PROXIES"):
        load_settings(trusted_proxies=given)


@pytest.mark.parametrize(
    ("settings", "warnings"),
    [
        ({"public_url": "https://vignettes.example"}, ["web.proxies_unknown"]),
        ({"public_url": "https://vignettes.example", "trusted_proxies": "10.0.0.1"}, []),
        ({"public_url": "http://127.0.0.1:8000"}, []),
    ],
)
def test_a_proxy_that_must_be_there_and_is_not_named_is_warned_of(settings, warnings):
    """Who comes by https comes by a proxy; all of them would count as one visitor."""
    with capture_logs() as logs:
        proxies_of(load_settings(**settings))
    assert [each["event"] for each in logs] == warnings


def test_networks_are_taken_with_spaces_or_without():
    assert (
        load_settings(trusted_proxies="127.0.0.1, 10.0.0.0/8,::1").trusted_proxies
        == "127.0.0.1,10.0.0.0/8,::1"
    )
