"""The users of NATS against the code: each may what its role uses, and no more, wildcard by wildcard.

What the code uses of JetStream and of discovery is seen on a living cluster: test_nats_users.py.
"""

import ast
import re
from pathlib import Path

import pytest

from nats_users import ACCOUNTS, EXPORTS, IMPORTS, ONLY, TEXT, USERS, covers
from vignettes import services
from vignettes.messages import (
    audit,
    bank_files,
    commands,
    events,
    links,
    ops,
    outages,
    payments,
    queries,
    support,
)
from vignettes.runtime.roles import ANSWERING, ROLES, SANDBOX
from vignettes.services.asyncapi import contract

SERVICES = Path(services.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
FORMS = (audit, bank_files, commands, links, ops, outages, payments, queries, support)
#: Where each role's own code asks others; what several roles share asks nobody.
ASKING = {
    "ordering": ("linking.py",),
    "projecting": (),
    "deadlines": ("deadlines.py", "forestalling.py"),
    "registration": ("registration.py", "triggers.py", "registering/*.py"),
    "payments": ("payments/*.py",),
    "support": ("support/*.py",),
    "mailing": ("returns/*.py",),
    "publishing": (),
    "auditing": (),
    "web": ("web/*.py", "notices/*.py"),
}
#: Named by what builds the role, or by what several roles share; or asked of itself, and so of the whole group.
NAMED_ELSEWHERE = {
    "ordering": {commands.SendLink.subject},
    "deadlines": {commands.ExpireOrder.subject, commands.RefundUnanswered.subject},
    "registration": {commands.StartDueRegistrations.subject},
}
#: The queue group of each role that answers.
QUEUES = {
    "ordering": "orders",
    "projecting": "projections",
    "payments": "payments",
    "support": "support",
    "mailing": "mails",
    "auditing": "audit",
}
ANSWERED = {one.subject: one.queue for one in contract().answered}
#: What there is no end of, and so is not named one by one. Everything else is.
ENDLESS = {
    "deadlines": {"registrations.triggers.v1.*"},
    "registration": {
        "$JS.API.CONSUMER.CREATE.REGISTRATIONS.registration.registrations.triggers.v1.>",
        "$JS.ACK.REGISTRATIONS.registration.>",
    },
    "publishing": {"orders.events.v1.*.*"},
    "auditing": {"heads.v1.*"},
    "shop": {"$JS.ACK.ORDERS.shop.>"},
    "accounting": {"$JS.ACK.ORDERS.accounting.>"},
    "auditor": {"$JS.ACK.HEADS.auditor.>"},
}
#: An operator asks everything that is answered, and mends the two streams that the log can fill anew.
OPERATIONS = {
    *(f"{subject.rpartition('.')[0]}.*" for subject in ANSWERED),
    "$SRV.>",
    *("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"),
    *(f"$JS.API.STREAM.{what}.{stream}" for what in ("CREATE", "UPDATE") for stream in
      (events.STREAM, events.TRIGGER_STREAM, events.HEAD_STREAM)),
    *("$JS.API.CONSUMER.INFO.*.*", "$JS.API.CONSUMER.NAMES.*", "$JS.API.CONSUMER.LIST.*"),
    *(
        form.format(stream)
        for stream in (events.STREAM, events.HEAD_STREAM)
        for form in (
            "$JS.API.CONSUMER.CREATE.{}", "$JS.API.CONSUMER.CREATE.{}.>", "$JS.API.CONSUMER.DELETE.{}.*",
            "$JS.API.CONSUMER.MSG.NEXT.{}.*", "$JS.FC.{}.>",
        )
    ),
    *("orders.events.v1.*.*", "heads.v1.*"),
}  # fmt: skip


def test_every_role_is_a_user_and_every_user_is_read_here():
    assert {name for name, user in USERS.items() if user.account == "VIGNETTES"} == {*ROLES, "operations"}
    assert ANSWERING - {SANDBOX} == QUEUES.keys()
    assert {name.upper() for name in USERS} | {"SYSTEM"} == set(re.findall(r"\$NKEY_([A-Z]+)", TEXT))


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_ask_whatever_its_code_names_and_nothing_else(role):
    """But for what it answers itself. What it lacks would end in a time-out, what it has too much in a theft."""
    used = {
        subject
        for pattern in ASKING[role]
        for path in SERVICES.glob(pattern)
        for subject in subjects_named(path)
        if ANSWERED[subject] != QUEUES.get(role)
    }
    allowed = {each for each in USERS[role].publish if not each.startswith("$")} - ENDLESS.get(role, set())
    assert allowed == used | NAMED_ELSEWHERE.get(role, set())


@pytest.mark.parametrize("user", USERS)
def test_a_wildcard_stands_only_where_there_is_no_end_of_subjects(user):
    wildcards = {each for each in USERS[user].publish if "*" in each or ">" in each}
    if user == "operations":
        assert USERS[user].publish == OPERATIONS
    else:
        assert wildcards == ENDLESS.get(user, set())


@pytest.mark.parametrize("user", USERS)
def test_each_listens_to_its_own_inbox_and_to_what_its_role_answers(user):
    own = {f"_INBOX.{user}.>"}
    if user in ROLES:
        own |= {"$SRV.PING", "$SRV.INFO", "$SRV.STATS"}
        own |= {f"$SRV.*.vignettes-{user}", f"$SRV.*.vignettes-{user}.*"}
    if user in QUEUES:
        answered = {subject for subject, queue in ANSWERED.items() if queue == QUEUES[user]}
        heads = {subject.rpartition(".")[0] for subject in answered}
        assert answered == {each for each in ANSWERED if each.rpartition(".")[0] in heads}
        own |= {f"{head}.* {QUEUES[user]}" for head in heads}
    assert USERS[user].subscribe == own


def test_what_other_services_may_ask_is_what_the_page_for_them_tells_of():
    page = (DOCS / "integrating.md").read_text()
    told = set(re.findall(r"^\| `(orders\.v1\.\w+)` \|", page, re.MULTILINE)) | {"orders.v1.status"}
    assert {each for each, to in EXPORTS if to == "PARTNERS" and not each.startswith("$")} == told


def test_auditors_may_ask_all_that_auditing_answers():
    answered = {subject for subject, queue in ANSWERED.items() if queue == "audit"}
    assert {each for each, to in EXPORTS if to == "AUDITORS" and not each.startswith("$")} == answered


def test_accounts_take_in_what_they_are_offered_and_their_users_share_it():
    """An export without an import, or an import that nobody uses, would be a door that nobody looks after."""
    assert {(subject, account) for subject, account, _ in IMPORTS} == EXPORTS
    for account in ACCOUNTS.keys() - {"SYS", "VIGNETTES"}:
        there = {name for _, to, name in IMPORTS if to == account}
        used = {each for user in USERS.values() if user.account == account for each in user.publish}
        assert used == there, account


def test_other_accounts_reach_one_consumer_of_a_stream_and_make_none():
    """Whoever may make a consumer says to which of our subjects it delivers."""
    reached = {subject for subject, _ in EXPORTS if subject.startswith("$")}
    consumers = {("ORDERS", "shop"), ("ORDERS", "accounting"), ("HEADS", "auditor")}
    assert reached == {
        form.format(stream, name)
        for stream, name in consumers
        for form in ("$JS.API.CONSUMER.INFO.{}.{}", "$JS.API.CONSUMER.MSG.NEXT.{}.{}", "$JS.ACK.{}.{}.>")
    }


@pytest.mark.parametrize("subject", ONLY)
def test_those_who_may_do_harm_are_those_who_are_meant(subject):
    """That the server refuses it to all others is tried on a living cluster."""
    assert {name for name, user in USERS.items() if user.may_publish(subject)} == ONLY[subject]


def test_no_user_has_all_of_the_interface_of_streams():
    for name, user in USERS.items():
        for wide in ("$JS.>", "$JS.API.>", "$JS.API.STREAM.>", "$JS.API.STREAM.*.>", ">", "_INBOX.>", "*"):
            assert wide not in user.publish | user.subscribe, name
        for word in ("DELETE", "PURGE", "SNAPSHOT", "RESTORE", "MSG.DELETE"):
            assert not user.may_publish(f"$JS.API.STREAM.{word}.ORDERS"), name


def test_a_pattern_covers_what_the_server_would_let_through():
    for pattern, subject in (("a.*", "a.b"), ("a.>", "a.b.c"), ("a.b", "a.b"), ("a.*.c", "a.b.c")):
        assert covers(pattern, subject)
    for pattern, subject in (("a.*", "a.b.c"), ("a.>", "a"), ("a.b", "a"), ("a", "a.b"), ("a.*", "a.>")):
        assert not covers(pattern, subject)


def subjects_named(path):
    """Return the subjects of all requests that a module names."""
    tree = ast.parse(path.read_text())
    words = {each.attr for each in ast.walk(tree) if isinstance(each, ast.Attribute)}
    words |= {each.id for each in ast.walk(tree) if isinstance(each, ast.Name)}
    known = {name: each for form in FORMS for name, each in vars(form).items() if hasattr(each, "subject")}
    return {known[word].subject for word in words & set(known) if hasattr(known[word], "subject")}
