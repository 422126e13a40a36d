"""A burst of events is one message: how many of each kind, and some by name, the worst first."""

import json

import msgspec
import pytest
from core_samples import NOW, job
from slack_rules import alive, refusal, shown

from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.event_type_table import BATCH_TYPES, RESULT_TYPES, TYPE_OF_STATUS
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.message_content import message

TOTAL = {"total_requests": 10, "completed_requests": 10}
LATE = [{"message": "late", "count": 9}]
ENDS = {
    "success": {"status": "SUCCESS", "succeeded_requests": 10, "failed_requests": 0} | TOTAL,
    "partial": {"status": "SUCCESS", "succeeded_requests": 9, "failed_requests": 1} | TOTAL,
    "all_failed": {"status": "SUCCESS", "succeeded_requests": 0, "failed_requests": 10} | TOTAL,
    "failed": {"status": "FAILED", "succeeded_requests": 5, "failed_requests": 0, "errors": LATE} | TOTAL,
}
TYPES = {"failed": "batch.failed"}
FILES = [{"kind": "output", "lines": 2}]


def title_of(payload):
    return payload["text"].splitlines()[0]


def ended(how, id_, account="default"):
    return event(TYPES.get(how, "batch.completed"), id_, account, **ENDS[how])


def event(type_, id_, account="default", **changed):
    return json.loads(msgspec.json.encode(batch_event(type_, account, job(id=id_, **changed), {}, NOW)))


def other(type_, **data):
    return json.loads(msgspec.json.encode(plain_event(type_, data.get("account", ""), data, NOW)))


def test_fifty_jobs_end_together():
    """One message counts them by what they came to, names ten with the worst first, and says that there are forty more."""
    hows = ["success"] * 44 + ["partial"] * 2 + ["failed"] * 3 + ["all_failed"]
    sent = digest([ended(how, f"job-{number}") for number, how in enumerate(hows)])
    assert refusal(sent) is None
    assert alive(sent) == []
    counts = "1 completed with every request failed, 3 failed, 2 completed in part, 44 succeeded"
    assert sent["text"].splitlines() == [f"50 batches ended: {counts}", "Among them:", *shown(sent).splitlines()[10:]]
    assert shown(sent).splitlines() == [
        "50 batches ended",
        *("*Completed with every request failed*", "1", "*Failed*", "3", "*Completed in part*", "2", "*Succeeded*", "44"),
        "*Among them*",
        "Batch failed: all 10 requests failed · research · run: 7 · mistral-small-latest · job-49",
        *(
            f"Batch failed: 10 of 10 requests done · 9 requests: late · research · run: 7 · mistral-small-latest · job-{number}"
            for number in (46, 47, 48)
        ),
        *(
            f"Batch completed: 9 of 10 requests succeeded, 1 failed · research · run: 7 · mistral-small-latest · job-{number}"
            for number in (44, 45)
        ),
        *(
            f"Batch completed: all 10 requests succeeded · research · run: 7 · mistral-small-latest · job-{number}"
            for number in range(4)
        ),
        "and 40 more",
    ]


def test_what_can_be_named_is_named():
    """Up to ten are all named, and nothing is said of more."""
    sent = shown(digest([ended("success", f"job-{number}") for number in range(10)])).splitlines()
    assert "*These*" in sent
    assert sent[-1].endswith("job-9")
    assert "more" not in sent[-1]


def test_a_job_counts_once():
    """Of several events of a job the last one shows its state; the same id of another account is another job."""
    events = [event("batch.created", "a"), event("batch.started", "a"), ended("success", "a"), ended("failed", "a", "other")]
    assert title_of(digest(events)) == "2 batches ended: 1 failed, 1 succeeded"


def test_a_late_update_does_not_hide_the_end():
    """A job that is over counts by what it came to, though its last event was about something else."""
    late = event("batch.updated", "a", **ENDS["all_failed"])
    sent = digest([ended("all_failed", "a"), late, ended("success", "b")])
    assert title_of(sent) == "2 batches ended: 1 completed with every request failed, 1 succeeded"


def test_results_count_beside_the_end_of_their_job():
    """What was archived, or could not be, neither hides the end of its job nor counts as one, and is one batch with it."""
    gone = event("batch.results_gone", "a", **ENDS["success"]) | {"files": [{"kind": "error", "reason": "gone"}]}
    archived = [event("batch.archived", id_, **ENDS["success"]) | {"files": FILES} for id_ in ("a", "b")]
    sent = digest([ended("success", "a"), ended("success", "b"), *archived, gone])
    assert refusal(sent) is None
    assert title_of(sent) == "2 batches ended: 1 results not archived, 2 succeeded, 2 archived"
    named = [line_.partition(" · ")[0] for line_ in shown(sent).splitlines() if " · " in line_]
    assert named == [
        "Results could not be archived: error file does not exist any more",
        *["Batch completed: all 10 requests succeeded"] * 2,
        *["Results archived: output file with 2 lines"] * 2,
    ]


@pytest.mark.parametrize("type_", [*BATCH_TYPES, *RESULT_TYPES, "batch.stalled", "batch.deadline"])
def test_every_type_has_words(type_):
    """No type of event that the design knows is counted as some other."""
    status = {type_.name: status for status, type_ in TYPE_OF_STATUS.items()}.get(type_, "RUNNING")
    assert "other" not in digest([event(type_, id_, status=status) for id_ in ("a", "b")])["text"]


def test_one_alone_is_no_digest():
    """An event alone, or the last of several about one job, is its own message."""
    assert digest([ended("partial", "a")]) == message(ended("partial", "a"))
    assert digest([event("batch.started", "a"), ended("partial", "a")]) == message(ended("partial", "a"))


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([event("batch.started", "a"), ended("success", "b")], "2 batches: 1 succeeded, 1 started"),
        ([event("batch.stalled", "a"), event("batch.deadline", "b")], "2 batches: 1 without progress, 1 running out of time"),
        ([other("account.unreachable", account="eu"), ended("success", "b"), ended("success", "c")],
         "2 batches ended and 1 other event: 1 out of reach, 2 succeeded"),
        ([other("receiver.failing", receiver="x"), other("receiver.failing", receiver="y")],
         "2 other events: 2 taking no deliveries"),
        ([other("receiver.failing", receiver="x"), other("receiver.recovered", receiver="x"), other("test.sent")],
         "2 other events: 1 taking deliveries again, 1 other"),
    ],
)  # fmt: skip
def test_all_kinds_of_events_together(events, text):
    """What is under way is not called ended, and events about no job are counted apart from the jobs."""
    sent = digest(events)
    assert refusal(sent) is None
    assert title_of(sent) == text
