"""Owns which progress is logged at once: of counters that only move, not each change is worth an event.

What the log holds and what was last seen are two things. A job's first progress, its last and each tenth of its requests are
logged as they are seen, and so is whatever is more than progress. Other progress is logged once `every` is over since the
job's last event, and is known until then as `Known.unlogged`. The next event leads from what the log has: no link is missing.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from tracker.core.events.job_diff import Change, Known, Unlogged, unlogged_event
from tracker.core.events.progress_delta import PROGRESS
from tracker.core.jobs.job import COUNTERS, Job

_COUNTERS: Final = frozenset(COUNTERS)


def limited(change: Change, before: Known | None, every: int, now: int) -> Change:
    """`change` of what was known `before`, without its event if that is not due at `now`; milliseconds, as is `every`."""
    if before is None or not is_only_progress(change):
        return change
    seen = change.known.job
    if is_milestone(before.logged, seen) or _is_over(before.logged_at, every, now):
        return change
    known = Known(seen, logged_at=before.logged_at, unlogged=Unlogged(before.logged, now))
    return msgspec.structs.replace(change, known=known, events=())


def is_only_progress(change: Change) -> bool:
    """Whether it has one event, of counters that moved."""
    return len(change.events) == 1 and all(
        event.type == PROGRESS and event.changes.keys() <= _COUNTERS for event in change.events
    )


def is_milestone(logged: Job, seen: Job) -> bool:
    """Whether the counters that the log has and those that were seen differ by more than some steps.

    The first request is done or the last, a tenth of them is passed, or there is another number of them.
    """
    if logged.total_requests != seen.total_requests:
        return True
    before, after, total = _done(logged), _done(seen), seen.total_requests
    return not before or (total > 0 and (after >= total or _tenth(before, total) != _tenth(after, total)))


def due_changes(account: str, known: Iterable[Known], shown: Iterable[str], every: int, now: int) -> list[Change]:
    """The changes that log what is unlogged of `known`, as far as it is due at `now` (milliseconds, as is `every`).

    Jobs that were `shown` now were observed now, others when they were seen.
    """
    due = [each for each in known if each.unlogged and _is_over(each.logged_at, every, now)]
    now_shown = frozenset(shown) if due else frozenset()
    return [_logged(account, each, now if each.job.id in now_shown else _seen_at(each, now)) for each in due]


def next_due(known: Iterable[Known], every: int) -> int | None:
    """When the first progress of `known` that is unlogged is due (Unix milliseconds); None if there is none."""
    return min((each.logged_at + every for each in known if each.unlogged), default=None)


def _logged(account: str, known: Known, at: int) -> Change:
    return Change(account=account, known=Known(known.job, logged_at=at), events=(unlogged_event(account, known, at),))


def _seen_at(known: Known, now: int) -> int:
    return min(known.unlogged.seen_at, now) if known.unlogged else now


def _is_over(since: int, every: int, now: int) -> bool:
    """Whether `every` is over; it is where the clock was put back."""
    return not 0 <= now - since < every


def _done(job: Job) -> int:
    return max(job.completed_requests, job.succeeded_requests + job.failed_requests)


def _tenth(done: int, total: int) -> int:
    return done * 10 // total
