"""Owns the events about a job's results: what was archived, with what its lines say, and what could not be archived."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec
from msgspec import UNSET

from tracker.core.events.event import MAX_EVENT_BYTES, Event, batch_event, encode_event
from tracker.core.jobs.job import Job
from tracker.core.results.archive_outcome import Results
from tracker.core.text.one_line import truncate

ARCHIVED: Final = "batch.archived"
RESULTS_GONE: Final = "batch.results_gone"

_SEQ_BYTES: Final = 24
"""An event is measured before it has its `seq`."""

_FEW_GROUPS: Final = 3
_SHORT_TEXT: Final = 256
"""Characters."""


def result_events(results: Results, job: Job) -> list[Event]:
    """The events that report `results` of `job`: one of what is archived, one of what is missing, where there is any.

    An event that would be larger than `MAX_EVENT_BYTES` has less of the digest, then of the usage, then of the files.
    """
    details = {name: _as_json(getattr(results, name)) for name in ("digest", "usage", "cost")}
    events = []
    if results.files:
        events.append(_event(ARCHIVED, results, job, files=_as_json(results.files), **details))
    if results.missing:
        events.append(_event(RESULTS_GONE, results, job, files=_as_json(results.missing)))
    return events


def shortened_files(files: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The `files` of an event that would be too large otherwise: their texts are cut."""
    return [{name: _short(value) for name, value in file.items()} for file in files]


def _event(type_: str, results: Results, job: Job, **details: Any) -> Event:
    event = msgspec.structs.replace(batch_event(type_, results.account, job, {}, results.archived_at), **details)
    for shortened in _SHORTER:
        if len(encode_event(event).encode()) + _SEQ_BYTES <= MAX_EVENT_BYTES:
            break
        event = shortened(event)
    return event


def _as_json(value: Any) -> Any:
    return UNSET if value is None else msgspec.json.decode(msgspec.json.encode(value))


def _without_samples(event: Event) -> Event:
    if not isinstance(event.digest, dict):
        return event
    groups = [group | {"sample": None} for group in event.digest["groups"]]
    return msgspec.structs.replace(event, digest=event.digest | {"groups": groups})


def _with_few_groups(event: Event, most: int = _FEW_GROUPS) -> Event:
    """What is left out is counted as groups that the digest has no room for are."""
    if not isinstance(event.digest, dict):
        return event
    kept, omitted = event.digest["groups"][:most], event.digest["groups"][most:]
    counts = {
        "groups_omitted": event.digest["groups_omitted"] + len(omitted),
        "other": event.digest["other"] + sum(group["count"] for group in omitted),
    }
    return msgspec.structs.replace(event, digest=event.digest | {"groups": kept} | counts)


def _without_groups(event: Event) -> Event:
    event = _with_few_groups(event, 0)
    if not isinstance(event.digest, dict):
        return event
    return msgspec.structs.replace(event, digest=event.digest | {"job_errors": []})


def _without_models(event: Event) -> Event:
    event = msgspec.structs.replace(event, cost=UNSET)
    return msgspec.structs.replace(event, usage=event.usage | {"by_model": {}}) if isinstance(event.usage, dict) else event


def _with_short_texts(event: Event) -> Event:
    return msgspec.structs.replace(event, files=shortened_files(event.files if isinstance(event.files, list) else []))


def _short(value: Any) -> Any:
    return truncate(value, _SHORT_TEXT) if isinstance(value, str) else value


_SHORTER: Final[tuple[Callable[[Event], Event], ...]] = (
    _without_samples,
    _with_few_groups,
    _without_groups,
    _without_models,
    _with_short_texts,
)
"""The steps that shorten an event that is too large, in this order."""
