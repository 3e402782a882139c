"""What hostile programs send: any bytes, any JSON, and messages that are almost right."""

import copy
import json

from hypothesis import strategies as st

#: Stands in whatever is made up here. Nothing of it may come back in a refusal: it may be somebody's address.
SECRET = "secret7731"
#: Written into the text of a message in the place of a value: what is no JSON, or no number that anybody can hold.
_LITERALS = (
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "1E2",
    "12.5",
    "1250.0",
    "-0",
    "01",
    "0x10",
    "1" + "0" * 400,
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    "'single'",
    "undefined",
    "{}}",
    "[1,]",
    "[" * 300 + "]" * 300,
    '{"a":' * 300 + "1" + "}" * 300,
)
_TEXTS = (
    "",
    " ",
    SECRET,
    f"{SECRET}@example.com",
    f"{SECRET}@example.com, other@example.com",
    f"{SECRET}@example.com\r\nBcc: all@example.com",
    f"Anna <{SECRET}@example.com>",
    f"{SECRET}\x00",
    f"{SECRET}'; DROP TABLE orders; --",
    f"<script>{SECRET}</script>",
    f"../../{SECRET}",
    "\u202e" + SECRET,
    "\u200b" * 5,
    "\ufeff",
    "\u2028",
    "\u0130\u0131\u00df\ufb01",
    "\uff21\uff22\uff11\uff12",
    "\u0661\u0662\u0663",
    "\U0001f600" * 60,
    "x" * 41,
    "x" * 201,
    SECRET * 1_000,
    "%s %(x)s {0} {x} ${x}",
    "en\n",
    "CZ",
    "CZK",
    "KWD",
    "D",
    "V1000000064",
    "0" * 10,
    "1",
    "-1",
    "true",
    "null",
    "PK\x03\x04",
    "QUJD",
    "====",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "454fa8e6b8dd5b578225703057816" + "5d9",
    "{454fa8e6-b8dd-5b57-8225-7030578165d9}",
    "2027-02-29",
    "2027-3-1",
    "0001-01-01",
    "9999-12-31",
    "2027-03-28T02:30:00",
    "2027-10-31T02:30:00",
    "2027-03-28T02:30:00+25:00",
    "2027-03-10T08:00:00Z",
    "2027-03-10T08:00:60Z",
    "2027-03-10 08:00:00.1234567890123Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "-2027-03-10T08:00:00Z",
    "1e9",
    "P1D",
)
_NUMBERS = (
    0,
    1,
    -1,
    1.5,
    1e300,
    5e-324,
    0.1,
    2**31,
    2**31 - 1,
    -(2**31) - 1,
    2**53 + 1,
    2**63 - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    10**15,
    10**15 + 1,
    10**30,
    253402300800,
)

_LEAVES = st.one_of(
    st.sampled_from((None, True, False)),
    st.sampled_from(_NUMBERS),
    st.sampled_from(_TEXTS),
    st.integers(),
    st.floats(allow_nan=True, allow_infinity=True),
    st.text(max_size=30),
)
_NAMES = st.one_of(
    st.sampled_from(("command_id", "actor", "a", "", "__class__", f"{SECRET}@x.cz")), st.text(max_size=10)
)
#: Anything that JSON can say, and Python's NaN, which it can't.
VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=3),
    max_leaves=6,
)
_SAME_KIND = {
    bool: st.booleans(),
    int: st.one_of(st.sampled_from(_NUMBERS), st.integers()),
    float: st.one_of(st.sampled_from(_NUMBERS), st.floats()),
    str: st.one_of(st.sampled_from(_TEXTS), st.text(max_size=30)),
}
_LEAST_LIKE = 2
_HOLE = "\x02hole\x02"


def places(value, here=()):
    """Every place in a JSON value, from the outside in."""
    yield here
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, each in inner:
        yield from places(each, (*here, name))


def at(value, place):
    """The value in a place."""
    for step in place:
        value = value[step]
    return value


def put(value, place, other):
    """Put another value into a place, and return the whole."""
    if not place:
        return other
    at(value, place[:-1])[place[-1]] = other
    return value


def leave_out(value, place):
    del at(value, place[:-1])[place[-1]]
    return value


def written(value):
    return json.dumps(value, ensure_ascii=True).encode()


@st.composite
def _changed(draw, examples):
    """An example with one to three of its places changed: another value, a field too much, one too little."""
    value = copy.deepcopy(draw(st.sampled_from(examples)))
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2, 3)))):
        place = draw(st.sampled_from(list(places(value))))
        how = draw(st.integers(0, 6))
        if how == 0 and place:
            value = leave_out(value, place)
        elif how == 1 and isinstance(value, dict):
            value[draw(_NAMES)] = draw(VALUES)
        else:
            value = put(value, place, draw(_others(at(value, place)) if how > _LEAST_LIKE else VALUES))
    return written(value)


def _others(value):
    """Values of the same kind: they come past the form, and what lies behind it must say what is wrong with them."""
    return _SAME_KIND.get(type(value), VALUES)


@st.composite
def _misspelt(draw, examples):
    """An example with a literal in it that JSON does not have, or has for something else."""
    value = copy.deepcopy(draw(st.sampled_from(examples)))
    value = put(value, draw(st.sampled_from(list(places(value)))), _HOLE)
    return written(value).replace(written(_HOLE), draw(st.sampled_from(_LITERALS)).encode())


@st.composite
def _broken(draw, examples):
    """The bytes of an example, cut off, with others among them, or with one of its fields twice."""
    body = written(draw(st.sampled_from(examples)))
    place = draw(st.integers(0, len(body)))
    match draw(st.integers(0, 3)):
        case 0:
            return body[:place]
        case 1:
            return body[:place] + draw(st.binary(min_size=1, max_size=4)) + body[place:]
        case 2:
            return body[:place] + draw(st.binary(min_size=1, max_size=2)) + body[place + 1 :]
        case _:
            field = json.dumps(draw(_NAMES)) + ":" + json.dumps(draw(VALUES))
            return body[:-1] + b"," + field.encode() + b"," + body[1:]


def bodies(examples):
    """Messages that resemble these examples more or less, among them the examples themselves."""
    return st.one_of(
        _changed(examples),
        _changed(examples),
        _changed(examples),
        _misspelt(examples),
        _broken(examples),
        VALUES.map(written),
        st.binary(max_size=60),
    )
