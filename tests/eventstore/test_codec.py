"""Events to bytes and back. What the first release wrote must stay readable for as long as there is a log."""

import json
from dataclasses import fields, replace
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from traceback import format_exception
from uuid import UUID, uuid4

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import get_topic
from hypothesis import given
from hypothesis import strategies as st

from eventstore_helpers import a_vault
from vignettes.domain.account import Payout, Purpose
from vignettes.domain.catalogue import Price
from vignettes.domain.details import Consent, Details, Document, LinkedOrder, Payment, Status, Vignette
from vignettes.domain.entry import BankEntry
from vignettes.domain.folding import Beginning
from vignettes.domain.money import Money
from vignettes.domain.order import Order
from vignettes.domain.outages import Outage
from vignettes.domain.payment_events import Allocation, Suggested
from vignettes.domain.personal import DataClass
from vignettes.domain.schedule import Start, Terms
from vignettes.domain.support_events import Channel, Particulars, Topic
from vignettes.domain.vehicle import Vehicle
from vignettes.eventstore.codec import (
    AGGREGATES,
    Envelope,
    OrderMapper,
    UnknownEvent,
    UnreadableEvent,
    event_classes,
)
from vignettes.eventstore.masterkeys import WrongMasterKey
from vignettes.eventstore.personal import MissingKeys, UnreadableSecret
from vignettes.eventstore.upcasting import UPCASTERS

STORED = Path(__file__).with_name("stored_events.json")
STORED_KEYS = Path(__file__).with_name("stored_keys.json")
ORDER_ID = UUID("6b0d6a06-9c55-5c0b-9b53-4f3c1f0c7d11")
ENVELOPE = Envelope(
    "support:eva",
    UUID("8a6e0804-2bd0-4672-b79d-d97027f9071a"),
    UUID("0f0e0d0c-0b0a-4908-8706-050403020100"),
)
AT = datetime(2026, 6, 1, 10, 0, 0, 123456, tzinfo=UTC)
SOFIA = timezone(timedelta(hours=3))

EURO = Money(1250, "EUR")
PRICE = Price(official=Money(409, "EUR"), fee=Money(390, "EUR"))
CONSENT = Consent("immediate_performance", "2026-01", AT, "cs")
PAYMENT = Payment("pay-1", EURO, "card", AT - timedelta(seconds=5))
BY_DAY = Details("CZ-10D", Vehicle("CZ", "2A2 2345", "2A22345"), Start(date(2026, 6, 8)))
BY_HOUR = Details(
    "BG-1D",
    Vehicle("DE", "mü-xž 12", "MÜXŽ12"),
    Start(date(2026, 6, 8), datetime(2026, 6, 8, 1, 30, tzinfo=SOFIA)),
)
VIGNETTE = Vignette("CZ-0001", "ref-1", AT, AT + timedelta(days=10))
DOCUMENT = Document("application/pdf", 48_213, "9f" * 32)
OTHER_ORDER = UUID("0c1f5d43-6c34-5a5e-8c1a-0d6a3b9f2e55")
OTHER = LinkedOrder(OTHER_ORDER, "V1000000064", "AT-10D", AT, AT - timedelta(days=1), Status.SCHEDULED, 2)
OUTAGE = Outage(UUID("5d1b8f0a-94e7-4d5a-a0a3-1f7f3b0c9e21"), "BG", AT, AT + timedelta(hours=6))

NOTHING = Money(0, "EUR")
ENTRY = BankEntry(
    entry_id="a9" * 16,
    account="CZ6508000000192000145399",
    booked_on=date(2026, 6, 1),
    amount=EURO,
    credit=True,
    reversal=False,
    booked=True,
    variable_symbol="1000000123",
    creditor_reference="RF341000000123",
    remittance="dálnice Žofie",
    counterparty="Jana Nová",
    counterparty_account="CZ5855000000001265098001",
    end_to_end_id="NOTPROVIDED",
    bank_reference="2026-0601-17",
)
ASKER = Particulars(
    order_id=OTHER_ORDER,
    order_number="V1000000123",
    typed_number="V1000000124",
    email="Žofie@example.com",
    link_generation=1,
    country="DE",
    plate="mü-xž 12",
    ordered_on=date(2026, 6, 1),
)
SHARE = Allocation(OTHER_ORDER, EURO)
SHARE_ID = f"bank-payment:{ORDER_ID}:1"

#: What each event says in the stored examples, of an order, a bank payment or a case of the same id. A form that has
#: grown since under the same topic has another example under `topic#what it lacked`.
EXAMPLES = {
    "order.placed.v3": {
        "originator_topic": "order",
        "number": "V1000000123",
        "details": BY_HOUR,
        "price": PRICE,
        "terms": Terms(),
        "email": "Žofie@example.com",
        "language": "cs",
        "consents": (CONSENT, Consent("terms", "2026-01", AT)),
    },
    "order.payment-received.v1": {"payment": PAYMENT},
    "order.payment-noticed.v1": {"payment": Payment("pay-2", EURO, "transfer", AT, booked=False)},
    "order.surplus-set-aside.v1": {"amount": EURO, "reason": "overpaid"},
    "order.surplus-returned.v1": {"refund_id": "back-1", "amount": EURO},
    "order.payment-reversed.v1": {"payment_id": "pay-1", "amount": EURO, "surplus": NOTHING, "refund": None},
    "order.payment-reversed.v1#refund": {
        "payment_id": "pay-1",
        "amount": EURO,
        "surplus": NOTHING,
        "refund": NOTHING,
    },
    "order.payment-taken-back.v1": {"payment_id": "pay-1", "amount": EURO, "surplus": NOTHING},
    "order.payout-approved.v1": {
        "payout": Payout("V1000000123-1", Purpose.REFUND, EURO),
        "to_account": "CZ5855000000001265098001",
    },
    "order.payout-ordered.v1": {"payout_id": "V1000000123-1", "file_id": "payouts-2026-06-01-1"},
    "order.payout-failed.v1": {"payout_id": "V1000000123-1", "surplus": NOTHING, "refund": EURO},
    "order.details-corrected.v2": {"details": BY_DAY, "price": PRICE},
    "order.email-corrected.v2": {"email": "new@example.com"},
    "order.link-requested.v1": {"others": (OTHER,), "by_reference": False},
    "order.mail-returned.v1": {
        "mail_version": 4,
        "mail_kind": "issued",
        "why": "permanent",
        "status": "5.1.1",
    },
    "order.start-wished.v1": {"consent": None},
    "order.terms-changed.v1": {"terms": Terms(lead=timedelta(hours=24.5)), "before_mark": True},
    "order.outage-regarded.v1": {"outage": OUTAGE, "in_passing": True},
    "order.outage-disregarded.v1": {"outage_id": OUTAGE.id},
    "order.held.v2": {"reason": "start_passed", "because_of": None},
    "order.held.v2#because": {"reason": "same_vehicle_and_period", "because_of": OTHER_ORDER},
    "order.hold-released.v1": {},
    "order.twin-accepted.v1": {"twin": OTHER_ORDER},
    "order.registration-started.v1": {"rule": "lead", "due_at": AT, "generation": 2, "consent": CONSENT},
    "order.person-called.v1": {"why": "outcome_unknown", "act_by": AT, "generation": 2},
    "order.vignette-issued.v1": {"vignette": VIGNETTE},
    "order.vignette-issued.v1#document": {
        "vignette": replace(VIGNETTE, authorisation_code="K7-22 91", document=DOCUMENT)
    },
    "order.validity-changed.v1": {"valid_from": AT, "valid_until": AT + timedelta(days=11)},
    "order.registration-rejected.v3": {"code": "other", "reason": "unknown plate"},
    "order.withdrawn.v1": {"name": "Jana Nová"},
    "order.refund-requested.v2": {"amount": EURO, "reason": "customer"},
    "order.refunded.v1": {"refund_id": "back-2", "amount": EURO},
    "order.expired.v1": {},
    "order.personal-data-erased.v1": {"classes": (DataClass.CONTACT, DataClass.VEHICLE)},
    "bank-payment.booked.v1": {
        "originator_topic": "bank-payment",
        "entry": ENTRY,
        "source": "statement",
        "method": "bank_transfer",
        "test": False,
    },
    "bank-payment.arrived.v1": {"booked_on": date(2026, 6, 2), "amount": EURO},
    "bank-payment.matched.v1": {"allocation": SHARE, "reasons": ("reference", "exact_amount")},
    "bank-payment.queued.v1": {
        "reasons": ("amount_differs",),
        "suggestions": (Suggested((SHARE,), ("near_reference", "payer")), Suggested((), ())),
    },
    "bank-payment.allocated.v1": {"allocations": (SHARE,), "note": "as Jana told"},
    "bank-payment.counted.v1": {"share_id": SHARE_ID},
    "bank-payment.share-refused.v1": {"share_id": SHARE_ID, "code": "conflict"},
    "bank-payment.reassignment-asked.v1": {"allocations": (), "note": "not from Jana"},
    "bank-payment.share-released.v1": {"share_id": SHARE_ID},
    "bank-payment.reassignment-refused.v1": {"share_id": SHARE_ID, "code": "conflict"},
    "bank-payment.line-recognised.v1": {"notice": OTHER_ORDER, "reasons": ("names_the_notice",)},
    "bank-payment.recognition-undone.v1": {"note": "Jana has paid twice"},
    "bank-payment.line-dismissed.v1": {"note": "rent of June"},
    "bank-payment.reversed.v1": {"reversal": "5f" * 16, "reversed_on": date(2026, 6, 9)},
    "bank-payment.return-approved.v1": {
        "payout_id": "P6b0d6a069c555c0b9b53-1",
        "to_account": "CZ5855000000001265098001",
        "note": "Jana does not know either",
    },
    "bank-payment.return-ordered.v1": {"payout_id": "P6b0d6a069c555c0b9b53-1", "file_id": "payouts-1"},
    "bank-payment.return-failed.v1": {"payout_id": "P6b0d6a069c555c0b9b53-1"},
    "bank-payment.returned.v1": {"payout_id": "P6b0d6a069c555c0b9b53-1", "returned_on": date(2026, 6, 10)},
    "bank-payment.personal-data-erased.v1": {"classes": (DataClass.CONTACT,)},
    "support-case.opened.v1": {
        "originator_topic": "support-case",
        "number": "C123456788",
        "topic": Topic.QUESTION,
        "channel": Channel.FORM,
        "particulars": ASKER,
        "language": "cs",
        "message": "Žofie se ptá:\nkdy?",
        "acknowledged": True,
    },
    "support-case.opened.v1#nothing": {
        "originator_topic": "support-case",
        "number": "C123456788",
        "topic": Topic.MAIL_RETURNED,
        "channel": Channel.SERVICE,
        "particulars": Particulars(),
        "language": "en",
        "message": None,
        "acknowledged": False,
    },
    "support-case.message-added.v1": {"channel": Channel.MAIL, "message": "a kde?"},
    "support-case.answered.v1": {"text": "Zítra, Žofie.", "email": "Žofie@example.com", "link_generation": 2},
    "support-case.closed.v1": {},
    "support-case.reopened.v1": {},
    "support-case.answer-returned.v1": {
        "mail_version": 2,
        "mail_kind": "case_answered",
        "why": "permanent",
        "status": "5.1.1",
    },
    "support-case.personal-data-erased.v1": {"classes": (DataClass.CONTACT, DataClass.VEHICLE)},
}
#: Bytes of every form that was ever written, by topic: those of today, and those from before there were keys.
STORED_EXAMPLES = json.loads(STORED.read_text(encoding="utf-8"))
#: The row of personal.keys that some of them were sealed with.
KEYS = {
    name: value if name == "master" else UUID(value) if name == "order_id" else bytes.fromhex(value)
    for name, value in json.loads(STORED_KEYS.read_text(encoding="utf-8")).items()
}

vault = a_vault()
codec = OrderMapper(vault)


@pytest.fixture(autouse=True)
def the_keys_of_the_examples():
    """Hold the keys that the stored examples were sealed with."""
    vault.take([KEYS])


def topic_of(example):
    return example.partition("#")[0]


def event_of(example, said):
    """Return the event that says this: version 1 where it begins an order or payment, or else version 2 of one."""
    event_class = event_classes()[topic_of(example)]
    version = 1 if issubclass(event_class, Beginning) else 2
    return event_class(originator_id=ORDER_ID, originator_version=version, timestamp=AT, **said)


def there_and_back(event, envelope=ENVELOPE):
    return codec.to_recorded(codec.to_stored_event(event, envelope), 7)


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_event_comes_back_as_it_went(example):
    """Equal in every field and of the same types, with its envelope."""
    event = event_of(example, EXAMPLES[example])
    recorded = there_and_back(event)
    assert recorded.event == event
    assert type(recorded.event) is type(event)
    assert (recorded.envelope, recorded.recorded_at, recorded.position) == (ENVELOPE, AT, 7)
    assert recorded.type == type(event).__name__


def test_there_is_an_example_of_each_event():
    """Whoever adds an event adds its bytes to stored_events.json, never changing those that are there."""
    beginnings = {get_topic(each.Created) for each in AGGREGATES}
    recorded = {get_topic(each) for each in event_classes().values()} - beginnings
    assert {topic_of(each) for each in EXAMPLES} == recorded
    assert set(STORED_EXAMPLES) == set(EXAMPLES) | set(UPCASTERS)


@pytest.mark.parametrize("example", STORED_EXAMPLES)
def test_bytes_of_every_release_stay_readable(example):
    """The log is for ever: a field that was renamed, dropped or retyped would make it unreadable."""
    newest = example
    while newest in UPCASTERS:
        newest, _ = UPCASTERS[newest]
    event = event_of(newest, EXAMPLES[newest])
    state = STORED_EXAMPLES[example].encode()
    recorded = codec.to_recorded(StoredEvent(ORDER_ID, event.originator_version, topic_of(example), state), 7)
    assert recorded.event == event
    assert type(recorded.event) is type(event)
    assert recorded.envelope == ENVELOPE


@pytest.mark.parametrize("topic", UPCASTERS)
def test_an_old_form_that_is_broken_is_told_by_name(topic):
    """Upcasters meet bytes of any kind: what is no event of its form stops here, and nothing of it is quoted."""
    for state in (b"{", b"[]", b'{"data": 1}', b'{"data": {"reason": 1, "email": 2, "details": "2A2 2345"}}'):
        with pytest.raises(UnreadableEvent) as refused:
            codec.to_domain_event(StoredEvent(ORDER_ID, 2, topic, state))
        assert f"{ORDER_ID}, version 2" in str(refused.value)
        assert "2A2" not in "".join(format_exception(refused.value))


PERSONAL = [
    ("order.placed.v3", {"Žofie@example.com", "mü-xž 12", "MÜXŽ12"}),
    ("order.details-corrected.v2", {"2A2 2345", "2A22345"}),
    ("order.email-corrected.v2", {"new@example.com"}),
    ("order.vignette-issued.v1#document", {"K7-22 91"}),
    ("order.registration-rejected.v3", {"unknown plate"}),
    ("order.withdrawn.v1", {"Jana Nová"}),
    ("order.refund-requested.v2", {"customer"}),
    ("order.payout-approved.v1", {"CZ5855000000001265098001"}),
    ("bank-payment.booked.v1", {"dálnice Žofie", "Jana Nová", "CZ5855000000001265098001"}),
    ("bank-payment.allocated.v1", {"as Jana told"}),
    ("bank-payment.reassignment-asked.v1", {"not from Jana"}),
    ("bank-payment.return-approved.v1", {"CZ5855000000001265098001", "Jana does not know either"}),
    ("support-case.opened.v1", {"V1000000124", "Žofie@example.com", "mü-xž 12", "Žofie se ptá"}),
    ("support-case.message-added.v1", {"a kde?"}),
    ("support-case.answered.v1", {"Zítra, Žofie.", "Žofie@example.com"}),
]


@pytest.mark.parametrize(("example", "texts"), PERSONAL)
def test_personal_data_is_sealed_in_the_bytes(example, texts):
    """Who ordered or paid, for which vehicle, and what people wrote freely."""
    event = event_of(example, EXAMPLES[example])
    state = json.loads(codec.to_stored_event(event, ENVELOPE).state)
    assert not [text for text in texts if text in json.dumps(state, ensure_ascii=False)]
    assert there_and_back(event).event == event


@pytest.mark.parametrize(("example", "texts"), PERSONAL)
def test_once_erased_an_event_reads_with_null_in_its_place(example, texts):
    """The history stays whole; what was personal in it is None, and the rest is as it was."""
    said = json.loads(STORED_EXAMPLES[example])["data"]
    event = event_of(example, EXAMPLES[example])
    vault.take([{**KEYS, "contact": None, "contact_view": None, "vehicle": None, "vehicle_view": None}])
    stored = StoredEvent(
        ORDER_ID, event.originator_version, topic_of(example), STORED_EXAMPLES[example].encode()
    )
    data = codec.to_recorded(stored, 7).data
    assert not [text for text in texts if text in json.dumps(data, ensure_ascii=False)]
    assert data.keys() == said.keys()
    for name, value in data.items():
        assert value in (None, said[name]) or name in {"details", "vignette", "entry", "particulars"}


def test_a_sealed_text_opens_in_its_place_only():
    """Moved to another order or field, or changed by a byte, it is refused and not read as something else."""
    stored = codec.to_stored_event(
        event_of("order.email-corrected.v2", {"email": "new@example.com"}), ENVELOPE
    )
    sealed = json.loads(stored.state)["data"]["email"]
    other = uuid4()
    vault.create(other)
    assert vault.open(ORDER_ID, DataClass.CONTACT, "email", sealed) == "new@example.com"
    turned = sealed[:-4] + ("AAA=" if not sealed.endswith("AAA=") else "BBB=")
    for order_id, field, text in (
        (other, "email", sealed),
        (ORDER_ID, "reason", sealed),
        (ORDER_ID, "email", turned),
        (ORDER_ID, "email", "a1:not base64"),
        (ORDER_ID, "email", "new@example.com"),
    ):
        with pytest.raises(UnreadableSecret) as refused:
            vault.open(order_id, DataClass.CONTACT, field, text)
        assert "example.com" not in "".join(format_exception(refused.value))


def sealed_elsewhere():
    """Return the bytes of an order whose plate was sealed for another field."""
    wrapped = json.loads(STORED_EXAMPLES["order.placed.v3"])
    wrapped["data"]["details"]["vehicle"]["plate"] = wrapped["data"]["email"]
    return wrapped


def without_price(wrapped):
    """Take away what makes it whole: it is of no form any more, too."""
    del wrapped["data"]["price"]
    return wrapped


@pytest.mark.parametrize("also_broken", [lambda wrapped: wrapped, without_price])
def test_a_secret_that_does_not_open_is_told_as_such(also_broken):
    """Whatever else is wrong with the event: the key is what somebody must look after first."""
    state = json.dumps(also_broken(sealed_elsewhere())).encode()
    with pytest.raises(UnreadableSecret, match=f"{ORDER_ID}, plate"):
        codec.to_domain_event(StoredEvent(ORDER_ID, 1, "order.placed.v3", state))


@pytest.mark.parametrize("also_broken", [lambda wrapped: wrapped, without_price])
@pytest.mark.parametrize(
    ("keys", "error"), [([], MissingKeys), ([{**KEYS, "master": "of somebody else"}], WrongMasterKey)]
)
def test_keys_that_are_not_here_are_told_as_such(keys, error, also_broken):
    """They can be restored; nothing is wrong with the event, or nobody knows yet."""
    elsewhere = a_vault()
    elsewhere.take(keys)
    wrapped = also_broken(json.loads(STORED_EXAMPLES["order.placed.v3"]))
    with pytest.raises(error):
        OrderMapper(elsewhere).to_recorded(
            StoredEvent(ORDER_ID, 1, "order.placed.v3", json.dumps(wrapped).encode()), 7
        )


@pytest.mark.parametrize("example", STORED_EXAMPLES)
def test_a_row_of_the_log_is_read_as_a_stored_event_is(example):
    """Whoever reads many spares the wrapping."""
    topic, state = topic_of(example), STORED_EXAMPLES[example].encode()
    assert codec.read(7, ORDER_ID, 1, topic, state) == codec.to_recorded(
        StoredEvent(ORDER_ID, 1, topic, state), 7
    )


def test_an_event_that_nobody_knows_stops_the_reader():
    """Even when its bytes are of no form at all."""
    with pytest.raises(UnknownEvent, match=str(ORDER_ID)):
        codec.to_domain_event(StoredEvent(ORDER_ID, 1, "order.exploded.v1", b"{"))


def test_a_wished_hour_keeps_the_offset_it_was_given_in():
    """The driver reads back what was typed, not the same instant somewhere else."""
    recorded = there_and_back(event_of("order.placed.v3", EXAMPLES["order.placed.v3"]))
    assert recorded.event.details.start.text() == "2026-06-08T01:30:00+03:00"
    assert recorded.event.details.start.day == date(2026, 6, 8)


def test_bytes_name_no_class_of_ours():
    """Moving a file or renaming a class must not change history."""
    for topic, said in EXAMPLES.items():
        event = event_of(topic, said)
        state = codec.to_stored_event(event, ENVELOPE).state.decode()
        assert "vignettes." not in state
        assert not any(
            type(value).__name__ in state for value in said.values() if hasattr(value, "__slots__")
        )


def test_an_event_without_an_envelope_is_the_systems_own():
    """The library's own ways to save name no actor."""
    stored = codec.to_stored_event(event_of("order.expired.v1", {}))
    assert codec.to_recorded(stored, 1).envelope == Envelope("system")


def test_a_missing_field_is_an_error_that_tells_no_personal_data():
    """Half an event is not read as a whole one, and the error that lands in the log quotes nothing of it."""
    stored = codec.to_stored_event(event_of("order.placed.v3", EXAMPLES["order.placed.v3"]), ENVELOPE)
    wrapped = json.loads(stored.state)
    del wrapped["data"]["price"]
    wrapped["data"]["language"] = {"plate": "2A2 2345"}
    broken = StoredEvent(ORDER_ID, 1, stored.topic, json.dumps(wrapped).encode())
    with pytest.raises(UnreadableEvent) as refused:
        codec.to_domain_event(broken)
    assert str(refused.value).endswith(
        f"'order.placed.v3', order {ORDER_ID}, version 1: data.price (missing); data.language (string_type)."
    )
    assert not any(each in "".join(format_exception(refused.value)) for each in ("example.com", "2A2 2345"))


# --- any value of the types that events are made of ---

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=zones)  # noqa: DTZ001  # given zones
monies = st.builds(Money, st.integers(-(2**62), 2**62), st.sampled_from(["EUR", "CZK", "HUF"]))
consents = st.builds(Consent, texts, texts, times, st.none() | texts)
payments = st.builds(Payment, texts, monies, texts, times, booked=st.booleans())
starts = st.builds(Start, st.dates(date(1990, 1, 1), date(2200, 1, 1)), st.none() | times)
spans = st.timedeltas(timedelta(0), timedelta(days=60))
terms = st.builds(Terms, spans, spans, spans)
wishes = st.builds(Details, texts, st.builds(Vehicle, texts, texts, texts), starts)


@given(payments, times, texts)
def test_any_payment_comes_back(payment, at, actor):
    """Amounts to the unit, times to the microsecond with their offset, texts to the last letter."""
    event = Order.PaymentReceived(originator_id=ORDER_ID, originator_version=2, timestamp=at, payment=payment)
    recorded = there_and_back(event, Envelope(actor))
    assert recorded.event == event
    assert recorded.event.payment.received_at.utcoffset() == payment.received_at.utcoffset()
    assert recorded.envelope.actor == actor


@given(wishes, monies, monies, terms, texts, st.lists(consents, max_size=3).map(tuple))
def test_any_order_comes_back(wish, official, fee, served_by, email, given_consents):
    """Days, hours, vehicles, prices, terms, and any number of consents, none included."""
    event = Order.OrderPlaced(
        originator_id=ORDER_ID,
        originator_version=1,
        originator_topic="order",
        timestamp=AT,
        number="V1000000123",
        details=wish,
        price=Price(official, fee),
        terms=served_by,
        email=email,
        language="en",
        consents=given_consents,
    )
    back = there_and_back(event).event
    assert back == event
    assert isinstance(back.consents, tuple)
    assert back.details.start.text() == wish.start.text()
    assert {field.name for field in fields(type(back))} == set(vars(back))
