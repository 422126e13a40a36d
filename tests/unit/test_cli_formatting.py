"""How jobs and events are put into words for people."""

import json
from io import StringIO

import pytest
from rich.console import Console

from tracker.cli.formatting import event_text, job_description, quantities
from tracker.cli.formatting.printing import wrapped
from tracker.cli.formatting.progress_bars import JobLine, bars
from tracker.cli.screens.demo_view import DemoSetup, LiveView, PlainView

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
        ({"completed_requests": 0, "failed_requests": 0}, "0/1,000 0 %"),
        ({"completed_requests": 0, "failed_requests": 0, "provider": "anthropic"}, "1,000 requests"),
        ({"total_requests": 1, "completed_requests": 0, "provider": "anthropic"}, "1 request"),
        ({"completed_requests": 0, "failed_requests": 0, "provider": "openai", "status": "CANCELLED"}, "0/1,000 0 %"),
        ({"provider": "openai"}, "250/1,000 25 %, 10 failed"),
    ],
)
def test_progress(properties, words):
    """How far a job is, never divided by nothing."""
    assert job_description.progress(a_job(**properties)) == words


@pytest.mark.parametrize(
    ("properties", "color"),
    [
        ({"status": "SUCCESS", "failed_requests": 0}, "green"),
        ({"status": "SUCCESS"}, "yellow"),
        ({"status": "SUCCESS", "succeeded_requests": 0}, "red"),
        ({"status": "FAILED"}, "red"),
        ({"status": "VALIDATING"}, "magenta"),
        ({"status": "RUNNING", "deleted": True}, "magenta"),
    ],
)
def test_success_is_only_as_green_as_its_requests(properties, color):
    """A SUCCESS of which some or all requests failed does not look like one."""
    assert job_description.color(a_job(**properties)) == color


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (an_event("batch.created"), "batch.created       m /v1/e"),
        (an_event("batch.started"), "batch.started"),
        (an_event("batch.progress"), "batch.progress      250/1,000 25 %, 10 failed"),
        (an_event("batch.completed", outcome="all_failed"), "batch.completed     all failed, 250/1,000 25 %, 10 failed"),
        (an_event("batch.unrecognized", data=a_job(status="PAUSED")), "batch.unrecognized  PAUSED"),
        (an_event("batch.updated", {"model": ["m", "n"]}), "batch.updated       model: m → n"),
        (an_event("batch.updated", {"metadata": ["x" * 50, None]}), f"batch.updated       metadata: {'x' * 39}… → None"),
        (
            an_event("batch.archived", data=a_job(status="SUCCESS"), files=[{"kind": "output", "lines": 1000}]),
            "batch.archived      output file with 1,000 lines",
        ),
        (
            an_event("batch.results_gone", files=[{"kind": "error", "reason": "\x1b[31m"}]),
            "batch.results_gone  error file \N{REPLACEMENT CHARACTER}[31m",
        ),
        (
            an_event("receiver.failing", data={"receiver": "pipeline", "reason": "server", "detail": "HTTP 503", "since": ""}),
            "receiver.failing    server HTTP 503",
        ),
        (
            an_event("account.unreachable", data={"account": "a", "reason": "server", "detail": "HTTP 503", "since": ""}),
            "account.unreachable server HTTP 503",
        ),
    ],
)
def test_event_in_words(event, words):
    """The type, and what there is to say of it."""
    assert event_text.event_words(event) == words


def test_subject_is_a_job_or_a_name():
    """What an event is about is shown short on a terminal and whole elsewhere."""
    assert event_text.subject(an_event("batch.started"), short=True) == "541d1a81"
    assert event_text.subject(an_event("batch.started"), short=False) == "541d1a81-4815-442c"
    about = an_event("receiver.failing", data={"receiver": "pipeline"})
    assert event_text.subject(about, short=True) == "pipeline"
    assert event_text.subject(an_event("account.recovered", data={"account": "default"}), short=True).strip() == "default"


def hostile_events():
    job = a_job(id=HOSTILE, status=HOSTILE, model=HOSTILE, endpoint=HOSTILE, metadata={HOSTILE: HOSTILE})
    for type_ in ("batch.created", "batch.unrecognized", "batch.completed"):
        yield an_event(type_, data=job)
    yield an_event("batch.updated", {HOSTILE: [HOSTILE, {HOSTILE: HOSTILE}]}, data=job)
    yield an_event("receiver.failing", data={"receiver": HOSTILE, "reason": HOSTILE, "detail": HOSTILE})


@pytest.mark.parametrize("event", list(hostile_events()), ids=lambda event: event["type"])
def test_nothing_of_a_job_steers_the_terminal(event):
    """Escape sequences, line breaks and direction marks of the API's values come out as harmless marks."""
    words = event_text.event_words(event) + event_text.subject(event, short=False)
    assert words.isprintable()
    if event["type"].startswith("batch."):
        assert job_description.status(event["data"]).isprintable()


def test_live_view_shows_jobs_events_and_receivers():
    """The picture has a line per job in sight, the events but progress, the receivers, and where to look next."""
    console = Console(width=110, height=32, record=True, force_terminal=True, file=StringIO())
    view = LiveView(console, DemoSetup({"Mistral's API": "http://api"}, "http://page", "demo.toml"), lambda: NOW)
    view.dashboard.add_events(
        [json.dumps(an_event("batch.progress")), json.dumps(an_event("batch.started")), json.dumps(next(hostile_events()))]
    )
    jobs = [a_job(), a_job(id="over-long-ago", status="SUCCESS", observed_at="2025-06-25T14:00:00.000Z")]
    console.print(view.render(jobs, [("pipeline", "7 webhooks")]))
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
    with PlainView(console, DemoSetup({"Mistral's API": "http://api"}, "http://page", "demo.toml")) as view:
        view.show([json.dumps(an_event("batch.started"))], [], [])
    lines = console.export_text().splitlines()
    assert "http://page" in lines[0]
    assert lines[-1].split()[-2:] == ["541d1a81", "batch.started"]


def test_event_of_a_bad_end_says_why():
    """The reason stands before the counters, in one harmless line."""
    job = a_job(status="FAILED", errors=[{"message": f"quota exceeded{HOSTILE}", "count": 10}])
    said = event_text.event_words(an_event("batch.failed", data=job))
    assert said.startswith("batch.failed        10 requests: quota exceeded")
    assert said.endswith(", 250/1,000 25 %, 10 failed")
    assert said.isprintable()


@pytest.mark.parametrize("before", range(60, 90))
def test_wrapped_value_begins_no_command_of_a_ci(before):
    """Wherever a line is wrapped, no part of it begins with `::`, also behind blanks; nothing else is changed."""
    lines = wrapped([f"{'x' * before} ::error::forged"])
    assert max(map(len, lines)) <= 80
    assert not any(line.strip().startswith("::") for line in lines)
    assert "".join(lines).replace("|", "").replace(" ", "") == f"{'x' * before}::error::forged"


def test_sizes_and_money_are_readable():
    """Sizes have the largest unit that leaves a number of at least 1; money names its currency, and nothing of it acts."""
    sizes = {0: "0 B", 999: "999 B", 1000: "1.0 KB", 999_949: "999.9 KB", 999_950: "1.0 MB", 12_345_678: "12.3 MB"}
    assert {count: quantities.size(count) for count in sizes} == sizes
    assert quantities.size(5 * 10**15) == "5,000.0 TB"
    assert quantities.money({"EUR": "12.5", "U\x1b[2J": "3"}) == "12.5 EUR + 3 U\N{REPLACEMENT CHARACTER}[2J"


def drawn(*jobs, width=120):
    console = Console(width=width, file=StringIO())
    console.print(bars([JobLine(each) for each in jobs], NOW, width))
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines()]


def test_lines_name_the_vendors_where_they_are_several():
    """A line with a bar names the vendor of its job beside the model, if the other lines are not all of the same one."""
    mine, theirs = a_job(), a_job(provider="anthropic", model=None, completed_requests=0, failed_requests=0)
    first, second = drawn(mine, theirs)
    assert first.startswith("RUNNING 541d1a81 mistral m ━")
    assert second == "RUNNING 541d1a81 anthropic 1,000 requests 1m 30s"
    assert drawn(theirs, theirs)[0] == "RUNNING 541d1a81 1,000 requests 1m 30s"


def test_new_job_of_another_vendor_says_whose_it_is():
    """The line of its event has the vendor before the model; one of Mistral's has none."""
    assert event_text.details(an_event("batch.created", data=a_job(provider="openai"))) == "openai m /v1/e"
    assert event_text.details(an_event("batch.created")) == "m /v1/e"
