"""Log throttling: a failure that repeats is logged at once, then every ten minutes with its count.

A failure is the same one if its event, account, receiver, part, reason and logger are. What is not said at once is counted,
and the last of it is kept and said later, with `times` (how many it stands for) and `since` (when the first of them was). What
happens to a batch is never a repetition. That a thing works again is said if it was said that it had failed, and only then.
"""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec
from structlog import DropEvent

from tracker.core.events.types import EVENT_TYPES

EVERY: Final = 600.0
"""Seconds between two lines that say the same."""

MOST: Final = 1000
"""Failures that are distinguished; beyond that the one logged longest ago is forgotten, after its kept line is logged."""

TEMPLATE: Final = "_template"
"""The key of what a library's message is made from: two messages of one template are the same."""

_LEVELS: Final = ("warning", "error")
_ALWAYS: Final = ("batch.", "configuration.")
"""Such a line reports what happens once, or answers an operator's action: it is never throttled."""

_ONE_FOR_ALL: Final = ("storage.failed",)
"""Failures of a shared resource: every loop that uses it logs them."""

_ENDS: Final[Mapping[str, str]] = {
    "sweep.recovered": "sweep.failed",
    **{each.name: each.resolves for each in EVENT_TYPES if each.resolves},
    "storage.recovered": "storage.failed",
}
"""What says that something works again, and what said that it had failed."""

_Event = MutableMapping[str, Any]
_Key = tuple[str, ...]


class _Failure(msgspec.Struct):
    """What is remembered of a failure: whether its present outage was logged, and the last of `times` lines that were not."""

    said_at: float
    is_logged: bool = True
    is_over: bool = False
    times: int = 0
    since: Any = None
    kept: _Event | None = None


class LogThrottle:
    """A processor of structlog's; the one that exceptions are rendered before, and secrets are taken out after."""

    def __init__(self, now: Callable[[], float], write: Callable[[_Event], None]) -> None:
        """`now` gives seconds that only grow; `write` makes a line of what was kept back."""
        self._now = now
        self._write = write
        self._failures: dict[_Key, _Failure] = {}  # by when they were said last

    def __call__(self, _logger: Any, _method: str, event: _Event) -> _Event:
        """The event if it is to be said now; raises `DropEvent` where not."""
        name = str(event.get("event"))
        key = _key(event.pop(TEMPLATE, name), event)
        if name in _ENDS:
            return self._ended(event, _key(_ENDS[name], event))
        if event.get("level") not in _LEVELS or name.startswith(_ALWAYS):
            return event
        return self._failed(event, key)

    def flush_due(self) -> float:
        """Say what was kept back for long enough, and forget what has not happened again; the seconds until more may be due."""
        for key, failure in list(self._failures.items()):
            if (left := failure.said_at + EVERY - self._now()) > 0:
                return left
            self._failures.pop(key, None)
            if failure.times:
                self._log_kept(failure)
                self._failures[key] = _Failure(self._now(), is_over=failure.is_over)
        return EVERY

    def flush_all(self) -> None:
        """Say whatever was kept back: nothing more will be said."""
        for failure in self._failures.values():
            self._log_kept(failure)
        self._failures.clear()

    def _failed(self, event: _Event, key: _Key) -> _Event:
        failure = self._failures.get(key)
        if failure is None or self._now() - failure.said_at >= EVERY:
            self._failures.pop(key, None)
            self._failures[key] = _Failure(self._now())  # at the end of the queue
            self._forget_beyond(MOST)
            return _standing_for(event, failure.times + 1, failure.since) if failure else event
        failure.is_logged = failure.is_logged and not failure.is_over
        failure.is_over = False
        failure.times += 1
        failure.since = failure.since or event.get("timestamp")
        failure.kept = event
        raise DropEvent

    def _ended(self, event: _Event, of: _Key) -> _Event:
        """The recovery, unless the failure was not logged or the recovery was logged before."""
        remembered = [each for key, each in self._failures.items() if key[:-1] == of[:-1]]  # whatever the reason was
        went_on = [each for each in remembered if not each.is_over]
        for failure in went_on:
            failure.is_over = True
            if failure.is_logged:
                self._log_kept(failure)
        if remembered and not any(failure.is_logged for failure in went_on):
            raise DropEvent
        return event

    def _forget_beyond(self, most: int) -> None:
        while len(self._failures) > most:
            self._log_kept(self._failures.pop(next(iter(self._failures))))

    def _log_kept(self, failure: _Failure) -> None:
        if failure.kept is not None:
            over = {"works_again": True} if failure.is_over else {}
            self._write(_standing_for(failure.kept, failure.times, failure.since) | over)
            failure.times, failure.since, failure.kept = 0, None, None


def _key(same: str, event: _Event) -> _Key:
    if same in _ONE_FOR_ALL:
        return (same, "")
    return (same, *(str(event.get(part, "")) for part in ("logger", "account", "receiver", "part", "reason")))


def _standing_for(event: _Event, times: int, since: Any) -> dict[str, Any]:
    return {**event, "times": times, "since": since} if times > 1 else {**event}
