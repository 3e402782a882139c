"""An authority as a small file: what it may say, and what is refused in which words."""

from datetime import datetime

import pytest

from authorities import BUNDLED, impatient, without
from vignettes.runtime.settings import ConfigurationError, load_settings
from vignettes.services.authorities.capabilities import Opening, Pace
from vignettes.services.authorities.files import AuthorityFile, AuthorityFileError, bundled, read
from vignettes.services.authorities.templates import at, filled, filled_body


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "authorities"


def refusal(folder, text=BUNDLED, name="partner.toml"):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    with pytest.raises(AuthorityFileError) as refused:
        read(folder)
    return str(refused.value)


def test_the_bundled_file_stands_for_every_country():
    """It is the first such file, and what the sandbox speaks."""
    capabilities = bundled().capabilities
    assert bundled().countries == ("*",)
    assert (capabilities.finds_by, capabilities.tells_cover, capabilities.documents) == (
        "reference",
        True,
        True,
    )


def test_a_folder_is_read_by_country(folder):
    """Files of other kinds are none of ours; what is not said stays as it is everywhere."""
    impatient(folder, text=BUNDLED.replace('["*"]', '["CZ", "SK"]'), name="partner.toml")
    (folder / "README.md").write_text("notes")
    found = read(folder)
    assert found.keys() == {"CZ", "SK"}
    assert found["CZ"] is found["SK"]
    assert (found["CZ"].limits.timeout_seconds, found["CZ"].limits.connect_seconds) == (0.5, 2.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("countries = ", "partner.toml: Invalid value"),
        (without("find"), "partner.toml: find: Field required"),
        (
            BUNDLED.replace('path = "/registrations"', 'path = "registrations"', 1),
            "register.path: is no path",
        ),
        (
            BUNDLED.replace('"{plate}"', '"{colour}"', 1),
            "register.body: names {colour}, which is none of country",
        ),
        (BUNDLED.replace('"/number"', '"number"'), "registration.number: is no JSON pointer"),
        (BUNDLED + 'other_words = ["x"]\n', "codes.other_words.[key]: Input should be 'plate_not_accepted'"),
        (
            BUNDLED.replace('by = "reference"', 'by = "colour"'),
            "find.by: Input should be 'reference' or 'vehicle'",
        ),
        (
            BUNDLED.replace('order = "/reference"', ""),
            "cover needs registration.plate and registration.order",
        ),
        (BUNDLED + "[limits2]\n", "limits2: Extra inputs are not permitted"),
        (BUNDLED + '[opening]\nzone = "Europe/Atlantis"\n', "opening.zone: is no IANA time zone"),
        (
            BUNDLED.replace("concurrency = 32", "concurrency = 0"),
            "limits.concurrency: Input should be greater",
        ),
    ],
)
def test_a_file_that_can_not_be_used_is_named_with_its_field(folder, text, complaint):
    """Whoever writes one is told where to look."""
    assert complaint in refusal(folder, text)
    assert refusal(folder, text).startswith("partner.toml: ")


def test_two_files_for_one_country_are_refused(folder):
    """Nobody could say which of them wins."""
    impatient(folder, name="first.toml")
    assert refusal(folder) == "partner.toml: countries: * has a file already"


def test_the_service_refuses_to_start_with_a_bad_file(folder, monkeypatch):
    """Every command does, before the first order comes to it."""
    refusal(folder, without("find"))
    monkeypatch.setenv("VIGNETTES_AUTHORITIES_DIR", str(folder))
    with pytest.raises(
        ConfigurationError, match=r"VIGNETTES_AUTHORITIES_DIR.*partner.toml: find: Field required"
    ):
        load_settings()


def test_a_folder_that_is_none_is_refused(folder):
    """A misspelt one would leave every country to the bundled authority."""
    with pytest.raises(AuthorityFileError, match="is no folder"):
        read(folder)


def test_secrets_come_from_the_environment(folder):
    """They never stand in the file; one that is missing is named."""
    text = BUNDLED + '[headers]\nAuthorization = "Bearer ${PARTNER_TOKEN}"\n'
    impatient(folder, text=text)
    form = read(folder)["*"]
    assert form.headers_with_secrets({"PARTNER_TOKEN": "s3"}) == {"Authorization": "Bearer s3"}
    with pytest.raises(AuthorityFileError, match=r"headers\.Authorization: PARTNER_TOKEN is not set"):
        form.headers_with_secrets({})


def test_codes_of_the_authority_become_ours(folder):
    """One that nobody has named is other."""
    impatient(folder, '[codes]\nplate_not_accepted = ["E12", "7"]')
    form: AuthorityFile = read(folder)["*"]
    assert [form.code_for(each) for each in ("E12", 7, "E13", None)] == [
        "plate_not_accepted",
        "plate_not_accepted",
        "other",
        "other",
    ]


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-06-01T04:59:59+00:00", False),  # 07:59:59 in Bucharest, a Monday
        ("2026-06-01T05:00:00+00:00", True),
        ("2026-06-01T16:59:59+00:00", True),
        ("2026-06-01T17:00:00+00:00", False),
        ("2026-12-01T05:30:00+00:00", False),  # in winter it opens an hour later by our clock
        ("2026-06-06T06:59:59+00:00", False),
        ("2026-06-06T20:59:59+00:00", True),  # Saturday to its end
        ("2026-06-07T09:00:00+00:00", False),
    ],
)
def test_opening_hours_are_the_authoritys_own(moment, is_open):
    """In its zone, by the day of its week."""
    hours = [
        {"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00:00", "until": "20:00:00"},
        {"days": ["sat"], "from": "10:00:00"},
    ]
    opening = Opening.model_validate_json(
        f'{{"zone": "Europe/Bucharest", "hours": {str(hours).replace(chr(39), chr(34))}}}'
    )
    assert opening.open_at(datetime.fromisoformat(moment)) is is_open


def test_pauses_double_and_then_grow_long():
    """The quick ones first, then a budget."""
    pace = Pace(first_seconds=1.0, longest_seconds=20.0, later_seconds=300.0)
    assert [pace.pause(tries) for tries in (1, 2, 3, 5, 6, 10, 11, 100)] == [1, 2, 4, 16, 20, 20, 300, 300]


def test_fields_are_filled_in_and_can_not_lead_elsewhere():
    """In a path each is quoted; in a body the form around it stays."""
    fields = {"plate": "../Ž 1?", "order": "o"}
    assert filled("/vehicles/{plate}", fields, as_path=True) == "/vehicles/..%2F%C5%BD%201%3F"
    assert filled_body({"list": [{"is": "{plate}"}, 7, None]}, fields) == {
        "list": [{"is": "../Ž 1?"}, 7, None]
    }


@pytest.mark.parametrize(
    ("pointer", "value"),
    [("", {"a/b": [{"~c": 1}]}), ("/a~1b/0/~0c", 1), ("/a~1b/1", None), ("/x/y", None), ("/a~1b/-1", None)],
)
def test_places_are_json_pointers(pointer, value):
    """RFC 6901; where there is no such place there is nothing."""
    assert at({"a/b": [{"~c": 1}]}, pointer) == value
