"""The statuses of every vendor: those that are documented, and those that a vendor may add later."""

import pytest
from anthropic_batches import ANTHROPIC
from gemini_batches import GEMINI
from hypothesis import given
from hypothesis import strategies as st
from moving_api import new_job, stepped
from openai_batches import OPENAI
from openai_jobs import STATUS_OF

from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.jobs.job import MalformedJob
from tracker.core.jobs.status import FOLLOWERS, is_recognized, is_terminal

NOW = 1_750_000_500_000
FAKES = {each.vendor.name: each for each in (OPENAI, ANTHROPIC, GEMINI)}
EACH = pytest.mark.parametrize("fake", FAKES.values(), ids=FAKES)

DOCUMENTED = {
    "openai": STATUS_OF,
    "anthropic": {"in_progress": "RUNNING", "canceling": "CANCELLATION_REQUESTED", "ended": "SUCCESS"},
    "gemini": {
        "BATCH_STATE_PENDING": "QUEUED",
        "BATCH_STATE_RUNNING": "RUNNING",
        "BATCH_STATE_SUCCEEDED": "SUCCESS",
        "BATCH_STATE_FAILED": "FAILED",
        "BATCH_STATE_CANCELLED": "CANCELLED",
        "BATCH_STATE_EXPIRED": "TIMEOUT_EXCEEDED",
        "JOB_STATE_PENDING": "QUEUED",
        "JOB_STATE_RUNNING": "RUNNING",
        "JOB_STATE_SUCCEEDED": "SUCCESS",
        "JOB_STATE_FAILED": "FAILED",
        "JOB_STATE_CANCELLED": "CANCELLED",
        "JOB_STATE_EXPIRED": "TIMEOUT_EXCEEDED",
    },
}
"""As the vendors' documentation and clients stood in November 2026."""


def native_with(fake, status, total=10):
    """A running job's object in which the vendor writes this status."""
    native = fake.encoded(stepped(new_job("batch_1", NOW // 1000 - 500), "RUNNING", NOW // 1000 - 400))
    if fake is GEMINI:
        return {**native, "metadata": {**native["metadata"], "state": status}}
    if fake is ANTHROPIC:
        counts = dict.fromkeys(native["request_counts"], 0) | {"succeeded": total}
        return {**native, "processing_status": status} | ({"request_counts": counts} if status == "ended" else {})
    return {**native, "status": status}


@pytest.mark.parametrize(
    ("vendor", "status", "expected"), [(vendor, *each) for vendor, statuses in DOCUMENTED.items() for each in statuses.items()]
)
def test_documented_status(vendor, status, expected):
    """Each documented status is one of a BatchJob."""
    fake = FAKES[vendor]
    assert fake.decode(native_with(fake, status)).status == expected


unknown = st.text(min_size=1, max_size=256).filter(lambda text: text.lower() not in {each.lower() for each in STATUSES})
STATUSES = {*FOLLOWERS, *(each for statuses in DOCUMENTED.values() for each in statuses)}
ODD = [
    "paused",
    "Completed ",
    "complete",
    "ENDED",
    "BATCH_STATE_PAUSED",
    "JOB_STATE_",
    "BATCH_STATE_UPDATING",
    "done",
    "\ud800",
]


@EACH
@given(status=unknown | st.sampled_from(ODD))
def test_unknown_status_stays_active(fake, status):
    """A job in a status that is not known ends nothing: it is watched on, is said to be unrecognized, and may go on to any."""
    found = fake.decode(native_with(fake, status))
    if is_recognized(found.status):  # Gemini's states without their prefix, and OpenAI's in any case, are meant
        return
    known = Known(found)
    assert (known.active, is_terminal(found.status)) == (True, False)
    assert [event.type for event in first_seen("default", found, NOW).events] == ["batch.created", "batch.unrecognized"]
    for later in DOCUMENTED[fake.vendor.name]:
        change = diff("default", known, fake.decode(native_with(fake, later)), NOW, fake.vendor.capabilities.mapped)
        assert "status" in change.events[0].changes


@EACH
@pytest.mark.parametrize("status", [None, 7, [], {}, True, "", "x" * 257])
def test_status_that_is_none(fake, status):
    """Where the vendor gives no text, or none that can be a status, the job is malformed or active, and costs no other."""
    found = fake.decode(native_with(fake, status))
    assert isinstance(found, MalformedJob) or not is_terminal(found.status)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=8), each, max_size=3),
    max_leaves=6,
)


@EACH
@given(data=st.data())
def test_any_object_is_read_or_malformed(fake, data):
    """Whatever a vendor puts in the place of any value, nothing is raised, and nothing ends but by its status."""
    native = native_with(fake, next(iter(DOCUMENTED[fake.vendor.name])))
    for name in data.draw(st.lists(st.sampled_from([*native]), max_size=4)):
        native[name] = data.draw(values)
    if fake is GEMINI and isinstance(native["metadata"], dict):
        batch = dict(native["metadata"])
        for name in data.draw(st.lists(st.sampled_from([*batch, "output"]), max_size=4)):
            batch[name] = data.draw(values)
        native["metadata"] = batch
    fake.decode(native)
