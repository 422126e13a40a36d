"""One event is one message of Slack that says all there is to know."""

import itertools
import json

import msgspec
import pytest
from core_samples import NOW, job
from slack_rules import alive, refusal, shown

from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.event_type_table import BATCH_TYPES, RESULT_TYPES
from tracker.delivery.notifiers.slack.message_content import card, message, thread, thread_line

DONE = {"status": "SUCCESS", "completed_requests": 1000, "succeeded_requests": 990, "failed_requests": 10}


def event(type_="batch.completed", changes=None, *, happened_at=None, **changed):
    """The JSON of an event about `job(**changed)`."""
    made = batch_event(type_, "default", job(**changed), changes or {}, NOW, happened_at=happened_at)
    return json.loads(msgspec.json.encode(made))


def other(type_, **data):
    return json.loads(msgspec.json.encode(plain_event(type_, data.get("account", ""), data, NOW)))


def title_of(payload):
    return payload["text"].splitlines()[0]


def header_of(payload):
    return payload["blocks"][0]["text"]["text"]


@pytest.mark.parametrize("type_", [*BATCH_TYPES, *RESULT_TYPES, "batch.stalled", "batch.deadline", "batch.tomorrow"])
def test_every_message_is_one_that_slack_takes(type_):
    """A message of each type has a header, a fallback and blocks that Slack's own models accept."""
    sent = message(event(type_))
    assert refusal(sent) is None
    assert alive(sent) == []
    assert sent["blocks"][0]["type"] == "header"
    assert title_of(sent) == f"{header_of(sent)} (mistral-small-latest)"


def test_vendor_is_named_and_nothing_that_it_has_not_counted():
    """A job of another vendor has its vendor as a field and behind its model, and no bar of 0 %."""
    theirs = {"provider": "anthropic", "model": "claude"}
    started = message(event("batch.started", **theirs, completed_requests=0, succeeded_requests=0, failed_requests=0))
    assert title_of(started) == "Batch started: 1,000 requests (claude, anthropic)"
    cells = [each["text"] for block in started["blocks"] for each in block.get("fields", ())]
    assert {("*Requests*", "1,000"), ("*Vendor*", "anthropic")} <= {*itertools.pairwise(cells)}
    assert "0 %" not in json.dumps(started, ensure_ascii=False)
    assert refusal(started) is None
    done = message(event("batch.completed", **theirs, **DONE))
    assert "100 %" in json.dumps(done, ensure_ascii=False)
    assert "Vendor" not in json.dumps(message(event("batch.completed", **DONE)))


def test_results_are_reported_by_their_files():
    """The header and the line of the thread describe the files, and give no reason of the job for them."""
    files = [{"kind": "output", "lines": 990}, {"kind": "error", "lines": 1}]
    archived = event("batch.archived", **DONE, errors=[{"message": "late", "count": 9}]) | {"files": files}
    words = "Results archived: output file with 990 lines, error file with 1 line"
    assert header_of(message(archived)) == thread_line(archived) == words


def test_results_say_why_requests_failed():
    """By the digest alone: the three most frequent errors in the message, one in its text, and what fits in the thread."""
    groups = [
        {"status": 429, "code": None, "message": f"reason {number}", "count": 9 - number, "custom_ids": [], "sample": "canary"}
        for number in range(5)
    ]
    digest = {"groups": groups, "groups_omitted": 2, "job_errors": []}
    files = {"files": [{"kind": "error", "lines": 35}], "digest": digest}
    archived = event("batch.archived", **DONE, errors=[{"message": "tardy", "count": 9}]) | files
    lines = shown(message(archived)).splitlines()
    sentences = [f"{9 - number} requests: reason {number} (HTTP 429)" for number in range(3)]
    assert lines[1:6] == ["*Errors*", *sentences, "and 4 other errors"]
    assert shown(card(archived, now_ms=NOW)).splitlines()[1:6] == lines[1:6]
    assert f"\nFirst error: {sentences[0]} (and 6 other errors)\n" in message(archived)["text"]
    assert f". {'; '.join(sentences)}; " in thread_line(archived)
    for said in (message(archived)["text"], thread_line(archived)):
        assert "Results archived: error file with 35 lines" in said
        assert "tardy" not in said
        assert "canary" not in said


def test_of_many_errors_the_three_most_frequent_are_named():
    """The others are counted."""
    errors = [{"message": f"reason {number}", "count": 9 - number} for number in range(8)]
    lines = shown(message(event("batch.failed", status="FAILED", errors=errors))).splitlines()
    assert lines[1:6] == ["*Errors*", *(f"{9 - n} requests: reason {n}" for n in range(3)), "and 5 other errors"]


def test_a_message_shows_everything():
    """Verdict, errors, bar, counters, duration, model, endpoint, account, id, files, metadata, time, type, in this order."""
    errors = [{"message": "Context length exceeded", "count": 1200}, {"message": "Odd", "count": "many"}, "plain"]
    sent = message(event(**DONE, errors=errors, happened_at=1_750_861_210))
    assert shown(sent).splitlines() == [
        "Batch completed: 990 of 1,000 requests succeeded, 10 failed",
        *("*Errors*", "1,200 times: Context length exceeded", "Odd", "plain"),
        "███████████████████▒  100 %",
        *("*Done*", "1,000 of 1,000", "*Succeeded*", "990", "*Failed*", "10"),
        *("*Duration*", "3h 5m", "*Account*", "default", "*Job*", "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"),
        *("*Model*", "mistral-small-latest", "*Endpoint*", "/v1/chat/completions"),
        *("*Output file*", "9c0a6c39-7a36-4c28-93a5-0e3b1e2d4f10", "*Error file*", "9c0a6c39-7a36-4c28-93a5-0e3b1e2d4f11"),
        *("*Metadata*", "team: research", "run: 7"),
        "<!date^1750861210^{date_short_pretty} {time}|2025-06-25 14:20 UTC>",
        f"batch.completed {event(**DONE, errors=errors, happened_at=1_750_861_210)['id']}",
    ]


def test_why_a_job_failed_stands_first():
    """A notification, the message and the line of the thread say it at once; of a job that goes on errors are only listed."""
    errors = [{"message": "rate limited", "count": 12}, {"message": "too long", "count": 8}]
    failed = event("batch.failed", {"status": ("RUNNING", "FAILED")}, status="FAILED", errors=errors)
    reason = "12 requests: rate limited; 8 requests: too long"
    counted = "Batch failed: 900 of 1,000 requests done, 20 failed"
    sent = message(failed)
    first = "12 requests: rate limited (and 1 other error)"
    assert sent["text"].splitlines()[:2] == [f"{counted} (mistral-small-latest)", f"First error: {first}"]
    assert shown(sent).splitlines()[1:4] == ["*Errors*", "12 requests: rate limited", "8 requests: too long"]
    assert thread_line(failed) == f"{counted} (it was RUNNING). {reason}"
    goes_on = message(event("batch.progress", errors=errors))
    assert reason not in goes_on["text"]
    assert reason not in thread_line(event("batch.progress", errors=errors))
    assert shown(goes_on).splitlines()[1:3] == ["*Errors*", "12 requests: rate limited"]


def test_job_that_counts_nothing_says_why_all_the_same():
    """Where the input file was refused there are no counters, and the reason follows the verdict."""
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    refused = event("batch.failed", status="FAILED", model=None, errors=[{"message": "bad file", "count": 1}], **counters)
    assert message(refused)["text"].splitlines()[:2] == ["Batch failed", "First error: bad file"]
    assert thread_line(refused) == "Batch failed: bad file"


def test_nothing_is_reported_of_what_is_absent():
    """A job that has only just been created has no bar, no duration, and no empty field or list."""
    bare = dict.fromkeys(("model", "endpoint", "output_file", "error_file", "metadata", "started_at", "completed_at"))
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    sent = message(event("batch.created", status="QUEUED", **bare, **counters))
    assert sent["text"].splitlines() == ["Batch created", "Account: default", "Status: QUEUED", f"Job: {job().id}"]
    assert shown(sent).splitlines()[:5] == ["Batch created", "*Account*", "default", "*Job*", job().id]
    assert len(sent["blocks"]) == 3


def test_a_success_without_a_success_looks_like_a_failure():
    """Header, fallback and thread say that it failed, and the message says what the API called it."""
    failed = event(**DONE | {"succeeded_requests": 0, "failed_requests": 1000}, changes={"status": ("RUNNING", "SUCCESS")})
    sent = message(failed)
    assert header_of(sent) == "Batch failed: all 1,000 requests failed"
    assert sent["text"].startswith("Batch failed: all 1,000 requests failed")
    assert "\nStatus: SUCCESS, but not one request succeeded\n" in sent["text"]
    assert sent["blocks"][1]["text"]["text"] == "The API reports SUCCESS, but not one request succeeded."
    assert "▒" * 20 in shown(sent)
    assert thread_line(failed) == "Batch failed: all 1,000 requests failed (it was RUNNING)"
    assert "The API reports" not in shown(message(event(**DONE)))


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (other("account.unreachable", account="eu", reason="not_enabled", detail="HTTP 402", since="2025-06-25T14:20:10.000Z"),
         "Account eu cannot be reached: batch is not enabled for the workspace"),
        (other("account.recovered", account="eu", reason="recovered", detail="", since="2025-06-25T14:20:10.000Z"),
         "Account eu can be reached again"),
        (other("receiver.failing", receiver="hook", reason="network", detail="refused", since="2025-06-25T14:20:10.000Z"),
         "Receiver hook takes no deliveries: it does not answer"),
    ],
)  # fmt: skip
def test_what_is_not_about_a_job_has_its_message(sent, words):
    """An account's or a receiver's event is a message with the reason, the detail and since when."""
    payload = message(sent)
    assert refusal(payload) is None
    assert (header_of(payload), title_of(payload)) == (words, words)
    said = {name: value for name, value in sent["data"].items() if value}
    assert [f"{name.capitalize()}: {value}" for name, value in said.items()] == payload["text"].splitlines()[1:]
    assert [f"{name}: {value}" for name, value in said.items()] == shown(payload).splitlines()[2:-2]


@pytest.mark.parametrize(
    ("expected", "line"),
    [
        (event("batch.started", {"status": ("QUEUED", "RUNNING")}),
         "Batch started: 900 of 1,000 requests done, 20 failed (it was QUEUED)"),
        (event("batch.created", {"status": (None, "RUNNING")}), "Batch created: 900 of 1,000 requests done, 20 failed"),
        (event("batch.progress", {"completed_requests": (1, 900)}), "Batch in progress: 900 of 1,000 requests done, 20 failed"),
        (event("batch.updated", {"metadata": ({"a": "<b>"}, None), "new": ("x" * 50, 3)}),
         'Batch updated: metadata: {"a": "&lt;b&gt;"} → null; new: ' + "x" * 39 + "… → 3"),
    ],
)  # fmt: skip
def test_a_line_of_the_thread(expected, line):
    """A transition is one line: the verdict and what it was before; of an update, what changed into what."""
    assert thread_line(expected) == line
    assert thread([expected])["text"] == line


def test_a_thread_takes_several_lines():
    """Events of one job that go out together are one message, a line for each, within what Slack takes."""
    events = [event("batch.progress", completed_requests=done) for done in range(10, 25)]
    sent = thread(events)
    assert refusal(sent) is None
    assert sent["text"].splitlines() == [thread_line(each) for each in events[-10:]]
    assert shown(sent) == sent["text"]
    assert refusal(thread([event("batch.updated", {"&" * 400: (1, 2)})] * 50)) is None
