"""Bank entries as messages carry them, and back."""

from vignettes.domain.entry import BankEntry
from vignettes.domain.money import Money
from vignettes.messages.bank_files import EntryForm

#: What messages take of a text; whatever a payer writes beyond it tells nobody whose money it is.
_LONGEST_TEXT = 2000
_LONGEST_LINE = 200


def form_of(entry: BankEntry) -> EntryForm:
    """Return an entry as it is sent. Raises pydantic's ValidationError for one that no bank would book."""
    return EntryForm(
        entry_id=entry.entry_id,
        account=entry.account,
        booked_on=entry.booked_on,
        amount=entry.amount.amount,
        currency=entry.amount.currency,
        credit=entry.credit,
        reversal=entry.reversal,
        booked=entry.booked,
        variable_symbol=_cut(entry.variable_symbol, _LONGEST_LINE),
        creditor_reference=_cut(entry.creditor_reference, _LONGEST_LINE),
        remittance=_cut(entry.remittance, _LONGEST_TEXT),
        counterparty=_cut(entry.counterparty, _LONGEST_TEXT),
        counterparty_account=entry.counterparty_account,
        end_to_end_id=_cut(entry.end_to_end_id, _LONGEST_LINE),
        bank_reference=_cut(entry.bank_reference, _LONGEST_LINE),
    )


def entry_of(form: EntryForm) -> BankEntry:
    """Return the entry that was sent."""
    told = form.model_dump(exclude={"amount", "currency"})
    return BankEntry(amount=Money(form.amount, form.currency), **told)


def _cut(text: str | None, longest: int) -> str | None:
    return text[:longest] or None if text else None
