"""What an operation of Gemini's batches is as a job."""

import pytest

from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job import MalformedJob, PartialJob
from tracker.core.jobs.size_limits import omitted, size_of
from tracker.core.reconciliation.incomplete_success import cannot_be_complete
from tracker.providers.gemini.job_mapping import MAPPED, read_operation
from tracker.providers.gemini.vendor import webhook_job_id

NAME = "batches/1234567890"
TYPE = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"


def operation(state="BATCH_STATE_RUNNING", *, envelope=None, **changes):
    """An operation as the API has shown it, of four requests."""
    batch = {
        "@type": TYPE,
        "model": "models/gemini-2.5-flash",
        "displayName": "my-batch-job",
        "inputConfig": {"fileName": "files/input"},
        "createTime": "2025-09-01T04:13:24.263450184Z",
        "updateTime": "2025-09-01T04:29:25.679632Z",
        "batchStats": {"requestCount": "4", "successfulRequestCount": "1", "pendingRequestCount": "3"},
        "state": state,
        "name": NAME,
    }
    return {"name": NAME, "metadata": batch | changes} | (envelope or {})


def succeeded(output, **changes):
    stats = {"requestCount": "4", "successfulRequestCount": "4"}
    return operation(
        "BATCH_STATE_SUCCEEDED",
        batchStats=stats,
        endTime="2025-09-01T05:00:00.9Z",
        output=output,
        envelope={"done": True},
        **changes,
    )


def test_every_property_of_a_job():
    """Counts are texts, and one that is absent is 0; the display name is metadata; the deadline is 48 hours off."""
    found = operation()
    assert read_operation(found).to_data() == {
        "id": NAME,
        "object": "batch",
        "input_files": ["files/input"],
        "endpoint": "generateContent",
        "model": "gemini-2.5-flash",
        "output_file": None,
        "error_file": None,
        "status": "RUNNING",
        "created_at": 1756700004,
        "started_at": None,
        "completed_at": None,
        "metadata": {"displayName": "my-batch-job"},
        "total_requests": 4,
        "completed_requests": 1,
        "succeeded_requests": 1,
        "failed_requests": 0,
        "errors": [],
        "provider": "gemini",
        "native": found,
        "expires_at": 1756872804,
    }


@pytest.mark.parametrize("prefix", ["BATCH_STATE_", "JOB_STATE_"])
@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PENDING", "QUEUED"),
        ("QUEUED", "QUEUED"),
        ("RUNNING", "RUNNING"),
        ("CANCELLING", "CANCELLATION_REQUESTED"),
        ("SUCCEEDED", "SUCCESS"),
        ("PARTIALLY_SUCCEEDED", "SUCCESS"),
        ("FAILED", "FAILED"),
        ("CANCELLED", "CANCELLED"),
        ("EXPIRED", "TIMEOUT_EXCEEDED"),
    ],
)
def test_states(prefix, state, status):
    """The names of the API and those of its clients are the same states."""
    assert read_operation(operation(prefix + state)).status == status


@pytest.mark.parametrize("state", ["BATCH_STATE_UNSPECIFIED", "BATCH_STATE_PAUSED", "JOB_STATE_UPDATING", "HIBERNATING"])
def test_an_unknown_state_stays_as_it_came(state):
    """Such a job is active; an absent state is the unspecified one."""
    assert read_operation(operation(state)).status == state
    assert read_operation({"name": NAME}).status == "BATCH_STATE_UNSPECIFIED"


@pytest.mark.parametrize(
    ("envelope", "status"),
    [
        ({"done": True, "response": {}}, "SUCCESS"),
        ({"done": True, "error": {"code": 13, "message": "Internal error"}}, "FAILED"),
        ({"done": True, "error": {"code": 1}}, "CANCELLED"),
        ({"done": False, "error": {"code": 13}}, "BATCH_STATE_UNSPECIFIED"),
    ],
)
def test_without_a_state_the_envelope_says_how_it_ended(envelope, status):
    found = operation(None, envelope=envelope)
    assert read_operation(found).status == status


def test_the_error_of_an_operation_is_the_jobs():
    """Its message, or its code where it has none."""
    failed = operation("BATCH_STATE_FAILED", envelope={"done": True, "error": {"code": 3, "message": "Bad input file"}})
    assert read_operation(failed).errors == [{"message": "Bad input file", "count": 1}]
    assert read_operation(failed | {"error": {"code": 3}}).errors == [{"message": "google.rpc.Code 3", "count": 1}]


@pytest.mark.parametrize(
    ("stats", "counters"),
    [
        ({"requestCount": "10", "successfulRequestCount": "7", "failedRequestCount": "3"}, (10, 10, 7, 3)),
        ({"requestCount": 10, "pendingRequestCount": 10}, (10, 0, 0, 0)),
        ({}, (0, 0, 0, 0)),
    ],
)
def test_counters(stats, counters):
    """Texts or numbers; what is absent is 0."""
    job = read_operation(operation(batchStats=stats))
    assert (job.total_requests, job.completed_requests, job.succeeded_requests, job.failed_requests) == counters


@pytest.mark.parametrize("stats", [None, [], {"requestCount": "-1"}, {"requestCount": "many"}, {"requestCount": "9" * 30}])
def test_unknown_counters(stats):
    """Without the counts, or with one that is none, the last known ones stay."""
    job = read_operation(operation(batchStats=stats))
    assert isinstance(job, PartialJob)
    assert len(job.absent) == 4


@pytest.mark.parametrize(
    "place",
    [
        lambda file: {"output": file},
        lambda file: {"envelope": {"response": file}},
        lambda file: {"envelope": {"response": {"output": file}}},
    ],
)
def test_the_file_of_the_results(place):
    """It is in the batch, or in the response of the operation."""
    assert read_operation(operation("BATCH_STATE_SUCCEEDED", **place({"responsesFile": "files/batch-out"}))).output_file == (
        "files/batch-out"
    )


@pytest.mark.parametrize("name", ["inlinedResponses", "inlinedEmbedContentResponses"])
def test_inlined_results_are_no_file(name):
    """Only their size is kept, and the job is complete without a file."""
    inlined = {"inlinedResponses": [{"response": {"candidates": ["x" * 1000] * 100}}]}
    job = read_operation(succeeded({name: inlined}))
    assert (job.output_file, job.outputs) == (None, omitted(size_of(inlined)))
    assert job.extra["native"]["metadata"]["output"] == {name: omitted(size_of(inlined))}
    assert not cannot_be_complete(job)
    assert cannot_be_complete(read_operation(succeeded({})))


def test_an_update_that_says_nothing_is_no_event():
    """The time of an update changes each time; a counter is progress."""
    known = first_seen("default", read_operation(operation()), 0).known
    assert diff("default", known, read_operation(operation(updateTime="2025-09-01T04:30:00Z")), 1, MAPPED) is None
    moved = read_operation(operation(batchStats={"requestCount": "4", "successfulRequestCount": "2"}))
    assert [event.type for event in diff("default", known, moved, 1, MAPPED).events] == ["batch.progress"]


@pytest.mark.parametrize("found", [None, 7, [], {}, {"metadata": {}}, {"name": ""}])
def test_what_has_no_name_is_malformed(found):
    assert isinstance(read_operation(found), MalformedJob)


@pytest.mark.parametrize("odd", [None, 7, "text", [1]])
def test_a_part_of_another_type_costs_only_itself(odd):
    found = {"name": NAME, "metadata": odd, "response": odd, "error": odd, "done": odd}
    assert read_operation(found).id == NAME
    assert read_operation(operation(inputConfig=odd, output=odd, displayName=odd, model=odd, createTime=odd)).id == NAME


@pytest.mark.parametrize(
    ("data", "job_id"),
    [
        ({"id": "batches/a"}, "batches/a"),
        ({"id": "a"}, "batches/a"),
        ({"name": "batches/a", "id": "7"}, "batches/a"),
        ({}, None),
        ({"id": 7}, None),
    ],
)
def test_the_batch_of_a_webhook(data, job_id):
    assert webhook_job_id(data) == job_id
