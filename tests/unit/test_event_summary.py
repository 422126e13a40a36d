"""The summary is one line that says what an event means."""

import pytest
from core_samples import job

from tracker.core.events import summary

SOME = {"total_requests": 1000, "completed_requests": 900, "succeeded_requests": 880, "failed_requests": 20}
NONE = {"total_requests": 0, "completed_requests": 0, "succeeded_requests": 0, "failed_requests": 0}


@pytest.mark.parametrize(
    ("total", "succeeded", "failed", "words"),
    [
        (1000, 1000, 0, "Batch completed: all 1,000 requests succeeded"),
        (1, 1, 0, "Batch completed: its only request succeeded"),
        (1000, 990, 10, "Batch completed: 990 of 1,000 requests succeeded, 10 failed"),
        (1000, 1, 999, "Batch completed: 1 of 1,000 requests succeeded, 999 failed"),
        (1000, 990, 0, "Batch completed: 990 of 1,000 requests succeeded, 10 without a result"),
        (1000, 990, 4, "Batch completed: 990 of 1,000 requests succeeded, 4 failed and 6 without a result"),
        (1000, 0, 1000, "Batch failed: all 1,000 requests failed"),
        (1, 0, 1, "Batch failed: its only request failed"),
        (1000, 0, 999, "Batch failed: none of 1,000 requests succeeded"),
        (1, 0, 0, "Batch failed: none of 1 request succeeded"),
        (0, 0, 0, "Batch completed without a request"),
    ],
)
def test_what_a_success_is_worth(total, succeeded, failed, words):
    """A SUCCESS is summarized by its counters, on its event and on its card: without one success it has failed."""
    over = job(
        status="SUCCESS",
        total_requests=total,
        completed_requests=total,
        succeeded_requests=succeeded,
        failed_requests=failed,
    )
    assert summary.summarize_job_event("batch.completed", over, {}) == words
    assert summary.summarize_status(over) == words


@pytest.mark.parametrize(
    ("type_", "words"),
    [
        ("batch.created", "Batch created: 900 of 1,000 requests done, 20 failed"),
        ("batch.started", "Batch started: 900 of 1,000 requests done, 20 failed"),
        ("batch.cancelling", "Batch is being cancelled: 900 of 1,000 requests done, 20 failed"),
        ("batch.failed", "Batch failed: 900 of 1,000 requests done, 20 failed"),
        ("batch.expired", "Batch ran out of time: 900 of 1,000 requests done, 20 failed"),
        ("batch.cancelled", "Batch cancelled: 900 of 1,000 requests done, 20 failed"),
        ("batch.progress", "Batch in progress: 900 of 1,000 requests done, 20 failed"),
        ("batch.deleted", "Batch deleted: 900 of 1,000 requests done, 20 failed"),
        ("batch.stalled", "Batch makes no progress: 900 of 1,000 requests done, 20 failed"),
        ("batch.deadline", "Batch is running out of time: 900 of 1,000 requests done, 20 failed"),
        ("batch.tomorrow", "batch.tomorrow: 900 of 1,000 requests done, 20 failed"),
    ],
)
def test_every_event_says_how_far_the_job_is(type_, words):
    """Each type has its words, and even one that is not known yet says how many requests are done."""
    assert summary.summarize_job_event(type_, job(**SOME), {}) == words


@pytest.mark.parametrize(
    ("type_", "counters", "words"),
    [
        ("batch.created", NONE, "Batch created"),
        ("batch.created", NONE | {"total_requests": 1000}, "Batch created: 1,000 requests"),
        ("batch.failed", NONE, "Batch failed"),
        ("batch.started", NONE | {"total_requests": 1}, "Batch started: 0 of 1 request done"),
        ("batch.progress", SOME | {"failed_requests": 0}, "Batch in progress: 900 of 1,000 requests done"),
    ],
)
def test_nothing_is_reported_of_what_was_not_counted(type_, counters, words):
    """A counter without a meaning is left out."""
    assert summary.summarize_job_event(type_, job(**counters), {}) == words


@pytest.mark.parametrize(
    ("type_", "files", "words"),
    [
        (
            "batch.archived",
            [{"kind": "output", "lines": 1000}, {"kind": "error", "lines": 1}],
            "Results archived: output file with 1,000 lines, error file with 1 line",
        ),
        (
            "batch.results_gone",
            [{"kind": "output", "reason": "gone"}, {"kind": "error", "reason": "forbidden"}],
            "Results could not be archived: output file does not exist any more, error file may not be read with this key",
        ),
        (
            "batch.results_gone",
            [{"kind": "output", "reason": "too_large"}, {"kind": "error", "reason": "failed"}],
            "Results could not be archived: output file is larger than `max_file`, error file could not be downloaded",
        ),
        ("batch.results_gone", [{"kind": "output", "reason": "odd"}], "Results could not be archived: output file odd"),
        ("batch.archived", None, "Results archived"),
        ("batch.archived", [7, {"lines": 1}], "Results archived"),
    ],
)
def test_what_became_of_result_files(type_, files, words):
    """The files of an event about results are described in order, without the counters of the job; others are left out."""
    assert summary.summarize_result_event(type_, files) == words
    assert summary.summarize_job_event(type_, job(**SOME), {}) == words.partition(":")[0]


def test_other_changes_are_named():
    """An update names the properties that changed, and a status outside the schema is shown as it came."""
    assert (
        summary.summarize_job_event("batch.updated", job(), {"metadata": (1, 2), "new": (None, 1)})
        == "Batch updated: metadata, new"
    )
    assert summary.summarize_job_event("batch.updated", job(), {}) == "Batch updated"
    paused = job(status="PAUSED")
    assert summary.summarize_job_event("batch.unrecognized", paused, {}) == "Batch has an unknown status: PAUSED"
    assert summary.summarize_status(paused) == "Batch has an unknown status: PAUSED"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("QUEUED", "Batch waiting"),
        ("RUNNING", "Batch running"),
        ("CANCELLATION_REQUESTED", "Batch is being cancelled"),
        ("FAILED", "Batch failed"),
        ("TIMEOUT_EXCEEDED", "Batch ran out of time"),
        ("CANCELLED", "Batch cancelled"),
    ],
)
def test_how_a_job_stands(status, words):
    """Each status of the schema has its words."""
    assert summary.summarize_status(job(status=status)) == words


@pytest.mark.parametrize(
    ("type_", "data", "words"),
    [
        (
            "account.unreachable",
            {"account": "eu", "reason": "unauthorised"},
            "Account eu cannot be reached: the key is refused",
        ),
        ("account.unreachable", {"account": "eu", "reason": "odd"}, "Account eu cannot be reached: odd"),
        ("account.unreachable", {"account": "eu"}, "Account eu cannot be reached"),
        ("account.recovered", {"account": "eu", "reason": "recovered"}, "Account eu can be reached again"),
        (
            "receiver.failing",
            {"receiver": "hook", "reason": "server"},
            "Receiver hook takes no deliveries: it answers with an error",
        ),
        ("receiver.recovered", {"receiver": "hook", "reason": "server"}, "Receiver hook takes deliveries again"),
        ("replica.lost", {"replica": "b", "version": "1", "accounts": 3, "receivers": 1}, "Replica b was lost"),
        ("replica.joined", {"replica": "b", "version": "1"}, "Replica b joined"),
        ("test.sent", {"any": "thing"}, "Event test.sent"),
    ],
)
def test_what_is_not_about_a_job(type_, data, words):
    """Accounts and receivers are named, with the reason in plain words; an unknown type is shown as it is."""
    assert summary.summarize_other_event(type_, data) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0s"), (0, "0s"), (59.6, "1m 0s"), (192, "3m 12s"), (3600, "1h 0m"), (90_061, "1d 1h"), (100 * 86400, "100d 0h")],
)
def test_durations_have_two_units(seconds, words):
    """The two largest units of a duration are shown, and it is never negative."""
    assert summary.format_duration(seconds) == words
