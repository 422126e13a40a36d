"""Changes to record: jobs that are seen for the first time, and that move on."""

import itertools

import msgspec

from tracker.core.events.job_diff import deletion, diff, first_seen
from tracker.core.jobs.job import Job
from tracker.core.ports.store import Checkpoint

SINCE = 1_750_000_000_000
CHECKPOINT = Checkpoint(since=SINCE, horizon=SINCE // 1000 - 604_800)


def a_job(id_="job-1", status="QUEUED", created_at=SINCE // 1000, **properties):
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    return Job(id=id_, status=status, created_at=created_at, **counters | properties)


def seen(id_="job-1", *, account="default", now=SINCE, **properties):
    """The change of a job that is seen for the first time: one event, two where it is past QUEUED."""
    return first_seen(account, a_job(id_, **properties), now)


def moved(change, *, now=SINCE + 1000, **properties):
    """The next change of the job of `change`."""
    return diff(change.account, change.known, msgspec.structs.replace(change.known.job, **properties), now)


def gone(change, *, now=SINCE + 2000):
    return deletion(change.account, change.known, now)


def seen_many(count, prefix="job", **properties):
    return [seen(f"{prefix}-{number}", **properties) for number in range(count)]


def with_the_id_of(change, other):
    """`change`, its first event under the id of an event of `other`: no log takes both."""
    event = msgspec.structs.replace(change.events[0], id=other.events[0].id)
    return msgspec.structs.replace(change, events=(event, *change.events[1:]))


def progress(change):
    """Endless changes of one job, a completed request each."""
    for count in itertools.count(change.known.job.completed_requests + 1):
        change = moved(change, now=SINCE + count, completed_requests=count)
        yield change
