"""Up to which amount refunds are approved by policy, as operators write it."""

import pytest

from vignettes.services.payments.limits import limits


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", {}),
        ("EUR 50", {"EUR": 5_000}),
        (" EUR 50.25,CZK  1200 ,", {"EUR": 5_025, "CZK": 120_000}),
    ],
)
def test_limits_are_read_in_minor_units(text, read):
    """As operators write amounts."""
    assert limits(text) == read


@pytest.mark.parametrize(
    "text", ["50", "EUR", "eur 50", "EUR 50.5", "EUR -1", "EUR 50, EUR 60", "EUR 50 CZK 60"]
)
def test_a_limit_that_could_be_misread_is_refused(text):
    """Nobody's refund is approved by a slip of the pen."""
    with pytest.raises(ValueError, match="such as EUR 50, CZK 1200"):
        limits(text)
