"""A running job of which too many requests fail: when that is an event, and when it is the same episode."""

import pytest
from core_samples import NOW, job

from tracker.core.events.failure_share import AT_RISK, with_risk
from tracker.core.events.job_diff import Known, diff, first_seen
from tracker.core.events.summary import summarize_job_event


def counted(succeeded, failed, status="RUNNING"):
    done = succeeded + failed
    return job(status=status, completed_requests=done, succeeded_requests=succeeded, failed_requests=failed, completed_at=None)


def types(*observed, limit=0.5):
    """The types of the events that these observations of one job bring, each compared with the one before."""
    found, known = [], None
    for seen in observed:
        change = diff("default", known, seen, NOW) if known else first_seen("default", seen, NOW)
        if change:
            found.append([event.type for event in with_risk(change, known, limit, NOW).events])
            known = change.known
    return found


@pytest.mark.parametrize(
    ("succeeded", "failed", "limit", "at_risk"),
    [
        (10, 10, 0.5, True),
        (11, 10, 0.5, False),
        (0, 19, 0.5, False),  # too few to tell
        (0, 20, 0.5, True),
        (0, 20, 1.0, True),
        (1, 200, 1.0, False),
        (30, 70, 0.7, True),  # 0.7 * 100 is more than 70
        (999, 1, 0.001, True),
        (1000, 1, 0.001, False),
        (0, 500, None, False),
    ],
)
def test_share_that_reaches_the_limit_is_an_event(succeeded, failed, limit, at_risk):
    """Of the requests that are done, from the twentieth on; without a limit none is too many."""
    (_, seen) = types(counted(0, 0), counted(succeeded, failed), limit=limit)
    assert seen == ["batch.progress", *[AT_RISK] * at_risk]


def test_episode_has_one_event():
    """It comes with the observation that reaches the limit, and again only after the share was below it."""
    shares = [(10, 5), (10, 10), (10, 20), (40, 40), (50, 40), (50, 45), (50, 50), (50, 60)]
    seen = types(*(counted(*share) for share in shares))
    assert [AT_RISK in each for each in seen] == [False, True, False, False, False, False, True, False]


@pytest.mark.parametrize("status", ["QUEUED", "CANCELLATION_REQUESTED", "SUCCESS", "FAILED", "CANCELLED", "PAUSED"])
def test_only_a_running_job_is_at_risk(status):
    """What has ended is not at risk, and neither is what is being cancelled."""
    assert AT_RISK not in types(counted(0, 0, status), counted(0, 50, status), limit=0.5)[-1]


def test_job_that_is_first_seen_at_risk_gives_the_event_after_its_start():
    """So a tracker that comes late says it too."""
    assert types(counted(0, 100)) == [["batch.created", "batch.started", AT_RISK]]


def test_change_of_something_else_is_no_new_episode():
    """A job that is at risk is not again because its metadata changed, and neither is one that was deleted and is not back."""
    known = Known(counted(0, 100))
    change = diff("default", known, job(**counted(0, 100).to_data() | {"metadata": {"a": "b"}}), NOW)
    assert [event.type for event in with_risk(change, known, 0.5, NOW).events] == ["batch.updated"]


def test_event_is_about_the_job_as_observed():
    """It has the counters of its observation, no changes of its own, and its words say how many failed."""
    change = with_risk(first_seen("default", counted(25, 75), NOW), None, 0.5, NOW)
    event = change.events[-1]
    assert (event.type, event.changes, event.data, event.created_at) == (AT_RISK, {}, counted(25, 75).to_data(), NOW // 1000)
    words = summarize_job_event(event.type, change.known.job, {})
    assert words == "Batch is at risk: 100 of 1,000 requests done, 75 failed (75 %)"
