"""Bank entries as messages carry them and as they are kept, and back."""

import re
from dataclasses import fields, replace

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.messages.bank_files import EntryForm

#: What messages take of a text; whatever a payer writes beyond it tells nobody whose money it is.
_LONGEST_TEXT = 2000
_LONGEST_LINE = 200
_LONGEST_ACCOUNT = 64
#: A name of a transfer, as programs make them. Payers write what they like there, and what we keep of it is in clear.
_REFERENCE = re.compile(r"(?=.*\d)[A-Za-z0-9/._:+ -]{1,35}", re.ASCII)


def form_of(entry: BankEntry) -> EntryForm:
    """Return an entry as it is sent. Raises pydantic's ValidationError for one that no bank would book."""
    short = _cut(entry)
    told = {each.name: getattr(short, each.name) for each in fields(short) if each.name != "amount"}
    return EntryForm(**told, amount=entry.amount.amount, currency=entry.amount.currency)


def entry_of(form: EntryForm) -> BankEntry:
    """Return the entry that was sent."""
    told = form.model_dump(exclude={"amount", "currency"})
    return BankEntry(amount=Money(form.amount, form.currency), **told)


def kept(entry: BankEntry) -> BankEntry:
    """Return an entry as it is kept: cut as messages are, and in the clear no words of the payer's."""
    named = entry.end_to_end_id
    if named is not None and _REFERENCE.fullmatch(named) is None:
        words = " ".join(filter(None, (entry.remittance, named)))
        entry = replace(entry, end_to_end_id=None, remittance=words)
    return _cut(entry)


def _cut(entry: BankEntry) -> BankEntry:
    return replace(
        entry,
        variable_symbol=_short(entry.variable_symbol, _LONGEST_LINE),
        creditor_reference=_short(entry.creditor_reference, _LONGEST_LINE),
        remittance=_short(entry.remittance, _LONGEST_TEXT),
        counterparty=_short(entry.counterparty, _LONGEST_TEXT),
        counterparty_account=_short(entry.counterparty_account, _LONGEST_ACCOUNT),
        end_to_end_id=_short(entry.end_to_end_id, _LONGEST_LINE),
        bank_reference=_short(entry.bank_reference, _LONGEST_LINE),
    )


def _short(text: str | None, longest: int) -> str | None:
    return text[:longest] or None if text else None
