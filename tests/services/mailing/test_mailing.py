"""The mailer on real servers: it sends what is sealed in the view in the clear, and keeps nothing in the clear."""

import asyncio
from email import message_from_bytes, policy
from uuid import uuid4

import pytest

from eventstore_helpers import DAY, HOUR, NOON, an_order, ask, details, erase, issue, pay, start
from mail_helpers import arrived, sent
from payment_codes import epc_fields, scanned, spayd_fields
from vignettes.domain.outages import Outage
from vignettes.domain.personal import DataClass
from vignettes.domain.references import parse_number

SUBJECTS = "SELECT subject FROM read.emails WHERE order_id = %s ORDER BY position, kind"


def code_shown(letter):
    """Return the text of the code that the HTML of a mail shows, or None."""
    images = [part for part in letter.walk() if part.get_content_maintype() == "image"]
    html = letter.get_body(("html",)).get_content()
    if not images:
        assert "<img" not in html
        return None
    [image] = images
    assert f'<img src="cid:{image["Content-ID"].strip("<>")}"' in html
    return scanned(image.get_content())


def enclosed_in(content):
    """Return the kind of a mail, and file name, type and content of each file in it."""
    letter = message_from_bytes(content, policy=policy.default)
    parts = [(p.get_filename(), p.get_content_type(), p.get_content()) for p in letter.iter_attachments()]
    return letter["X-Mail-Kind"], parts


@pytest.mark.case(28)
async def test_a_debt_is_asked_for_to_the_cent_whatever_else_stands(database, letters, on_record, mailing):
    """After a refund that was taken back nothing of the price is outstanding: the debt is no whole price for it."""
    order = issue(start(pay(an_order(), payment_id="p")))
    order.reverse_payment("p", NOON + HOUR)
    await on_record(order)
    facts = """UPDATE view.emails SET facts = facts || '{"outstanding": {"amount": 0, "currency": "CZK"},
        "owed": {"amount": 12345, "currency": "CZK"}}' WHERE kind = 'owed'"""
    ask(database, facts)
    async with mailing():
        await sent(database, len(ask(database, "SELECT kind FROM view.emails")))
    letter = letters()["owed"]
    assert spayd_fields(code_shown(letter))["AM"] == "123.45"
    text = letter.get_body(("plain",)).get_content()
    assert "399.00" not in text
    assert "123.45" in text


async def test_a_driver_reads_what_the_tables_keep_sealed(database, inbox, on_record, mailing):
    """Address and plate reach them; in the database neither they nor the subject can be read."""
    order = an_order()
    await on_record(order)
    async with mailing():
        [mail] = await arrived(inbox, 1)
        await sent(database, 1)
    assert mail["to"] == "driver@example.com"
    assert "2A2 2345" in mail["text"]
    assert "driver@example.com" in mail["text"]
    assert ask(database, SUBJECTS, order.id) == [mail["subject"]]
    kept = str(ask(database, "SELECT encode(subject, 'escape') FROM effect.mails"))
    assert order.number not in kept


@pytest.mark.case(21)
async def test_the_code_of_a_mail_asks_for_the_exact_rest(database, letters, on_record, mailing):
    """Scanned again from the mail that arrived: the whole price first, and what is missing after a part of it."""
    order = an_order()
    await on_record(order)
    await on_record(pay(order, 10_000))
    async with mailing():
        await sent(database, 2)
    rests = {"placed": order.price.total.amount, "underpaid": order.outstanding.amount}
    assert rests["underpaid"] == rests["placed"] - 10_000
    for kind, rest in rests.items():
        fields = spayd_fields(code_shown(letters()[kind]))
        assert (round(float(fields["AM"]) * 100), fields["CC"]) == (rest, "CZK")
        assert (fields["ACC"], parse_number(fields["X-VS"])) == ("CZ6508000000192000145399", order.number)


@pytest.mark.parametrize(("product", "currency"), [("SK-10D", "EUR"), ("HU-10D", None)])
async def test_the_code_is_of_the_kind_that_its_currency_has(
    database, letters, on_record, mailing, product, currency
):
    order = an_order(details(product=product))
    await on_record(order)
    async with mailing():
        await sent(database, 1)
    text = code_shown(letters()["placed"])
    if currency is None:
        assert text is None
        return
    fields = epc_fields(text)
    assert fields["amount"] == f"EUR{order.price.total.amount / 100:.2f}"
    assert (fields["name"], fields["iban"]) == ("Vignettes", "CZ6508000000192000145399")
    assert parse_number(fields["reference"]) == order.number


async def test_a_mail_with_a_code_is_built_so_that_every_reader_finds_its_part(
    database, letters, on_record, mailing
):
    """Plain text, or else HTML together with its image; where nothing is to be paid there is no image at all."""
    order = an_order()
    await on_record(order)
    await on_record(pay(order))
    async with mailing():
        await sent(database, 2)
    kinds = [part.get_content_type() for part in letters()["placed"].walk()]
    assert kinds == [
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    assert [part.get_content_type() for part in letters()["paid"].walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]
    assert len(bytes(letters()["placed"])) < 30_000


async def test_a_mail_under_way_comes_on_record_when_the_mailer_is_told_to_stop(
    database, inbox, on_record, mailing, monkeypatch
):
    """The server has it, and its yes is on the way: the next process must not send it again."""
    keep, taken, goes_on = inbox.handle_DATA, asyncio.Event(), asyncio.Event()

    async def slow(*mail):
        answer = await keep(*mail)
        taken.set()
        await goes_on.wait()
        return answer

    monkeypatch.setattr(inbox, "handle_DATA", slow)
    await on_record(an_order())
    async with mailing() as task:
        await taken.wait()
        task.cancel()
        await asyncio.sleep(0)
        goes_on.set()
        await asyncio.gather(task, return_exceptions=True)
    assert ask(database, "SELECT sent_at IS NOT NULL FROM effect.mails") == [True]


async def test_no_file_of_the_database_holds_personal_data(postgres, database, inbox, on_record, mailing):
    """Log, views, mails that left, and the write-ahead log of all of them: sealed wherever it is written (I11)."""
    order = start(pay(an_order(details(plate="7CA N4RY"), email="canary.7f3a@example.com")))
    order.record_rejection("other", "canary.7f3a drives 7CA N4RY", order.generation, NOON + HOUR)
    order.request_refund("says canary.7f3a", NOON + 2 * HOUR)
    await on_record(order)
    async with mailing():
        await sent(database, 5)
    assert "7CA N4RY" in inbox.messages()[-1]["text"]
    ask(database, "CHECKPOINT")
    files = [path for path in postgres._cluster.rglob("*") if path.is_file()]
    assert any("pg_wal" in path.parts for path in files)
    for path in files:
        content = path.read_bytes()
        assert not [told for told in (b"canary.7f3a", b"7CA N4RY", b"7CAN4RY") if told in content], path


async def test_a_mail_whose_address_was_erased_is_never_sent(database, orders, inbox, on_record, mailing):
    """Though the view has not heard of it: the keys are gone. The others' mails leave."""
    gone, other = an_order(email="gone@example.com"), an_order(email="other@example.com")
    gone.expire(NOON + 720 * HOUR)
    await on_record(gone, other)
    erase(database, orders, gone)
    async with mailing():
        await sent(database, 1)
        await on_record()
        await on_record(pay(other))
        await sent(database, 2)
    assert {mail["to"] for mail in inbox.messages()} == {"other@example.com"}
    erased = "SELECT state, attempts FROM read.emails WHERE order_id = %s"
    assert ask(database, erased, gone.id) == [("erased", 0)] * 2


async def test_a_mail_leaves_without_the_plate_that_was_erased(database, orders, inbox, on_record, mailing):
    """Its driver may still be told of money; nothing in it says None."""
    order = issue(start(pay(an_order())))
    erase(database, orders, order, DataClass.VEHICLE)
    await on_record(pay(order, 100))
    async with mailing():
        letters = await arrived(inbox, 5)
        await sent(database, 5)
    for mail in letters:
        assert "2A2" not in mail["text"] + mail["html"]
        assert "None" not in mail["text"] + mail["html"]
    assert ask(database, "SELECT count(subject) FROM effect.mails") == [0]


async def test_the_official_document_goes_with_the_confirmation(
    database, on_record, mailing, on_the_wire, issued_with_document, pdf
):
    """To whoever corrects the address too, and with no other mail; the code is told in the text."""
    order = await issued_with_document()
    order.record_validity(NOON, NOON + 20 * DAY, NOON + HOUR)
    order.correct_email("new@example.com", NOON + 2 * HOUR)
    await on_record(order)
    async with mailing():
        await sent(database, 7)
    attached = [("vignette-CZ-0001.pdf", "application/pdf", pdf.content)]
    enclosed = [enclosed_in(content) for content in on_the_wire]
    assert [kind for kind, _ in enclosed].count("issued") == 2
    assert "validity_changed" in [kind for kind, _ in enclosed]
    assert all(parts == (attached if kind == "issued" else []) for kind, parts in enclosed)


@pytest.mark.parametrize(
    "lost",
    [
        "DELETE FROM effect.documents",
        "UPDATE effect.documents SET sealed = set_byte(sealed, 20, get_byte(sealed, 20) # 1)",
        "UPDATE effect.documents SET sealed = ''",
        "UPDATE personal.keys SET vehicle = NULL, vehicle_view = NULL",
    ],
)
async def test_a_confirmation_leaves_without_a_document_that_is_gone(
    database, inbox, on_record, mailing, on_the_wire, issued_with_document, lost
):
    """Missing, spoilt or erased: the driver must know that there is a vignette, and nothing is said to be attached."""
    order = await issued_with_document()
    await on_record(order)
    ask(database, lost)
    async with mailing():
        await sent(database, 4)
    assert enclosed_in(on_the_wire[-1]) == ("issued", [])
    assert "attached" not in inbox.messages()[-1]["text"]
    assert "CZ/0001" in inbox.messages()[-1]["text"]


async def test_the_code_that_opens_the_registration_is_kept_sealed(
    database, inbox, on_record, mailing, issued_with_document
):
    """It is told in the mail, and to nobody who reads the table (I11)."""
    await on_record(await issued_with_document())
    async with mailing():
        await sent(database, 4)
    assert "K7P4" in inbox.messages()[-1]["text"]
    assert "K7P4" not in str(ask(database, "SELECT facts FROM view.emails"))


async def test_a_mail_of_an_earlier_release_is_written_from_the_facts_it_has(
    database, inbox, on_record, mailing
):
    """Rows that were called for before a fact was told lack it, and leave all the same."""
    order = start(pay(an_order()))
    order.record_rejection("plate_not_accepted", "No such plate.", order.generation, NOON + HOUR)
    await on_record(order)
    later = "'{due_at, before_outage, unmoved_at, answer_by, same_day, rejection_code, document}'::text[]"
    ask(database, f"UPDATE view.emails SET facts = facts - {later}")
    async with mailing():
        await sent(database, 4)
    assert "“No such plate.”" in inbox.messages()[-1]["text"]


async def test_an_order_brought_forward_is_told_so_from_then_on(database, inbox, on_record, mailing):
    """The plan's own times, in the mail of the outage, in the one sent again, and in that of the start (case 15)."""
    order = pay(an_order())
    order.regard_outage(Outage(uuid4(), "CZ", NOON + 6 * DAY, NOON + 8 * DAY), NOON + HOUR)
    order.correct_email("new@example.com", NOON + 2 * HOUR)
    order.start_when_due(order.generation, NOON + 6 * DAY)
    await on_record(order)
    async with mailing():
        await sent(database, 6)
    mails = [*inbox.messages("driver@example.com"), *inbox.messages("new@example.com")]
    told = {mail["headers"]["X-Mail-Kind"]: " ".join(mail["text"].split()) for mail in mails}
    assert "Registration starts 7 Jun 2026, 11:00 (Europe/Prague)" in told["brought_forward"]
    assert "Instead of 7 Jun 2026, 12:00 (Europe/Prague)" in told["brought_forward"]
    assert "earlier than usual, which would be 7 Jun 2026, 12:00 (Europe/Prague)" in told["paid"]
    assert "started earlier than usual" in told["started"]


async def test_who_must_answer_reads_until_when(database, inbox, on_record, mailing):
    """By the start of validity; who ordered for today has a day from the rejection (cases 48, 49)."""
    twin, rejected, late = pay(an_order()), start(pay(an_order())), start(pay(an_order(details(0))))
    twin.hold_as_twin(rejected.id, NOON)
    rejected.record_rejection("plate_not_accepted", "No such plate.", rejected.generation, NOON + HOUR)
    late.record_rejection("period_not_accepted", "Closed.", late.generation, NOON + HOUR)
    await on_record(twin, rejected, late)
    async with mailing():
        await sent(database, 11)

    def said(order):
        return " ".join(inbox.messages(order_number=order.number)[-1]["text"].split())

    assert "Please answer by 8 Jun 2026, 00:00 (Europe/Prague)" in said(twin)
    assert "Please do so by 8 Jun 2026, 00:00 (Europe/Prague)" in said(rejected)
    assert "Please do so by 2 Jun 2026, 13:00 (Europe/Prague)" in said(late)
