"""What is sold, at which price, and on which clock."""

import zoneinfo
from dataclasses import replace
from datetime import date, datetime, timedelta
from importlib.resources import files

import pytest

from vignettes.domain import catalogue
from vignettes.domain.catalogue import PRODUCTS, Price, product
from vignettes.domain.errors import InvalidValue
from vignettes.domain.money import Money

PROMISED = (
    "CZ-1D CZ-10D CZ-30D CZ-365D SK-1D SK-10D SK-30D SK-365D AT-1D AT-10D AT-2M AT-1Y CH-1Y SI-7D SI-1M "
    "SI-1Y HU-1D HU-10D HU-1M HU-1Y RO-1D RO-10D RO-30D RO-60D RO-12M BG-1D BG-WE BG-7D BG-1M BG-3M BG-1Y"
)


def test_exactly_the_promised_products_are_sold():
    """Other programs were told these codes."""
    assert " ".join(PRODUCTS) == PROMISED


def test_a_price_is_two_amounts_and_their_sum():
    """Official price and service fee are shown, invoiced and refunded as such."""
    price = product("CZ-365D").price_on(date(2026, 3, 1))
    assert price == Price(official=Money(257000, "CZK"), fee=Money(9900, "CZK"))
    assert price.total == Money(266900, "CZK")


def test_the_price_is_the_one_of_the_day():
    """Prices carry the first day they hold."""
    old, new = (Price(Money(each, "EUR"), Money(390, "EUR")) for each in (960, 990))
    sold = replace(product("AT-1D"), prices=((date(2025, 12, 1), old), (date(2026, 12, 1), new)))
    assert sold.price_on(date(2026, 11, 30)) == old
    assert sold.price_on(date(2026, 12, 1)) == new


def test_a_day_before_the_first_price_is_refused():
    """A price is never guessed."""
    with pytest.raises(InvalidValue, match="CZ-1D has no price on 2020-01-01") as refused:
        product("CZ-1D").price_on(date(2020, 1, 1))
    assert refused.value.field == "product"


def test_an_unknown_product_is_refused_with_those_of_its_country():
    """The caller learns what would have been right."""
    with pytest.raises(InvalidValue, match=r"Products for AT: AT-1D, AT-10D, AT-2M, AT-1Y\.") as refused:
        product("AT-30D")
    assert refused.value.field == "product"


@pytest.mark.parametrize("code", ["", "XX-1D", "cz-1d", "CZ", "CZ-"])
def test_a_code_that_is_none_is_refused(code):
    """An unknown country gets the list of countries."""
    with pytest.raises(InvalidValue):
        product(code)


def test_windows_notice_and_hours_are_those_of_the_authorities():
    """The facts deadlines are computed from."""
    windows = {each.country: each.window and each.window.days for each in PRODUCTS.values()}
    assert windows == {
        "CZ": 30, "SK": 60, "AT": None, "CH": None, "SI": 30, "HU": None, "RO": 30, "BG": 30
    }  # fmt: skip
    assert {code: each.notice_days for code, each in PRODUCTS.items() if each.notice_days} == {
        "AT-2M": 18,
        "AT-1Y": 18,
    }
    assert [code for code, each in PRODUCTS.items() if each.starts_at_hour] == ["BG-1D"]
    assert [code for code, each in PRODUCTS.items() if each.valid_at_once] == ["CH-1Y"]


def test_what_is_offered_instead_is_sold():
    """A way out that leads nowhere is none."""
    assert {each.instead for each in PRODUCTS.values()} - {None} <= set(PRODUCTS)


@pytest.mark.case(40)
def test_every_country_says_what_it_still_allows():
    """After registration the driver is told the country's own way (case 40)."""
    assert len({(each.country, each.after_registration) for each in PRODUCTS.values()}) == 8
    assert all(each.after_registration for each in PRODUCTS.values())


def test_the_pinned_zones_win_over_the_system(tmp_path):
    """System files are out of date on many machines, so the tzdata package is read itself."""
    (tmp_path / "Europe").mkdir()
    wrong = files("tzdata").joinpath("zoneinfo", "Etc", "GMT+9").read_bytes()
    (tmp_path / "Europe" / "Chisinau").write_bytes(wrong)
    noon = datetime(2026, 7, 1, 12, 0)  # noqa: DTZ001 - given its zone below
    zoneinfo.reset_tzpath([tmp_path])
    catalogue.zone.cache_clear()
    try:
        system = zoneinfo.ZoneInfo.no_cache("Europe/Chisinau")
        assert noon.replace(tzinfo=system).utcoffset() == timedelta(hours=-9)
        ours = catalogue.zone("Europe/Chisinau")
        assert noon.replace(tzinfo=ours).utcoffset() == timedelta(hours=3)
        assert ours.key == "Europe/Chisinau"
    finally:
        zoneinfo.reset_tzpath()
        catalogue.zone.cache_clear()
