"""A vendor's own object stays beside the job that it was mapped to, within limits, and only news of it are a change."""

import math

import msgspec
import pytest
from core_samples import ANSWER, CHECKPOINT, NOW, WINDOW, answer, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.config import Account, Secret
from tracker.core.events.event import MAX_EVENT_BYTES
from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.jobs.interning import Interning
from tracker.core.jobs.job import MalformedJob, PartialJob
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.missing_fields import as_tracked
from tracker.core.jobs.native import bounded_native, expires_at, provider_of, read_mapped_job
from tracker.core.jobs.size_limits import LARGEST_JOB, LARGEST_PROPERTY, bounded, omitted, size_of
from tracker.core.reconciliation.reconcile import Reconciliation
from tracker.daemon.factories.config_conversion import time_limits

NATIVE = {"id": "batch_1", "status": "in_progress", "priority": 1, "request_counts": {"total": 10}, "errors": None}
MAPPED = frozenset({"id", "status", "request_counts"})


def mapped(native=NATIVE, ends=None, **changed):
    found = read_mapped_job(answer(**changed), provider="openai", native=native, expires_at=ends)
    assert type(found).__name__ == "Job", found
    return found


def changes(before, after, **kept):
    change = diff("default", Known(before), after, NOW, MAPPED)
    return [(event.type, {**event.changes, **kept}) for event in change.events] if change else None


def test_job_keeps_the_vendors_object():
    """A mapped job is the job of its properties, with three more that no BatchJob has."""
    found = mapped(ends=1_750_900_000)
    assert found.extra == {"provider": "openai", "native": NATIVE, "expires_at": 1_750_900_000}
    assert msgspec.structs.replace(found, extra={}) == job()
    assert "expires_at" not in mapped().extra


def test_reading_again_what_was_written():
    """What `to_data` writes of it is read as the same job."""
    assert read_job(mapped().to_data()) == mapped()


@pytest.mark.parametrize("value", [None, [1]])
@pytest.mark.parametrize("lacking", ["total_requests", "created_at", "id"])
def test_what_the_vendor_does_not_say(lacking, value):
    """A counter or a time that the vendor leaves out is unknown, not zero; without an ID there is no job."""
    found = read_mapped_job(answer(**{lacking: value}), provider="x", native=NATIVE)
    assert isinstance(found, MalformedJob if lacking == "id" else PartialJob)


def test_unknown_counters_are_the_last_known_ones():
    """A job whose counters a vendor leaves out later keeps those that it had."""
    known = mapped()
    seen = as_tracked(read_mapped_job(answer(total_requests=None), provider="openai", native=NATIVE), known, NOW)
    assert (seen.total_requests, changes(known, seen)) == (ANSWER["total_requests"], None)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({"priority": 2}, {"native.priority": (1, 2)}),
        ({"errors": {"data": ["bad"]}}, {"native.errors": (None, {"data": ["bad"]})}),
        ({"new": "value"}, {"native.new": (None, "value")}),
        ({"new": False}, {"native.new": (None, False)}),
        ({"priority": 2, "status": "finalizing"}, {"native.priority": (1, 2)}),
    ],
)
def test_news_of_the_vendors_object(now, expected):
    """A value that no other property shows is an update, by its own name."""
    assert changes(mapped(), mapped({**NATIVE, **now})) == [("batch.updated", expected)]


@pytest.mark.parametrize(
    "native",
    [
        {**NATIVE, "status": "finalizing", "request_counts": {"total": 11}},
        {**NATIVE, "new": None},
        {**NATIVE, "errors": []},
        {"id": "batch_1"},
        {},
    ],
)
def test_no_news(native):
    """What the job itself shows, what is empty and what an answer leaves out is no change."""
    assert changes(mapped(), mapped(native)) is None


def test_news_beside_another_change():
    """They stand in the event of the status or of the progress, not in one of their own."""
    ((type_, changed),) = changes(mapped(status="QUEUED"), mapped({**NATIVE, "priority": 2}, status="RUNNING"))
    assert (type_, changed) == ("batch.started", {"status": ("QUEUED", "RUNNING"), "native.priority": (1, 2)})


def test_what_an_answer_leaves_out_stays():
    """A list that shows less than a get does not make the next get a change."""
    known = mapped()
    less = mapped({"id": "batch_1"}, completed_requests=950, succeeded_requests=930)
    change = diff("default", Known(known), less, NOW, MAPPED)
    assert change.known.job.extra["native"] == NATIVE
    assert changes(change.known.job, mapped(completed_requests=950, succeeded_requests=930)) is None


def test_sweep_takes_the_mapped_names():
    """A sweep passes them on: what the job itself shows gives no event."""
    sweep = Reconciliation("default", CHECKPOINT, WINDOW, mapped=MAPPED)
    known = {ANSWER["id"]: Known(mapped())}
    assert sweep.observe([mapped({**NATIVE, "status": "finalizing"})], known, NOW) == []
    assert len(sweep.observe([mapped({**NATIVE, "priority": 7})], known, NOW)) == 1


def test_large_object_loses_its_largest_values():
    """They give way to their sizes until the object fits, the largest first; a small one stays as it is."""
    large = {"b": "x" * 5000, "a": "x" * 5000, "c": ["y" * 100] * 20, "id": "batch_1"}
    assert bounded_native(large) == large | {"a": omitted(5002)}
    assert bounded_native(NATIVE) == NATIVE
    assert mapped(large).extra["native"] == large | {"a": omitted(5002)}


def test_omitted_value_that_stays_the_same():
    """A value whose place is its size in one observation and not in the other is no change; another size is one."""
    long, other = "x" * 5000, "y" * 5100
    both, one = mapped({"a": long, "b": other}), mapped({"a": long, "b": "short"})
    assert both.extra["native"]["b"] == omitted(5102)
    assert changes(both, mapped({"b": other})) is None
    assert changes(both, one) == [("batch.updated", {"native.b": (omitted(5102), "short")})]
    less = mapped({"a": "short", "b": other})
    assert changes(both, less) == [("batch.updated", {"native.a": (long, "short")})]
    assert changes(less, both) == [("batch.updated", {"native.a": ("short", long)})]


flat = st.none() | st.booleans() | st.integers() | st.text(max_size=8)
sizes = st.integers(0, 9000).map(lambda size: "\U0001f5dd" * size)
values = flat | sizes | st.lists(flat, max_size=3) | st.dictionaries(st.text(max_size=3), flat, max_size=3)
objects = st.dictionaries(st.sampled_from("abcdefgh"), values, max_size=6)


@given(objects, objects)
def test_any_object_stays_within_the_limits(first, second):
    """Whatever a vendor sends: the job fits, it is bounded the same way again, and no event is too large."""
    one, other = (bounded(mapped(native)) for native in (first, second))
    for found in (one, other):
        assert size_of(found.to_data()) <= LARGEST_JOB + 200
        assert bounded(found) == found
        assert size_of(found.extra["native"]) <= LARGEST_PROPERTY
    assert changes(one, one) is None
    for change in (first_seen("default", one, NOW), diff("default", Known(one), other, NOW, MAPPED)):
        for event in change.events if change else ():
            assert size_of(event) <= MAX_EVENT_BYTES


def test_objects_are_not_shared():
    """Each job has an object of its own: none of them fills the table of shared values."""
    table = Interning()
    jobs = [table.lean(mapped({"id": f"batch_{number}"}, id=f"batch_{number}")) for number in range(50)]
    assert [job.extra["native"]["id"] for job in jobs] == [f"batch_{number}" for number in range(50)]
    assert len(table) < 20


@pytest.mark.parametrize(
    ("vendor", "stalled_after"), [("mistral", 60.0), ("openai", 60.0), ("anthropic", math.inf), ("gemini", 60.0)]
)
def test_limits_of_a_vendor(vendor, stalled_after):
    """A job of a vendor whose counters do not move is never stalled, whatever is configured."""
    account = Account(name="a", api_key=Secret("key"), provider=vendor, stalled_after=60.0)
    assert time_limits(account).stalled_after == stalled_after


@pytest.mark.parametrize("surrogate", ["\ud800", "a\udfffb"])
def test_text_that_is_not_unicode(surrogate):
    """A lone surrogate is replaced, as in every other property."""
    assert mapped({"name": surrogate}).extra["native"]["name"].count("�") == 1


@pytest.mark.parametrize(
    ("extra", "provider", "ends"),
    [
        ({}, "mistral", None),
        ({"provider": "gemini"}, "gemini", None),
        ({"provider": "openai", "expires_at": 1_750_900_000}, "openai", 1_750_900_000),
        ({"provider": "openai", "expires_at": True}, "openai", None),
        ({"provider": "openai", "expires_at": -1}, "openai", None),
        ({"provider": "openai", "expires_at": "soon"}, "openai", None),
        ({"expires_at": 1_750_900_000}, "mistral", None),
        ({"provider": None}, "mistral", None),
        ({"provider": ["x"]}, "mistral", None),
    ],
)
def test_facts_by_the_json_of_a_job(extra, provider, ends):
    """Without a provider it is Mistral's, and an `expires_at` of its own is not a deadline."""
    assert (provider_of(ANSWER | extra), expires_at(ANSWER | extra)) == (provider, ends)
