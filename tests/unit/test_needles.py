"""What an engine passes over without decoding it can match no filter."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.queries.filters import EventFilter, JobFilter, read_facts, read_job_facts
from tracker.core.queries.needles import Needle, needle

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
    if sought is None or (sought.folds and not data.isascii()):
        return False
    return sought.text.encode() not in (data.lower() if sought.folds else data)


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
    ("values", "globs", "text", "sought"),
    [
        ([], [], "Nightly RUN", Needle("nightly run", folds=True)),
        ([], [], 'say "hello" twice', Needle(" twice", folds=True)),
        ([], [], "no\\escapes", Needle("escapes", folds=True)),
        ([], [], "Straße", Needle("stra", folds=True)),
        ([], [], "é", None),
        ([None], [None, "*", "?"], "", None),
        ([], ["mistral-[!s]*-Latest"], "", Needle("mistral-")),
        ([], ["*/V1/?[[]x", "a[b"], "", Needle("/V1/")),
        ([], ["a[b"], "a long text", Needle("a[b")),
        (["openai"], ["gpt-*"], "", Needle("openai")),
    ],
)
def test_needle_is_the_longest_text_that_json_leaves_as_it_is(values, globs, text, sought):
    """Wildcards, what JSON escapes and what is beyond ASCII end it; what need not be folded comes first."""
    assert needle(values, globs, text) == sought
