"""Accounts that money can be sent to."""

import re

from stdnum import iban
from stdnum.cz import bankaccount
from stdnum.exceptions import ValidationError as InvalidNumber

from vignettes.domain.errors import InvalidValue

_CZECH = re.compile(r"(?P<prefix>[0-9]{6})-(?P<number>[0-9]{10})/(?P<bank>[0-9]{4})", re.ASCII)


def payable(account: str, currency: str) -> str:
    """Return the IBAN of an account to which this currency can be sent. Raises InvalidValue for `account`.

    An IBAN whose check digits are right; for CZK also a Czech account as Czechs write it, 19-2000145399/0800.
    """
    try:
        return str(iban.validate(account))
    except InvalidNumber:
        if currency == "CZK" and bankaccount.is_valid(account):
            return _iban_of(bankaccount.validate(account))
    raise InvalidValue("It is no IBAN with correct check digits.", field="account")


def is_payable(account: str | None, currency: str) -> bool:
    """Tell whether this currency can be sent there."""
    try:
        return account is not None and bool(payable(account, currency))
    except InvalidValue:
        return False


def _iban_of(czech: str) -> str:
    found = _CZECH.fullmatch(czech)
    assert found is not None  # noqa: S101  # the library writes all its digits; for the type only
    digits = f"{found['bank']}{found['prefix']}{found['number']}"
    return f"CZ{iban.calc_check_digits(f'CZ00{digits}')}{digits}"
