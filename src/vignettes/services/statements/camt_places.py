"""Which elements of a camt file are of interest, by their paths. All else is passed over with everything in it."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial

from vignettes.services.statements.model import BadFile

# "+": of interest each time it comes, not only the first. "?": may have other elements in it. "@": with its currency.
_STATEMENT = """
    Id CreDtTm Acct/Id/IBAN Acct/Id/Othr/Id Acct/Ccy TxsSummry/TtlNtries/NbOfNtries TxsSummry/TtlNtries/Sum
    TxsSummry/TtlCdtNtries/NbOfNtries TxsSummry/TtlCdtNtries/Sum TxsSummry/TtlDbtNtries/NbOfNtries
    TxsSummry/TtlDbtNtries/Sum
"""
_BALANCE = "Tp/CdOrPrtry/Cd Amt@ CdtDbtInd"
_ENTRY = """
    Amt@ CdtDbtInd RvslInd Sts? Sts/Cd BookgDt/Dt BookgDt/DtTm ValDt/Dt ValDt/DtTm AcctSvcrRef Chrgs? AddtlNtryInf
"""
_TRANSACTION = """
    Refs/EndToEndId Refs/AcctSvcrRef Amt@ AmtDtls/TxAmt/Amt@ CdtDbtInd Chrgs? RtrInf? RmtInf/Ustrd+
    RmtInf/Strd/CdtrRefInf/Ref+ RmtInf/Strd/AddtlRmtInf+ AddtlTxInf
    RltdPties/Dbtr/Nm RltdPties/Dbtr/Pty/Nm RltdPties/UltmtDbtr/Nm RltdPties/UltmtDbtr/Pty/Nm
    RltdPties/Cdtr/Nm RltdPties/Cdtr/Pty/Nm RltdPties/UltmtCdtr/Nm RltdPties/UltmtCdtr/Pty/Nm
    RltdPties/DbtrAcct/Id/IBAN RltdPties/DbtrAcct/Id/Othr/Id
    RltdPties/CdtrAcct/Id/IBAN RltdPties/CdtrAcct/Id/Othr/Id
"""
_ITEMS = frozenset({"Stmt", "Ntfctn", "Ntry", "TxDtls"})
_DEEPEST = 60
_MOST_NAMES = 1_000


class Fields(dict[str, str]):
    """What an item says: the text of each element by its path, "" where it is empty.

    Of elements that come more than once the first counts; `several` has those of which all do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.several: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, path: str, text: str) -> None:
        """Keep a text beside earlier ones of the same path."""
        self.several[path].append(text)

    def forget(self) -> None:
        """Begin with the next item."""
        self.clear()
        if self.several:
            self.several.clear()


class Place(dict[str, "Place"]):
    """Where in a file the parser stands; where its elements lead, learned by their full names as they come.

    `below` are the elements of interest, `others` is where all else leads: None where there may be nothing else.
    `keep` takes the text; `begun` and `ended` are called at both ends of an item.
    """

    __slots__ = ("begun", "below", "ended", "fields", "keep", "line", "others", "refusal")

    def __init__(self, others: "Place | None", fields: Fields, refusal: str) -> None:
        super().__init__()
        self.below: dict[str, Place] = {}
        self.others = others
        self.fields = fields
        self.refusal = refusal
        self.keep: Callable[[str], object] | None = None
        self.begun: Callable[[Place, Mapping[str, str]], None] | None = None
        self.ended: Callable[[], None] | None = None
        self.line = 0

    def __missing__(self, name: str) -> "Place":
        local = name.rpartition("}")[2]
        place = self.below[local] if local in self.below else self._other(local)
        if len(self) < _MOST_NAMES:  # a file has few; of very many only some are remembered
            self[name] = place
        return place

    def _other(self, local: str) -> "Place":
        if local in _ITEMS:
            raise BadFile(f"{local} is out of place.")
        if self.others is None:
            raise BadFile(self.refusal)
        return self.others


class Layout:
    """The places of one file, each item with its fields."""

    def __init__(self) -> None:
        passed = _pit()
        self.outside = _pit()
        self.statement = _item(_STATEMENT, passed)
        self.balance = _item(_BALANCE, passed)
        self.entry = _item(_ENTRY, passed)
        self.transaction = _item(_TRANSACTION, passed)
        details = Place(passed, self.entry.fields, "")
        outside: Place | None = self.outside
        while outside is not None:
            outside.below |= {"Stmt": self.statement, "Ntfctn": self.statement}
            outside = outside.others
        self.statement.below |= {"Bal": self.balance, "Ntry": self.entry}
        self.entry.below["NtryDtls"] = details
        details.below["TxDtls"] = self.transaction


def _pit() -> Place:
    """Return a place in which all elements lead deeper, down to where it is too deep."""
    fields, refusal = Fields(), f"Elements are more than {_DEEPEST} deep."
    place = Place(None, fields, refusal)
    for _ in range(_DEEPEST):
        place = Place(place, fields, refusal)
    return place


def _item(paths: str, passed: Place) -> Place:
    item = Place(passed, Fields(), "")
    for written in paths.split():
        path = written.rstrip("+?@")
        place = item
        for local in path.split("/"):
            place = place.below.setdefault(
                local, Place(passed, item.fields, f"{path} should be a text, but has elements in it.")
            )
        place.keep = partial(item.fields.add if written.endswith("+") else item.fields.setdefault, path)
        if written.endswith("@"):
            place.begun = partial(_note_currency, f"{path}/@Ccy")
        if not written.endswith("?"):
            place.others = None
    return item


def _note_currency(path: str, amount: Place, attributes: Mapping[str, str]) -> None:
    amount.fields.setdefault(path, attributes.get("Ccy", ""))
