"""The XML of camt files, read in pieces: hands out one transaction, entry and statement after another.

By the standard library's parser, which makes no tree: what has been handed out is gone from memory, however large the
file is, or one collected booking of it, and most elements are passed over for less than a microsecond. A document type
is refused on sight, before any of it is parsed.
"""

import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NoReturn, Protocol
from xml.parsers.expat import ErrorString, ExpatError, ParserCreate, XMLParserType

from vignettes.domain.entry import BankEntry
from vignettes.services.statements.camt_places import Fields, Layout, Place
from vignettes.services.statements.model import BadFile, Statement
from vignettes.services.statements.sources import MARKS, Source, encoding_named

_LONGEST_TEXT = 64 * 1024
#: Bytes between the ends of two transactions. Real files stay far below.
_LONGEST_ITEM = 4 * 1024**2
#: Letters in all different names together. The parser keeps names for as long as it reads.
_LONGEST_NAMES = 256 * 1024
_DECLARATION = re.compile(r"<\?xml\s[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']", re.ASCII)
_MESSAGE = re.compile(r"<(?:[\w.-]+:)?(BkToCstmr\w+|Cstmr\w+Initn|CstmrPmtStsRpt)\b", re.ASCII)
_MESSAGES = frozenset({"BkToCstmrStmt", "BkToCstmrDbtCdtNtfctn"})
_OTHERS = {
    "BkToCstmrAcctRpt": "an intraday report (camt.052)",
    "CstmrCdtTrfInitn": "a payment order (pain.001)",
    "CstmrDrctDbtInitn": "a direct debit order (pain.008)",
    "CstmrPmtStsRpt": "a status report (pain.002)",
}
_WAY_OUT = "Ask the bank for camt.053 or camt.054."

_Start = Callable[[str, Mapping[str, str]], None]
_End = Callable[[str], None]
_Text = Callable[[str], None]


class Statements(Protocol):
    """Takes what is read, in the file's order. What it refuses need not say where: the reader knows."""

    def balance(self, balance: Fields) -> None:
        """Take one of a statement's balances."""

    def transaction(self, details: Fields, entry: Fields, statement: Fields) -> None:
        """Take one transaction of an entry, which has begun with its first."""

    def entry(self, entry: Fields, statement: Fields) -> None:
        """Take an entry, after its transactions."""

    def statement(self, statement: Fields, where: str) -> None:
        """Take a statement, after its entries."""


class Reading:
    """One pass over a file. `given` is where the taker puts what it has made of it."""

    def __init__(self, source: Source, taker: Statements, given: deque[BankEntry | Statement]) -> None:
        self._source = source
        self._taker = taker
        self._given = given
        self._layout = layout = Layout()
        self._entries = 0
        self._since_item = 0
        statement, entry, details = layout.statement, layout.entry, layout.transaction
        statement.begun = details.begun = self._begin
        entry.begun = self._begin_entry
        layout.balance.ended = partial(taker.balance, layout.balance.fields)
        details.ended = partial(taker.transaction, details.fields, entry.fields, statement.fields)
        entry.ended = partial(taker.entry, entry.fields, statement.fields)
        statement.ended = self._end_statement
        self._parser = self._made_parser()

    def items(self) -> Iterator[BankEntry | Statement]:
        """Return what the taker has given, while the file is being read."""
        for text in decoded(self._source):
            yield from self._parsed(text.encode())
        yield from self._parsed(b"", last=True)

    def _made_parser(self) -> XMLParserType:
        parser = ParserCreate(encoding="utf-8", namespace_separator="}")  # decoded already, strictly
        parser.buffer_text = True
        handlers = self._handlers()
        parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = handlers
        parser.StartDoctypeDeclHandler = _refuse_document_type
        # With it the parser counts the names of namespaces among those that it keeps.
        parser.StartNamespaceDeclHandler = _pass_over
        return parser

    def _handlers(self) -> tuple[_Start, _End, _Text]:
        """Return what is called for elements and texts; closures, because nothing else is called as often."""
        place, text, take = self._layout.outside, "", self._take
        above: list[Place] = []

        def start(name: str, attributes: Mapping[str, str]) -> None:
            nonlocal place, text
            above.append(place)
            place = place[name]
            if place.begun is not None:
                place.begun(place, attributes)
            text = ""

        def end(_: str) -> None:
            nonlocal place, text
            if place.keep is not None:
                place.keep(text.strip())
            elif place.ended is not None:
                take(place, place.ended)
            place = above.pop()
            text = ""

        def more(piece: str) -> None:
            nonlocal text
            text = f"{text}{piece}" if text else piece
            if len(text) > _LONGEST_TEXT:
                raise BadFile("A text of more than 64 kB.")

        return start, end, more

    def _parsed(self, piece: bytes, *, last: bool = False) -> Iterator[BankEntry | Statement]:
        refusal: BadFile | None = None
        try:
            self._parser.Parse(piece, last)
            self._check_sizes(len(piece))
        except ExpatError as error:
            reason, where = f"The XML is broken: {ErrorString(error.code)}.", f"line {error.lineno}"
            refusal = BadFile(reason, where=where, way_out="Get the file again.")
        except BadFile as found:
            refusal = self._located(found, self._parser.CurrentLineNumber)
        while self._given:
            yield self._given.popleft()
        if refusal is not None:
            raise refusal

    def _check_sizes(self, length: int) -> None:
        self._since_item += length
        if self._since_item > _LONGEST_ITEM:
            raise BadFile(f"More than {_LONGEST_ITEM} bytes without one transaction.")
        if sum(map(len, filter(None, self._parser.intern))) > _LONGEST_NAMES:
            raise BadFile("It has too many names of elements.")

    def _take(self, item: Place, taken: Callable[[], None]) -> None:
        self._since_item = 0
        try:
            taken()
        except BadFile as refusal:
            raise self._located(refusal, item.line) from None
        item.fields.forget()

    def _begin(self, place: Place, _: Mapping[str, str]) -> None:
        place.line = self._parser.CurrentLineNumber

    def _begin_entry(self, place: Place, _: Mapping[str, str]) -> None:
        self._entries += 1
        place.line = self._parser.CurrentLineNumber

    def _end_statement(self) -> None:
        statement = self._layout.statement
        self._taker.statement(statement.fields, self._where(statement.line))

    def _where(self, line: int) -> str:
        return f"line {line}, entry {self._entries}"

    def _located(self, refusal: BadFile, line: int) -> BadFile:
        return BadFile(refusal.reason, where=refusal.where or self._where(line), way_out=refusal.way_out)


def decoded(source: Source) -> Iterator[str]:
    """Return the text by its own declaration and byte order mark; where these disagree, or lie, refuse it."""
    head = source.head()
    mark, by_mark = next(((m, e) for m, e in MARKS.items() if head.startswith(m)), (b"", None))
    if by_mark is None and head[:4] in {b"<\0?\0", b"\0<\0?"}:
        by_mark = "utf-16-le" if head[0] else "utf-16-be"
    beginning = head[len(mark) :].decode(by_mark or "latin-1", "replace")
    found = _DECLARATION.match(beginning)
    declared = encoding_named(found[1]) if found else None
    if declared and by_mark and declared not in {by_mark, by_mark[:6].rstrip("-")}:
        raise BadFile(
            f"It says that it is {declared}, but its first bytes are {by_mark}.",
            way_out="Get the file again.",
        )
    _check_beginning(beginning)
    texts = source.texts(
        by_mark or declared or "utf-8",
        way_out="The file is not what it says it is: get it from the bank again.",
    )
    yield next(texts, "").removeprefix("\ufeff")
    yield from texts


def _check_beginning(text: str) -> None:
    """Refuse a document type, and every message that is no statement and no notice."""
    place = 0
    while (place := text.find("<", place)) >= 0:
        end = "?>" if text.startswith("<?", place) else "-->" if text.startswith("<!--", place) else None
        if end is None:
            break
        place = max(text.find(end, place), place) + len(end)
    if text.startswith("<!", place):
        _refuse_document_type()
    found = _MESSAGE.search(text)
    if found is None or found[1] not in _MESSAGES:
        what = _OTHERS.get(found[1], "") if found else ""
        raise BadFile(f"It is {what or 'XML, but neither camt.053 nor camt.054'}.", way_out=_WAY_OUT)


def _refuse_document_type(*_: object) -> NoReturn:
    raise BadFile(
        "It has a document type (DOCTYPE), which no bank file needs and which can do harm.",
        way_out="Do not import it. Ask where it comes from.",
    )


def _pass_over(*_: object) -> None:
    pass
