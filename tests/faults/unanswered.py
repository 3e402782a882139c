"""Which mails had their reply lost with whoever was to read or keep it: those alone may have a second copy (I7)."""

import itertools
from collections import defaultdict
from datetime import datetime, timedelta

#: Who was struck when a mail's yes is lost: who gives it, who hears it, who keeps it.
_CONCERNED = {"sandbox", "mailing", "postgres"}
#: A copy is stamped before it is stored, answered and put on record; so long that may take on cores that are full.
_WITHIN = timedelta(seconds=5)


def lost_replies(messages, strikes, ahead):
    """Return the ids of mails each of whose copies but the last was followed at once by a strike that takes the reply.

    `messages`: as the inbox tells them, by the service's clock; `strikes`: when somebody was killed or stopped, by the
    real one, and who; `ahead`: how far the service's clock is ahead of it.
    """
    moments = [at + ahead for at, struck in strikes if _CONCERNED & set(struck)]
    copies = defaultdict(list)
    for mail in messages:
        copies[mail["message_id"]].append(datetime.fromisoformat(mail["received_at"]))
    return {
        message
        for message, arrived in copies.items()
        if len(arrived) > 1
        and all(
            any(first <= moment <= min(first + _WITHIN, second) for moment in moments)
            for first, second in itertools.pairwise(sorted(arrived))
        )
    }
