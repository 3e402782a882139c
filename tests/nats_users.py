"""deploy/nats/users.conf as it is read by tests: who may say and hear what, and what accounts let through."""

import re
from dataclasses import dataclass
from pathlib import Path

TEXT = (Path(__file__).parents[1] / "deploy" / "nats" / "users.conf").read_text()


@dataclass(frozen=True)
class User:
    """What one may publish, and what it may listen to."""

    account: str
    publish: frozenset[str]
    subscribe: frozenset[str]

    def may_publish(self, subject: str) -> bool:
        """Tell whether it may, answers aside."""
        return any(covers(each, subject) for each in self.publish)


def covers(pattern: str, subject: str) -> bool:
    """Tell whether a pattern of NATS matches a subject, or all that another pattern does."""
    said, wanted = pattern.split("."), subject.split(".")
    for place, word in enumerate(said):
        if word == ">":
            return place < len(wanted)
        if place == len(wanted) or (word != wanted[place] and (word != "*" or wanted[place] == ">")):
            return False
    return len(said) == len(wanted)


def _accounts() -> dict[str, str]:
    """Return the text of each account by its name."""
    plain = re.sub(r"^\s*#.*$", "", TEXT, flags=re.MULTILINE)
    return dict(re.findall(r"^  ([A-Z]+) \{\n(.*?)^  \}$", plain, re.MULTILINE | re.DOTALL))


def _users(account: str, text: str) -> dict[str, User]:
    blocks = re.findall(
        r"nkey: \$NKEY_([A-Z]+)\s+permissions \{\s+"
        r"publish: (?:\[(.*?)\]|\{deny: \">\"\})\s+subscribe: \[(.*?)\]\s+[}a]",
        text,
        re.DOTALL,
    )
    return {
        name.lower(): User(account, frozenset(_quoted(said)), frozenset(_quoted(heard)))
        for name, said, heard in blocks
    }


def _quoted(text: str) -> list[str]:
    return re.findall(r'"([^"]+)"', text)


ACCOUNTS = _accounts()
USERS = {name: user for account, text in ACCOUNTS.items() for name, user in _users(account, text).items()}
#: To whom each subject of ours is open, beyond our own account.
EXPORTS = {
    (subject, to)
    for subject, to in re.findall(r'\{service: "([^"]+)".*? accounts: \[([A-Z]+)\]\}', ACCOUNTS["VIGNETTES"])
}
#: (our subject, account, what it is called there)
IMPORTS = {
    (subject, account, to or subject)
    for account, text in ACCOUNTS.items()
    for subject, to in re.findall(r'account: VIGNETTES, subject: "([^"]+)"\}(?:, to: "([^"]+)")?\}', text)
}
#: Who may say what could do harm; everybody else is refused by the server. An empty set: nobody may.
ONLY = {
    # commands and the like, as another role would give them
    "orders.v1.place": {"shop", "operations"},
    "orders.v1.receive_payment": {"payments", "shop", "operations"},
    "orders.v1.correct_email": {"web", "shop", "operations"},
    "orders.v1.start_due_registrations": {"registration", "operations"},
    "orders.v1.record_issue": {"registration", "operations"},
    "orders.v1.expire_order": {"deadlines", "operations"},
    "orders.v1.order_payout": {"payments", "operations"},
    "orders.v1.history": {"web", "operations"},
    "orders.v1.change_terms": {"operations"},
    "orders.v1.erase": {"operations"},
    "outages.v1.announce": {"operations"},
    "payments.v1.import": {"operations"},
    "payments.v1.pay_out": {"web", "operations"},
    "support.v1.erase": {"operations"},
    "mails.v1.resend": {"web", "operations"},
    "projections.v1.retry": {"web", "operations"},
    "audit.v1.export": {"web", "operations", "auditor"},
    # what streams hold
    "orders.events.v1.vignette-issued.x": {"publishing", "operations"},
    "registrations.triggers.v1.CZ": {"deadlines"},
    "heads.v1.x": {"auditing", "operations"},
    # streams themselves
    **{
        f"$JS.API.STREAM.{what}.ORDERS": set()
        for what in ("DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE")
    },
    "$JS.API.STREAM.CREATE.SPY": set(),
    "$JS.API.STREAM.CREATE.ORDERS": {"publishing", "operations"},
    "$JS.API.STREAM.CREATE.REGISTRATIONS": {"deadlines", "operations"},
    "$JS.API.STREAM.CREATE.HEADS": {"auditing", "operations"},
    **{f"$JS.API.STREAM.UPDATE.{name}": {"operations"} for name in ("ORDERS", "REGISTRATIONS", "HEADS")},
    "$JS.API.STREAM.MSG.GET.ORDERS": {"operations"},
    "$JS.API.DIRECT.GET.ORDERS": set(),
    # consumers, of our account's interface and of what other accounts see of it
    "$JS.API.CONSUMER.CREATE.ORDERS.spy": {"operations"},
    "$JS.API.CONSUMER.CREATE.REGISTRATIONS.spy": set(),
    "$JS.API.CONSUMER.DELETE.REGISTRATIONS.registration": set(),
    "$JS.API.CONSUMER.MSG.NEXT.REGISTRATIONS.registration": {"registration"},
    "$JS.ACK.REGISTRATIONS.registration.1.1.1.1.0": {"registration"},
    "$JS.API.CONSUMER.MSG.NEXT.ORDERS.shop": {"operations"},
    "$JS.ACK.ORDERS.shop.1.1.1.1.0": {"shop"},
    "vignettes.js.CONSUMER.MSG.NEXT.ORDERS.shop": {"shop"},
    "vignettes.js.CONSUMER.MSG.NEXT.ORDERS.accounting": {"accounting"},
    "vignettes.js.CONSUMER.MSG.NEXT.HEADS.auditor": {"auditor"},
    "vignettes.js.CONSUMER.CREATE.ORDERS.spy": set(),
    # answers that nobody has asked for, and the servers' own
    "_INBOX.shop.x": set(),
    "_INBOX.web.x": set(),
    "$SYS.REQ.SERVER.PING": set(),
}
