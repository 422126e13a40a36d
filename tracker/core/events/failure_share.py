"""Owns the event of a running job of which too many requests fail.

It is logged with the observation that passes the limit. What is known of the job says whether an earlier one had passed it, so
that an episode has one event, also over a restart; it ends when the share falls below the limit.
"""

from typing import Final

import msgspec

from tracker.core.events.event import batch_event
from tracker.core.events.job_diff import Change, Known
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import RUNNING

AT_RISK: Final = "batch.at_risk"

FEWEST_REQUESTS: Final = 20
"""Requests that are done, at least: of a few the share says nothing."""


def with_risk(change: Change, before: Known | None, limit: float | None, now: int) -> Change:
    """`change`, and the event if it takes the share of failed requests to `limit`; None stands for no limit.

    `before` is what was known of the job, `now` the time of the observation (Unix milliseconds).
    """
    job = change.known.job
    was_at_risk = before is not None and before.active and is_at_risk(before.job, limit)
    if was_at_risk or not change.known.active or not is_at_risk(job, limit):
        return change
    return msgspec.structs.replace(change, events=(*change.events, batch_event(AT_RISK, change.account, job, {}, now)))


def is_at_risk(job: Job, limit: float | None) -> bool:
    """Whether the job runs and `limit` (0 to 1) of its requests that are done have failed, or more."""
    done = job.succeeded_requests + job.failed_requests
    if limit is None or job.status != RUNNING or done < FEWEST_REQUESTS:
        return False
    return job.failed_requests / done >= limit
