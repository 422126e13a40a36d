"""Owns rebuilding every job from its events, and finding where the log contradicts itself."""

from collections.abc import Iterator
from typing import Any

import msgspec

from tracker.core.events.event import Event
from tracker.core.events.event_type_table import OVERDUE_TYPES, RESULT_TYPES
from tracker.core.jobs.job import Job, MalformedJob, PartialJob
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.native import NATIVE
from tracker.core.jobs.size_limits import is_omitted, omitted, size_of
from tracker.core.jobs.status import is_terminal
from tracker.store.records.stored_events import StoredEvent, short_id
from tracker.store.records.verification.result_differences import RebuiltResults, rebuilt_results
from tracker.store.records.verification.row import Row
from tracker.store.records.verification.spilling_mapping import SpillingMapping

_decode_event = msgspec.json.Decoder(Event).decode


class RebuiltJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job by its events so far. One observation may give two events: `reported` has the properties that either changed."""

    status: str
    created_at: int
    data: dict[str, Any]
    deleted: bool
    first_seen_at: str
    observed_at: str
    seq: int
    before: dict[str, Any] | None  # the data before the last observation; None if that was the first
    was_deleted: bool
    reported: frozenset[str]

    def columns(self) -> dict[str, Any]:
        """The row that the table of jobs has to have, `data` decoded."""
        return {
            "status": self.status,
            "active": int(not self.deleted and not is_terminal(self.status)),
            "deleted": int(self.deleted),
            "created_at": self.created_at,
            "first_seen_at": self.first_seen_at,
            "observed_at": self.observed_at,
            "seq": self.seq,
            "data": self.data,
        }


class LogRebuilder:
    """Applies the log in its order and reports its contradictions: each change must start where the last one ended."""

    def __init__(self) -> None:
        self.events = 0
        self.jobs = SpillingMapping(RebuiltJob)
        self.results = SpillingMapping(RebuiltResults)
        self._last_seq = 0

    def add(self, row: Row) -> Iterator[str]:
        """The contradictions of the next event, a row with the columns of the table but for `backfilled`."""
        where = f"event {row['seq']}"
        self.events += 1
        self._last_seq += 1
        if row["seq"] != self._last_seq:
            yield f"{where}: expected seq {self._last_seq}"
            self._last_seq = row["seq"]
        if row["base"] is not None and row["base_body"] is None:
            yield f"{where}: it builds on event {row['base']}, which is not there"
            return
        try:
            event = _decode_event(_whole_body(row))
        except (msgspec.MsgspecError, ValueError, TypeError, LookupError, RecursionError) as error:
            yield f"{where}: its body cannot be read: {error}"
            return
        yield from _unlike_body(where, row, event)
        if event.type.startswith(("account.", "receiver.", "replica.", "silence.")):
            return
        job = read_job(event.data)
        if isinstance(job, MalformedJob):
            yield f"{where}: the job in its body cannot be read: {job.reason}"
            return
        if isinstance(job, PartialJob):
            yield f"{where}: the job in its body lacks {', '.join(job.absent)}"
            return
        yield from self._apply(f"{where}: job {job.id}", event, job)

    def end_of_job(self, id_: str, rebuilt: RebuiltJob) -> Iterator[str]:
        """What only shows at the end of the log: the last observation of the job has no more events."""
        yield from _unreported(f"event {rebuilt.seq}: job {id_}", rebuilt)

    def close(self) -> None:
        self.jobs.close()
        self.results.close()

    def _apply(self, where: str, event: Event, job: Job) -> Iterator[str]:
        key = (event.account, job.id)
        last = self.jobs.get(key)
        if last and event.type in (*OVERDUE_TYPES, *RESULT_TYPES):
            yield from _not_as_logged(where, event, last)
            if event.type in RESULT_TYPES:
                self.results.set(key, rebuilt_results(event, self.results.get(key)))
            return
        if (last is None) != (event.type == "batch.created"):
            yield f"{where}: {event.type} {'before' if last is None else 'after'} the job was first seen"
        if last and not _is_same_observation(event, last):
            yield from _unreported(f"event {last.seq}: job {job.id}", last)
        rebuilt = _rebuilt(event, job, last)
        self.jobs.set(key, rebuilt)
        yield from _broken_links(where, event, rebuilt)


def _whole_body(row: Row) -> str:
    columns = (row[name] for name in ("seq", "id", "account", "observed_at", "body", "base_body"))
    return StoredEvent(*columns).whole()[1]


def _not_as_logged(where: str, event: Event, last: RebuiltJob) -> Iterator[str]:
    """Where an event that changes no job is about another state of its job than the log has, or about the wrong one.

    Time alone brings events about active jobs, the archive about jobs that are over.
    """
    if event.changes or event.data != last.data:
        yield f"{where}: {event.type} changes the job, expected it as event {last.seq} has it"
    if last.columns()["active"] == (event.type in RESULT_TYPES):
        yield f"{where}: {event.type} {'before' if event.type in RESULT_TYPES else 'after'} the job was over"


def _is_same_observation(event: Event, last: RebuiltJob) -> bool:
    return event.observed_at == last.observed_at and event.data == last.data


def _rebuilt(event: Event, job: Job, last: RebuiltJob | None) -> RebuiltJob:
    reported = frozenset(event.changes)
    fresh = RebuiltJob(
        status=job.status,
        created_at=job.created_at,
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


def _unlike_body(where: str, row: Row, event: Event) -> Iterator[str]:
    """Where the columns, which queries filter by, differ from the body, which every consumer gets."""
    body = {
        "seq": event.seq,
        "id": event.id if row["base"] is None else short_id(event.id),
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
        if name not in rebuilt.reported and not _is_native(name) and _differ(before.get(name), value):
            yield f"{where}: {name} went from {before.get(name)!r} to {value!r} unreported"


def _states(rebuilt: RebuiltJob) -> tuple[dict[str, Any], dict[str, Any]]:
    """The properties before and after the job's last observation, with `deleted`, which the log adds."""
    before, after = _flat(rebuilt.before or {}), _flat(rebuilt.data)
    if "deleted" in after:  # the API has a property of the same name: an event may mean either
        return before, {name: value for name, value in after.items() if name != "deleted"}
    return before | {"deleted": rebuilt.was_deleted}, after | {"deleted": rebuilt.deleted}


def _flat(data: dict[str, Any]) -> dict[str, Any]:
    """The properties, and the values of the vendor's own object as events name them."""
    native = data.get(NATIVE)
    return data | {f"{NATIVE}.{name}": value for name, value in native.items()} if isinstance(native, dict) else data


def _is_native(name: str) -> bool:
    """Whether it is of a vendor's own object: what of it other properties show is not reported."""
    return name == NATIVE or name.startswith(f"{NATIVE}.")


def _stands_for(value: Any, whole: Any) -> bool:
    """Whether the event, which would have been too large, has the size of a value in its place."""
    return is_omitted(value) and value == omitted(size_of(whole))


def _differ(was: Any, now: Any) -> bool:
    """Null, "", [], {} and absent say the same."""
    return was != now and bool(was or now)
