"""What a Batch of OpenAI, or of a gateway that is compatible with it, is as a job."""

import pytest

from tracker.core.events.event import outcome
from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.jobs.job import COUNTERS, Job, MalformedJob, PartialJob
from tracker.core.jobs.missing_fields import as_tracked
from tracker.core.jobs.status import is_recognized, is_terminal
from tracker.providers.openai.job_mapping import MAPPED, read_batch

CREATED = 1_711_471_533


def batch(status="in_progress", **changes):
    """A batch as the API documents it, of a hundred requests."""
    times = ("finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    return {
        "id": "batch_abc123",
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "model": "gpt-6-mini",
        "errors": None,
        "input_file_id": "file-abc123",
        "completion_window": "24h",
        "status": status,
        "output_file_id": None,
        "error_file_id": None,
        "created_at": CREATED,
        "in_progress_at": CREATED + 5,
        "expires_at": CREATED + 86_400,
        **{f"{name}_at": None for name in times},
        "request_counts": {"total": 100, "completed": 95, "failed": 5},
        "metadata": {"team": "search"},
    } | changes


def test_every_property_of_a_job():
    """All sixteen properties come of the batch; what succeeded and failed is complete; OpenAI's object stays as it is."""
    found = batch("completed", completed_at=CREATED + 60, output_file_id="file-out", error_file_id="file-err")
    assert read_batch(found).to_data() == {
        "id": "batch_abc123",
        "object": "batch",
        "input_files": ["file-abc123"],
        "endpoint": "/v1/chat/completions",
        "model": "gpt-6-mini",
        "output_file": "file-out",
        "error_file": "file-err",
        "status": "SUCCESS",
        "created_at": CREATED,
        "started_at": CREATED + 5,
        "completed_at": CREATED + 60,
        "metadata": {"team": "search"},
        "total_requests": 100,
        "completed_requests": 100,
        "succeeded_requests": 95,
        "failed_requests": 5,
        "agent_id": None,
        "errors": [],
        "outputs": None,
        "provider": "openai",
        "native": found,
        "expires_at": CREATED + 86_400,
    }


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("validating", "QUEUED"),
        ("in_progress", "RUNNING"),
        ("finalizing", "RUNNING"),
        ("cancelling", "CANCELLATION_REQUESTED"),
        ("completed", "SUCCESS"),
        ("failed", "FAILED"),
        ("expired", "TIMEOUT_EXCEEDED"),
        ("cancelled", "CANCELLED"),
        ("COMPLETED", "SUCCESS"),  # Together
        ("IN_PROGRESS", "RUNNING"),
    ],
)
def test_every_status(theirs, ours):
    """OpenAI's eight statuses, also in Together's capitals."""
    assert read_batch(batch(theirs)).status == ours


@pytest.mark.parametrize("status", ["paused", "Re-Queued", "success", ""])
def test_unknown_status_stays_active(status):
    """A status that is not in the table stays as it came, and such a job active; without one there is no job."""
    job = read_batch(batch(status))
    if not status:
        assert isinstance(job, MalformedJob)
        return
    assert (job.status, is_recognized(job.status), is_terminal(job.status)) == (status, False, False)


@pytest.mark.parametrize("status", ["completed", "failed", "expired", "cancelled"])
def test_end_is_the_time_of_the_status(status):
    """Of several times the end's is that of the status; without it, the one that there is."""
    times = {f"{name}_at": CREATED + at for at, name in enumerate(("completed", "failed", "expired", "cancelled"), 100)}
    assert read_batch(batch(status, **times)).completed_at == times[f"{status}_at"]
    assert read_batch(batch(status, completed_at=CREATED + 7)).completed_at == CREATED + 7
    assert read_batch(batch(status)).completed_at is None


def test_no_file_may_be_the_empty_text():
    """An empty text in the place of a file's ID is no file, as null is."""
    job = read_batch(batch("completed", output_file_id="", error_file_id="", input_file_id=""))
    assert (job.output_file, job.error_file, job.input_files) == (None, None, ())


def test_completed_with_every_request_failed():
    """`completed` with nothing that succeeded and no output file has the outcome all_failed."""
    job = read_batch(batch("completed", error_file_id="file-err", request_counts={"total": 9, "completed": 0, "failed": 9}))
    assert (outcome(job), job.output_file, job.completed_requests) == ("all_failed", None, 9)


@pytest.mark.parametrize("counts", [None, {}, [], {"total": None}, "none", {"total": "9", "completed": True, "failed": -1}])
def test_unknown_counters_stay_what_they_were(counts):
    """Counters that are null, or are no counters, are the last known ones, or 0."""
    job = read_batch(batch(request_counts=counts))
    assert isinstance(job, PartialJob)
    known = as_tracked(job, read_batch(batch()), 0)
    assert [getattr(known, name) for name in COUNTERS] == [100, 100, 95, 5]
    assert as_tracked(job, None, 0).total_requests == 0
    assert diff("a", Known(read_batch(batch())), known, 0, MAPPED) is None


def test_counters_may_be_written_as_floats():
    """A whole number may be written as N.0."""
    job = read_batch(batch(request_counts={"total": 3.0, "completed": 2.0, "failed": 1.0}))
    assert (job.total_requests, job.completed_requests) == (3, 3)


@pytest.mark.parametrize(
    ("errors", "messages"),
    [
        ({"object": "list", "data": [{"code": "x", "line": 3, "message": "bad line", "param": None}]}, ["bad line"]),
        ({"object": "list", "data": None}, []),
        ({"object": "list"}, []),
        ({}, []),
        ([{"message": "a"}, {"message": "b"}], ["a", "b"]),
        ({"message": "alone"}, ["alone"]),
        ("a text", ["a text"]),
        ("", []),
    ],
)
def test_errors_one_by_one(errors, messages):
    """The errors of validation are a list, whatever they are in."""
    assert [each["message"] for each in read_batch(batch("failed", errors=errors)).errors] == messages


def test_together_is_read_as_well_as_it_can_be():
    """Times in ISO 8601, `model_id`, `job_deadline` and an error as text; there are no counters."""
    job = read_batch(
        {
            "id": "b-1",
            "status": "FAILED",
            "created_at": "2025-06-25T14:20:10.5Z",
            "completed_at": "2025-06-25T15:20:10+01:00",
            "job_deadline": "2025-06-26T14:20:10Z",
            "model_id": "llama",
            "error": "no such model",
            "progress": 12.5,
        }
    )
    assert (job.created_at, job.completed_at, job.model) == (1_750_861_210, 1_750_861_210, "llama")
    assert (job.extra["expires_at"], job.errors) == (1_750_947_610, [{"message": "no such model"}])


@pytest.mark.parametrize("moment", [None, 0, -1, "", "soon", True, [], 1e300])
def test_a_time_that_is_none_is_unknown(moment):
    """Neither null nor a zero nor nonsense is a time; the creation is then estimated, as when it is missing."""
    job = read_batch(batch(in_progress_at=moment, expires_at=moment, created_at=moment))
    assert (job.started_at, "expires_at" in job.extra, job.absent) == (None, False, ("created_at",))


@pytest.mark.parametrize("answer", [None, [], "batch", 7, {}, {"id": "x"}, {"status": "completed"}, {"id": "x", "status": 7}])
def test_what_is_no_batch(answer):
    """Without an ID or a status it is a malformed job, with its ID if it has one."""
    job = read_batch(answer)
    assert isinstance(job, MalformedJob)
    assert job.id == (answer.get("id") if isinstance(answer, dict) else None)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"usage": {"total_tokens": 7}}, None),
        ({"progress": 50}, None),
        ({"finalizing_at": CREATED + 9, "status": "finalizing"}, {"native.finalizing_at": (None, CREATED + 9)}),
        ({"completion_window": "48h"}, {"native.completion_window": ("24h", "48h")}),
        ({"expires_at": CREATED + 9}, {"expires_at": (CREATED + 86_400, CREATED + 9)}),
        ({"request_counts": {"total": 100, "completed": 96, "failed": 5}}, {"completed_requests", "succeeded_requests"}),
        ({"status": "cancelling", "cancelling_at": CREATED + 9}, {"status", "native.cancelling_at"}),
    ],
)
def test_what_of_openais_object_is_a_change(change, expected):
    """What the job's own properties show, and usage that moves, is no change of the object; its other values are."""
    found = diff("a", Known(read_batch(batch())), read_batch(batch(**change)), 0, MAPPED)
    changes = found.events[0].changes if found else None
    assert (changes if isinstance(expected, dict | None) else set(changes)) == expected


def test_a_batch_is_created_once():
    """A batch that is new gives its creation, with the time that OpenAI says."""
    change = first_seen("a", read_batch(batch("validating", in_progress_at=None)), CREATED * 1000)
    assert [(event.type, event.created_at) for event in change.events] == [("batch.created", CREATED)]
    assert isinstance(change.known.job, Job)


def test_count_of_failures_that_is_missing_hides_no_success():
    """Without `failed` as many requests are completed as have succeeded: fewer would be a state that no job was in."""
    answer = {"id": "batch_1", "status": "in_progress", "created_at": 1, "request_counts": {"total": 100, "completed": 7}}
    job = read_batch(answer)
    assert (job.completed_requests, job.succeeded_requests) == (7, 7)
