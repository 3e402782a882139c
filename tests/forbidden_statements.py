"""What each role of the database may not do: by its rights, or by the triggers of what is only ever appended to.

Each line is one attempt: what somebody would be up to, and the statement.
"""

OWNER, WRITER, PROJECTOR, READER, AUDITOR, LEDGER = ROLES = (
    "vignettes_owner",
    "vignettes_writer",
    "vignettes_projector",
    "vignettes_reader",
    "vignettes_auditor",
    "vignettes_ledger",
)

#: For ever is for everybody: also for the owner, whom only the triggers stop.
REWRITE_THE_LOG = {
    "rename an event": "UPDATE log.events SET topic = 'other'",
    "change an event's bytes": "UPDATE log.events SET state = ''",
    "change no event": "UPDATE log.events SET state = '' WHERE false",
    "renumber an event": "UPDATE log.events SET originator_version = originator_version + 1",
    "delete events": "DELETE FROM log.events",
    "empty the log": "TRUNCATE log.events",
    "change an answer": "UPDATE log.commands SET reply = '{}'",
    "delete answers": "DELETE FROM log.commands",
    "empty the answers": "TRUNCATE log.commands",
    "let money count for another order": "UPDATE log.payments SET order_id = gen_random_uuid()",
    "let money count again": "DELETE FROM log.payments",
    "let all money count again": "TRUNCATE log.payments",
    "move an outage": "UPDATE log.outages SET ends_at = ends_at + interval '1 day'",
    "delete an outage": "DELETE FROM log.outages",
    "empty the outages": "TRUNCATE log.outages CASCADE",
    "undo a withdrawal": "DELETE FROM log.outage_withdrawals",
    "change a head": "UPDATE ledger.heads SET note = ''",
    "delete heads": "DELETE FROM ledger.heads",
    "empty the heads": "TRUNCATE ledger.heads CASCADE",
    "delete time stamps": "DELETE FROM ledger.stamps",
    "change a tile": "UPDATE ledger.tiles SET hashes = sha256('other')",
    "delete tiles": "DELETE FROM ledger.tiles",
    "empty the tree": "TRUNCATE ledger.tiles",
    "change a look": "UPDATE audit.looks SET actor = 'somebody else'",
    "delete looks": "DELETE FROM audit.looks",
    "empty the looks": "TRUNCATE audit.looks",
}
RISE = {
    "make a role": "CREATE ROLE intruder SUPERUSER",
    "become more": "ALTER ROLE CURRENT_USER SUPERUSER",
    "read passwords": "SELECT * FROM pg_authid",
    "change the server": "SELECT pg_reload_conf()",
    "silence triggers": "SET session_replication_role = replica",
    "run a program": "COPY log.events TO PROGRAM 'cat'",
    "read a file of the server": "SELECT pg_read_file('/etc/passwd')",
    "list files of the server": "SELECT pg_ls_dir('.')",
    "write a file of the server": "COPY (SELECT 1) TO '/tmp/out'",
    "make a table in public": "CREATE TABLE public.another ()",
    "load code of their own": "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE c AS '/tmp/f.so', 'f'",
    "become the superuser": "SET SESSION AUTHORIZATION vignettes_admin",
}
BECOME_THE_OWNER = {
    "act as the owner": "SET ROLE vignettes_owner",
    "switch the trigger off": "ALTER TABLE log.events DISABLE TRIGGER events_are_for_ever",
    "drop the trigger": "DROP TRIGGER events_are_for_ever ON log.events",
    "replace what the trigger does": (
        "CREATE OR REPLACE FUNCTION log.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
    ),
    "drop the log": "DROP TABLE log.events CASCADE",
    "make a table in the log's schema": "CREATE TABLE log.another ()",
    "own the log": "ALTER TABLE log.events OWNER TO CURRENT_USER",
    "move the clock": "UPDATE clock.shift SET ahead = '1 hour'",
    "say that nothing must be migrated": "DELETE FROM public.vignettes_migrations",
    "make an edition": "INSERT INTO view.editions (view, version) VALUES ('another', 1)",
    "show an edition by hand": "SELECT view.show(e) FROM view.editions e",
}
KEYS = {
    "read the keys": "SELECT * FROM personal.keys",
    "read one column of the keys": "SELECT contact_view FROM personal.keys",
    "count the keys": "SELECT count(*) FROM personal.keys",
    "read the root secret": "SELECT wrapped FROM personal.secrets",
    "open with a key": "SELECT personal.opened('', '')",
    "put a key in": "INSERT INTO personal.keys (order_id, master) VALUES (gen_random_uuid(), '')",
    "destroy the keys": "UPDATE personal.keys SET contact = NULL",
    "copy the keys out": "COPY personal.keys TO STDOUT",
}
APPEND = {
    "add an event": (
        "INSERT INTO log.events (originator_id, originator_version, topic, state)"
        " VALUES (gen_random_uuid(), 1, 't', '')"
    ),
    "add an answer": (
        "INSERT INTO log.commands (command_id, payload_hash, reply, recorded_at)"
        " VALUES (gen_random_uuid(), '', '{}', now())"
    ),
    "claim a payment": "INSERT INTO log.payments VALUES ('1', gen_random_uuid())",
    "announce an outage": (
        "INSERT INTO log.outages (outage_id, country, begins_at, ends_at, announced_by)"
        " VALUES (gen_random_uuid(), 'CZ', now(), now() + interval '1 h', 'x')"
    ),
    "take an order number": "SELECT nextval('log.order_serial')",
    "begin the order numbers anew": "SELECT setval('log.order_serial', 1)",
}
CHOOSE_A_POSITION = {
    "choose an event's position": (
        "INSERT INTO log.events (originator_id, originator_version, topic, state, notification_id)"
        " OVERRIDING SYSTEM VALUE VALUES (gen_random_uuid(), 1, 't', '', 1)"
    ),
    "set the positions back": "SELECT setval(pg_get_serial_sequence('log.events', 'notification_id'), 1)",
}
SIGN = {
    "add a tile": "INSERT INTO ledger.tiles (level, number, hashes) VALUES (3, 0, sha256(''))",
    "add a head": "INSERT INTO ledger.heads VALUES (9, 9, sha256(''), now(), '')",
    "add a time stamp": "INSERT INTO ledger.stamps VALUES (9, '', now())",
    "say that heads were handed out": "INSERT INTO ledger.outlets VALUES ('stream', 9)",
}
LOOK_BEHIND_THE_VIEWS = {
    "read an edition's table": "SELECT * FROM edition.order_status_1",
    "read a view's table": "SELECT * FROM view.order_status",
    "read the editions": "SELECT * FROM view.editions",
    "read what is parked": "SELECT * FROM view.parked",
    "read the blind index": "SELECT * FROM view.lookup",
    "switch an edition": "SELECT view.switch(0)",
}
MEDDLE_WITH_EFFECTS = {
    "read the mails": "SELECT * FROM effect.mails",
    "say that a mail left": "UPDATE effect.mails SET sent_at = now()",
    "forget the mails": "DELETE FROM effect.mails",
    "forget the triggers": "DELETE FROM effect.triggers",
    "forget the registrations": "DELETE FROM effect.registrations",
    "take up a registration": "SELECT effect.take_up(gen_random_uuid(), '[]')",
}
NOTE_A_LOOK = {
    "write a look by hand": "INSERT INTO audit.looks (actor, what) VALUES ('x', 'find')",
    "number the looks anew": "SELECT setval(pg_get_serial_sequence('audit.looks', 'id'), 1)",
}

FORBIDDEN: dict[str, dict[str, str]] = {
    # What belongs to it, it may change, and so it could switch a trigger off: no process acts as the owner, only
    # migrations, rebuilds and the sandbox's clock. What it may not even so is this.
    OWNER: {**REWRITE_THE_LOG, **RISE},
    WRITER: {
        **REWRITE_THE_LOG,
        **RISE,
        **BECOME_THE_OWNER,
        **CHOOSE_A_POSITION,
        **SIGN,
        **NOTE_A_LOOK,
        **MEDDLE_WITH_EFFECTS,
        "begin the order numbers anew": APPEND["begin the order numbers anew"],
        "announce for another time": (
            "INSERT INTO log.outages (outage_id, country, begins_at, ends_at, announced_by, announced_at)"
            " VALUES (gen_random_uuid(), 'CZ', now(), now() + interval '1 h', 'x', now())"
        ),
        "wrap keys anew": "UPDATE personal.keys SET master = ''",
        "delete keys": "DELETE FROM personal.keys",
        "replace the root secret": "UPDATE personal.secrets SET wrapped = ''",
        "delete the root secret": "DELETE FROM personal.secrets",
        "change a view's row": "UPDATE view.order_status SET status = 'issued'",
        "park an order": "INSERT INTO view.parked SELECT * FROM view.parked",
        "switch an edition": "SELECT view.switch(0)",
        "read an edition's table": "SELECT * FROM edition.order_status_1",
        "act as the projections": "SET ROLE vignettes_projector",
    },
    PROJECTOR: {
        **REWRITE_THE_LOG,
        **RISE,
        **BECOME_THE_OWNER,
        **APPEND,
        **CHOOSE_A_POSITION,
        **SIGN,
        **NOTE_A_LOOK,
        "read the answers": "SELECT * FROM log.commands",
        "read whose payments are": "SELECT * FROM log.payments",
        "append by the function": (
            "SELECT log.append('{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}','{}',"
            "'{}','{}','{}','{}','{}','{}','{}','{}','{}')"
        ),
        "destroy the keys": KEYS["destroy the keys"],
        "put a key in": KEYS["put a key in"],
        "replace the root secret": "UPDATE personal.secrets SET wrapped = ''",
        "show an edition": "UPDATE view.editions SET state = 'live'",
        "change what a switch does": "UPDATE view.editions SET reading = '', handover = ''",
        "delete editions": "DELETE FROM view.editions",
        "make a table of an edition": "CREATE TABLE edition.another ()",
        "empty a table of an edition": "TRUNCATE edition.order_status_1",
        "drop a table of an edition": "DROP TABLE edition.order_status_1",
        "drop a view": "DROP VIEW view.emails",
        "forget the mails": "DELETE FROM effect.mails",
        "forget the triggers": "DELETE FROM effect.triggers",
        "forget the registrations": "DELETE FROM effect.registrations",
        "forget what an authority did": "DELETE FROM effect.authorities",
        "delete documents": "DELETE FROM effect.documents",
        "delete bank files": "DELETE FROM effect.bank_files",
        "take back what people on duty did": "DELETE FROM effect.interventions",
        "change what people on duty did": "UPDATE effect.interventions SET actor = 'x'",
        "act as the writer": "SET ROLE vignettes_writer",
    },
    READER: {
        **REWRITE_THE_LOG,
        **RISE,
        **BECOME_THE_OWNER,
        **KEYS,
        **APPEND,
        **CHOOSE_A_POSITION,
        **SIGN,
        **NOTE_A_LOOK,
        **LOOK_BEHIND_THE_VIEWS,
        **MEDDLE_WITH_EFFECTS,
        "read the log": "SELECT * FROM log.events",
        "read the answers": "SELECT * FROM log.commands",
        "read the tree": "SELECT * FROM ledger.tiles",
        "write through a view": "UPDATE read.bank_files SET state = 'imported'",
        "note a look": "SELECT audit.note_look('x', 'find', NULL, '{}')",
    },
    AUDITOR: {
        **REWRITE_THE_LOG,
        **RISE,
        **BECOME_THE_OWNER,
        **KEYS,
        **APPEND,
        **CHOOSE_A_POSITION,
        **SIGN,
        **NOTE_A_LOOK,
        **LOOK_BEHIND_THE_VIEWS,
        **MEDDLE_WITH_EFFECTS,
        "write through a view": "UPDATE read.bank_files SET state = 'imported'",
        "read the looks' table": "SELECT * FROM audit.looks",
        "act as the writer": "SET ROLE vignettes_writer",
        "act as the ledger": "SET ROLE vignettes_ledger",
        "hold the log up": "LOCK TABLE log.events IN ACCESS EXCLUSIVE MODE",
    },
    LEDGER: {
        **REWRITE_THE_LOG,
        **RISE,
        **BECOME_THE_OWNER,
        **KEYS,
        **APPEND,
        **CHOOSE_A_POSITION,
        **NOTE_A_LOOK,
        **LOOK_BEHIND_THE_VIEWS,
        **MEDDLE_WITH_EFFECTS,
        "read the answers": "SELECT * FROM log.commands",
        "read whose payments are": "SELECT * FROM log.payments",
        "read the orders": "SELECT * FROM read.order_status",
        "read the mails of orders": "SELECT * FROM read.emails",
        "move a tile": "UPDATE ledger.tiles SET number = number + 1",
        "note a look": "SELECT audit.note_look('x', 'find', NULL, '{}')",
    },
}
