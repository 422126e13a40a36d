"""Owns the fan-out of an event to receivers: globs over its type, and over the properties of its job."""

import math
from collections.abc import Collection, Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, Reminder, parse_iso


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Globs that a job must match, all of them; None matches anything.

    For an event about an account only `account` counts; an event about a receiver, a replica or a silence matches always.
    """

    account: str | None = None
    model: str | None = None
    endpoint: str | None = None
    metadata: Mapping[str, str] = {}


MATCH_ALL: Final = Match()

WEBHOOK: Final = "webhook"
"""The kind of receivers that programs read, from which a silence keeps nothing unless it says so."""


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """The events that a receiver gets. `delay` (seconds) is the time between an event and the first attempt.

    `remind_every` (seconds) is the time between reminders; with infinity it gets none.
    `is_webhook`: the receiver is of the kind `WEBHOOK`.
    """

    receiver: str
    events: tuple[str, ...]
    match: Match = MATCH_ALL
    delay: float = 0.0
    remind_every: float = math.inf
    is_webhook: bool = False


def fan_out(subscriptions: Iterable[Subscription], event: Event, also: Collection[str] = ()) -> list[Subscription]:
    """The subscriptions that get `event`; those of the receivers in `also` whatever their filters.

    A receiver gets no event about itself: it could not be delivered.
    """
    about = event.data.get("receiver") if event.type.startswith("receiver.") else None
    return [
        each
        for each in subscriptions
        if each.receiver != about and (each.receiver in also or (_matches(each, event) and _is_due(each, event)))
    ]


def stream_of(event: Event) -> str:
    """The stream of an event, within which order is kept: its job, or its account, receiver, replica or silence."""
    if event.type.startswith("batch."):
        return f"{event.account}/{event.data['id']}"
    subject = event.type.partition(".")[0]
    return f"{subject}:{event.data.get(subject, event.account)}"


def stream_labels(stream: str) -> dict[str, str]:
    """The `account` and `job` of a stream; empty if it is not about a job."""
    account, of_a_job, job = stream.partition("/")
    return {"account": account, "job": job} if of_a_job else {}


def _is_due(subscription: Subscription, event: Event) -> bool:
    """Whether the receiver is to be reminded, if the event is a reminder."""
    reminder = event.reminder
    return not isinstance(reminder, Reminder) or reminder.is_due(subscription.remind_every, parse_iso(event.observed_at))


def _matches(subscription: Subscription, event: Event) -> bool:
    if not _subscribes(subscription.events, event.type):
        return False
    match = subscription.match
    if match == MATCH_ALL or event.type.startswith(("receiver.", "replica.", "silence.")):
        return True  # it has no account and no job
    if not matches_glob(match.account, event.account):
        return False
    return not event.type.startswith("batch.") or matches_job(match, event.data)


def _subscribes(globs: tuple[str, ...], type_: str) -> bool:
    """Whether a filter has the type. An event about a silence is asked for by name: a silence is quiet."""
    if type_.startswith("silence."):
        globs = tuple(glob for glob in globs if glob.startswith("silence."))
    return matches_type(type_, globs)


@lru_cache(maxsize=1024)  # a thousand receivers have the same few filters
def matches_type(type_: str, globs: tuple[str, ...]) -> bool:
    """Whether any of the globs matches the type."""
    return any(fnmatchcase(type_, glob) for glob in globs)


def matches_job(match: Match, job: Mapping[str, Any]) -> bool:
    """Whether all globs over a job's properties (its JSON) match."""
    given = job.get("metadata")
    metadata = given if isinstance(given, dict) else {}  # the API may send anything
    return (
        matches_glob(match.model, job.get("model"))
        and matches_glob(match.endpoint, job.get("endpoint"))
        and all(name in metadata and matches_glob(glob, metadata[name]) for name, glob in match.metadata.items())
    )


def matches_glob(glob: str | None, value: object) -> bool:
    """Whether there is no glob, or one that matches."""
    return glob is None or (value is not None and fnmatchcase(str(value), glob))
