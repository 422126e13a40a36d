"""Owns rebuilding every job from its events, and finding where the log contradicts itself."""

import sqlite3
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event
from tracker.core.events.types import OVERDUE_TYPES
from tracker.core.jobs.job import Job, MalformedJob, PartialJob, read_job
from tracker.core.jobs.size_limits import is_omitted, omitted, size_of
from tracker.core.jobs.status import is_terminal

EVENTS: Final = "SELECT seq, id, type, account, job, created_at, observed_at, body FROM events ORDER BY seq"
"""The rows that `LogRebuilder.add` takes."""

_decode_event = msgspec.json.Decoder(Event).decode


class RebuiltJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job by its events so far. One observation may give two events: `reported` has the properties that either changed."""

    job: Job
    data: dict[str, Any]
    deleted: bool
    first_seen_at: str
    observed_at: str
    seq: int
    before: dict[str, Any] | None  # the data before the last observation; None where that was the first
    was_deleted: bool
    reported: frozenset[str]

    def columns(self) -> dict[str, Any]:
        """The row that the table of jobs has to have, `data` decoded."""
        return {
            "status": self.job.status,
            "active": int(not self.deleted and not is_terminal(self.job.status)),
            "deleted": int(self.deleted),
            "created_at": self.job.created_at,
            "first_seen_at": self.first_seen_at,
            "observed_at": self.observed_at,
            "seq": self.seq,
            "data": self.data,
        }


class LogRebuilder:
    """Applies the log in its order and reports its contradictions: each change must start where the last one ended."""

    def __init__(self) -> None:
        self.events = 0
        self.jobs: dict[tuple[str, str], RebuiltJob] = {}
        self._last_seq = 0

    def add(self, row: sqlite3.Row) -> Iterator[str]:
        where = f"event {row['seq']}"
        self.events += 1
        self._last_seq += 1
        if row["seq"] != self._last_seq:
            yield f"{where}: expected seq {self._last_seq}"
            self._last_seq = row["seq"]
        try:
            event = _decode_event(row["body"])
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            yield f"{where}: its body cannot be read: {error}"
            return
        yield from _unlike_body(where, row, event)
        if event.type.startswith(("account.", "receiver.")):
            return
        job = read_job(event.data)
        if isinstance(job, MalformedJob):
            yield f"{where}: the job in its body cannot be read: {job.reason}"
            return
        if isinstance(job, PartialJob):
            yield f"{where}: the job in its body lacks {', '.join(job.absent)}"
            return
        yield from self._apply(f"{where}: job {job.id}", event, job)

    def end(self) -> Iterator[str]:
        """What only shows at the end of the log: the last observation of each job has no more events."""
        for (_, id_), rebuilt in self.jobs.items():
            yield from _unreported(f"event {rebuilt.seq}: job {id_}", rebuilt)

    def _apply(self, where: str, event: Event, job: Job) -> Iterator[str]:
        key = (event.account, job.id)
        last = self.jobs.get(key)
        if last and event.type in OVERDUE_TYPES:
            yield from _not_as_logged(where, event, last)
            return
        if (last is None) != (event.type == "batch.created"):
            yield f"{where}: {event.type} {'before' if last is None else 'after'} the job was first seen"
        if last and not _is_same_observation(event, last):
            yield from _unreported(f"event {last.seq}: job {job.id}", last)
        rebuilt = self.jobs[key] = _rebuilt(event, job, last)
        yield from _broken_links(where, event, rebuilt)


def _not_as_logged(where: str, event: Event, last: RebuiltJob) -> Iterator[str]:
    """Where an event that time alone brought is about another state of its job than the log has, or about one that is over."""
    if event.changes or event.data != last.data:
        yield f"{where}: {event.type} changes the job, expected it as event {last.seq} has it"
    if not last.columns()["active"]:
        yield f"{where}: {event.type} after the job was over"


def _is_same_observation(event: Event, last: RebuiltJob) -> bool:
    return event.observed_at == last.observed_at and event.data == last.data


def _rebuilt(event: Event, job: Job, last: RebuiltJob | None) -> RebuiltJob:
    reported = frozenset(event.changes)
    fresh = RebuiltJob(
        job=job,
        data=event.data,
        deleted=event.type == "batch.deleted",
        first_seen_at=last.first_seen_at if last else event.observed_at,
        observed_at=event.observed_at,
        seq=event.seq,
        before=last.data if last else None,
        was_deleted=last.deleted if last else False,
        reported=reported,
    )
    if last is None or not _is_same_observation(event, last):
        return fresh
    return msgspec.structs.replace(fresh, before=last.before, was_deleted=last.was_deleted, reported=reported | last.reported)


def _unlike_body(where: str, row: sqlite3.Row, event: Event) -> Iterator[str]:
    """Where the columns, which queries filter by, differ from the body, which every consumer gets."""
    body = {
        "seq": event.seq,
        "id": event.id,
        "type": event.type,
        "account": event.account,
        "job": event.data.get("id"),
        "created_at": event.created_at,
        "observed_at": event.observed_at,
    }
    for name, value in body.items():
        if row[name] != value:
            yield f"{where}: {name}: the column has {row[name]!r}, the body {value!r}"


def _broken_links(where: str, event: Event, rebuilt: RebuiltJob) -> Iterator[str]:
    """Where the values before and after the change, as the event has them, differ from the log's."""
    before, after = _states(rebuilt)
    for name, (was, is_) in event.changes.items():
        if name not in after and name == "deleted":
            continue
        if _differ(was, before.get(name)) and not _stands_for(was, before.get(name)):
            yield f"{where}: {name} changed from {was!r}, the log had {before.get(name)!r}"
        if is_ != after.get(name) and not _stands_for(is_, after.get(name)):
            yield f"{where}: {name} changed to {is_!r}, its data has {after.get(name)!r}"


def _unreported(where: str, rebuilt: RebuiltJob) -> Iterator[str]:
    """The properties that the job's last observation changed and none of its events reports."""
    if rebuilt.before is None:
        return
    before, after = _states(rebuilt)
    for name, value in after.items():
        if name not in rebuilt.reported and _differ(before.get(name), value):
            yield f"{where}: {name} went from {before.get(name)!r} to {value!r} unreported"


def _states(rebuilt: RebuiltJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties before and after the job's last observation, with `deleted`, which the log adds."""
    before, after = rebuilt.before or {}, rebuilt.data
    if "deleted" in after:  # the API has a property of the same name: an event may mean either
        return before, {name: value for name, value in after.items() if name != "deleted"}
    return before | {"deleted": rebuilt.was_deleted}, after | {"deleted": rebuilt.deleted}


def _stands_for(value: Any, whole: Any) -> bool:
    """Whether the event, which would have been too large, has the size of a value in its place."""
    return is_omitted(value) and value == omitted(size_of(whole))


def _differ(was: Any, now: Any) -> bool:
    """Null, "", [], {} and absent say the same."""
    return was != now and bool(was or now)
