"""Which mails had their reply lost with whoever was to read or keep it: those alone may have a second copy (I7)."""

import itertools
import json
from collections import Counter, defaultdict
from datetime import datetime, timedelta

#: Who was struck when a mail's yes is lost: who gives it, who hears it, who keeps it.
_CONCERNED = {"sandbox", "mailing", "postgres"}
#: So long a mail may be under way before and after it is stamped, which needs the database, on cores that are full.
_WITHIN = timedelta(seconds=5)


def lost_replies(messages, strikes, ahead, recorded):
    """Return the ids of mails of which one copy at most is on record, and each other one was struck while under way.

    `messages`: as the inbox tells them, by the service's clock; `strikes`: when somebody was killed or stopped, by the
    real one, and who; `ahead`: how far the service's clock is ahead of it; `recorded`: how often the mailer has said
    that a mail of some order and kind is on record.
    """
    moments = [at + ahead for at, struck in strikes if _CONCERNED & set(struck)]
    copies, ids = defaultdict(list), defaultdict(set)
    for mail in messages:
        copies[mail["message_id"]].append(datetime.fromisoformat(mail["received_at"]))
        ids[_about(mail["message_id"])].add(mail["message_id"])
    return {
        message
        for message, arrived in copies.items()
        if len(arrived) > 1
        and recorded[_about(message)] <= len(ids[_about(message)])
        and all(
            any(first - _WITHIN <= moment <= min(first + _WITHIN, second) for moment in moments)
            for first, second in itertools.pairwise(sorted(arrived))
        )
    }


def put_on_record(log):
    """Count in a log of the service how often each order's mail of each kind was put on record as sent."""
    told = (json.loads(line) for line in log.read_text().splitlines() if '"mail.sent"' in line)
    return Counter((each["order_id"], each["kind"]) for each in told)


def _about(message_id):
    """Return the order and the kind that an id tells: `<order.version.kind@domain>`."""
    order, _, kind = message_id.strip("<>").partition("@")[0].split(".")
    return order, kind
