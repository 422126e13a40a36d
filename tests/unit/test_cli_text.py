"""How jobs and events are put into words for people."""

import json
from io import StringIO

import pytest
from rich.console import Console

from tracker.cli.formatting import text
from tracker.cli.screens.demo import LiveView, PlainView, Stage

NOW = 1_750_861_214_312
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\nforged line\r\u202e\u2028"


def a_job(**properties):
    counters = {"total_requests": 1000, "completed_requests": 250, "succeeded_requests": 240, "failed_requests": 10}
    job = {"id": "541d1a81-4815-442c", "status": "RUNNING", "model": "m", "endpoint": "/v1/e", "created_at": NOW // 1000 - 90}
    return job | {"account": "default", "completed_at": None, "observed_at": "2025-06-25T14:20:14.312Z"} | counters | properties


def an_event(type_, changes=None, data=None, **more):
    return {
        "seq": 7, "type": type_, "account": "default", "observed_at": "2025-06-25T14:20:14.312Z", "changes": changes or {},
        "data": data or a_job(), **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({}, "250/1,000 25 %, 10 failed"),
        ({"failed_requests": 0}, "250/1,000 25 %"),
        ({"total_requests": 0, "completed_requests": 0}, "-"),
        ({"total_requests": 0, "completed_requests": 0, "status": "SUCCESS"}, "0 requests"),
        ({"completed_requests": 1000, "failed_requests": 0}, "1,000/1,000 100 %"),
    ],
)
def test_progress(properties, words):
    """How far a job is, never divided by nothing."""
    assert text.progress(a_job(**properties)) == words


@pytest.mark.parametrize(
    ("properties", "colour"),
    [
        ({"status": "SUCCESS", "failed_requests": 0}, "green"),
        ({"status": "SUCCESS"}, "yellow"),
        ({"status": "SUCCESS", "succeeded_requests": 0}, "red"),
        ({"status": "FAILED"}, "red"),
        ({"status": "VALIDATING"}, "magenta"),
        ({"status": "RUNNING", "deleted": True}, "magenta"),
    ],
)
def test_success_is_only_as_green_as_its_requests(properties, colour):
    """A SUCCESS of which some or all requests failed does not look like one."""
    assert text.colour(a_job(**properties)) == colour


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (an_event("batch.created"), "batch.created      m /v1/e"),
        (an_event("batch.started"), "batch.started"),
        (an_event("batch.progress"), "batch.progress     250/1,000 25 %, 10 failed"),
        (an_event("batch.completed", outcome="all_failed"), "batch.completed    all failed, 250/1,000 25 %, 10 failed"),
        (an_event("batch.unrecognized", data=a_job(status="PAUSED")), "batch.unrecognized PAUSED"),
        (an_event("batch.updated", {"model": ["m", "n"]}), "batch.updated      model: m → n"),
        (an_event("batch.updated", {"metadata": ["x" * 50, None]}), f"batch.updated      metadata: {'x' * 39}… → None"),
        (
            an_event("receiver.failing", data={"receiver": "pipeline", "reason": "server", "detail": "HTTP 503", "since": ""}),
            "receiver.failing   server HTTP 503",
        ),
    ],
)
def test_event_in_words(event, words):
    """The type, and what there is to say of it."""
    assert text.event_words(event) == words


def test_subject_is_a_job_or_a_name():
    """What an event is about is shown short on a terminal and whole elsewhere."""
    assert text.subject(an_event("batch.started"), short=True) == "541d1a81"
    assert text.subject(an_event("batch.started"), short=False) == "541d1a81-4815-442c"
    about = an_event("receiver.failing", data={"receiver": "pipeline"})
    assert text.subject(about, short=True) == "pipeline"
    assert text.subject(an_event("account.recovered", data={"account": "default"}), short=True).strip() == "default"


def hostile_events():
    job = a_job(id=HOSTILE, status=HOSTILE, model=HOSTILE, endpoint=HOSTILE, metadata={HOSTILE: HOSTILE})
    for type_ in ("batch.created", "batch.unrecognized", "batch.completed"):
        yield an_event(type_, data=job)
    yield an_event("batch.updated", {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}, data=job)
    yield an_event("receiver.failing", data={"receiver": HOSTILE, "reason": HOSTILE, "detail": HOSTILE})


@pytest.mark.parametrize("event", list(hostile_events()), ids=lambda event: event["type"])
def test_nothing_of_a_job_steers_the_terminal(event):
    """Escape sequences, line breaks and direction marks of the API's values come out as harmless marks."""
    words = text.event_words(event) + text.subject(event, short=False)
    assert words.isprintable()
    if event["type"].startswith("batch."):
        assert text.status(event["data"]).isprintable()


def test_live_view_shows_jobs_events_and_receivers():
    """The picture has a line per job in sight, the events but progress, the receivers, and where to look next."""
    console = Console(width=110, height=32, record=True, force_terminal=True, file=StringIO())
    view = LiveView(console, Stage("http://api", "http://page", "demo.toml"), lambda: NOW)
    view.board.note(
        [json.dumps(an_event("batch.progress")), json.dumps(an_event("batch.started")), json.dumps(next(hostile_events()))]
    )
    jobs = [a_job(), a_job(id="over-long-ago", status="SUCCESS", observed_at="2025-06-25T14:00:00.000Z")]
    console.print(view.picture(jobs, [("pipeline", "7 webhooks")]))
    shown = console.export_text()
    assert "541d1a81" in shown
    assert "over-lon" not in shown
    assert "batch.started" in shown
    assert "batch.progress" not in shown
    assert all(part in shown for part in ("http://page", "demo.toml", "pipeline", "7 webhooks", "1 active jobs", "3 events"))
    assert "forged line" not in {line.strip("│ ") for line in shown.splitlines()}


def test_plain_view_says_first_where_to_look():
    """Piped, the first line names the page, and each event is a line."""
    console = Console(width=200, record=True, file=StringIO())
    with PlainView(console, Stage("http://api", "http://page", "demo.toml")) as view:
        view.show([json.dumps(an_event("batch.started"))], [], [])
    lines = console.export_text().splitlines()
    assert "http://page" in lines[0]
    assert lines[-1].split()[-2:] == ["541d1a81", "batch.started"]


def test_event_of_a_bad_end_says_why():
    """The reason stands before the counters, in one harmless line."""
    job = a_job(status="FAILED", errors=[{"message": f"quota exceeded{HOSTILE}", "count": 10}])
    said = text.event_words(an_event("batch.failed", data=job))
    assert said.startswith("batch.failed       10 requests: quota exceeded")
    assert said.endswith(", 250/1,000 25 %, 10 failed")
    assert said.isprintable()
