"""The questions that Prometheus asks of the views, and what their columns mean as metrics."""

from itertools import product
from typing import Final

from vignettes.domain.catalogue import ZONES
from vignettes.domain.details import Status
from vignettes.domain.support_events import Topic
from vignettes.services.mails import MailKind
from vignettes.services.web.metric_views import Question, Told, each_of

_OLDEST: Final = "For how long the oldest of them waits, by the service's clock; 0 for none."

_FOLLOWERS = Question(
    """
    SELECT view, events_behind, seconds_behind, orders_parked, orders_drifted,
           coalesce(heartbeat_at > clock_timestamp() - %(led)s * interval '1 s', false)::int
    FROM read.projection_lag ORDER BY view
    """,
    (
        Told("projection_events_behind", "Events a view has not taken in."),
        Told(
            "projection_seconds_behind",
            "Age of the oldest event a view has not taken in, by the service's clock; 0 for none.",
        ),
        Told("projection_orders_parked", "Orders that wait because of an event which a view can not digest."),
        Told(
            "projection_orders_drifted", "Orders whose rows in a view were found not to be what the log says."
        ),
        Told("projection_led", "Whether a process that writes the view was heard of within 5 s."),
    ),
    ("view",),
)
_ORDERS = Question(
    "SELECT status, count(*) FROM read.order_status GROUP BY status",
    (Told("orders", "Orders by status."),),
    ("status",),
    each_of(Status),
)
_UNPAID = Question(
    """
    SELECT coalesce(extract(epoch FROM %(now)s - min(placed_at)), 0)
    FROM read.order_status WHERE status IN ('awaiting_payment', 'partially_paid')
    """,
    (
        Told(
            "unpaid_oldest_seconds",
            "How long ago the oldest order was placed that waits for money; 0 for none.",
        ),
    ),
)
# Only those due within the last day are counted: all there ever were would be read each time.
_PROMISES = Question(
    """
    SELECT promise::text, state, count(*) FROM read.promises
    WHERE promise BETWEEN 1 AND 10 AND due_at BETWEEN %(now)s - interval '1 day' AND %(now)s GROUP BY promise, state
    """,
    (
        Told(
            "promises",
            "What was promised for the last 24 hours (read.promises), by the promise's number and its state.",
        ),
    ),
    ("promise", "state"),
    tuple(product(map(str, range(1, 11)), ("kept", "at_risk", "broken", "open", "lapsed"))),
)
_OVERDUE = Question(
    """
    SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(due_at)), 0)
    FROM read.deadlines WHERE ended_at IS NULL AND due_at < %(now)s
    """,
    (
        Told("deadlines_overdue", "Deadlines that are past and not ended."),
        Told(
            "deadlines_most_overdue_seconds",
            "How long the longest of them is past, by the service's clock; 0 for none.",
        ),
    ),
)
_STARTS = Question(
    """
    SELECT CASE rule WHEN 'grace' THEN '2' WHEN 'at_once' THEN '3' ELSE '1' END, count(*),
           extract(epoch FROM %(now)s - min(due_at))
    FROM read.deadlines WHERE purpose = 'registration' AND ended_at IS NULL AND due_at < %(now)s GROUP BY 1
    """,
    (
        Told(
            "starts_overdue",
            "Registrations that should have started, by promise: 1 mark, 2 same day, 3 at once.",
        ),
        Told(
            "starts_most_overdue_seconds",
            "How long the longest of them is due, by the service's clock; 0 for none.",
        ),
    ),
    ("promise",),
    each_of(("1", "2", "3")),
)
_SAME_DAY = Question(
    """
    SELECT coalesce(max(extract(epoch FROM %(now)s - p.began_at)), 0)
    FROM read.deadlines d JOIN read.promises p
         ON p.order_id = d.order_id AND p.promise = 2 AND p.occasion = d.generation
    WHERE d.purpose = 'registration' AND d.rule = 'grace' AND d.ended_at IS NULL
      AND d.due_at < %(now)s + interval '10 min'
    """,
    (
        Told(
            "same_day_used_seconds",
            "How much of its five minutes the same-day order has used that waits longest for its start; 0 for none.",
        ),
    ),
)
_SOON = Question(
    """
    SELECT country, count(*) FROM (
        SELECT country FROM read.deadlines
        WHERE purpose = 'registration' AND ended_at IS NULL AND due_at < %(now)s + interval '1 hour'
        UNION ALL
        SELECT country FROM read.registrations WHERE state IN ('waiting', 'sending', 'unknown')) AS wanted
    GROUP BY country
    """,
    (Told("registrations_wanted", "Orders that need this authority now, or within the next hour."),),
    ("country",),
    each_of(ZONES),
)
_AUTHORITIES = Question(
    """
    SELECT country, (state = 'closed')::int, failures, calls, calls_failed, call_seconds
    FROM read.authorities ORDER BY country
    """,
    (
        Told("authority_callable", "Whether it is called at all: 0 after too many failures."),
        Told("authority_failures", "Calls that failed one after the other, up to now."),
        Told("authority_calls", "Calls to it, questions included.", is_counter=True),
        Told(
            "authority_calls_failed",
            "Calls that got no answer, or one that could not be read.",
            is_counter=True,
        ),
        Told("authority_call_seconds", "How long all calls took together.", is_counter=True),
    ),
    ("country",),
)
_REGISTRATIONS = Question(
    "SELECT state, count(*) FROM read.registrations WHERE state IN ('waiting', 'sending', 'unknown') GROUP BY state",
    (
        Told(
            "registrations_under_way",
            "Registrations that were started and have no answer of the authority on record, by state.",
        ),
    ),
    ("state",),
    each_of(("waiting", "sending", "unknown")),
)
_CALLED = Question(
    "SELECT count(*) FROM read.order_status WHERE status = 'registering' AND person_called_at IS NOT NULL",
    (Told("persons_called", "Registrations under way for which a person was called."),),
)
_MAILS = Question(
    "SELECT count(*) FROM read.mails_open", (Told("mails_waiting", "Mails called for and not sent."),)
)
_MAILS_OLDEST = Question(
    "SELECT kind, extract(epoch FROM %(now)s - min(called_at)) FROM read.mails_open GROUP BY kind",
    (
        Told(
            "mails_waiting_oldest_seconds",
            "For how long the oldest mail of a kind waits to be sent; 0 for none.",
        ),
    ),
    ("kind",),
    each_of(MailKind),
)
_REPORTS = Question(
    "SELECT outcome, reports FROM read.mail_reports",
    (Told("mail_reports", "Messages to the return address, by what was made of them.", is_counter=True),),
    ("outcome",),
    each_of(("permanent", "soft", "complaint", "ignored", "set_aside")),
)
_REVIEW = Question(
    """
    SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(updated_at)), 0)
    FROM read.bank_payments WHERE status = 'in_review'
    """,
    (
        Told("payments_in_review", "Payments that wait for a person to say what they are for."),
        Told("payments_in_review_oldest_seconds", _OLDEST),
    ),
)
_UNPLACED = Question(
    """
    SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(updated_at)), 0)
    FROM read.bank_payments WHERE status = 'unplaced'
    """,
    (
        Told("payments_unplaced", "Reversals that wait for a person to say what they took back."),
        Told("payments_unplaced_oldest_seconds", _OLDEST),
    ),
)
_FILES = Question(
    """
    SELECT count(*), coalesce(extract(epoch FROM %(now)s - min(ended_at)), 0)
    FROM read.bank_files WHERE state = 'set_aside'
    """,
    (
        Told("bank_files_set_aside", "Bank files that were set aside, and not taken in since."),
        Told("bank_files_set_aside_oldest_seconds", _OLDEST),
    ),
)
_PAYOUTS = Question(
    """
    SELECT state, count(*), extract(epoch FROM %(now)s - min(since))
    FROM read.payouts WHERE state IN ('to_approve', 'approved', 'with_bank') GROUP BY state
    """,
    (
        Told(
            "payouts", "Payouts: to be approved, approved and in no file, in a file and on no statement yet."
        ),
        Told("payouts_oldest_seconds", _OLDEST),
    ),
    ("state",),
    each_of(("to_approve", "approved", "with_bank")),
)
_OWING = Question(
    "SELECT count(*) FROM read.order_status WHERE owed > 0",
    (
        Told(
            "orders_owing",
            "Orders whose money was taken back after it had been spent, or had gone back to the payer.",
        ),
    ),
)
_OWED = Question(
    "SELECT currency, sum(owed) FROM read.order_status WHERE owed > 0 GROUP BY currency",
    (Told("owed_minor_units", "What they owe, in minor units."),),
    ("currency",),
)
_CASES = Question(
    """
    SELECT topic, count(*), extract(epoch FROM %(now)s - min(open_since))
    FROM read.support_cases WHERE state = 'open' GROUP BY topic
    """,
    (
        Told("support_cases_open", "Cases of support that wait for us."),
        Told("support_cases_open_oldest_seconds", _OLDEST),
    ),
    ("topic",),
    each_of(Topic),
)
_PUBLISHED = Question(
    "SELECT messages, position FROM read.published",
    (
        Told("published_events", "Events of orders that the stream ORDERS has acknowledged, ever."),
        Told("published_position", "Position in the log of the last of them."),
    ),
)
_LEDGER = Question(
    """
    SELECT size, events_behind, seconds_behind, coalesce(extract(epoch FROM %(now)s - at), 0) FROM read.ledger_lag
    """,
    (
        Told("ledger_size", "Events that the last signed head of the ledger covers."),
        Told("ledger_events_behind", "Events that no signed head covers yet."),
        Told("ledger_seconds_behind", "Age of the oldest of them, by the service's clock; 0 for none."),
        Told("ledger_head_age_seconds", "How long ago the last head was signed; 0 when there is none."),
    ),
)
QUESTIONS: Final = (
    _FOLLOWERS, _ORDERS, _UNPAID, _PROMISES, _OVERDUE, _STARTS, _SAME_DAY, _SOON, _AUTHORITIES,
    _REGISTRATIONS, _CALLED, _MAILS, _MAILS_OLDEST, _REPORTS, _REVIEW, _UNPLACED, _FILES, _PAYOUTS, _OWING, _OWED,
    _CASES, _PUBLISHED, _LEDGER,
)  # fmt: skip
