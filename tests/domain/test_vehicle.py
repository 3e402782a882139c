"""Plates as typed and as compared; countries by code and by sign."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vignettes.domain.errors import InvalidValue
from vignettes.domain.vehicle import _ISO, _SIGNS, Vehicle, country_from_sign, sign_of, warnings


def plate(text, country="CZ"):
    return Vehicle.of(country, text).normal


def refusal(text):
    with pytest.raises(InvalidValue) as refused:
        Vehicle.of("CZ", text)
    assert refused.value.field == "vehicle.plate"
    return str(refused.value)


# --- countries ---


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("sign", "iso"),
    [
        ("D", "DE"), ("A", "AT"), ("H", "HU"), ("SLO", "SI"), ("SRB", "RS"), ("RKS", "XK"), ("CZ", "CZ"),
        ("SK", "SK"), ("CH", "CH"), ("RO", "RO"), ("BG", "BG"), ("PL", "PL"), ("F", "FR"), ("I", "IT"),
        ("UK", "GB"), ("BIH", "BA"), ("NMK", "MK"), ("MNE", "ME"), ("FL", "LI"), ("L", "LU"), ("TR", "TR"),
    ],
)  # fmt: skip
def test_a_sign_is_read_and_written(sign, iso):
    """Case 44: both ways."""
    assert country_from_sign(sign) == iso
    assert country_from_sign(iso) == iso
    assert sign_of(iso) == sign


@pytest.mark.case(44)
def test_every_sign_leads_back_to_its_country():
    """Case 44: no two countries share one, and none is another's ISO code."""
    assert {iso: country_from_sign(sign_of(iso)) for iso in _ISO} == {iso: iso for iso in _ISO}
    assert not set(_SIGNS.values()) & _ISO


@pytest.mark.case(44)
@pytest.mark.parametrize(
    ("text", "iso"),
    [("ES", "ES"), ("FR", "FR"), ("SY", "SY"), ("LB", "LB"), (" d ", "DE"), ("slo", "SI"), ("ＣＺ", "CZ")],
)
def test_two_letters_that_are_an_iso_code_are_that_country(text, iso):
    """Case 44: ES is the sign of El Salvador, and a driver who types it means Spain."""
    assert country_from_sign(text) == iso


def test_greece_is_understood_in_the_eus_own_letters():
    """EL is read, GR is written."""
    assert (country_from_sign("EL"), sign_of("GR")) == ("GR", "GR")


@pytest.mark.case(44)
@pytest.mark.parametrize("text", ["", "X", "DEU", "Germany", "ZZ", "СZ"])
def test_an_unknown_country_is_refused(text):
    """Case 44: a Cyrillic С is no C either."""
    with pytest.raises(InvalidValue) as refused:
        Vehicle.of(text, "1AB2345")
    assert refused.value.field == "vehicle.country"


# --- plates ---


def test_a_plate_is_kept_as_typed_and_in_normal_form():
    """The driver sees the own words; the machine compares the plain ones."""
    assert Vehicle.of("D", "  m-ab 123.4 ") == Vehicle("DE", "m-ab 123.4", "MAB1234")


@pytest.mark.case(43)
@pytest.mark.parametrize("text", ["m-ü 123", "Ö.1 A", "ä 11", "Č Š Ž 1", "ć đ 7"])
def test_diacritics_stay(text):
    """Case 43: Ü is not U; the authorities know the difference."""
    assert plate(text) == "".join(each for each in text.upper() if each.isalnum())


@pytest.mark.case(43)
def test_a_decomposed_diacritic_is_the_same_letter():
    """Case 43: some keyboards send U and two dots."""
    assert plate("MU\u0308 123") == "MÜ123"


@pytest.mark.parametrize(
    "text", ["1AB–2345", "1AB‑2345", "1AB\u00a02345", "1AB·2345", "１ＡＢ２３４５", "1ab 23 45"]
)
def test_ways_of_typing_the_same_plate_are_one(text):
    """NFKC folds the full width; spaces, dots and hyphens go."""
    assert plate(text) == "1AB2345"


@pytest.mark.case(42)
@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1АB2345", "CYRILLIC CAPITAL LETTER A (U+0410)"),
        ("1аB2345", "CYRILLIC SMALL LETTER A (U+0430)"),
        ("ΑΒ1234", "GREEK CAPITAL LETTER ALPHA (U+0391)"),
        ("1AB٢345", "ARABIC-INDIC DIGIT TWO (U+0662)"),
        ("1AB\u200b2345", "ZERO WIDTH SPACE (U+200B)"),
        ("1AB\u200f2345", "RIGHT-TO-LEFT MARK (U+200F)"),
        ("1AB\u202e2345", "RIGHT-TO-LEFT OVERRIDE (U+202E)"),
        ("\ufeff1AB2345", "ZERO WIDTH NO-BREAK SPACE (U+FEFF)"),
        ("1AB\x002345", "control character (U+0000)"),
        ("1AB\ud8002345", "(U+D800)"),
        ("1AB_2345", "LOW LINE (U+005F)"),
        ("1Aß2345", "LATIN SMALL LETTER SHARP S (U+00DF)"),
        ("1Aǃ2345", "LATIN LETTER RETROFLEX CLICK (U+01C3)"),
        ("1Q\u03512345", "COMBINING LEFT HALF RING ABOVE (U+0351)"),
    ],
)
def test_a_character_no_plate_has_is_refused_by_its_name(text, name):
    """Case 42: a look-alike of another script is never swapped for the Latin one."""
    assert name.split(" (")[-1] in refusal(text)
    assert name.rsplit(" (", 1)[0] in refusal(text)


@pytest.mark.parametrize("text", ["", "A", " - . ", "ABCDEFGHIJ123", "A1" + "-" * 60])
def test_a_plate_has_two_to_twelve_characters(text):
    """Neither nothing nor a novel."""
    assert "2 to 12" in refusal(text)


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=14))
def test_the_normal_form_is_its_own(text):
    """Normalising twice changes nothing, and only capitals and digits are left."""
    try:
        normal = plate(text)
    except InvalidValue:
        return
    assert plate(normal) == normal
    assert normal.isalnum()
    assert normal == normal.upper()


@given(st.text(alphabet="abzÜöČ019 .-–Ａ", max_size=16))
def test_the_normal_form_of_what_people_type_is_its_own(text):
    """As above, with letters that are mostly accepted."""
    try:
        normal = plate(text)
    except InvalidValue:
        return
    assert plate(normal) == normal


# --- warnings ---


@pytest.mark.parametrize(
    ("country", "text"),
    [
        ("CZ", "2A2 2345"), ("SK", "AA 234 CD"), ("AT", "W 23456 X"), ("DE", "MÜ-AC 2345"),
        ("CH", "ZH 23456"), ("SI", "LJ 23-4AC"), ("HU", "AACD 234"), ("RO", "CJ 23 ACD"),
        ("BG", "CA 2345 CT"), ("PL", "WA 23456"),
    ],
)  # fmt: skip
def test_a_usual_plate_draws_no_warning(country, text):
    """Most drivers are left alone."""
    assert warnings(Vehicle.of(country, text)) == ()


@pytest.mark.case(42)
def test_an_unusual_plate_draws_a_warning_and_is_accepted():
    """Case 42: plates vary."""
    assert warnings(Vehicle.of("CZ", "HELLX")) == ("unusual_for:CZ",)


@pytest.mark.case(42)
def test_a_look_alike_that_does_not_fit_is_pointed_out():
    """Case 42: Czech plates have no letter O, so a zero was meant, perhaps."""
    assert warnings(Vehicle.of("CZ", "2AO2345")) == ("unusual_for:CZ", "look_alike:O/0 at 3")


@pytest.mark.case(42)
def test_a_look_alike_that_may_be_either_is_pointed_out():
    """Case 42: here B and 8 are both usual."""
    assert warnings(Vehicle.of("CZ", "2AB2345")) == ("look_alike:B/8 at 3",)


def test_a_look_alike_that_the_form_settles_is_not():
    """Between the letters and digits of a Slovak plate nothing is open."""
    assert warnings(Vehicle.of("SK", "BO 108 IB")) == ()


@pytest.mark.case(42)
def test_where_no_form_is_known_every_look_alike_is_pointed_out():
    """Case 42: there is nothing to settle it by."""
    assert warnings(Vehicle.of("TR", "34 I 0 B")) == (
        "look_alike:I/1 at 3",
        "look_alike:0/O at 4",
        "look_alike:B/8 at 5",
    )
