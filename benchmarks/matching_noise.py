"""W9's noise: what payers and their banks do to a reference, in which shares. Made up to be harsh, not measured."""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

from benchmarks.matching_orders import PRICES, Open
from vignettes.domain.money import Money
from vignettes.domain.references import creditor_reference, variable_symbol

#: Gives one of the orders.
Draw = Callable[[], Open]


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of payment, how many of a thousand are of it, and whether a person should not be needed."""

    name: str
    per_mille: float
    what: str
    right: bool = False


KINDS = (
    Kind("symbol", 370, "the variable symbol in its field, in one of six padded with zeros", right=True),
    Kind("rf", 110, "the RF reference in its field", right=True),
    Kind("text", 220, "in free text only, in one of the manners below", right=True),
    Kind("end_to_end", 40, "in the payer's name of the transfer, /VS…/SS/KS", right=True),
    Kind("symbol_and_text", 40, "in the field and in the text", right=True),
    Kind("own_symbol", 25, "a symbol of the payer's own of 4 to 8 digits in the field, ours in the text", right=True),
    Kind("own_ten_digits", 4, "a symbol of the payer's own of ten digits in the field, ours in the text", right=True),
    Kind("among_numbers", 40, "in text beside telephone, account, IBAN, date or amount", right=True),
    Kind("paid_again", 6, "a right payment that comes a second time", right=True),
    Kind("one_digit", 25, "one digit wrong"),
    Kind("swapped", 10, "two neighbours swapped"),
    Kind("missing", 8, "one digit missing"),
    Kind("too_many", 7, "one digit too much"),
    Kind("two_errors", 10, "two of these mistakes at once"),
    Kind("no_reference", 30, "no reference, but the plate, a name or nothing in the text"),
    Kind("underpaid", 8, "right reference, less than the price"),
    Kind("overpaid", 8, "right reference, more than the price"),
    Kind("currency", 4, "right reference, another currency"),
    Kind("joint", 10, "two orders paid at once, both named"),
    Kind("another_order", 3, "the number of an order that is long gone, from an old template"),
    Kind("stranger", 22, "no order's money: ten digits of their own in the field, in half of them an amount of ours"),
)  # fmt: skip

#: How a reference is written in free text, and in how many of a thousand. {n} are its ten digits, {a} {b} {c} these in
#: blocks of 4, 4 and 2, {rf} the RF reference, {RF} that as it is printed, {name} {plate} {date} what is said besides.
MANNERS: Mapping[str, float] = {
    "{n}": 120, "V{n}": 170, "v{n}": 15, "VS {n}": 70, "VS:{n}": 70, "VS{n}": 40, "vs. {n}": 20, "VS: {n}": 20,
    "/VS/{n}": 20, "var. symbol {n}": 20, "Variabilní symbol: {n}": 15, "{rf}": 40, "{RF}": 30, "ref {RF}": 10,
    "objednávka {n}": 30, "objednávka č. V{n} {name}": 30, "order V{n}, {plate}": 30, "Bestellung {n}": 20,
    "{name} {n}": 30, "{plate} {n}": 30, "dálniční známka {plate}, obj. {n}, děkuji": 20, "#{n}": 10, "({n})": 5,
    "{a} {b} {c}": 20, "V{a} {b} {c}": 10, "VS {a} {b} {c}": 15, "platba {n}.": 20, "SVWZ+V{n}": 10,
    "EREF+NOTPROVIDED SVWZ+{n} {name}": 10, "obj{n}": 4, "{n} {date}": 15, "V{n} / {plate}": 10, "{n}, {n}": 5,
    # Those that no rule may take as certain: part of something else as far as anyone can tell.
    "{n}CZK": 3, "{n}/2026": 3, "č.obj.{a}.{b}.{c}": 3, "x{n}": 3, "{a}{b}\u200b{c}": 2, "tel. {n}": 2,
}  # fmt: skip

_AMONG = (
    "+420 777 123 456 {n}", "{n} tel. 602{three}{three}", "19-2000145399/0800 {n}", "z uctu 2000145399/0800, VS {n}",
    "CZ65 0800 0000 1920 0014 5399 V{n}", "{n} DE89370400440532013000", "{date} V{n} 399,00 CZK",
    "VS:{n} KS:0308 SS:{ten}", "faktura {ten}, VS {n}", "{n} 10D 2x", "jan{three}@example.com {n}",
    "IČO 27074358 VS {n}",
)  # fmt: skip
_WITHOUT = (
    "{plate}",
    "{name}",
    "známka",
    "dálniční známka {plate}",
    "platba",
    "",
    "vignette",
    "tel. +420 777{three}{three}",
)
_STRANGERS = (
    "faktura {ten}", "nájem 12/2026", "{ten}", "VS {ten} SS {ten}", "IBAN DE89370400440532013000",
    "tel. 602{three}{three}", "záloha {name} {ten}", "smlouva {ten}/2026", "",
)  # fmt: skip
_OTHER_CURRENCY = {"CZK": "EUR", "EUR": "CZK"}
_PAYS_FOR_ANOTHER = 0.12
_REMEMBERED = 1_000
_FIELDS = ("symbol", "text", "rf")
_MISTYPED_IN = (55, 35, 10)
#: A number of the payer's bank in place of the payer's own name of the transfer.
_BANKS_NUMBER = 0.05


@dataclass(frozen=True, slots=True)
class Paid:
    """One payment as it comes in, of which kind it is, and the orders that its payer meant."""

    kind: str
    meant: tuple[str, ...]
    amount: Money
    payer: str
    symbol: str | None = None
    rf: str | None = None
    end_to_end: str | None = None
    text: str = ""


def payments(rng: random.Random, count: int, draw: Draw, stranger: Draw) -> Iterator[Paid]:
    """Give so many payments for orders that are drawn; a `stranger` is one whom nobody waits for."""
    kinds, shares = [kind.name for kind in KINDS], [kind.per_mille for kind in KINDS]
    earlier = [_named(rng, _right(rng, order, "symbol"), order, "symbol") for order in (draw(),)]
    for kind in rng.choices(kinds, shares, k=count):
        if kind == "paid_again":
            again = (
                rng.choice(earlier) if earlier else _named(rng, _right(rng, draw(), kind), draw(), "symbol")
            )
            yield replace(again, kind=kind)
            continue
        paid = _banked(rng, _paid(rng, kind, draw, stranger))
        if kind == "symbol" and len(earlier) < count // 100:
            earlier.append(paid)
        yield paid


def _paid(rng: random.Random, kind: str, draw: Draw, stranger: Draw) -> Paid:
    order = draw()
    right = _right(rng, order, kind)
    match kind:
        case "joint":
            return _joint(rng, right, order, draw)
        case "another_order":
            return _named(rng, right, stranger(), "symbol")
        case "stranger":
            return _strangers(rng, right, order)
        case "underpaid" | "overpaid" | "currency":
            return _named(rng, replace(right, amount=_another(rng, right)), order, rng.choice(_FIELDS))
        case "one_digit" | "swapped" | "missing" | "too_many" | "two_errors":
            return _mistyped(rng, right, order)
    return _well_named(rng, right, order)


def _well_named(rng: random.Random, right: Paid, order: Open) -> Paid:
    """Return a payment that names its order rightly, or not at all."""
    match right.kind:
        case "symbol_and_text":
            return replace(_named(rng, right, order, "text"), symbol=variable_symbol(order.number))
        case "own_symbol":
            own = str(rng.randrange(10 ** rng.randint(3, 7), 10**8))
            return replace(_named(rng, right, order, "text"), symbol=own)
        case "own_ten_digits":
            return replace(_named(rng, right, order, "text"), symbol=_ten(rng))
        case "among_numbers":
            return replace(right, text=_written(rng, rng.choice(_AMONG), order))
        case "no_reference":
            return replace(right, text=_written(rng, rng.choice(_WITHOUT), order))
    return _named(rng, right, order, right.kind)


def _right(rng: random.Random, order: Open, kind: str) -> Paid:
    payer = Open("payers", rng.getrandbits(40)).name if rng.random() < _PAYS_FOR_ANOTHER else order.name
    return Paid(kind, (order.number,), order.amount, payer)


def _named(rng: random.Random, paid: Paid, order: Open, field: str, symbol: str | None = None) -> Paid:
    """Put a symbol, the order's or a mistyped one, where this payer puts it."""
    digits = symbol or variable_symbol(order.number)
    match field:
        case "symbol":
            padded = digits.zfill(16) if rng.random() < 1 / 6 else digits
            return replace(paid, symbol=padded, text=rng.choice(("", "", order.plate, "známka")))
        case "rf":
            return replace(paid, rf=creditor_reference(order.number)[:4] + digits)
        case "end_to_end":
            return replace(paid, end_to_end=f"/VS{digits}/SS/KS{rng.choice(('', '0308'))}")
    manner = rng.choices(list(MANNERS), list(MANNERS.values()))[0]
    return replace(paid, text=_written(rng, manner, order, digits))


def _written(rng: random.Random, manner: str, order: Open, digits: str | None = None) -> str:
    n = digits or variable_symbol(order.number)
    rf = creditor_reference(order.number)[:4] + n
    return manner.format(
        n=n, a=n[:4], b=n[4:8], c=n[8:], rf=rf, RF=" ".join(rf[at : at + 4] for at in range(0, len(rf), 4)),
        name=order.name, plate=order.plate, date=f"{rng.randint(1, 28)}.11.2026", ten=_ten(rng),
        three=f"{rng.randrange(1000):03}",
    )  # fmt: skip


def _mistyped(rng: random.Random, paid: Paid, order: Open) -> Paid:
    """Mistype what the payer copies: the symbol, or the RF reference with its own check digits."""
    field = rng.choices(_FIELDS, _MISTYPED_IN)[0]
    right = creditor_reference(order.number)[2:] if field == "rf" else variable_symbol(order.number)
    wrong = right
    while wrong == right:
        wrong = _typed(rng, right, paid.kind)
    if field == "rf":
        return replace(paid, rf=f"RF{wrong}")
    return _named(rng, paid, order, field, wrong)


def _typed(rng: random.Random, digits: str, mistake: str) -> str:
    at = rng.randrange(len(digits) - 1)
    match mistake:
        case "one_digit":
            return digits[:at] + _digit(rng) + digits[at + 1 :]
        case "swapped":
            return digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :]
        case "missing":
            return digits[:at] + digits[at + 1 :]
        case "too_many":
            return digits[:at] + _digit(rng) + digits[at:]
    first, second = rng.choices(("one_digit", "swapped", "missing", "too_many"), (6, 2, 1, 1), k=2)
    return _typed(rng, _typed(rng, digits, first), second)


def _another(rng: random.Random, paid: Paid) -> Money:
    """Return less, more, or as much of another currency."""
    amount, currency = paid.amount.amount, paid.amount.currency
    match paid.kind:
        case "underpaid":
            return Money(amount - rng.choice((1, 100, 1_000, amount // 10, amount // 2)), currency)
        case "overpaid":
            return Money(amount + rng.choice((1, 100, 1_000, amount // 10, amount)), currency)
    return Money(amount, _OTHER_CURRENCY[currency])


def _joint(rng: random.Random, paid: Paid, order: Open, draw: Draw) -> Paid:
    other = draw()
    while other.amount.currency != order.amount.currency or other == order:
        other = draw()
    numbers = (order.number, other.number)
    text = rng.choice(("{} {}", "{} + {}", "{}, {}", "VS {} a {}")).format(*numbers)
    return replace(paid, meant=numbers, amount=order.amount + other.amount, text=text)


def _strangers(rng: random.Random, paid: Paid, order: Open) -> Paid:
    amount = (
        rng.choice(list(PRICES.values())) if rng.random() < 1 / 2 else Money(rng.randint(100, 900_000), "CZK")
    )
    symbol = rng.choice((_ten(rng), str(rng.randrange(1, 10**8)), None))
    text = _written(rng, rng.choice(_STRANGERS), order)
    payer = Open("strangers", rng.getrandbits(40)).name
    return replace(paid, meant=(), amount=amount, payer=payer, symbol=symbol, text=text)


def _banked(rng: random.Random, paid: Paid) -> Paid:
    """Let some banks put ten digits of their own into the name of the transfer."""
    own = paid.end_to_end is None and rng.random() < _BANKS_NUMBER
    return replace(paid, end_to_end=_ten(rng)) if own else paid


def _ten(rng: random.Random) -> str:
    return str(rng.randrange(10**9, 10**10))


def _digit(rng: random.Random) -> str:
    return str(rng.randrange(10))
