"""Owns the diff of a job: the events that lead from its known state to the observed one.

A status of the schema that may follow the known one is always a change. `is_behind` recognizes an older state (a status that
may not follow, a counter that fell, a property that is missing); the caller decides whether to believe it. No event is invented
for what may have happened between two observations.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.core.events.event import Changes, Event, batch_event
from tracker.core.events.event_type_table import TYPE_OF_STATUS
from tracker.core.jobs.job import COUNTERS, PROPERTIES, Job
from tracker.core.jobs.native import NATIVE, native_changes, with_known_keys
from tracker.core.jobs.size_limits import OMISSIONS, bounded
from tracker.core.jobs.status import is_recognized, is_terminal, may_follow

MAY_BE_ABSENT: Final = tuple(f.name for f in msgspec.structs.fields(Job) if not f.required and f.name != "extra")
"""Properties that an answer may leave out. If one is missing, it was more likely left out than removed."""


class Unlogged(msgspec.Struct, frozen=True, gc=False):
    """Counters that moved since the job was last `logged`, which it is as the log has it, and when that was seen.

    `seen_at` is Unix milliseconds. Nothing else that is a change differs.
    """

    logged: Job
    seen_at: int


class Known(msgspec.Struct, frozen=True, gc=False):  # in no cycle: the garbage collector can skip a hundred thousand of them
    """A job as it was last seen; `deleted` once the API confirmed that it no longer has it.

    `logged_at` is when what the log has of it was observed (Unix milliseconds), 0 where that is unknown. With `unlogged`
    progress the log has an older state.
    """

    job: Job
    deleted: bool = False
    logged_at: int = 0
    unlogged: Unlogged | None = None

    @property
    def active(self) -> bool:
        return not self.deleted and not is_terminal(self.job.status)

    @property
    def logged(self) -> Job:
        """The job as the log has it."""
        return self.unlogged.logged if self.unlogged else self.job


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What one observation of a job changed: its new state, and the events that follow, in order.

    `backfilled` marks a job that had ended before the account was first contacted: its events are logged and not delivered.
    Without events it is progress that was only seen, or is over.
    """

    account: str
    known: Known
    events: tuple[Event, ...]
    backfilled: bool = False


def is_behind(seen: Job, known: Job) -> bool:
    """Whether `seen` looks like an older state of the job than `known`."""
    if seen.status != known.status:
        if not may_follow(known.status, seen.status):
            return True
        if is_terminal(seen.status):
            return False
        if is_recognized(seen.status) and is_recognized(known.status):
            return _has_fallen(seen, known)  # as after a cancellation that was withdrawn
    return _has_fallen(seen, known) or bool(_lost(seen, known))


def without_losses(seen: Job, known: Job) -> Job:
    """`seen`, with the properties of `known` that this answer lacks."""
    lost = _lost(seen, known)
    return msgspec.structs.replace(seen, **lost) if lost else seen


def first_seen(account: str, job: Job, now: int, *, backfilled: bool = False) -> Change:
    """The change of a job that was not known: it was created, and has reached its status unless that is QUEUED."""
    job = bounded(job)
    created = batch_event("batch.created", account, job, {}, now, happened_at=job.created_at)
    reached = _status_event(account, job, {"status": (None, job.status)}, now)
    return Change(
        account=account,
        known=Known(job, logged_at=now),
        events=(created, reached) if reached else (created,),
        backfilled=backfilled,
    )


def diff(account: str, known: Known, seen: Job, now: int, mapped: Collection[str] = ()) -> Change | None:
    """The change from `known` to `seen`, observed at `now` (Unix milliseconds); None if nothing changed.

    Its events lead from what the log has to `seen`. A change of a vendor's own object that is only in its values `mapped` is
    none: the job's other properties show them.
    """
    seen = bounded(_with_absent_properties(seen, known.job))
    changes = _changes(known, seen, mapped)
    if not changes:
        return None
    if known.unlogged:
        return _diff_from_log(account, known, seen, changes, now, mapped)
    return Change(account=account, known=Known(seen, logged_at=now), events=(_event(account, seen, changes, now),))


def deletion(account: str, known: Known, now: int) -> Change:
    """The change of an active job that the API, asked twice, does not have any more."""
    event = batch_event("batch.deleted", account, known.job, {"deleted": (False, True), **_unlogged_changes(known)}, now)
    return Change(account=account, known=Known(known.job, deleted=True, logged_at=now), events=(event,))


def unlogged_event(account: str, known: Known, now: int) -> Event:
    """The progress that the log does not have yet, as observed at `now` (Unix milliseconds)."""
    return batch_event("batch.progress", account, known.job, _unlogged_changes(known), now)


def _diff_from_log(account: str, known: Known, seen: Job, changes: Changes, now: int, mapped: Collection[str]) -> Change:
    """The change to `seen` of a job with unlogged progress, after which `changes` were seen.

    Where these are no progress it is logged before them, so that they are the update that they would be without it. If `seen`
    is what the log has, what was unlogged is over without an event.
    """
    if "status" not in changes and not any(name in changes for name in COUNTERS):
        events = (unlogged_event(account, known, now), _event(account, seen, changes, now))
        return Change(account=account, known=Known(seen, logged_at=now), events=events)
    logged = Known(known.logged, logged_at=known.logged_at)
    changes = _changes(logged, seen, mapped)
    if not changes:
        return Change(account=account, known=logged, events=())
    return Change(account=account, known=Known(seen, logged_at=now), events=(_event(account, seen, changes, now),))


def _unlogged_changes(known: Known) -> Changes:
    pairs = ((name, getattr(known.logged, name), getattr(known.job, name)) for name in COUNTERS)
    return {name: (was, is_) for name, was, is_ in pairs if was != is_}


def _event(account: str, seen: Job, changes: Changes, now: int) -> Event:
    """The one event of these changes: that of the status, else progress if a counter is among them, else an update."""
    of_status = _status_event(account, seen, changes, now) if "status" in changes else None
    if of_status:
        return of_status
    is_progress = "status" not in changes and any(name in changes for name in COUNTERS)
    return batch_event("batch.progress" if is_progress else "batch.updated", account, seen, changes, now)


def _status_event(account: str, job: Job, changes: Changes, now: int) -> Event | None:
    if not is_recognized(job.status):
        return batch_event("batch.unrecognized", account, job, changes, now)
    type_ = TYPE_OF_STATUS.get(job.status)
    if type_ is None:
        return None
    happened_at = getattr(job, type_.moment) if type_.moment else None
    return batch_event(type_.name, account, job, changes, now, happened_at=happened_at)


def _changes(known: Known, seen: Job, mapped: Collection[str]) -> Changes:
    if known.job == seen and not known.deleted:
        return {}
    before, after = known.job.to_data(), seen.to_data()
    changes: Changes = {"deleted": (True, False)} if known.deleted else {}
    for name, value in after.items():
        was = before.get(name)
        if name == NATIVE and was:
            changes.update(native_changes(was, value, mapped))
        elif was != value and (_has_content(was) or _has_content(value)):
            changes[name] = (was, value)
    return changes


def _has_fallen(seen: Job, known: Job) -> bool:
    return any(getattr(seen, name) < getattr(known, name) for name in COUNTERS)


def _lost(seen: Job, known: Job) -> dict[str, Any]:
    """The properties that `known` has and that are null or empty in `seen`."""
    return {name: was for name in MAY_BE_ABSENT if _has_content(was := getattr(known, name)) and _is_empty(getattr(seen, name))}


def _is_empty(value: Any) -> bool:
    return value is not UNSET and not _has_content(value)


def _has_content(value: Any) -> bool:
    """Whether the value is none of null, "", {}, [] and absent, which all mean the same; 0 and false are content."""
    return bool(value) or value == 0


def _with_absent_properties(seen: Job, known: Job) -> Job:
    """Keep optional properties that this answer leaves out: a list may have fewer properties of a job than a get."""
    absent = {
        name: getattr(known, name)
        for name in ("agent_id", "errors", "outputs")
        if getattr(seen, name) is UNSET and getattr(known, name) is not UNSET
    }
    kept = {name: value for name, value in known.extra.items() if name not in PROPERTIES and _still_holds(name, seen, known)}
    extra = kept | seen.extra
    if NATIVE in extra and (native := with_known_keys(seen.extra, known.extra)):
        extra[NATIVE] = native
    if not absent and extra == seen.extra:
        return seen
    return msgspec.structs.replace(seen, extra=extra, **absent)


def _still_holds(name: str, seen: Job, known: Job) -> bool:
    """Whether an unknown property of `known` is kept. A count of omitted items is kept only while its list is the same."""
    of = OMISSIONS.get(name)
    return of is None or getattr(seen, of) in (UNSET, getattr(known, of), {})
