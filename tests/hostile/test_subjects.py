"""Whatever comes on a subject is answered in the published form, and the next message goes on."""

import asyncio
import json

import pytest
from hypothesis import strategies as st

from hostile.bodies import SECRET, bodies, written
from hostile.inside import SUBJECTS, Inside, check, examples, fresh
from vignettes.services.asyncapi import contract

NO_REQUESTS = [
    b"",
    b"not JSON",
    b"\xff\xfe\x00",
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    b'["an", "array"]',
    b"NaN",
    f'{{"{SECRET}@example.com": 1}}'.encode(),
    b'{"actor": 1e400}',
]


@pytest.fixture(scope="module")
def runner():
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def inside():
    return Inside()


@pytest.fixture
def asked(inside, runner):
    """Send a message to whoever answers its subject; the reply keeps the rules, and is ok or a refusal's code."""

    def ask(subject, body):
        return check(body, runner.run(inside.ask(subject, body)))

    return ask


@pytest.fixture
def refused(inside, runner):
    """Send a request that is refused, by its code and field."""

    def ask(subject, request):
        error = json.loads(runner.run(inside.ask(subject, fresh(written(request)))))["error"]
        return error["code"], error["field"]

    return ask


def test_every_subject_refuses_what_is_no_request_and_takes_the_next_that_is_one(asked, logged):
    for subject in SUBJECTS:
        for body in NO_REQUESTS:
            assert asked(subject, body) == "invalid_request", (subject, body[:50])
        assert asked(subject, fresh(written(examples(subject)[0]))) != "invalid_request", subject
    assert logged == []


def test_a_version_or_field_that_nobody_knows_is_refused_by_its_name(refused):
    for subject in SUBJECTS:
        for name in ("version_of_form", "spec_version"):
            assert refused(subject, {**examples(subject)[0], name: 2}) == ("invalid_request", name), subject


def test_a_field_that_is_missing_is_refused_by_its_name(refused):
    for one in contract().answered:
        for name in (name for name, form in one.request.model_fields.items() if form.is_required()):
            short = {each: value for each, value in examples(one.subject)[0].items() if each != name}
            assert refused(one.subject, short) == ("invalid_request", name), one.subject


def test_whatever_comes_on_whichever_subject_is_answered(asked, logged, tries):
    """Refused by a field that is named, with none of what was sent; never unavailable, which means to ask again."""
    sent_to = {subject: st.tuples(st.just(subject), bodies(examples(subject))) for subject in SUBJECTS}
    message = st.sampled_from(SUBJECTS).flatmap(sent_to.__getitem__)

    def answered(sent):
        subject, body = sent
        asked(subject, fresh(body))
        assert logged == []

    tries(message, answered, few=60, share=0.4)
