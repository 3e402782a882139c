"""A trigger that writes down who took and who moved each edition, and what must be true of that."""

from collections import defaultdict
from itertools import pairwise
from typing import NamedTuple

from eventstore_helpers import ask

_AUDIT = """
CREATE TABLE public.audit (
    place    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    edition  integer NOT NULL,
    term     bigint NOT NULL,
    position bigint NOT NULL,
    taken    boolean NOT NULL,
    moved    boolean NOT NULL,
    session  integer NOT NULL DEFAULT pg_backend_pid(),
    name     text NOT NULL DEFAULT current_setting('application_name'),
    at       float8 NOT NULL DEFAULT extract(epoch FROM clock_timestamp())
);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO public.audit (edition, term, position, taken, moved)
    VALUES (NEW.id, NEW.term, NEW.position, NEW.term <> OLD.term, NEW.position <> OLD.position);
    RETURN NULL;
END $$;
CREATE TRIGGER audit AFTER UPDATE ON view.editions FOR EACH ROW
    WHEN (NEW.term <> OLD.term OR NEW.position <> OLD.position) EXECUTE FUNCTION public.note();
"""


class Entry(NamedTuple):
    """One change of an edition, committed. The row is locked meanwhile: their order is that of the commits."""

    edition: int
    term: int
    position: int
    taken: bool
    moved: bool
    session: int
    name: str
    at: float


def watch(database):
    """Begin to write down."""
    ask(database, _AUDIT)


def entries(eye, since=0.0):
    """Return what was written down, in order."""
    query = "SELECT edition, term, position, taken, moved, session, name, at FROM audit WHERE at > %s ORDER BY place"
    return [Entry(*row) for row in eye.execute(query, (since,))]


def sessions_of(eye, name):
    """Return the sessions in which a process has written so far."""
    return {entry.session for entry in entries(eye) if entry.name == name}


def moved_by_others(eye, since, sessions):
    """Return when the last edition was moved by another session than these; None as long as one was not."""
    live = "SELECT id FROM view.editions WHERE state = 'live' AND tables <> '{}'"
    moved = {}
    for entry in entries(eye, since):
        if entry.moved and entry.session not in sessions:
            moved.setdefault(entry.edition, entry.at)
    return max(moved.values()) if moved.keys() == {row[0] for row in eye.execute(live)} else None


def one_writer_at_a_time(eye):
    """Prove that terms and positions only grew, and that nobody moved what another had taken.

    Returns how often an edition was taken, and how often one was moved.
    """
    by_edition = defaultdict(list)
    for entry in entries(eye):
        by_edition[entry.edition].append(entry)
    for each in by_edition.values():
        holder = None
        for entry in each:
            assert entry.taken != entry.moved
            holder = entry.session if entry.taken else holder
            assert entry.session == holder, f"{entry} was moved by another than {holder}"
        for one, next_ in pairwise(each):
            assert next_.term == one.term + next_.taken
            assert next_.position - one.position > 0 if next_.moved else next_.position == one.position
    every = [entry for each in by_edition.values() for entry in each]
    return sum(entry.taken for entry in every), sum(entry.moved for entry in every)
