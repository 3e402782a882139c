"""Fifty edits of a log that a superuser may think of, its ledger and its heads; each tells how it is to be found."""

from collections.abc import Callable
from contextlib import contextmanager
from uuid import UUID

import psycopg

from auditing import (
    OTHER_KEY,
    PUBLIC,
    file_of,
    keep,
    log_of,
    rewrite_tiles,
    signed,
    signed_by,
)
from bank_payments import a_payment, in_review
from eventstore_helpers import a_database, a_vault, ask, record, stories
from vignettes.eventstore.orders import Orders
from vignettes.services.auditing import kept_heads
from vignettes.services.auditing.findings import Kind
from vignettes.services.auditing.verifying import examine, stored

# A superuser needs no more to do what it likes, in a transaction that each test takes back.
UNLOCK = """
ALTER TABLE log.events DISABLE TRIGGER USER;
ALTER TABLE ledger.tiles DISABLE TRIGGER USER;
ALTER TABLE ledger.heads DISABLE TRIGGER USER;
ALTER TABLE ledger.stamps DISABLE TRIGGER USER;
ALTER TABLE log.events DROP CONSTRAINT events_pkey, DROP CONSTRAINT events_originator_version_check,
    ALTER notification_id DROP IDENTITY, ALTER notification_id DROP NOT NULL, ALTER topic DROP NOT NULL;
DROP INDEX log.events_position;
"""
# Never the byte that stood there: of a hash any fixed one is right once in 256.
OTHER_BYTE = "set_byte(hashes, {0}, 255 - get_byte(hashes, {0}))"
ANOTHER = UUID(int=7)
NEW = (ANOTHER, 1, "order.expired.v1", b"{}")
INSERT = """
INSERT INTO log.events (notification_id, originator_id, originator_version, topic, state)
VALUES (%s, %s, %s, %s, %s)
"""


class Past:
    """The log of these tests as it was: rows by their place, and where heads were signed."""

    def __init__(self, database):
        self.database = database
        self.rows = log_of(database)
        self.heads = signed(database)
        self.covered = self.heads[-1].size

    def position(self, place):
        """The position of a row, counted from 0; negative from the last one that a head covers."""
        return self.rows[place if place >= 0 else self.covered + place].position

    def between(self, place):
        """Positions from one head to the next, around a row."""
        after = next(head for head in self.heads if head.size > place)
        before = [head.position for head in self.heads if head.size <= place]
        return max(before, default=0) + 1, after.position

    def place(self, version=1, topic=""):
        """The first row of a version, or with a topic, somewhere in the middle of the log."""
        return next(
            place
            for place, row in enumerate(self.rows)
            if place > 50 and row.version == version and row.topic.startswith(topic)
        )


class Tampering:
    """One connection of a superuser, and the file of heads, which it may have got hold of too."""

    def __init__(self, past, connection):
        self.past = past
        self.connection = connection
        self.file = file_of(past.heads)
        self.key = PUBLIC

    def run(self, query, *values):
        self.connection.execute(query, values)

    def set(self, column, value, place):
        """Overwrite one column of a row."""
        row = self.past.rows[place]
        self.run(f"UPDATE log.events SET {column} = %s WHERE notification_id = %s", value, row.position)

    def delete(self, *places):
        wanted = [self.past.position(place) for place in places]
        self.run("DELETE FROM log.events WHERE notification_id = ANY(%s)", wanted)

    def lines(self, change: Callable[[list[str]], list[str]]):
        self.file = "".join(f"{line}\n" for line in change(self.file.splitlines()))


Edit = Callable[[Tampering], tuple[Kind, int | None] | tuple[Kind, int | None, int | None]]
EDITS: dict[str, Edit] = {}


def edit(does: Edit) -> Edit:
    EDITS[does.__name__] = does
    return does


# --- bytes in every column


@edit
def a_byte_of_the_first_event(t):
    state = bytearray(t.past.rows[0].state)
    state[9] ^= 1
    t.set("state", bytes(state), 0)
    return Kind.CHANGED, t.past.position(0)


@edit
def a_byte_of_an_event_in_the_middle(t):
    state = bytearray(t.past.rows[120].state)
    state[-3] ^= 1
    t.set("state", bytes(state), 120)
    return Kind.CHANGED, t.past.position(120)


@edit
def a_byte_of_the_last_event_that_a_head_covers(t):
    place = t.past.covered - 1
    t.set("state", t.past.rows[place].state + b" ", place)
    return Kind.CHANGED, t.past.position(place)


@edit
def an_amount(t):
    place = t.past.place(2, "order.payment-received")
    t.set("state", t.past.rows[place].state.replace(b'"amount":', b'"amount":1'), place)
    return Kind.CHANGED, t.past.position(place)


@edit
def who_asked(t):
    t.set("state", t.past.rows[60].state.replace(b'"by":"test"', b'"by":"best"'), 60)
    return Kind.CHANGED, t.past.position(60)


@edit
def when_it_was(t):
    t.set("state", t.past.rows[61].state.replace(b'"at":"2026', b'"at":"2025'), 61)
    return Kind.CHANGED, t.past.position(61)


@edit
def all_that_an_event_says(t):
    t.set("state", b"", 62)
    return Kind.CHANGED, t.past.position(62)


@edit
def what_happened(t):
    place = t.past.place(2, "order.payment-received")
    t.set("topic", "order.payment-noticed.v1", place)
    return Kind.CHANGED, t.past.position(place)


@edit
def the_form_of_an_event(t):
    t.set("topic", t.past.rows[63].topic + "0", 63)
    return Kind.CHANGED, t.past.position(63)


@edit
def no_topic_at_all(t):
    t.set("topic", None, 64)
    return Kind.CHANGED, t.past.position(64)


@edit
def whose_event_it_is(t):
    t.set("originator_id", ANOTHER, 65)
    return Kind.CHANGED, t.past.position(65)


@edit
def whose_order_it_is_from_its_beginning(t):
    place = t.past.place()
    order_id = t.past.rows[place].order_id
    t.run("UPDATE log.events SET originator_id = %s WHERE originator_id = %s", ANOTHER, order_id)
    return Kind.CHANGED, t.past.position(place)


@edit
def a_version(t):
    t.set("originator_version", 77, 66)
    return Kind.CHANGED, t.past.position(66)


@edit
def a_version_below_zero(t):
    t.set("originator_version", -1, 67)
    return Kind.CHANGED, t.past.position(67)


@edit
def two_versions_of_one_order_swapped(t):
    place = t.past.place(2)
    order_id = t.past.rows[place].order_id
    query = "UPDATE log.events SET originator_version = 3 - originator_version"
    t.run(f"{query} WHERE originator_id = %s AND originator_version IN (1, 2)", order_id)
    first = next(row.position for row in t.past.rows if row.order_id == order_id)
    return Kind.CHANGED, first


@edit
def what_two_events_say_swapped(t):
    t.set("state", t.past.rows[71].state, 70)
    t.set("state", t.past.rows[70].state, 71)
    return Kind.CHANGED, t.past.position(70)


@edit
def another_event_in_the_place_of_one(t):
    position = t.past.position(72)
    t.delete(72)
    t.run(INSERT, position, *NEW)
    return Kind.CHANGED, position


@edit
def every_event_written_anew_as_json(t):
    t.run("UPDATE log.events SET state = convert_to(convert_from(state, 'UTF8')::jsonb::text, 'UTF8')")
    return Kind.CHANGED, t.past.position(0)


# --- removed


@edit
def the_first_event(t):
    t.delete(0)
    return Kind.REMOVED, t.past.position(0)


@edit
def an_event_in_the_middle(t):
    t.delete(100)
    return Kind.REMOVED, t.past.position(100)


@edit
def the_last_event_that_a_head_covers(t):
    t.delete(-1)
    return Kind.REMOVED, t.past.position(-1)


@edit
def a_range(t):
    t.delete(*range(80, 95))
    return Kind.REMOVED, t.past.position(80)


@edit
def a_whole_order(t):
    place = t.past.place()
    t.run("DELETE FROM log.events WHERE originator_id = %s", t.past.rows[place].order_id)
    return Kind.REMOVED, t.past.position(place)


@edit
def a_whole_payment(t):
    place = t.past.place(1, "bank-payment.")
    t.run("DELETE FROM log.events WHERE originator_id = %s", t.past.rows[place].order_id)
    return Kind.REMOVED, t.past.position(place)


@edit
def the_end_of_the_log(t):
    t.run("DELETE FROM log.events WHERE notification_id >= %s", t.past.position(-20))
    return Kind.REMOVED, t.past.position(-20)


@edit
def everything(t):
    t.run("TRUNCATE log.events")
    return Kind.REMOVED, t.past.position(0)


@edit
def an_event_with_its_order_renumbered(t):
    place = t.past.place(2)
    order_id, position = t.past.rows[place].order_id, t.past.position(place)
    t.delete(place)
    query = "UPDATE log.events SET originator_version = originator_version - 1"
    t.run(f"{query} WHERE originator_id = %s AND originator_version > 2", order_id)
    return Kind.REMOVED, position


@edit
def an_event_with_the_log_closed_up(t):
    """Everything after it stands one position earlier."""
    position = t.past.position(100)
    t.delete(100)
    t.run("UPDATE log.events SET notification_id = notification_id - 1 WHERE notification_id > %s", position)
    return Kind.REORDERED, position


# --- inserted


@edit
def an_event_before_all_others(t):
    t.run(INSERT, 0, *NEW)
    return Kind.INSERTED, 0


@edit
def an_event_in_a_gap(t):
    gap = next(row.position + 1 for row, after in zip(t.past.rows, t.past.rows[1:], strict=False)
               if after.position > row.position + 1)  # fmt: skip
    t.run(INSERT, gap, *NEW)
    return Kind.INSERTED, gap


@edit
def a_copy_of_an_event_at_the_same_position(t):
    t.run(INSERT, *t.past.rows[90])
    return Kind.INSERTED, t.past.position(90)


@edit
def an_event_for_which_room_was_made(t):
    position = t.past.position(100)
    t.run("UPDATE log.events SET notification_id = notification_id + 1 WHERE notification_id >= %s", position)
    t.run(INSERT, position, *NEW)
    return Kind.INSERTED, position


@edit
def a_version_more_at_the_end(t):
    """No head covers it: but no order has this version next."""
    last = t.past.rows[-1].position
    t.run(INSERT, last + 1, t.past.rows[0].order_id, 99, "order.expired.v1", b"{}")
    return Kind.VERSIONS, last + 1


@edit
def an_event_at_the_position_of_another_at_the_end(t):
    last = t.past.rows[-1]
    t.run(INSERT, last.position, *NEW)
    return Kind.POSITIONS, last.position


# --- reordered


@edit
def two_events_swapped(t):
    first, second = t.past.position(110), t.past.position(140)
    query = "UPDATE log.events SET notification_id = %s - notification_id WHERE notification_id IN (%s, %s)"
    t.run(query, first + second, first, second)
    return Kind.REORDERED, first, second


@edit
def neighbours_swapped(t):
    first, second = t.past.position(150), t.past.position(151)
    query = "UPDATE log.events SET notification_id = %s - notification_id WHERE notification_id IN (%s, %s)"
    t.run(query, first + second, first, second)
    return Kind.REORDERED, first, second


@edit
def an_event_moved_to_the_front(t):
    t.set("notification_id", 0, 130)
    return Kind.REORDERED, 0, t.past.position(130)


@edit
def an_event_moved_to_the_end(t):
    last = t.past.rows[-1].position
    t.set("notification_id", last + 1, 130)
    return Kind.REORDERED, last + 1, t.past.position(130)


@edit
def an_event_without_a_position(t):
    t.set("notification_id", None, 131)
    return Kind.REORDERED, (1 << 63) - 1, t.past.position(131)


@edit
def a_position_below_zero(t):
    t.set("notification_id", -5, 132)
    return Kind.REORDERED, -5, t.past.position(132)


@edit
def every_position_shifted(t):
    # Beyond the last of them: events would go where others are still to be.
    t.run("UPDATE log.events SET notification_id = notification_id + 100000")
    return Kind.REORDERED, t.past.position(0) + 100000, t.past.position(0)


# --- the ledger rewritten with the log


@edit
def an_event_and_the_ledger(t):
    t.set("state", t.past.rows[100].state + b" ", 100)
    rewrite_tiles(t.connection)
    return Kind.REWRITTEN, t.past.between(100)[0], t.past.between(100)[1]


@edit
def a_removed_event_and_the_ledger(t):
    t.delete(150)
    rewrite_tiles(t.connection)
    return Kind.REWRITTEN, *t.past.between(150)


@edit
def the_whole_log_and_the_ledger(t):
    t.run("UPDATE log.events SET state = state || ' '")
    rewrite_tiles(t.connection)
    return Kind.REWRITTEN, *t.past.between(0)


@edit
def the_whole_log_with_versions_that_fit(t):
    """Another history of the same length, position by position, with its ledger."""
    t.run("UPDATE log.events SET originator_id = md5(originator_id::text)::uuid")
    rewrite_tiles(t.connection)
    return Kind.REWRITTEN, *t.past.between(0)


@edit
def the_end_of_log_and_ledger(t):
    t.run("DELETE FROM log.events WHERE notification_id >= %s", t.past.position(-5))
    rewrite_tiles(t.connection)
    return Kind.REMOVED, *t.past.between(t.past.covered - 5)


@edit
def the_whole_log_with_ledger_and_heads(t):
    """Everything that the database holds, signed anew by a key that is not ours."""
    t.run("UPDATE log.events SET state = state || ' '")
    rewrite_tiles(t.connection)
    for head in t.past.heads:
        forged = signed_by(OTHER_KEY, head._replace(root=bytes(32)))
        t.run(
            "UPDATE ledger.heads SET root = %s, note = %s WHERE size = %s",
            forged.root,
            forged.note,
            head.size,
        )
    return Kind.REWRITTEN, *t.past.between(0)


# --- what no head covers yet


@edit
def an_event_that_the_ledger_knows_and_no_head(t):
    t.set("state", b"{}", t.past.covered)
    return Kind.UNSIGNED, t.past.rows[t.past.covered].position


@edit
def the_removal_of_an_event_that_no_head_covers(t):
    t.delete(t.past.covered + 1)
    return Kind.UNSIGNED, t.past.rows[t.past.covered + 1].position


# --- the ledger alone


@edit
def a_leaf_of_the_ledger(t):
    t.run(f"UPDATE ledger.tiles SET hashes = {OTHER_BYTE.format(32)} WHERE level = 0 AND number = 0")
    return Kind.TILES, t.past.position(1)


@edit
def a_node_of_the_ledger(t):
    t.run(f"UPDATE ledger.tiles SET hashes = {OTHER_BYTE.format(2)} WHERE level = 1")
    return Kind.TILES, None


@edit
def a_node_too_many(t):
    """The keeper could never extend this tile again."""
    t.run("UPDATE ledger.tiles SET hashes = hashes || sha256('') WHERE level = 1")
    return Kind.TILES, None


@edit
def the_end_of_the_ledger(t):
    t.run("DELETE FROM ledger.tiles WHERE level = 0 AND number > 0")
    return Kind.TILES, None


@edit
def the_positions_of_the_ledger(t):
    t.run("UPDATE ledger.tiles SET positions[5] = 1 WHERE level = 0 AND number = 0")
    return Kind.TILES, 1


# --- heads in the database


@edit
def a_head_of_the_database(t):
    t.run("DELETE FROM ledger.heads WHERE size = %s", t.past.heads[1].size)
    return Kind.STORED_HEAD_REMOVED, None


@edit
def all_heads_of_the_database(t):
    t.run("TRUNCATE ledger.heads CASCADE")
    return Kind.STORED_HEAD_REMOVED, None


@edit
def the_root_of_a_head(t):
    t.run(
        "UPDATE ledger.heads SET root = decode(repeat('00', 32), 'hex') WHERE size = %s", t.past.heads[1].size
    )
    return Kind.STORED_HEAD_CHANGED, None


@edit
def a_head_signed_by_another_key(t):
    forged = signed_by(OTHER_KEY, t.past.heads[1])
    t.run("UPDATE ledger.heads SET note = %s WHERE size = %s", forged.note, forged.size)
    return Kind.STORED_HEAD_CHANGED, None


@edit
def a_head_of_another_key_that_tells_of_another_log(t):
    """Before the first of ours, where those of an earlier key would be."""
    head = t.past.heads[0]._replace(size=3, position=t.past.position(2))
    t.run("INSERT INTO ledger.heads VALUES (%s, %s, %s, %s, %s)", *signed_by(OTHER_KEY, head))
    return Kind.STORED_HEAD_FORGED, None


@edit
def a_head_of_another_key_amid_ours(t):
    """Whatever it tells of."""
    head = t.past.heads[1]
    t.run("DELETE FROM ledger.heads WHERE size = %s", head.size)
    t.lines(lambda lines: [lines[0], *lines[2:]])
    t.run("INSERT INTO ledger.heads VALUES (%s, %s, %s, %s, %s)", *signed_by(OTHER_KEY, head))
    return Kind.STORED_HEAD_FORGED, None


@edit
def the_signature_of_the_newest_head(t):
    """In our name, after the last that is outside: no other key signs with the id of ours."""
    head = t.past.heads[-1]
    t.lines(lambda lines: lines[:-1])
    spoilt = head.note[:-12] + "AAAAAAAAA==\n"
    t.run("UPDATE ledger.heads SET note = %s WHERE size = %s", spoilt, head.size)
    return Kind.STORED_HEAD_FORGED, None


@edit
def a_head_that_was_never_signed(t):
    forged = signed_by(OTHER_KEY, t.past.heads[1]._replace(size=3))
    t.run("INSERT INTO ledger.heads VALUES (%s, %s, %s, %s, %s)", *forged)
    return Kind.STORED_HEAD_FORGED, None


# --- heads outside


@edit
def a_byte_of_a_head_outside(t):
    t.file = t.file.replace('"size": ', '"size": 1', 1)
    return Kind.HEAD_FORGED, None


@edit
def the_root_of_a_head_outside(t):
    root = t.past.heads[1].line.split('"root": "')[1][:8]
    t.file = t.file.replace(root, "AAAAAAAA")
    return Kind.HEAD_FORGED, None


@edit
def every_head_outside_signed_by_another_key(t):
    t.file = file_of([signed_by(OTHER_KEY, each) for each in t.past.heads])
    return Kind.HEAD_FORGED, None


@edit
def the_end_of_the_heads_outside(t):
    t.lines(lambda lines: lines[:-1])
    return Kind.HEADS_CUT, None


@edit
def a_head_outside(t):
    t.lines(lambda lines: [lines[0], *lines[2:]])
    return Kind.HEADS_CUT, None


@edit
def all_heads_outside(t):
    t.lines(lambda _: [])
    return Kind.HEADS_CUT, None


@edit
def the_order_of_the_heads_outside(t):
    t.lines(lambda lines: lines[::-1])
    return Kind.HEADS_DISORDERED, None


@edit
def the_key_that_checks_them(t):
    t.key = OTHER_KEY.public_key()
    return Kind.HEAD_FORGED, None


@edit
def all_heads_everywhere(t):
    t.lines(lambda _: [])
    t.run("TRUNCATE ledger.heads CASCADE")
    return Kind.NO_HEADS, None


@contextmanager
def a_signed_past(postgres, name, rounds=5):
    """A log of orders, payments and cases, signed once each round, with a few events that no head covers."""
    with a_database(postgres, name) as url:
        log = Orders(url, a_vault())
        for _ in range(rounds):
            record(log, *stories(), a_payment(), in_review())
            ask(url, "SELECT nextval('log.events_notification_id_seq')")  # an append that failed leaves a gap
            keep(url)
        record(log, *stories()[:2])
        keep(url, signing=False)
        record(log, *stories()[:1])
        log.close()
        yield Past(url)


@contextmanager
def tampering_with(past):
    """A superuser with a transaction that is taken back."""
    with psycopg.connect(past.database) as connection, connection.transaction(force_rollback=True):
        yield Tampering(past, connection)


def verified(tampering):
    """What a verification finds, in the middle of the transaction that tampers."""
    outside = kept_heads.read(tampering.file, tampering.key)
    inside = stored(tampering.connection)
    return examine(tampering.connection, outside, inside, tampering.key, lambda *_: None)


def is_found(tampering, name):
    """Tell whether an edit is found by its kind and by the first position that it has touched; and what was found."""
    tampering.connection.execute(UNLOCK)
    kind, position, *second = EDITS[name](tampering)
    findings = verified(tampering).findings
    if not findings:
        return False, findings
    first = findings[0]
    places = not second or second == [first.belongs_at or first.until]
    return (first.kind, first.position) == (kind, position) and places and first.told.endswith("."), findings[
        :4
    ]
