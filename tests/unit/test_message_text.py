"""The plain text of a message is enough by itself, whatever chat shows it."""

import json

import msgspec
import pytest
from core_samples import NOW, job

from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.event_type_table import TYPES
from tracker.core.events.message_text import MAX_LINE, message_text
from tracker.core.events.sample import sample_event

URL = "https://ops.example.com/tracker"
ERRORS = [{"message": "context too long", "count": 12}, {"message": "odd", "count": 1}]


def as_json(event):
    return json.loads(msgspec.json.encode(event))


def event(type_="batch.failed", changes=None, **changed):
    return as_json(batch_event(type_, "research", job(**changed), changes or {}, NOW))


def test_text_of_a_job_says_everything():
    """What happened, why, the job's title, account, status, counts, duration and ID, and where its page is."""
    failed = event(changes={"status": ("RUNNING", "FAILED")}, status="FAILED", errors=ERRORS)
    assert str(message_text([failed], URL)).splitlines() == [
        "Batch failed: 900 of 1,000 requests done, 20 failed (mistral-small-latest)",
        "First error: 12 requests: context too long (and 1 other error)",
        "Title: research · run: 7",
        "Account: research",
        "Status: FAILED (it was RUNNING)",
        "Requests: 900 of 1,000 done, 880 succeeded, 20 failed",
        "Duration: 3h 5m",
        f"Job: {job().id}",
        f"{URL}/jobs/{job().id}?account=research",
    ]


def test_text_of_an_update_has_what_became_what():
    """Values are short, and named."""
    updated = event("batch.updated", {"model": ("small", "x" * 50), "priority": (None, 2)})
    assert f"Changes: model: small → {'x' * 39}…; priority: null → 2" in message_text([updated]).lines


def test_text_counts_nothing_that_a_vendor_has_not_counted():
    """Where the vendor counts at the end alone there is the number of requests, and no 0; without a number there is no line."""
    counters = dict.fromkeys(("completed_requests", "succeeded_requests", "failed_requests"), 0)
    running = event("batch.started", provider="anthropic", **counters)
    assert "Requests: 1,000" in message_text([running]).lines
    assert "Requests" not in str(message_text([event("batch.created", total_requests=0, **counters)]))


def test_text_of_a_burst_is_one():
    """It counts the events, names them with their reasons and their pages, and links to the page of all jobs."""
    burst = [event(id=f"job-{number}", status="FAILED", errors=ERRORS) for number in range(2)]
    assert str(message_text([event("batch.started", id="job-0"), *burst], URL)).splitlines() == [
        "2 batches ended: 2 failed",
        "These:",
        *(
            "Batch failed: 900 of 1,000 requests done, 20 failed · 12 requests: context too long; 1 request: odd"
            f" · research · run: 7 · mistral-small-latest · job-{number} · {URL}/jobs/job-{number}?account=research"
            for number in range(2)
        ),
        f"{URL}/",
    ]


def test_text_of_what_is_no_job_has_its_details():
    """An account's trouble has the reason in its title, what was seen and since when, and the page of the accounts."""
    data = {"account": "eu", "reason": "not_enabled", "detail": "HTTP 402", "since": "2025-06-25T14:20:10.000Z"}
    assert str(message_text([as_json(plain_event("account.unreachable", "eu", data, NOW))], URL)).splitlines() == [
        "Account eu cannot be reached: batch is not enabled for the workspace",
        *("Account: eu", "Reason: not_enabled", "Detail: HTTP 402", "Since: 2025-06-25T14:20:10.000Z"),
        f"{URL}/accounts",
    ]


@pytest.mark.parametrize("type_", TYPES)
def test_every_type_has_a_text(type_):
    """A title that is not just the name of the type, and at least one line below; without a URL there is no link."""
    text = message_text([as_json(sample_event(type_, "default", NOW, "1"))])
    assert text.title
    assert type_ not in text.title
    assert text.lines
    assert text.link == ""
    assert "http" not in str(text)


@pytest.mark.parametrize("word", ["channel", "all", "here", "everyone", "Room"])
def test_text_from_elsewhere_notifies_no_whole_channel(word):
    """A mention of everyone in a job's metadata is shown and not obeyed; an address of mail stays what it is."""
    text = str(message_text([event(metadata={"name": f"@{word} look", "owner": "ops@allied.example"})]))
    assert f"@{word} look" not in text
    assert f"\N{FULLWIDTH COMMERCIAL AT}{word} look" in text
    assert "ops@allied.example" in text


def test_no_line_is_too_long_or_adds_another():
    """Whatever a job's texts are made of, each line of the text is one of its own, printable and bounded."""
    long = "x\n\u2028\x1b" * 10_000
    text = message_text([event(metadata={"name": long}, model=long, errors=[{"message": long}])])
    assert all(line.isprintable() and 0 < len(line) <= MAX_LINE for line in (text.title, *text.lines))
    assert len(str(text).splitlines()) == 1 + len(text.lines)
