"""The AsyncAPI document: complete, true to the models, the same every time."""

import base64
import io
import json
import os
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent
from eventsourcing.utils import get_topic
from faststream.nats import NatsBroker

from eventstore_helpers import a_vault
from vignettes.domain import references
from vignettes.domain.catalogue import product
from vignettes.domain.order import Order
from vignettes.eventstore.codec import OrderMapper
from vignettes.eventstore.orders import order_id_of
from vignettes.eventstore.upcasting import UPCASTERS
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
    replies,
    support,
)
from vignettes.projections import emails
from vignettes.runtime.settings import EXAMPLE_IBAN
from vignettes.services import reading, statements
from vignettes.services.asyncapi import contract, document
from vignettes.services.auditing.desk import AuditDesk
from vignettes.services.deciding import Payee
from vignettes.services.edge import Endpoints
from vignettes.services.examples import EXAMPLES
from vignettes.services.intervening import MailDesk, ViewsDesk
from vignettes.services.linking import LinkDesk
from vignettes.services.links import Links
from vignettes.services.ordering import Ordering
from vignettes.services.outages import OutageDesk
from vignettes.services.payments.balance import BalanceDesk
from vignettes.services.payments.import_desk import ImportDesk
from vignettes.services.payments.notices import NoticeDesk
from vignettes.services.payments.payouts import PayoutDesk
from vignettes.services.payments.review import ReviewDesk
from vignettes.services.publishing import SOURCE
from vignettes.services.statements.csv_map import read_map
from vignettes.services.support.desk import SupportDesk
from vignettes.services.writing import Sender, Writing

DOCUMENT = document()
MESSAGES = DOCUMENT["components"]["messages"]
ANSWERS = dict.fromkeys(one.reply for one in contract().answered)
SENT = [*ANSWERS, *events.EVENTS.values(), events.Trigger, events.SignedHead]


def found(reference):
    value = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        value = value[step]
    return value


def references_in(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from references_in(inner)


def on_record():
    """The events of the example of a history, read back from bytes in which personal data is readable."""
    told = EXAMPLES[replies.History]
    mapper, recorded = OrderMapper(a_vault()), []
    in_the_clear = {today: before for before, (today, _) in UPCASTERS.items()}
    for event in told["events"]:
        envelope = {"v": 1, "at": event["recorded_at"], "by": event["actor"], "cmd": event["command_id"]}
        state = json.dumps({**envelope, "cor": event["correlation_id"], "data": event["data"]}).encode()
        topic = get_topic(getattr(Order, event["type"]))
        while topic in in_the_clear:
            topic = in_the_clear[topic]
        stored = StoredEvent(UUID(told["order_id"]), event["version"], topic, state)
        recorded.append(mapper.to_recorded(stored, event["position"]))
    return recorded


def test_every_command_and_query_is_in_it():
    alone = (*commands.COMMANDS, *queries.QUERIES)
    told = (
        *(outages.AnnounceOutage, outages.WithdrawOutage, outages.AskOutages),
        *(links.RequestLink, links.OpenPage, links.AskDocument),
    )
    of_money = [
        form
        for forms in (audit, bank_files, payments, support, ops)
        for form in vars(forms).values()
        if hasattr(form, "subject")
    ]
    subjects = {form.subject for form in (*alone, commands.StartDueRegistrations, *told, *of_money)}
    addresses = {
        found(operation["channel"]["$ref"])["address"]
        for operation in DOCUMENT["operations"].values()
        if operation["action"] == "receive"
    }
    assert addresses == subjects


def test_it_says_what_the_services_register():
    """The subjects and queue groups are those that a server gets to see."""
    real = Endpoints(NatsBroker())
    Ordering(None, None, None, None, None).register(real)
    OutageDesk(None).register(real)
    LinkDesk(None, None, None, None).register(real)
    for desk in (
        ImportDesk(None, None, None),
        NoticeDesk(None),
        ReviewDesk(None, None),
        PayoutDesk(None, None, None),
        BalanceDesk(None),
        SupportDesk(None, None),
        AuditDesk(None, None, "", None, 0),
        MailDesk(None),
        ViewsDesk(None),
    ):
        desk.register(real)
    registered = {(stats.subject, stats.queue_group) for stats in real.stats}
    told = {
        (name.removeprefix("answer."), operation["bindings"]["nats"]["queue"])
        for name, operation in DOCUMENT["operations"].items()
        if operation["action"] == "receive"
    }
    assert told == registered


def test_every_request_may_be_refused():
    """A reply is what the command calls for, or Refused, with its code and field."""
    for operation in DOCUMENT["operations"].values():
        if operation["action"] == "receive":
            replies = [found(found(one["$ref"])["$ref"])["name"] for one in operation["reply"]["messages"]]
            assert len(replies) == 2
            assert replies[1] == "Refused"
    assert set(DOCUMENT["components"]["schemas"]["Problem"]["properties"]) == {"code", "message", "field"}


@pytest.mark.parametrize("kind", events.EVENTS)
def test_every_published_event_is_in_it_with_its_headers(kind):
    channel = DOCUMENT["channels"][f"orders.events.v1.{kind}"]
    assert channel["address"] == events.subject(kind, "{order_id}")
    assert channel["x-jetstream-stream"] == "ORDERS"
    headers = MESSAGES[events.EVENTS[kind].__name__]["headers"]
    names = {"ce-id", "ce-source", "ce-type", "ce-time", "ce-subject", "ce-specversion"}
    assert names | {"Nats-Msg-Id", "Vignettes-Position", "content-type"} == set(headers["required"])
    [example] = headers["examples"]
    assert (example["ce-type"], example["ce-source"]) == (kind, SOURCE)


def test_triggers_are_in_it():
    channel = DOCUMENT["channels"]["registrations.triggers.v1"]
    assert channel["address"] == "registrations.triggers.v1.{country}"
    assert channel["x-jetstream-stream"] == "REGISTRATIONS"
    assert MESSAGES["Trigger"]["headers"]["required"] == ["Nats-Msg-Id"]


@pytest.mark.parametrize("model", EXAMPLES, ids=lambda model: model.__name__)
def test_every_example_is_valid(model):
    """As the message would arrive: JSON, read strictly by its own model."""
    [example] = MESSAGES[model.__name__]["examples"]
    assert example["payload"] == EXAMPLES[model]
    model.model_validate_json(json.dumps(example["payload"]))


@pytest.mark.parametrize("model", SENT, ids=lambda model: model.__name__)
def test_examples_of_what_we_send_are_as_we_send_them(model):
    """Nothing is left out, and times are written the way they are on the wire."""
    read = model.model_validate_json(json.dumps(EXAMPLES[model]))
    assert read.model_dump(mode="json") == EXAMPLES[model]


def test_every_message_has_an_example_and_a_meaning():
    assert {model.__name__ for model in EXAMPLES} == set(MESSAGES)
    assert all(message["summary"].endswith(".") for message in MESSAGES.values())


def test_the_example_of_an_order_is_what_this_service_would_say():
    """Its price is the catalogue's, its references are those of its number."""
    placed, place = EXAMPLES[replies.Placed], EXAMPLES[commands.Place]
    price = product(place["product"]).price_on(date(2026, 12, 10))
    total, number = price.total, placed["order_number"]
    said = {name: asdict(getattr(price, name)) for name in ("official", "fee", "total")}
    assert placed["price"] == said
    assert said["total"] == {"amount": 39900, "currency": "CZK"}
    assert placed["payment"] == {
        "variable_symbol": references.variable_symbol(number),
        "creditor_reference": references.creditor_reference(number),
        "spayd": references.spayd(EXAMPLE_IBAN, total, number, number),
    }
    assert placed["order_id"] == str(order_id_of(number))
    assert references.parse_number(placed["payment"]["creditor_reference"]) == number


def test_the_example_of_a_status_is_of_the_same_order():
    row, place = EXAMPLES[replies.Standing]["order"], EXAMPLES[commands.Place]
    assert (row["order_id"], row["price_total"]) == (EXAMPLES[replies.Placed]["order_id"], 39900)
    assert (row["vehicle_country"], row["plate"]) == ("FR", place["vehicle"]["plate"])
    assert (row["status"], row["version"], row["outstanding"]) == ("scheduled", 2, 0)
    assert row["due_at"] == EXAMPLES[events.Trigger]["due_at"]
    issued = EXAMPLES[commands.RecordIssue]
    assert (row["starts_at"], row["ends_at"]) == (issued["valid_from"], issued["valid_until"])


def test_the_example_of_a_history_is_what_the_log_would_tell():
    recorded, told = on_record(), EXAMPLES[replies.History]
    assert [event.type for event in recorded] == ["OrderPlaced", "PaymentReceived"]
    assert [event.data for event in recorded] == [event["data"] for event in told["events"]]
    order = None
    for event in recorded:
        order = event.event.mutate(order)
    assert told["state"] == reading._state(order)


def test_the_example_of_a_mail_has_the_subject_of_our_texts():
    [mail] = EXAMPLES[replies.Mails]["emails"]
    placed = on_record()[0]
    order = placed.event.mutate(None)
    row = {
        **mail,
        "order_id": order.id,
        "facts": emails.facts(placed, order),
        "contact": emails.contact_facts(placed, order),
        "vehicle": emails.vehicle_facts(placed, order),
    }
    payee, sender = Payee("Vignettes", EXAMPLE_IBAN), Sender("v@vignettes.example", None, None)
    writing = Writing(Links("https://vignettes.example", bytes(32)), payee, sender)
    assert mail["subject"] == writing.rendered(row).subject


def test_the_example_of_an_import_pays_the_order_of_the_examples():
    """Its file is read by its own column map."""
    asked, placed = EXAMPLES[bank_files.ImportFile], EXAMPLES[replies.Placed]
    content = io.BytesIO(base64.b64decode(asked["content"]))
    entry, _ = statements.read(content, map=read_map(asked["csv_map"], "csv_map"))
    assert asdict(entry.amount) == placed["price"]["total"]
    assert entry.variable_symbol == placed["payment"]["variable_symbol"]


def test_what_is_always_sent_is_required():
    """`ok` has a default in our models, but whoever reads a reply may count on it; not so on a QR code."""
    schemas = DOCUMENT["components"]["schemas"]
    assert "ok" in schemas["Placed"]["required"]
    assert schemas["PaymentForm"]["required"] == ["variable_symbol", "creditor_reference"]
    assert "actor" not in schemas["Place"]["required"]


def test_every_reference_leads_somewhere():
    targets = set(references_in(DOCUMENT))
    assert targets
    for target in targets:
        assert isinstance(found(target), dict), target


def test_the_names_are_those_of_the_models():
    """Two models of one name would get names with their module in them."""
    assert not [name for name in DOCUMENT["components"]["schemas"] if "__" in name]


def test_operations_use_messages_of_their_channels():
    """As AsyncAPI 3 asks: not of the components."""
    for operation in DOCUMENT["operations"].values():
        for message in operation["messages"]:
            assert message["$ref"].startswith(operation["channel"]["$ref"] + "/messages/")


@pytest.mark.thorough
def test_another_process_writes_the_same():
    """Whatever the order of its sets and dictionaries."""
    program = "import json; from vignettes.services.asyncapi import document; print(json.dumps(document()))"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert told == json.dumps(DOCUMENT)
