"""The name of a movement: the same from whichever file it is read, another for every other movement.

- Where the bank gives a reference: of account, reference, currency, amount, direction, reversal and whether it is
  booked. So a notice (camt.054) and the statement that follows it (camt.053) name the same entry alike. Formats whose
  references are known to start again (MT940, ABO, CSV) make the day a part of the reference.
- Where it gives none, but the file has balances: of account, day, currency, amount, direction, all texts, and the
  account's balance before the line. So overlapping statements name it alike, and two equal lines are two.
- Where it gives neither: of the whole file's bytes and the place in it. Only the same file, whatever it is called,
  names it alike.
- Equal lines of one statement are told apart by counting them. A transaction out of a batch is named by the batch's
  reference and its own, or its place in the batch.
- An entry that is announced and later booked has two names: what is announced pays for nothing, and must not stand in
  the way of the money.
"""

from collections.abc import Iterator
from hashlib import sha256
from itertools import product

from vignettes.services.statements.model import Line
from vignettes.services.statements.sources import Source

_LENGTH = 32
_DIRECTIONS = {
    (credit, reversal, booked): f"{'C' if credit else 'D'}{'R' if reversal else ''}{'' if booked else 'P'}"
    for credit, reversal, booked in product((True, False), repeat=3)
}


class Names:
    """Names the movements of one file."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._statement = ("", "")
        self._seen: dict[str, int] = {}
        self._place = 0

    def begin(self, account: str, statement_id: str) -> None:
        """Count equal lines anew, unless this is another page of the same statement."""
        if (account, statement_id) != self._statement:
            self._statement = (account, statement_id)
            self._seen.clear()

    def name(self, account: str, line: Line, before: int | None) -> str:
        """Return the name of the movement; `before` is the balance that it found, where that is known."""
        self._place += 1
        direction = _DIRECTIONS[line.credit, line.reversal, line.booked]
        about = f"{account}\x1f{line.currency}\x1f{line.amount}\x1f{direction}"
        if line.key is not None:
            return self._counted(f"ref\x1f{about}\x1f{line.key}")
        if before is not None:
            return self._counted("\x1f".join(["balance", about, str(before), *_content(line)]))
        return _digest(f"place\x1f{about}\x1f{self._source.digest()}\x1f{self._place}")

    def _counted(self, text: str) -> str:
        name = _digest(text)
        earlier = self._seen.get(name, 0)
        self._seen[name] = earlier + 1
        return _digest(f"{text}\x1f{earlier}") if earlier else name


def _content(line: Line) -> Iterator[str]:
    texts = (
        line.booked_on.isoformat(),
        line.end_to_end_id,
        line.variable_symbol,
        line.creditor_reference,
        line.remittance,
        line.counterparty,
        line.counterparty_account,
    )
    # Neither this sign nor the one between the parts occurs in bank texts.
    return ("\x1e" if text is None else text for text in texts)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:_LENGTH]
