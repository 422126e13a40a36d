"""What an engine passes over without decoding it can match no filter."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.queries.filters import EventFilter, JobFilter, read_facts, read_job_facts
from tracker.core.queries.needles import needle

ODD = st.text(st.sampled_from('aAbB1- _.[]*?!"\\\n\x01\x7fß\u017f\u212aéİ'), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | ODD,
    lambda values: st.lists(values, max_size=2) | st.dictionaries(ODD, values, max_size=2),
    max_leaves=3,
)
JOBS = st.fixed_dictionaries(
    {"id": ODD, "status": ODD, "model": ODD | VALUES, "endpoint": ODD, "metadata": st.none() | st.dictionaries(ODD, VALUES)},
    optional={"provider": ODD | VALUES, "agent_id": VALUES},
)


def is_passed_over(sought, body):
    """As the engines do it: by bytes, and lower case of ASCII alone."""
    data = body.encode()
    return sought is not None and data.isascii() and sought.encode() not in data.lower()


@given(JOBS, st.data())
def test_no_job_that_matches_is_passed_over(job, data):
    """Whatever text, globs and vendor are asked for, and whatever is in the job: no match is passed over."""
    body = msgspec.json.encode(job).decode()
    facts = read_job_facts(body)
    shown = [*(str(value) for value in job.values()), *(str(value) for value in (job["metadata"] or {}).values())]
    text = data.draw(st.sampled_from(shown).flatmap(_part_of) | ODD)
    model, endpoint = [data.draw(st.none() | st.sampled_from(shown).flatmap(_glob_of) | ODD) for _ in range(2)]
    which = JobFilter(text=text, model=model, endpoint=endpoint, provider=data.draw(st.sampled_from((None, "mistral", "a"))))
    for each in (which, JobFilter(text=text), JobFilter(model=model), JobFilter(endpoint=endpoint)):
        assert not (each.matches(facts) and is_passed_over(each.needle, body))


def _part_of(text):
    return st.tuples(st.integers(0, len(text)), st.integers(0, len(text))).map(lambda ends: text[min(ends) : max(ends)].upper())


def _glob_of(text):
    return st.integers(0, len(text)).map(lambda end: f"{text[:end]}*")


@given(JOBS, st.data())
def test_no_event_that_matches_is_passed_over(job, data):
    """The same of events, by the model, the vendor or the status of their jobs."""
    job = {name: str(value) if name in ("id", "status", "provider") else value for name, value in job.items()}
    body = msgspec.json.encode({"type": "batch.failed", "account": "a", "observed_at": "", "data": job}).decode()
    which = EventFilter(
        model=data.draw(st.none() | _glob_of(str(job["model"]))),
        statuses=data.draw(st.sampled_from(((), (job["status"],), ("A", "B")))),
        provider=data.draw(st.sampled_from((None, "mistral", job.get("provider") or "a"))),
    )
    assert not (which.matcher()(read_facts(body)) and is_passed_over(which.needle, body))


@pytest.mark.parametrize(
    ("texts", "globs", "sought"),
    [
        (["Nightly RUN"], [], "nightly run"),
        (['say "hello" twice'], [], " twice"),
        (["no\\escapes"], [], "escapes"),
        (["Straße"], [], "stra"),
        (["é"], [], None),
        (["", None], [None, "*", "?"], None),
        ([], ["mistral-[!s]*-Latest"], "mistral-"),
        ([], ["*/v1/?[[]x", "a[b"], "/v1/"),
        ([], ["a[b"], "a[b"),
        (["openai"], ["gpt-*"], "openai"),
    ],
)
def test_needle_is_the_longest_text_that_json_leaves_as_it_is(texts, globs, sought):
    """Wildcards, what JSON escapes and what is beyond ASCII end it."""
    assert needle(texts, globs) == sought
