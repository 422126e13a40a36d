"""What people read of silences: in a message at their end, and on the screen of `top`."""

import json

import msgspec
from core_samples import NOW, job

from tracker.cli.screens.silence_lines import silence_lines
from tracker.core.deliveries.fan_out import Subscription, fan_out
from tracker.core.events.event import batch_event, encode_event
from tracker.core.events.event_type_table import SILENCE_TYPES
from tracker.core.events.message_text import message_text
from tracker.core.silences.silence import Scope, SilenceRequest, SilenceStatus, requested_silence
from tracker.core.silences.silence_events import MOST_JOBS, Missed, ended_event, started_event
from tracker.delivery.notifiers.slack.digest import digest

PAGES = "https://ops.example.com/tracker"
JOB_0 = f"{PAGES}/jobs/job-0?account=prod"
ERROR = "20 requests: no quota"
ERRORS = [{"message": "no quota", "count": 20}]


def silence(seconds=3600, **scope):
    return requested_silence(SilenceRequest(scope=Scope(**scope), reason="an upgrade", seconds=seconds), NOW, "anna")


def as_json(event):
    return json.loads(encode_event(msgspec.structs.replace(event, seq=9)))


def missed_event(jobs=1):
    events = [
        batch_event("batch.failed", "prod", job(id=f"job-{n}", status="FAILED", errors=ERRORS), {}, NOW) for n in range(jobs)
    ]
    missed = Missed(
        types={"batch.completed": 1200, "batch.failed": jobs}, receivers={"team": 1200 + jobs}, jobs=jobs, events=events
    )
    return as_json(ended_event(silence(receivers=("team",)), missed, NOW + 3_600_000))


def test_message_says_what_was_missed():
    """It counts, the worst first, and names each job with what came of it, its first error and its page."""
    text = message_text([missed_event()], PAGES)
    assert text.title == "Silence ended: 1,201 events were not sent (1 failed, 1,200 succeeded)"
    assert text.lines == (
        "Reason: an upgrade",
        "Silenced: to team",
        "Since: 2025-06-25T14:20:14.312Z",
        "Until: 2025-06-25T15:20:14.312Z",
        "Ended: 2025-06-25T15:20:14.312Z",
        f"Failed, 20 of 1,000 requests failed · mistral-small-latest · prod · job-0 · {ERROR} · {JOB_0}",
    )
    assert text.link == f"{PAGES}/silences"
    assert PAGES not in str(message_text([missed_event()]))


def test_message_counts_the_jobs_that_it_does_not_name():
    """Of many jobs the first are named, in the event as in the message."""
    event = missed_event(MOST_JOBS + 5)
    assert (len(event["data"]["jobs"]), event["data"]["jobs_omitted"]) == (MOST_JOBS, 5)
    assert message_text([event]).lines[-1] == "and 5 more jobs"


def test_slack_shows_the_jobs_that_were_missed():
    """Slack's message has the same in its blocks, with the links to the jobs."""
    shown = json.dumps(digest([missed_event()], PAGES)["blocks"])
    assert all(word in shown for word in ("Missed", "job-0", "no quota", f"{PAGES}/jobs/job-0?account=prod", "an upgrade"))


def test_silence_is_asked_for_by_name():
    """A filter of everything has no event about a silence: it is quiet; one that names them, and a digest's receivers, do."""
    names = {"all": ("*",), "named": ("silence.*",), "missed": ("batch.failed",)}
    subscriptions = [Subscription(receiver=name, events=events) for name, events in names.items()]
    event = started_event(silence(), NOW)
    assert event.type in SILENCE_TYPES
    assert [each.receiver for each in fan_out(subscriptions, event)] == ["named"]
    assert [each.receiver for each in fan_out(subscriptions, event, {"missed"})] == ["named", "missed"]


def test_top_has_a_line_for_each_silence_in_force():
    """Two are shown, the others counted; what is scheduled or over has no line."""
    found = [SilenceStatus(silence=silence(seconds), silenced=1200) for seconds in (60, 61, 62, 63)]
    lines = [text.plain for _, _, text in silence_lines(found, NOW + 60_000)]
    assert len(lines) == 3
    assert lines[0].startswith("silent  until ")
    assert lines[0].endswith(": everything but webhooks  1,200 kept  an upgrade")
    assert lines[2] == "and 1 more: `batch-tracker silences`"
    assert silence_lines(found, NOW - 1) == []
