"""What would follow from a correction, shown before it counts: by the rules that will decide on it."""

from datetime import UTC, datetime

import pytest

from eventstore_helpers import DAY, NOON, an_order, details, pay
from forms import words
from order_page_helpers import filled, link, sent
from vignettes.domain.catalogue import Price, Product
from vignettes.domain.details import Details
from vignettes.domain.money import Money
from vignettes.domain.schedule import Start
from vignettes.domain.vehicle import Vehicle

TODAY = NOON.date().isoformat()


@pytest.fixture
def wished(shown, http):
    """Open the form of an order, type something, and get what is answered."""

    async def wish(order, **typed):
        return await sent(http, await shown(order, "/correct"), **typed)

    return wish


async def test_the_form_shows_the_order_as_it_is(shown):
    fields = filled(await shown(an_order(), "/correct"))
    assert {name: fields[name] for name in ("plate", "country", "product", "day", "time")} == {
        "plate": "2A2 2345",
        "country": "CZ",
        "product": "CZ-10D",
        "day": "2026-06-08",
        "time": "",
    }


async def test_the_difference_in_price_is_told_before_it_counts(wished):
    for order, product, said in (
        (an_order(), "CZ-30D", "You would have to pay CZK 579.00."),
        (an_order(), "SK-10D", "You would have to pay €14.70."),
        (pay(an_order()), "CZ-30D", "You would still have to pay CZK 180.00. The registration waits for it."),
        (pay(an_order()), "CZ-1D", "You get CZK 70.00 back."),
        (pay(an_order(), 35_000), "CZ-1D", "You get CZK 21.00 back."),
        (pay(an_order()), "CZ-10D", "There is nothing more to pay."),
    ):
        text = words((await wished(order, product=product, plate="1AB 2345")).text)
        assert "Is this right?" in text
        assert said in text


async def test_a_price_that_changes_between_preview_and_confirmation_is_shown_before_it_counts(
    wished, http, monkeypatch
):
    preview = await wished(an_order(), product="CZ-30D")
    dearer = Price(Money(60_000, "CZK"), Money(9_900, "CZK"))
    monkeypatch.setattr(Product, "price_on", lambda *_: dearer)
    again = await sent(http, preview, step="confirm")
    assert again.status_code == 409
    assert "The price has changed since it was shown to you, so nothing was sent." in words(again.text)
    assert "You would have to pay CZK 699.00." in words(again.text)
    assert (
        await sent(http, again, step="confirm")
    ).status_code == 503  # it was sent, and nobody answers here


async def test_a_vignette_in_another_currency_can_not_be_had_for_money_that_is_here(wished, shown):
    order = pay(an_order())
    assert "SK-10D" not in (await shown(order, "/correct")).text
    answer = await wished(order, product="SK-10D")
    assert answer.status_code == 422
    assert "This vignette is priced in another currency than you paid in." in words(answer.text)


WRONG = [
    ({"day": "2026-05-31"}, "This vignette can begin on 1 Jun 2026 at the earliest."),
    ({"day": "2028-01-01"}, "Please take 2 Jun 2027 or an earlier day."),
    ({"day": "2026-02-30"}, "Please give the first day"),
    ({"product": "AT-1Y"}, "This vignette can begin on 19 Jun 2026 at the earliest."),
    ({"product": "BG-WE", "day": "2026-06-10"}, "Please take 12 Jun 2026, for instance."),
    ({"product": "BG-1D"}, "Please give that time, such as 14:30."),
    ({"product": "BG-1D", "time": "25:00"}, "Please give that time, such as 14:30."),
    ({"product": "BG-1D", "day": "2027-03-28", "time": "03:30"}, "There is no such time on that day"),
    ({"plate": "2А2 2345"}, "А (U+0410) can't be part of a number plate."),
    ({"plate": "2"}, "2 to 12 letters and digits"),
    ({"country": "??"}, "Please choose the country"),
]


async def test_what_can_not_be_is_told_beside_the_field_and_what_was_typed_stays(wished):
    order = an_order()
    for typed, said in WRONG:
        answer = await wished(order, **typed)
        assert answer.status_code == 422
        assert said in words(answer.text)
        assert "Nothing was sent yet." in words(answer.text)
        kept = {name: text for name, text in typed.items() if name not in {"country", "product", "time"}}
        assert kept.items() <= filled(answer).items()


async def test_all_that_is_wrong_is_told_at_once(wished):
    answer = await wished(an_order(), plate="2", day="2026-05-31")
    for name in ("plate", "day"):
        assert f'id="correct-{name}-why"' in answer.text


async def test_an_hour_is_that_of_the_country_and_the_first_where_it_comes_twice(wished):
    answer = await wished(an_order(), product="BG-1D", day="2026-10-25", time="03:30")
    text = words(answer.text)
    assert "Valid from 25 Oct 2026, 03:30 (Europe/Sofia)" in text
    assert "Valid until 26 Oct 2026, 02:29 (Europe/Sofia)" in text
    assert "This hour comes twice on that day" in text


async def test_a_start_to_the_second_is_kept_while_nobody_changes_it(wished):
    at = datetime(2026, 6, 8, 11, 30, 15, tzinfo=UTC)
    order = an_order(Details("BG-1D", Vehicle.of("CZ", "2A2 2345"), Start(at.date(), at)))
    assert "This is what your order says already." in words((await wished(order)).text)
    text = words((await wished(order, plate="3A3 2345")).text)
    assert "Valid from 8 Jun 2026, 14:30 (Europe/Sofia)" in text


async def test_a_cover_that_begins_with_its_registration_says_so(wished):
    text = words((await wished(an_order(), day=TODAY)).text)
    assert "Valid from the moment of registration" in text


async def test_an_unchanged_form_asks_what_is_wrong(wished):
    answer = await wished(an_order())
    assert answer.status_code == 422
    assert "Please change what is wrong, then go on." in words(answer.text)


async def test_whoever_goes_back_from_the_preview_finds_what_was_typed(wished, http):
    preview = await wished(an_order(), plate="1AB 2345")
    back = await sent(http, preview, step="edit")
    assert back.status_code == 200
    assert filled(back)["plate"] == "1AB 2345"


async def test_look_alikes_of_the_new_plate_are_named_before_it_counts(wished):
    text = words((await wished(an_order(), plate="B-OI 1808", country="DE")).text)
    assert "Character 4 is the digit 1. Might it be the letter I?" in text


@pytest.mark.case(40)
async def test_after_the_start_the_page_says_why_not_and_what_the_country_still_allows(shown, http):
    for product, said in (
        ("CZ-10D", "In Czechia the driver can correct it once, with the authorisation code."),
        ("SK-10D", "In Slovakia the authority corrects the plate when it is shown a proof."),
        ("HU-10D", "In Hungary the authority changes it against a fee."),
    ):
        order = pay(an_order(details(product=product)))
        before = await shown(order, "/correct")
        order.start_at_once(None, NOON)
        after = await shown(order, "/correct")
        assert "The order can no longer be corrected" in words(after.text)
        assert said in words(after.text)
        typed = filled(before, step="confirm", plate="3A3 2345")
        late = await http.post(f"{link(order)}/correct", data=typed)
        assert late.status_code == 409
        assert said in words(late.text)


async def test_an_order_that_waits_for_an_answer_can_be_given_a_new_start(wished):
    late = pay(an_order(details(1)), at=NOON + 3 * DAY)
    text = words((await wished(late, day="2026-06-12")).text)
    assert "Valid from 12 Jun 2026, 00:00 (Europe/Prague)" in text
