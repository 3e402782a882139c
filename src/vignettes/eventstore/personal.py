"""Personal data under each order's own keys: sealed in events and views, and erased by destroying the keys."""

import hashlib
import hmac
import os
import time
from base64 import b64encode
from binascii import a2b_base64
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg.rows import DictRow

from vignettes.domain.personal import DataClass
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.masterkeys import MasterKeys, WrongMasterKey

#: How long an opened key is kept at hand, in seconds, and of how many orders.
CACHE_SECONDS = 60.0
CACHED_ORDERS = 50_000

SELECT_KEYS = "SELECT * FROM personal.keys WHERE order_id = ANY(%s)"

_WITHOUT_KEYS = """
SELECT e.originator_id AS order_id FROM log.events e
WHERE e.originator_version = 1 AND NOT EXISTS (SELECT FROM personal.keys k WHERE k.order_id = e.originator_id)
LIMIT 1000
"""
_GIVE_KEYS = """
INSERT INTO personal.keys (order_id, master, contact, vehicle, contact_view, vehicle_view)
VALUES (%(order_id)s, %(master)s, %(contact)s, %(vehicle)s, %(contact_view)s, %(vehicle_view)s)
ON CONFLICT DO NOTHING
"""
_WRAPPED_BY_OTHERS = """
SELECT order_id, master, contact, vehicle FROM personal.keys
WHERE master <> %s AND order_id > %s ORDER BY order_id LIMIT 1000
"""
_WRAP = """
UPDATE personal.keys
SET master = %(master)s,
    contact = CASE WHEN contact IS NOT NULL THEN %(contact)s::bytea END,
    vehicle = CASE WHEN vehicle IS NOT NULL THEN %(vehicle)s::bytea END
WHERE order_id = %(order_id)s AND master = %(before)s
"""

_KEY_BYTES, _NONCE_BYTES, _VIEW_NONCE_BYTES, _BLOCK_BYTES = 32, 12, 16, 32
_FIRST_BLOCK = bytes(4)
_SEALED, _PLAIN = "a1:", "p1:"

#: Each class with its two columns in personal.keys, and how its wrapped key names it after the order.
_CLASSES = tuple((each, each.value, f"{each}_view", each.encode()) for each in DataClass)


class UnreadableSecret(Exception):
    """A sealed text does not open with its order's key: it was changed, or moved from another order or field."""


class MissingKeys(Exception):
    """An order has events but no keys were ever kept for it: restore personal.keys from its backup."""


class _Keys(NamedTuple):
    """One class of one order: for its events, and for the tables of the views."""

    events: AESGCM
    view: bytes


class _Held(NamedTuple):
    """The keys of one order, by class, and its id as what is sealed for it names it."""

    until: float
    context: bytes
    keys: dict[DataClass, _Keys | None]


@dataclass(frozen=True, slots=True)
class NewKeys:
    """The row of personal.keys that goes into the transaction of an order's first event."""

    order_id: UUID
    master: str
    contact: bytes
    vehicle: bytes
    contact_view: bytes
    vehicle_view: bytes


def columns_of_keys(rows: Sequence[NewKeys]) -> dict[str, list[Any]]:
    """Return new keys column by column, as statements that write many take them."""
    return {
        "key_ids": [each.order_id for each in rows],
        "masters": [each.master for each in rows],
        "contacts": [each.contact for each in rows],
        "vehicles": [each.vehicle for each in rows],
        "contact_views": [each.contact_view for each in rows],
        "vehicle_views": [each.vehicle_view for each in rows],
    }


class Vault:
    """The keys of orders, opened and at hand for a bounded time. Not for several threads at once.

    What is sealed for one order and field opens there only. A class whose keys were destroyed opens as None.
    """

    def __init__(self, masters: MasterKeys) -> None:
        self._masters = masters
        # By the integer in an id: to hash and to compare a UUID is slow, and a fold of the log asks by the million.
        self._held: OrderedDict[int, _Held] = OrderedDict()
        self._new: dict[UUID, NewKeys] = {}
        self._locked: dict[int, WrongMasterKey] = {}

    def empty(self) -> "Vault":
        """Return another vault of the same master keys that holds nothing yet."""
        return Vault(self._masters)

    # --- keys

    def create(self, order_id: UUID) -> None:
        """Draw the keys of a new order; `new_keys` gives them to who records it."""
        drawn = {each: (os.urandom(_KEY_BYTES), os.urandom(_KEY_BYTES)) for each in DataClass}
        wrapped = {
            each: self._masters.wrap(key, _context(order_id, each)) for each, (key, _) in drawn.items()
        }
        self._new[order_id] = NewKeys(
            order_id,
            self._masters.current,
            wrapped[DataClass.CONTACT],
            wrapped[DataClass.VEHICLE],
            drawn[DataClass.CONTACT][1],
            drawn[DataClass.VEHICLE][1],
        )
        self._hold(order_id, {each: _Keys(AESGCM(key), view) for each, (key, view) in drawn.items()})

    def new_keys(self, order_ids: Iterable[UUID]) -> list[NewKeys]:
        """Return, once, the keys that were drawn for these orders."""
        return [keys for each in order_ids if (keys := self._new.pop(each, None))]

    def missing(self, order_ids: Iterable[UUID]) -> list[UUID]:
        """Return those whose keys must be read before anything of them can be opened or sealed."""
        now, missing = time.monotonic(), []
        for each in order_ids:
            held = self._held.get(each.int)
            if held is None or held.until < now:
                missing.append(each)
            else:
                # It is wanted now: those that are read meanwhile must not push it out.
                self._held.move_to_end(each.int)
        return missing

    def take(self, rows: Iterable[dict[str, Any]]) -> None:
        """Open and hold rows of personal.keys. A row that does not open is told to whoever asks for that order."""
        for row in rows:
            order_id: UUID = row["order_id"]
            try:
                opened = self._opened(order_id.bytes, row)
            except WrongMasterKey as error:
                self._held.pop(order_id.int, None)
                self._locked[order_id.int] = error
            else:
                self._locked.pop(order_id.int, None)
                self._hold(order_id, opened)

    def forget(self, order_id: UUID) -> None:
        """Hold an order's keys no longer."""
        self._held.pop(order_id.int, None)
        self._new.pop(order_id, None)

    def _opened(self, context: bytes, row: dict[str, Any]) -> dict[DataClass, _Keys | None]:
        opened: dict[DataClass, _Keys | None] = {}
        for each, column, view_column, suffix in _CLASSES:
            wrapped, view = row[column], row[view_column]
            if wrapped is None or view is None:
                opened[each] = None
            else:
                key = self._masters.unwrap(row["master"], bytes(wrapped), context + suffix)
                opened[each] = _Keys(AESGCM(key), bytes(view))
        return opened

    def _hold(self, order_id: UUID, keys: dict[DataClass, _Keys | None]) -> None:
        self._held[order_id.int] = _Held(time.monotonic() + CACHE_SECONDS, order_id.bytes, keys)
        self._held.move_to_end(order_id.int)
        if len(self._held) > CACHED_ORDERS:
            self._held.popitem(last=False)

    def _holding(self, order_id: UUID) -> _Held:
        try:
            return self._held[order_id.int]
        except KeyError:
            if order_id.int in self._locked:
                raise self._locked[order_id.int] from None
            raise MissingKeys(f"{MissingKeys.__doc__} Order {order_id}.") from None

    # --- in events

    def seal(self, order_id: UUID, data_class: DataClass, field: str, text: str | None) -> str | None:
        """Return a text as it stands in an event. Raises MissingKeys for a class that was erased."""
        if text is None:
            return None
        held = self._holding(order_id)
        keys = held.keys[data_class]
        if keys is None:
            raise MissingKeys(f"The {data_class} data of order {order_id} was erased; nothing can be added.")
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + keys.events.encrypt(nonce, text.encode(), held.context + field.encode())
        return _SEALED + b64encode(sealed).decode()

    def open(self, order_id: UUID, data_class: DataClass, field: str, stored: str | None) -> str | None:
        """Return the text that was sealed, None when it was erased. Raises UnreadableSecret, MissingKeys."""
        if stored is None:
            return None
        if stored.startswith(_PLAIN):
            return stored.removeprefix(_PLAIN)
        held = self._holding(order_id)
        keys = held.keys[data_class]
        if keys is None:
            return None
        try:
            sealed = a2b_base64(stored.removeprefix(_SEALED))
            associated = held.context + field.encode()
            return keys.events.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated).decode()
        except (InvalidTag, ValueError):
            raise UnreadableSecret(f"{UnreadableSecret.__doc__} Order {order_id}, {field}.") from None

    # --- in the tables of the views

    def shown(self, order_id: UUID, data_class: DataClass, text: str | None) -> str | None:
        """Return a text as a view keeps it, in PostgreSQL's hexadecimal form; personal.opened() gives it back.

        The same text of the same order comes out the same, so that two folds of the log can be compared.
        """
        keys = self._holding(order_id).keys[data_class]
        if text is None or keys is None:
            return None
        return "\\x" + sealed_for_view(keys.view, text).hex()


def sealed_for_view(key: bytes, text: str) -> bytes:
    """Return a text under the key that a class of an order's data has in the tables of the views."""
    plain_text = text.encode()
    # Keyed BLAKE2 is a pseudo-random function of its own, and costs a third of an HMAC.
    nonce = hashlib.blake2b(plain_text, key=key, digest_size=_VIEW_NONCE_BYTES).digest()
    return nonce + _stream_xor(key, nonce, plain_text)


def give_keys(connection: Connection[DictRow], masters: MasterKeys) -> int:
    """Give keys to orders from before there were any, and return to how many. Safe to repeat, and side by side.

    What their first events hold in the clear stays so; what is added, and what views show, is sealed.
    """
    vault, given = Vault(masters), 0
    while rows := connection.execute(_WITHOUT_KEYS).fetchall():
        for row in rows:
            vault.create(row["order_id"])
            [keys] = vault.new_keys([row["order_id"]])
            vault.forget(row["order_id"])
            given += connection.execute(_GIVE_KEYS, asdict(keys)).rowcount
    return given


def wrap_anew(connection: Connection[DictRow], masters: MasterKeys) -> Iterator[int]:
    """Wrap every key that another than the current master key wraps; gives how many are done, batch by batch.

    Data keys stay as they are, and so does all that they sealed. Stopped half way, it goes on where it was. No row is
    locked while its keys are wrapped; one that was erased meanwhile stays erased.
    """
    done, last = 0, UUID(int=0)
    while rows := connection.execute(_WRAPPED_BY_OTHERS, (masters.current, last)).fetchall():
        anew = [_wrapped_anew(row, masters) for row in rows]
        with connection.cursor() as cursor, connection.transaction():
            cursor.executemany(_WRAP, anew)
        done, last = done + len(rows), rows[-1]["order_id"]
        yield done


def _wrapped_anew(row: DictRow, masters: MasterKeys) -> dict[str, Any]:
    anew: dict[str, Any] = {"order_id": row["order_id"], "master": masters.current, "before": row["master"]}
    for each in DataClass:
        context, wrapped = _context(row["order_id"], each), row[each]
        plain_key = None if wrapped is None else masters.unwrap(row["master"], bytes(wrapped), context)
        anew[each.value] = None if plain_key is None else masters.wrap(plain_key, context)
    return anew


def plain(text: str | None) -> str | None:
    """Return a text that the log holds in the clear, in the form of one that is sealed (for upcasters)."""
    return None if text is None else _PLAIN + text


def _context(order_id: UUID, data_class: DataClass) -> bytes:
    return order_id.bytes + data_class.encode()


def _stream_xor(key: bytes, nonce: bytes, plain_text: bytes) -> bytes:
    length, start = len(plain_text), key + nonce
    stream = hashlib.sha256(start + _FIRST_BLOCK).digest()
    for number in range(1, -(-length // _BLOCK_BYTES)):
        stream += hashlib.sha256(start + number.to_bytes(4, "big")).digest()
    mixed = int.from_bytes(stream[:length], "big") ^ int.from_bytes(plain_text, "big")
    return mixed.to_bytes(length, "big")


class BlindIndex:
    """Keyed hashes of what a customer knows: equal for equal data, and no way back without the key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def email(self, address: str) -> bytes:
        """Return the digest of an address, whatever its capitals."""
        return self._digest(b"email", address.strip().casefold())

    def plate(self, country: str, normal: str) -> bytes:
        """Return the digest of a plate in normal form, of a country in ISO 3166."""
        return self._digest(b"plate", f"{country} {normal}")

    def vehicle(self, vehicle: Vehicle) -> bytes | None:
        """Return the digest of a vehicle's plate; None once it was erased."""
        return self.plate(vehicle.country, vehicle.normal) if vehicle.normal is not None else None

    def _digest(self, kind: bytes, text: str) -> bytes:
        return hmac.digest(self._key, kind + b"\0" + text.encode(), "sha256")
