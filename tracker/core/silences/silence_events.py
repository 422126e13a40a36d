"""Owns the events of a silence: its start, and its end with what was missed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, iso, plain_event
from tracker.core.events.event_type_table import BY_NAME
from tracker.core.events.silence_text import ENDED
from tracker.core.jobs.request_errors import error_summary
from tracker.core.silences.silence import Silence
from tracker.core.text.one_line import truncate

STARTED: Final = "silence.started"

MOST_JOBS: Final = 20
"""Jobs that `silence.ended` names."""

MOST_EVENTS: Final = 100
"""Events that are read for them: several may be about one job."""

_MOST_RECEIVERS: Final = 100
_MAX_TEXT: Final = 200


class Missed(msgspec.Struct, frozen=True, kw_only=True):
    """What a silence has kept: events by type, deliveries by receiver, how many jobs it was about, and some of the events.

    An event that was kept from several receivers counts once. `events` are in the order of `worst_first`.
    """

    types: Mapping[str, int] = {}
    receivers: Mapping[str, int] = {}
    jobs: int = 0
    events: Sequence[Event] = ()


def worst_first(types: Iterable[str]) -> list[str]:
    """The types in the order of a digest; those that this version does not know come last."""
    return sorted(types, key=lambda type_: (BY_NAME[type_].rank if type_ in BY_NAME else 1000, type_))


def started_event(silence: Silence, now: int) -> Event:
    """The event that `silence` began, observed at `now` (Unix milliseconds)."""
    return plain_event(STARTED, "", _about(silence), now)


def ended_event(silence: Silence, missed: Missed, now: int) -> Event:
    """The event that `silence` ended, observed at `now`, with what was missed."""
    jobs = list(islice(_jobs(missed.events), MOST_JOBS))
    data = _about(silence) | {
        "ended_at": iso(now),
        "missed": sum(missed.types.values()),
        "types": {type_: missed.types[type_] for type_ in worst_first(missed.types)},
        "receivers": dict(sorted(missed.receivers.items())[:_MOST_RECEIVERS]),
        "jobs": jobs,
        "jobs_omitted": max(0, missed.jobs - len(jobs)),
    }
    return plain_event(ENDED, "", data, now)


def is_worth_logging(silence: Silence, missed: Missed) -> bool:
    """Whether the end of `silence` is: one that never began and has kept nothing leaves nothing in the log."""
    return silence.started_at is not None or bool(missed.types)


def _about(silence: Silence) -> dict[str, Any]:
    return {
        "silence": silence.id,
        **({"window": silence.window} if silence.window else {}),
        "reason": silence.reason,
        "scope": truncate(silence.scope.words(), _MAX_TEXT),
        "created_by": silence.created_by,
        "since": iso(silence.starts_at),
        "until": iso(silence.ends_at),
    }


def _jobs(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Each job once, with the worst of its events that were missed, and what is known of it."""
    seen = set[tuple[str, object]]()
    for event in events:
        key = event.account, event.data.get("id")
        if event.type.startswith("batch.") and key not in seen:
            seen.add(key)
            yield _job(event)


def _job(event: Event) -> dict[str, Any]:
    data = event.data
    found = {
        "account": event.account,
        "id": truncate(str(data["id"]), _MAX_TEXT),
        "model": _text(data.get("model")),
        "type": event.type,
        "seq": event.seq,
        "at": event.timestamp,
        "status": _text(data.get("status")),
        "outcome": event.outcome if isinstance(event.outcome, str) else None,
        "total_requests": data.get("total_requests"),
        "failed_requests": data.get("failed_requests"),
        "error": error_summary(data, _MAX_TEXT) or None,
    }
    return {name: value for name, value in found.items() if value is not None}


def _text(value: object) -> str | None:
    return truncate(value, _MAX_TEXT) if isinstance(value, str) else None
