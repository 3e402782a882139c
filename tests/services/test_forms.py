"""What people write, read strictly and kept as it will be used."""

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from vignettes.messages.forms import Email

EMAIL = TypeAdapter(Email)
LOCALS = st.one_of(st.text("abcAZ09._+-", max_size=70), st.text("ab.\"' @ž!", max_size=5))
DOMAINS = st.sampled_from(
    ["gmail.com", "Example.COM", "localhost", "a.invalid", "münchen.de", "x.test", "-a.com", "a..b", ""]
)


def kept(text):
    """Return what the form keeps of an address; None when it is refused."""
    try:
        return EMAIL.validate_python(text)
    except ValidationError:
        return None


def by_the_library(text):
    """Return what email-validator alone would keep of it."""
    try:
        found = validate_email(text, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError:
        return None
    return found.ascii_email or found.normalized


@given(st.one_of(st.emails(), st.builds("{}@{}".format, LOCALS, DOMAINS)))
def test_an_address_is_judged_as_the_library_judges_it(text):
    """The short way for the usual ones comes to the same as the long one, the second time too."""
    assert kept(text) == kept(text) == by_the_library(text)


@pytest.mark.parametrize("local", ["driver", "first.last+tag", "a" * 64])
def test_the_usual_address_is_kept_as_it_is(local):
    """Capitals before the @ belong to whoever chose them; those of the domain mean nothing."""
    assert kept(f"{local}@Example.COM") == f"{local}@example.com"
