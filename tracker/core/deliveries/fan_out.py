"""Owns which receivers an event goes to: globs over its type, and over what its job is."""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Globs that a job must match, all of them; None matches anything.

    Of an event about an account only `account` is asked, of one about a receiver nothing.
    """

    account: str | None = None
    model: str | None = None
    endpoint: str | None = None
    metadata: Mapping[str, str] = {}


ANYTHING: Final = Match()


class Subscription(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver wants to know. `delay` (seconds) lets events gather before the first attempt."""

    receiver: str
    events: tuple[str, ...]
    match: Match = ANYTHING
    delay: float = 0.0


def fan_out(subscriptions: Iterable[Subscription], event: Event) -> list[Subscription]:
    """Those of `subscriptions` that `event` is for. Nobody is told about himself: he could not hear it."""
    about = event.data.get("receiver") if event.type.startswith("receiver.") else None
    return [each for each in subscriptions if each.receiver != about and _wants(each, event)]


def stream_of(event: Event) -> str:
    """What order is kept within: the job, or the account or receiver that the event is about."""
    if event.type.startswith("batch."):
        return f"{event.account}/{event.data['id']}"
    return f"{event.type.partition('.')[0]}:{event.data.get('receiver', event.account)}"


def subject(stream: str) -> dict[str, str]:
    """What a stream is about, for who reads of it: `account` and `job`, or nothing."""
    account, of_a_job, job = stream.partition("/")
    return {"account": account, "job": job} if of_a_job else {}


def _wants(subscription: Subscription, event: Event) -> bool:
    if not _is_among(event.type, subscription.events):
        return False
    match = subscription.match
    if match == ANYTHING or event.type.startswith("receiver."):
        return True  # the latter has no account, and is of no job
    if not _fits(match.account, event.account):
        return False
    return not event.type.startswith("batch.") or _matches_job(match, event.data)


@lru_cache(maxsize=1024)  # a thousand receivers ask the same few questions of each event
def _is_among(type_: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatchcase(type_, glob) for glob in globs)


def _matches_job(match: Match, job: Mapping[str, Any]) -> bool:
    sent = job.get("metadata")
    metadata = sent if isinstance(sent, dict) else {}  # what is something else is kept as it came, and has no names
    return (
        _fits(match.model, job.get("model"))
        and _fits(match.endpoint, job.get("endpoint"))
        and all(name in metadata and _fits(glob, metadata[name]) for name, glob in match.metadata.items())
    )


def _fits(glob: str | None, value: object) -> bool:
    return glob is None or (value is not None and fnmatchcase(str(value), glob))
