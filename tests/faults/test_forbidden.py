"""Fault 13, the long form: the same forbidden statements, for there are no more, in other words and other ways."""

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege

from forbidden_statements import FORBIDDEN
from logging_in import a_full_log, attempt, logins_to

#: How a statement is sent: as the suite does; in a block of code; at the end of a message with others.
WAYS = {
    "as it is": "{}",
    "in a block": "DO $block$ BEGIN EXECUTE $said${}$said$; END $block$",
    "after others": "SELECT 1; {}",
}


@pytest.mark.faults
@pytest.mark.fault(13)
def test_no_role_may_do_what_is_forbidden_to_it_in_any_way(postgres, record):
    """Whoever has taken a process over has its login, and need not send what we would."""
    tried, done = 0, []
    with a_full_log(postgres, "forbidden") as url, logins_to(url) as logins:
        for role, statements in FORBIDDEN.items():
            for what, statement in statements.items():
                for way, words in ways(statement).items():
                    tried += 1
                    if not is_refused(logins[role], words):
                        done.append((role, what, way))
    record(
        test=13,
        what=f"forbidden statements, each in up to {len(WAYS)} ways, by a login of each of {len(FORBIDDEN)} roles",
        faults=tried,
        broken=len(done),
        done=done,
    )
    assert done == []
    assert tried > sum(map(len, FORBIDDEN.values()))


def ways(statement):
    """Return how to say it. What is copied has a protocol of its own, and can be said in one way only."""
    said = WAYS if not statement.startswith("COPY") else {"as it is": "{}"}
    return {way: words.replace("{}", statement) for way, words in said.items()}


def is_refused(connection, statement):
    try:
        attempt(connection, statement)
    except InsufficientPrivilege:
        return True
    except psycopg.Error:
        return False
    return False
