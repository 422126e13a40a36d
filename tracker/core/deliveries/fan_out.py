"""Owns which receivers an event goes to: globs over its type, and over the properties of its job."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Globs that a job must match, all of them; None matches anything.

    For an event about an account only `account` counts; an event about a receiver matches always.
    """

    account: str | None = None
    model: str | None = None
    endpoint: str | None = None
    metadata: Mapping[str, str] = {}


MATCH_ALL: Final = Match()


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """The events that a receiver gets. `delay` (seconds) is the time between an event and the first attempt."""

    receiver: str
    events: tuple[str, ...]
    match: Match = MATCH_ALL
    delay: float = 0.0


def fan_out(subscriptions: Iterable[Subscription], event: Event) -> list[Subscription]:
    """The subscriptions that get `event`. A receiver gets no event about itself: it could not be delivered."""
    about = event.data.get("receiver") if event.type.startswith("receiver.") else None
    return [each for each in subscriptions if each.receiver != about and _matches(each, event)]


def stream_of(event: Event) -> str:
    """The stream of an event, within which order is kept: its job, or its account or receiver."""
    if event.type.startswith("batch."):
        return f"{event.account}/{event.data['id']}"
    return f"{event.type.partition('.')[0]}:{event.data.get('receiver', event.account)}"


def stream_labels(stream: str) -> dict[str, str]:
    """The `account` and `job` of a stream; empty if it is not about a job."""
    account, of_a_job, job = stream.partition("/")
    return {"account": account, "job": job} if of_a_job else {}


def _matches(subscription: Subscription, event: Event) -> bool:
    if not _matches_type(event.type, subscription.events):
        return False
    match = subscription.match
    if match == MATCH_ALL or event.type.startswith("receiver."):
        return True  # an event about a receiver has no account and no job
    if not _matches_glob(match.account, event.account):
        return False
    return not event.type.startswith("batch.") or _matches_job(match, event.data)


@lru_cache(maxsize=1024)  # a thousand receivers have the same few filters
def _matches_type(type_: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(type_, glob) for glob in globs)


def _matches_job(match: Match, job: Mapping[str, Any]) -> bool:
    given = job.get("metadata")
    metadata = given if isinstance(given, dict) else {}  # the API may send anything
    return (
        _matches_glob(match.model, job.get("model"))
        and _matches_glob(match.endpoint, job.get("endpoint"))
        and all(name in metadata and _matches_glob(glob, metadata[name]) for name, glob in match.metadata.items())
    )


def _matches_glob(glob: str | None, value: object) -> bool:
    return glob is None or (value is not None and fnmatchcase(str(value), glob))
