"""What a MessageBatch of Anthropic is as a job."""

import pytest

from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.jobs.job import Job, MalformedJob, PartialJob
from tracker.providers.anthropic.job_mapping import MAPPED, batch_of, read_batch, request_count

ID = "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"


def batch(status="in_progress", **changes):
    """A batch as the API documents it, of a hundred requests."""
    counts = {"processing": 100, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}
    return {
        "id": ID,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": counts | changes.pop("counts", {}),
        "created_at": "2025-09-01T04:13:24.100435Z",
        "expires_at": "2025-09-02T04:13:24.100435Z",
        "ended_at": None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": None,
    } | changes


def ended(**counts):
    url = f"https://api.anthropic.com/v1/messages/batches/{ID}/results"
    return batch("ended", counts={"processing": 0} | counts, ended_at="2025-09-01T05:00:00.9Z", results_url=url)


def test_every_property_of_a_job():
    """A running batch has no counters but the total, and what it does not know is null; the vendor's object stays as it is."""
    found = batch()
    assert read_batch(found).to_data() == {
        "id": ID,
        "object": "batch",
        "input_files": [],
        "endpoint": "/v1/messages",
        "model": None,
        "output_file": None,
        "error_file": None,
        "status": "RUNNING",
        "created_at": 1756700004,
        "started_at": None,
        "completed_at": None,
        "metadata": None,
        "total_requests": 100,
        "completed_requests": 0,
        "succeeded_requests": 0,
        "failed_requests": 0,
        "provider": "anthropic",
        "native": found,
        "expires_at": 1756786404,
    }


@pytest.mark.parametrize(
    ("counts", "status", "counters"),
    [
        ({"succeeded": 100}, "SUCCESS", (100, 100, 100, 0)),
        ({"succeeded": 90, "errored": 10}, "SUCCESS", (100, 100, 90, 10)),
        ({"errored": 100}, "SUCCESS", (100, 100, 0, 100)),
        ({"succeeded": 60, "expired": 40}, "TIMEOUT_EXCEEDED", (100, 100, 60, 40)),
        ({"expired": 100}, "TIMEOUT_EXCEEDED", (100, 100, 0, 100)),
        ({"succeeded": 60, "errored": 1, "canceled": 39}, "CANCELLED", (100, 100, 60, 40)),
        ({"succeeded": 60, "expired": 1, "canceled": 39}, "CANCELLED", (100, 100, 60, 40)),
        ({}, "SUCCESS", (0, 0, 0, 0)),
    ],
)
def test_how_a_batch_ended_is_in_its_counts(counts, status, counters):
    """Canceled requests decide before expired ones, and these before the rest; all that did not succeed has failed."""
    job = read_batch(ended(**counts))
    assert job.status == status
    assert (job.total_requests, job.completed_requests, job.succeeded_requests, job.failed_requests) == counters
    assert (job.completed_at, job.output_file) == (1756702800, f"{ID}/results")


def test_a_cancellation_that_came_too_late_changes_nothing():
    """It was asked for, but no request was canceled: the batch has succeeded."""
    found = ended(succeeded=100) | {"cancel_initiated_at": "2025-09-01T04:59:59Z"}
    assert read_batch(found).status == "SUCCESS"


@pytest.mark.parametrize(
    ("status", "expected"),
    [("in_progress", "RUNNING"), ("canceling", "CANCELLATION_REQUESTED"), ("paused", "paused"), ("archiving", "archiving")],
)
def test_an_unknown_status_stays_as_it_came(status, expected):
    """Such a job is active."""
    assert read_batch(batch(status)).status == expected


@pytest.mark.parametrize("counts", [None, {}, [], {"processing": 0, "succeeded": 5}, {"processing": 0, "succeeded": -1}])
def test_without_its_counts_an_ended_batch_has_not_ended(counts):
    """How it ended is unknown, so the job stays active under the status that came, with its last known counters."""
    job = read_batch(ended(succeeded=5) | {"request_counts": counts})
    assert isinstance(job, PartialJob)
    assert job.status == "ended"
    assert set(job.absent) == {"total_requests", "completed_requests", "succeeded_requests", "failed_requests"}


def test_results_that_are_archived_still_have_an_id():
    """They existed: asking for them says that they are gone. An end without a URL has no results yet."""
    archived = ended(succeeded=100) | {"results_url": None, "archived_at": "2025-09-30T04:13:24Z"}
    assert read_batch(archived).output_file == f"{ID}/results"
    assert read_batch(archived | {"archived_at": None}).output_file is None
    assert read_batch(batch(results_url="https://api.anthropic.com/x")).output_file is None


@pytest.mark.parametrize("found", [None, 7, "text", [], {}, {"processing_status": "in_progress"}, batch(id="")])
def test_what_has_no_id_or_status_is_malformed(found):
    assert isinstance(read_batch(found), MalformedJob)


def test_a_status_that_is_no_text_is_malformed():
    """The ID identifies the batch."""
    assert read_batch(batch(None)).id == ID


@pytest.mark.parametrize("time", [None, 7, "soon", {}])
def test_times_that_cannot_be_read_are_unknown(time):
    """The batch is tracked all the same."""
    job = read_batch(ended(succeeded=100) | {"created_at": time, "ended_at": time, "expires_at": time})
    assert job.absent == ("created_at",)
    assert (job.completed_at, "expires_at" in job.extra) == (None, False)


def test_only_what_the_job_does_not_show_is_a_change_of_its_own():
    """The end is one event with the counters; a later archiving is an update."""
    running, over = read_batch(batch()), read_batch(ended(succeeded=90, errored=10))
    known = first_seen("default", running, 0).known
    change = diff("default", known, over, 1, MAPPED)
    assert [event.type for event in change.events] == ["batch.completed"]
    assert set(change.events[0].changes) == {
        *("status", "completed_at", "output_file", "completed_requests", "succeeded_requests", "failed_requests"),
    }
    archived = read_batch(ended(succeeded=90, errored=10) | {"archived_at": "2025-09-30T04:13:24Z", "results_url": None})
    assert isinstance(archived, Job)
    changes = diff("default", Known(over), archived, 2, MAPPED).events[0].changes
    assert changes == {"native.archived_at": (None, "2025-09-30T04:13:24Z")}


def test_the_file_of_a_batch():
    assert batch_of(f"{ID}/results") == ID
    assert [batch_of(name) for name in (ID, "/results", "")] == [None, None, None]
    assert (request_count(batch()), request_count(batch(request_counts=None))) == (100, None)
