"""The XML of camt files, read in pieces: hands out one transaction, entry and statement after another.

What has been handed out is gone from memory, however large the file is, or one collected booking of it. A document
type is refused on sight, before any of it is parsed.
"""

import re
from collections import deque
from collections.abc import Iterator
from typing import Any, Protocol

from lxml import etree

from vignettes.domain.entry import BankEntry
from vignettes.services.statements.model import BadFile, Statement
from vignettes.services.statements.sources import MARKS, Source, encoding_named

Node = dict[str, Any]
"""An element: text or node by name, the first where there are several, lists of those in `_REPEATED`."""

_DEEPEST = 60
_LONGEST_TEXT = 64 * 1024
#: Bytes between the ends of two transactions. Real files stay far below.
_LONGEST_ITEM = 4 * 1024**2
_HIGHEST_LINE = 65_535  # the parser counts lines no further
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
#: What is of interest within a statement. All else is passed over with everything in it.
_NAMES = """
    Id CreDtTm Acct IBAN Othr Ccy Bal Tp CdOrPrtry Cd Amt CdtDbtInd Dt DtTm TxsSummry TtlNtries NbOfNtries Sum
    TtlCdtNtries TtlDbtNtries RvslInd Sts BookgDt ValDt AcctSvcrRef Refs EndToEndId AmtDtls TxAmt RltdPties Dbtr
    UltmtDbtr Cdtr UltmtCdtr Pty Nm DbtrAcct CdtrAcct RmtInf Ustrd Strd CdtrRefInf Ref AddtlRmtInf AddtlTxInf
    AddtlNtryInf RtrInf Chrgs
"""
_KNOWN = frozenset(_NAMES.split())
_REPEATED = frozenset({"Bal", "Ustrd", "Strd", "AddtlRmtInf"})
_MOST_NAMES = 1_000
_ITEMS = ("{*}TxDtls", "{*}Ntry", "{*}Stmt", "{*}Ntfctn")


class Statements(Protocol):
    """Takes what is read, in the file's order. What it refuses need not say where: the reader knows."""

    def transaction(self, details: Node, entry: Node, statement: Node) -> None:
        """Take one transaction of an entry, which has begun with its first."""

    def entry(self, entry: Node, statement: Node) -> None:
        """Take an entry, after its transactions."""

    def statement(self, statement: Node, where: str) -> None:
        """Take a statement, after its entries."""


class Reading:
    """One pass over a file. `given` is where the taker puts what it has made of it."""

    def __init__(self, source: Source, taker: Statements, given: deque[BankEntry | Statement]) -> None:
        self._source = source
        self._taker = taker
        self._given = given
        self._names: dict[str, str | None] = {}
        self._statement: Node | None = None
        self._entry: Node | None = None
        self._entries = 0
        self._since_item = 0

    def items(self) -> Iterator[BankEntry | Statement]:
        """Return what the taker has given, while the file is being read."""
        parser = etree.XMLPullParser(
            events=("end",),
            tag=_ITEMS,
            encoding="utf-8",  # whatever the file declares: it is decoded already, strictly
            resolve_entities=False,
            load_dtd=False,
            no_network=True,
            huge_tree=False,
            remove_blank_text=True,
            remove_comments=True,
            remove_pis=True,
        )
        try:
            for text in decoded(self._source):
                parser.feed(text.encode())
                self._since_item += len(text)
                yield from self._taken(parser)
            parser.close()
        except etree.XMLSyntaxError as error:
            raise BadFile(
                f"The XML is broken: {error.msg}.",
                where=f"line {error.lineno}",
                way_out="Get the file again.",
            ) from None
        yield from self._taken(parser)

    def _taken(self, parser: etree.XMLPullParser) -> Iterator[BankEntry | Statement]:
        # The stubs know of kinds of events that are not asked for.
        ended: Iterator[tuple[str, etree._Element]] = parser.read_events()  # type: ignore[assignment]
        for _, element in ended:
            self._since_item = 0
            self._take(element)
            # A transaction goes with its entry, or with the next transaction.
            _forget(element, whole=not element.tag.endswith("TxDtls"))
            while self._given:
                yield self._given.popleft()
        if self._since_item > _LONGEST_ITEM:
            raise BadFile(
                f"More than {_LONGEST_ITEM} bytes without one transaction.", where=f"entry {self._entries}"
            )

    def _take(self, element: etree._Element) -> None:
        name = element.tag.rpartition("}")[2]
        try:
            if name == "TxDtls":
                self._take_transaction(element)
            elif name == "Ntry":
                self._take_entry(element)
            else:
                statement = self._begun(element)
                self._statement = None
                self._taker.statement(statement, self._where(element))
        except BadFile as refusal:
            where = refusal.where or self._where(element)
            raise BadFile(refusal.reason, where=where, way_out=refusal.way_out) from None

    def _take_transaction(self, element: etree._Element) -> None:
        details = element.getparent()
        entry = None if details is None else details.getparent()
        statement = None if entry is None else entry.getparent()
        if entry is None or statement is None or not entry.tag.endswith("Ntry"):
            raise BadFile("Transaction details outside of an entry.")
        if self._entry is None:
            self._entries += 1
            self._entry = self._node(entry)
        self._taker.transaction(self._node(element), self._entry, self._begun(statement))

    def _take_entry(self, element: etree._Element) -> None:
        statement = element.getparent()
        if statement is None:
            raise BadFile("An entry outside of a statement.")
        entry, self._entry = self._entry, None
        if entry is None:
            self._entries += 1
            entry = self._node(element)
        elif (further := element[-1]).tag.endswith("AddtlNtryInf"):  # the only one after the transactions
            entry["AddtlNtryInf"] = (further.text or "").strip()
        self._taker.entry(entry, self._begun(statement))

    def _begun(self, statement: etree._Element) -> Node:
        """Return what a statement says before its entries."""
        if self._statement is None:
            self._statement = self._node(statement)
        return self._statement

    def _node(self, element: etree._Element, depth: int = 0) -> Node:
        if depth > _DEEPEST:
            raise BadFile(f"Elements are more than {_DEEPEST} deep.")
        node: Node = {}
        names = self._names
        for child in element:
            tag = child.tag
            try:
                name = names[tag]
            except KeyError:
                name = self._learned(tag)
            if name is None:
                continue
            text = child.text
            value = (text and _stripped(text)) or (self._node(child, depth + 1) if len(child) else "")
            if name == "Amt":
                value = {"#": value, "@": child.get("Ccy")}
            if name in _REPEATED:
                node.setdefault(name, []).append(value)
            elif name not in node:
                node[name] = value
        return node

    def _learned(self, tag: str) -> str | None:
        """Return a name of interest without its namespace. A file has few; one of very many is not remembered."""
        local = tag.rpartition("}")[2]
        name = local if local in _KNOWN else None
        if len(self._names) < _MOST_NAMES:
            self._names[tag] = name
        return name

    def _where(self, element: etree._Element) -> str:
        line: int = element.sourceline  # type: ignore[assignment]  # the stubs leave it open
        return f"entry {self._entries}" if line >= _HIGHEST_LINE else f"line {line}, entry {self._entries}"


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
        raise BadFile(
            "It has a document type (DOCTYPE), which no bank file needs and which can do harm.",
            way_out="Do not import it. Ask where it comes from.",
        )
    found = _MESSAGE.search(text)
    if found is None or found[1] not in _MESSAGES:
        what = _OTHERS.get(found[1], "") if found else ""
        raise BadFile(f"It is {what or 'XML, but neither camt.053 nor camt.054'}.", way_out=_WAY_OUT)


def _stripped(text: str) -> str:
    if len(text) > _LONGEST_TEXT:
        raise BadFile("A text of more than 64 kB.")
    return text.strip()


def _forget(element: etree._Element, *, whole: bool) -> None:
    """Give the memory of all before an element back, and of what is in it."""
    if whole:
        element.clear()
    parent = element.getparent()
    if parent is not None:
        while element.getprevious() is not None:
            del parent[0]
