"""Owns the decision which silence, if any, keeps an event from a receiver: pure functions of the silences and of `now`."""

from collections.abc import Iterable

from tracker.core.deliveries.fan_out import MATCH_ALL, Subscription, matches_glob, matches_job, matches_type
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import BY_NAME, TYPES
from tracker.core.silences.silence import Scope, Silence


def silencing(silences: Iterable[Silence], subscription: Subscription, event: Event, now: int) -> Silence | None:
    """The silence that keeps `event` from the receiver at `now` (Unix milliseconds); of several the one that ends last.

    No silence keeps the events about itself.
    """
    found = [each for each in silences if each.is_active(now) and silences_event(each, subscription, event)]
    return max(found, key=lambda each: (each.ends_at, each.id), default=None)


def silences_event(silence: Silence, subscription: Subscription, event: Event) -> bool:
    """Whether the scope of `silence` has the event and the receiver, whatever the time."""
    scope = silence.scope
    if (subscription.is_webhook and not scope.webhooks) or event.data.get("silence") == silence.id:
        return False
    if scope.events and not matches_type(event.type, scope.events):
        return False
    return _matches_receiver(scope, subscription.receiver, event) and _matches_subject(scope, event)


def types_silenced(scope: Scope, subscription: Subscription) -> tuple[str, ...]:
    """The types of events that the scope can keep from the receiver: a filter for what is pending, before it is read."""
    if subscription.is_webhook and not scope.webhooks:
        return ()
    types = [type_ for type_ in TYPES if not scope.events or matches_type(type_, scope.events)]
    if _is_named(scope, subscription.receiver):
        return tuple(types)
    return tuple(type_ for type_ in types if BY_NAME[type_].subject == "receiver")


def _matches_receiver(scope: Scope, receiver: str, event: Event) -> bool:
    if _is_named(scope, receiver):
        return True
    return event.type.startswith("receiver.") and _is_named(scope, event.data.get("receiver"))


def _is_named(scope: Scope, receiver: object) -> bool:
    return not scope.receivers or any(matches_glob(glob, receiver) for glob in scope.receivers)


def _matches_subject(scope: Scope, event: Event) -> bool:
    """Whether the globs over the account and the job match; what has no account or is no job does not match them."""
    match = scope.match
    if match == MATCH_ALL:
        return True
    if match.account is not None and not (event.account and matches_glob(match.account, event.account)):
        return False
    if match.model is None and match.endpoint is None and not match.metadata:
        return True
    return event.type.startswith("batch.") and matches_job(match, event.data)
