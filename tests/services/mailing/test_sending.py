"""What a mail server may answer, and what becomes of the mail: tried again, ended, and never in another's way."""

import asyncio

import aiosmtplib
import pytest

from eventstore_helpers import NOON, a_vault, an_order, ask, fold, pay
from mail_helpers import arrived, sent
from service import until
from vignettes.projections.order_status import OrderStatusView
from vignettes.services import mailing as mailer
from vignettes.services import refusing

STATES = "SELECT recipient, state, attempts, last_error, return_kind, return_status FROM read.emails ORDER BY recipient"
ACTIVITY = (
    "SELECT state FROM pg_stat_activity WHERE application_name = 'vignettes' AND pid <> pg_backend_pid()"
)
AT_ONCE = "UPDATE effect.mails SET retry_at = NULL"
LONG_AGO = (
    "UPDATE effect.mails SET retry_at = NULL, failing_since = now() - interval '90 days', last_error = ''"
)
RETURNED = "UPDATE effect.mails SET returned_at = now(), return_kind = 'permanent' WHERE retry_at IS NOT NULL"
LATER = "UPDATE effect.mails SET retry_at = now() + interval '1 hour' WHERE attempts > 0"
#: Lets no mail come on record as sent, and counts how often that was tried: a sequence is not rolled back.
_NO_ROOM = """
CREATE SEQUENCE public.refused;
CREATE FUNCTION public.no_room() RETURNS trigger SECURITY DEFINER LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('public.refused'); RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER no_room BEFORE UPDATE ON effect.mails FOR EACH ROW
WHEN (OLD.sent_at IS NULL AND NEW.sent_at IS NOT NULL) EXECUTE FUNCTION public.no_room()
"""


@pytest.fixture
def answering(inbox):
    """Let the mail server answer RCPT of one address so, as long as it is told to."""
    refused = {}

    async def rcpt(_server, _session, envelope, address, options):
        if address in refused:
            return refused[address]
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    inbox.handle_RCPT = rcpt
    return refused


@pytest.fixture
def thinking(inbox, monkeypatch):
    """Let the mail server take its time over mails to one address: what lets it answer, and whom it has met."""
    keep, goes_on, met = inbox.handle_DATA, asyncio.Event(), asyncio.Event()

    async def slow(server, session, envelope):
        if envelope.rcpt_tos == ["slow@example.com"]:
            met.set()
            await goes_on.wait()
        return await keep(server, session, envelope)

    monkeypatch.setattr(inbox, "handle_DATA", slow)
    return goes_on, met


async def states(database, wanted):
    """Wait until the mails stand so."""

    async def look():
        return ask(database, STATES) == wanted

    await until(look)


async def failed(database, error):
    """Wait until the one mail has failed so, and is to be tried again."""

    async def look():
        return ask(database, "SELECT state, last_error FROM read.emails") == [("retrying", error)]

    await until(look)


async def test_a_recipient_who_is_refused_for_good_gets_no_second_try(
    database, inbox, on_record, mailing, answering
):
    """Shown as returned at once, with the server's status and none of its words; the next mail leaves (case 52)."""
    answering["gone@example.com"] = "550 5.1.1 <gone@example.com> is no user here"
    await on_record(an_order(email="gone@example.com"), an_order())
    async with mailing():
        await states(
            database,
            [
                ("driver@example.com", "sent", 1, None, None, None),
                ("gone@example.com", "returned", 1, "SMTPRecipientsRefused 550", "permanent", "5.1.1"),
            ],
        )
        del answering["gone@example.com"]
        await on_record(an_order())
        await sent(database, 2)
    assert {mail["to"] for mail in inbox.messages()} == {"driver@example.com"}
    assert ask(database, "SELECT mails FROM read.mails_waiting") == [0]


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ("550 no such user", "5.0.0"),
        ("552-5.3.4 too large\r\n552 5.3.4 for us", "5.3.4"),
    ],
)
async def test_a_server_without_a_status_is_believed_too(
    database, on_record, mailing, answering, answer, status
):
    """The code alone says that it is for good."""
    answering["gone@example.com"] = answer
    await on_record(an_order(email="gone@example.com"))
    async with mailing():
        code = answer[:3]
        told = f"SMTPRecipientsRefused {code}"
        await states(database, [("gone@example.com", "returned", 1, told, "permanent", status)])


def test_a_status_is_written_in_ascii():
    """Digits of other alphabets are digits to Python, and no status to the order that is told."""
    refused = aiosmtplib.SMTPDataError(550, "5.\u0661.\u0661 gone")
    assert refusing.for_good(refused, 0.0) == "5.0.0"


@pytest.mark.parametrize(
    "answer",
    [
        "554 5.7.1 relay access denied",
        "530 authentication required",
        "535 5.7.8 who are you",
        "552-5.2.2 over quota\r\n552 5.2.2 for weeks",
    ],
)
async def test_what_others_can_mend_is_tried_until_patience_ends(
    database, on_record, mailing, answering, answer
):
    """A full mailbox is emptied, a policy or a login that keeps us out is mended: no address fails for it at once."""
    answering["driver@example.com"] = answer
    await on_record(an_order())
    told = f"SMTPRecipientsRefused {answer[:3]}"
    async with mailing():
        await states(database, [("driver@example.com", "retrying", 1, told, None, None)])
        ask(database, "UPDATE effect.mails SET retry_at = NULL, failing_since = now() - interval '73 hours'")
        await states(database, [("driver@example.com", "returned", 2, told, "permanent", "4.4.7")])


async def test_no_order_is_blamed_for_an_outage_of_ours(database, inbox, on_record, mailing, answering):
    """Nobody was asked for three days: the mail is tried on, and a recipient has all the patience after that."""

    async def not_you(*_):
        return "550 5.7.1 you may not send here"

    inbox.handle_MAIL = not_you
    await on_record(an_order())
    async with mailing():
        await failed(database, "SMTPSenderRefused 550")
        ask(database, LONG_AGO)
        await failed(database, "SMTPSenderRefused 550")
        answering["driver@example.com"] = "451 4.7.1 greylisted, come again"
        del inbox.handle_MAIL
        ask(database, AT_ONCE)
        await failed(database, "SMTPRecipientsRefused 451")
        del answering["driver@example.com"]
        ask(database, AT_ONCE)
        await sent(database, 1)


async def test_a_mail_does_not_overtake_one_that_is_to_be_tried_again(
    database, inbox, on_record, mailing, answering
):
    """Not at the same address; once the earlier one has come back for good it holds back nothing."""
    answering["driver@example.com"] = "450 4.2.1 come again"
    order = an_order()
    await on_record(order)
    async with mailing():
        await states(
            database, [("driver@example.com", "retrying", 1, "SMTPRecipientsRefused 450", None, None)]
        )
        ask(database, LATER)
        del answering["driver@example.com"]
        await on_record(pay(order))
        await on_record(an_order())
        await sent(database, 1)
        assert ask(database, "SELECT kind FROM read.emails WHERE state = 'waiting'") == ["paid"]
        ask(database, RETURNED)
        await sent(database, 2)
    assert [mail["headers"]["X-Mail-Kind"] for mail in inbox.messages()] == ["placed", "paid"]


async def test_a_mail_that_came_back_for_a_while_is_not_sent_to_an_address_that_was_replaced(
    database, inbox, on_record, mailing
):
    """Somebody else may read there by now; the notice that it was replaced is meant for them, and is sent again."""
    order = an_order()
    order.correct_email("new@example.com", NOON)
    await on_record(order)
    vault = a_vault()
    await fold(database, vault, OrderStatusView(vault))
    async with mailing():
        await sent(database, 3)
        ask(database, "UPDATE effect.mails SET again_at = now() - interval '1 s', soft_returns = 1")
        await arrived(inbox, 5)

        async def settled():
            return ask(database, "SELECT 1 FROM effect.mails WHERE again_at IS NULL HAVING count(*) = 3")

        await until(settled)
    twice = [(mail["to"], mail["headers"]["X-Mail-Kind"]) for mail in inbox.messages()[3:]]
    assert sorted(twice) == [("driver@example.com", "address_changed"), ("new@example.com", "placed")]


async def test_a_mail_that_is_refused_for_now_leaves_later(database, inbox, on_record, mailing, answering):
    """The same one, with its Message-ID and Date; nothing of it is shown as returned."""
    answering["driver@example.com"] = "450 4.2.1 come again"
    await on_record(an_order())
    async with mailing():
        told = "SMTPRecipientsRefused 450"
        await states(database, [("driver@example.com", "retrying", 1, told, None, None)])
        del answering["driver@example.com"]
        ask(database, AT_ONCE)
        await states(database, [("driver@example.com", "sent", 2, None, None, None)])
    [mail] = inbox.messages()
    assert mail["message_id"] == ask(database, "SELECT message_id FROM view.emails")[0]
    assert ask(database, "SELECT failing_since FROM effect.mails") == [None]


async def test_a_mail_that_nobody_takes_for_three_days_has_ended(database, on_record, mailing, answering):
    """Until then it is tried; its order is told with the status of an expired delivery."""
    answering["driver@example.com"] = "451 4.3.0 not today"
    await on_record(an_order())
    async with mailing():
        told = "SMTPRecipientsRefused 451"
        await states(database, [("driver@example.com", "retrying", 1, told, None, None)])
        ask(database, "UPDATE effect.mails SET retry_at = NULL, failing_since = now() - interval '71 hours'")
        await states(database, [("driver@example.com", "retrying", 2, told, None, None)])
        ask(database, "UPDATE effect.mails SET retry_at = NULL, failing_since = now() - interval '73 hours'")
        await states(database, [("driver@example.com", "returned", 3, told, "permanent", "4.4.7")])


async def test_a_server_that_refuses_us_ends_no_mail(database, inbox, on_record, mailing):
    """Our sender, our login, our network: these are ours to mend, and the mail leaves then."""

    async def not_you(*_):
        return "550 5.7.1 you may not send here"

    inbox.handle_MAIL = not_you
    await on_record(an_order())
    async with mailing():
        told = "SMTPSenderRefused 550"
        await states(database, [("driver@example.com", "retrying", 1, told, None, None)])
        del inbox.handle_MAIL
        ask(database, AT_ONCE)
        await sent(database, 1)


async def test_a_server_that_refuses_the_mail_itself_ends_it(
    database, inbox, on_record, mailing, monkeypatch
):
    """After the final dot: its no is as good as that to a recipient."""

    async def no(*_):
        return "554 5.6.0 not like this"

    monkeypatch.setattr(inbox, "handle_DATA", no)
    await on_record(an_order())
    async with mailing():
        told = "SMTPDataError 554"
        await states(database, [("driver@example.com", "returned", 1, told, "permanent", "5.6.0")])


def test_a_mail_is_tried_again_after_seconds_then_minutes_then_hours():
    """The confirmation of a payment is to leave within the hour: a server that is away for minutes costs minutes."""
    pauses = [refusing.pause(attempts, 60.0) for attempts in range(30)]
    assert pauses[0] <= 1.0
    assert sum(pauses[:9]) < 600
    assert max(pauses) <= 300.0
    assert 1800.0 <= refusing.pause(60, 5 * 3600.0) <= 3600.0


async def test_one_slow_recipient_holds_back_nobody(database, inbox, on_record, mailing, thinking):
    """Neither others nor the database: no transaction is open while their server thinks for minutes."""
    goes_on, met = thinking
    await on_record(an_order(email="slow@example.com"))
    async with mailing():
        await met.wait()
        await on_record(*(an_order() for _ in range(10)))
        await sent(database, 10)
        assert "idle in transaction" not in ask(database, ACTIVITY)
        goes_on.set()
        await sent(database, 11)
    assert len(inbox.messages("slow@example.com")) == 1
    assert mailer.REPLY_SECONDS >= 600.0, "RFC 5321, 4.5.3.2.6"


async def test_one_customer_is_written_to_in_order(database, inbox, on_record, mailing, thinking):
    """The confirmation does not overtake the mail before it, however long that takes."""
    goes_on, met = thinking
    order = an_order(email="slow@example.com")
    await on_record(order)
    await on_record(pay(order))
    async with mailing():
        await met.wait()
        await on_record(an_order())
        await sent(database, 1)
        goes_on.set()
        await sent(database, 3)
    kinds = [mail["headers"]["X-Mail-Kind"] for mail in inbox.messages("slow@example.com")]
    assert kinds == ["placed", "paid"]


async def test_two_mailers_send_each_mail_once(database, inbox, on_record, mailing):
    """Whoever takes a mail holds it until that is on record."""
    await on_record(*(an_order() for _ in range(40)))
    async with mailing(), mailing():
        await sent(database, 40)
    assert len(inbox.messages()) == 40


async def test_a_mail_whose_mailer_died_is_sent_by_another(database, inbox, on_record, mailing, thinking):
    """Its hold on the mail ends with its connection; the driver may get it twice, and can tell by its Message-ID."""
    goes_on, met = thinking
    await on_record(an_order(email="slow@example.com"))
    async with mailing():
        await met.wait()
        killing = (
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND granted"
        )
        ask(database, killing)
        goes_on.set()
        await sent(database, 1)
    mails = inbox.messages()
    assert {mail["message_id"] for mail in mails} == set(ask(database, "SELECT message_id FROM view.emails"))
    assert len(mails) <= 2


async def test_a_mail_whose_record_fails_is_not_sent_again_for_it(database, inbox, on_record, mailing):
    """A disk may be full for minutes, and each turn of the mailer would be another copy (I7)."""
    ask(database, _NO_ROOM)
    await on_record(an_order())
    async with mailing():
        await until(lambda: _times_refused(database, 3))
        ask(database, "DROP TRIGGER no_room ON effect.mails")
        await sent(database, 1)
        assert len(inbox.messages()) == 1
        ask(database, "UPDATE effect.mails SET again_at = clock_timestamp()")
        await arrived(inbox, 2)


async def _times_refused(database, times):
    return ask(database, "SELECT last_value >= %s FROM refused", times)[0]


async def test_no_mail_is_sent_while_nothing_waits(database, inbox, on_record, mailing):
    """And none twice, though the mailer looks each second."""
    await on_record(an_order())
    async with mailing():
        await arrived(inbox, 1)
        await sent(database, 1)
    async with mailing():
        await on_record(an_order())
        await sent(database, 2)
    assert len(inbox.messages()) == 2
    held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    assert ask(database, held) == [0]


async def test_a_mail_that_came_back_for_a_while_is_sent_once_more(database, inbox, on_record, mailing):
    """The same one; when it left first stays on record, for that is what was promised."""
    await on_record(an_order())
    async with mailing():
        await sent(database, 1)
        [left_at] = ask(database, "SELECT sent_at FROM effect.mails")
        ask(database, "UPDATE effect.mails SET again_at = now() - interval '1 s', soft_returns = 1")
        await arrived(inbox, 2)
        await states(database, [("driver@example.com", "sent", 2, None, None, None)])
    assert ask(database, "SELECT sent_at, again_at FROM effect.mails") == [(left_at, None)]
    first, second = inbox.messages()
    assert {**first, "received_at": None} == {**second, "received_at": None}


async def test_a_report_that_is_quicker_than_our_record_counts(database, inbox, on_record, mailing, thinking):
    """The mail has come back for a while before we knew that it had left: it is sent again all the same."""
    goes_on, met = thinking
    await on_record(an_order(email="slow@example.com"))
    async with mailing():
        await met.wait()
        ask(database, "UPDATE effect.mails SET again_at = now() + interval '4 hours', soft_returns = 1")
        goes_on.set()
        await sent(database, 1)
    assert ask(database, "SELECT state FROM read.emails") == ["retrying"]
    assert ask(database, "SELECT again_at > now() FROM effect.mails") == [True]
