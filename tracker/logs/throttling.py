"""Log throttling: a failure that repeats is logged at once, then every ten minutes with its count.

Two failures are the same if their event, account, receiver, part, reason and logger are. Throttled lines are counted, and the
last one is logged later, with `times` (how many lines it stands for) and `since` (when the first of them was). Events of a job
are never throttled. A recovery is logged only if its failure was logged.
"""

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

import msgspec
from structlog import DropEvent

from tracker.core.events.event_type_table import EVENT_TYPES

EVERY: Final = 600.0
"""Seconds between two lines of the same failure."""

MOST: Final = 1000
"""Failures that are distinguished; beyond that the one logged longest ago is forgotten, after its kept line is logged."""

TEMPLATE: Final = "_template"
"""The key of the template of a library's message: two messages with one template are the same."""

_LEVELS: Final = ("warning", "error")
_NEVER_THROTTLED: Final = ("batch.", "configuration.")
"""Prefixes of events that happen once, or that answer an operator's action."""

_SHARED_RESOURCES: Final = ("storage.failed",)
"""Failures of a shared resource: every loop that uses it logs them."""

_FAILURE_OF_RECOVERY: Final[Mapping[str, str]] = {
    "sweep.recovered": "sweep.failed",
    **{each.name: each.resolves for each in EVENT_TYPES if each.resolves},
    "storage.recovered": "storage.failed",
}
"""By the event of a recovery, the event of its failure."""

_Event = MutableMapping[str, Any]
_Key = tuple[str, ...]


class _Failure(msgspec.Struct):
    """The state of a failure: whether its present outage was logged, and the last of `times` throttled lines."""

    logged_at: float
    is_logged: bool = True
    is_over: bool = False
    times: int = 0
    since: Any = None
    last_line: _Event | None = None


class LogThrottle:
    """A processor of structlog, after the rendering of exceptions and before the redaction of secrets."""

    def __init__(self, now: Callable[[], float], write: Callable[[_Event], None]) -> None:
        """`now` gives monotonic seconds; `write` writes the line of a throttled event."""
        self._now = now
        self._write = write
        self._failures: dict[_Key, _Failure] = {}  # in the order in which they were last logged

    def __call__(self, _logger: Any, _method: str, event: _Event) -> _Event:
        """The event if it is logged now; raises `DropEvent` if it is throttled."""
        name = str(event.get("event"))
        key = _key(event.pop(TEMPLATE, name), event)
        if name in _FAILURE_OF_RECOVERY:
            return self._throttle_recovery(event, _key(_FAILURE_OF_RECOVERY[name], event))
        if event.get("level") not in _LEVELS or name.startswith(_NEVER_THROTTLED):
            return event
        return self._throttle_failure(event, key)

    def flush_due(self) -> float:
        """Log the throttled lines that are due, and forget failures that ended; returns the seconds until more may be due."""
        for key, failure in list(self._failures.items()):
            if (left := failure.logged_at + EVERY - self._now()) > 0:
                return left
            self._failures.pop(key, None)
            if failure.times:
                self._log_throttled(failure)
                self._failures[key] = _Failure(self._now(), is_over=failure.is_over)
        return EVERY

    def flush_all(self) -> None:
        """Log all throttled lines, at the end of the process."""
        for failure in self._failures.values():
            self._log_throttled(failure)
        self._failures.clear()

    def _throttle_failure(self, event: _Event, key: _Key) -> _Event:
        failure = self._failures.get(key)
        if failure is None or self._now() - failure.logged_at >= EVERY:
            self._failures.pop(key, None)
            self._failures[key] = _Failure(self._now())  # at the end of the queue
            self._forget_beyond(MOST)
            return _with_count(event, failure.times + 1, failure.since) if failure else event
        failure.is_logged = failure.is_logged and not failure.is_over
        failure.is_over = False
        failure.times += 1
        failure.since = failure.since or event.get("timestamp")
        failure.last_line = event
        raise DropEvent

    def _throttle_recovery(self, event: _Event, of: _Key) -> _Event:
        """The recovery, unless the failure was not logged or the recovery was logged before."""
        remembered = [each for key, each in self._failures.items() if key[:-1] == of[:-1]]  # whatever the reason was
        ongoing = [each for each in remembered if not each.is_over]
        for failure in ongoing:
            failure.is_over = True
            if failure.is_logged:
                self._log_throttled(failure)
        if remembered and not any(failure.is_logged for failure in ongoing):
            raise DropEvent
        return event

    def _forget_beyond(self, most: int) -> None:
        while len(self._failures) > most:
            self._log_throttled(self._failures.pop(next(iter(self._failures))))

    def _log_throttled(self, failure: _Failure) -> None:
        if failure.last_line is not None:
            over = {"works_again": True} if failure.is_over else {}
            self._write(_with_count(failure.last_line, failure.times, failure.since) | over)
            failure.times, failure.since, failure.last_line = 0, None, None


def _key(name: str, event: _Event) -> _Key:
    if name in _SHARED_RESOURCES:
        return (name, "")
    return (name, *(str(event.get(part, "")) for part in ("logger", "account", "receiver", "part", "reason")))


def _with_count(event: _Event, times: int, since: Any) -> dict[str, Any]:
    return {**event, "times": times, "since": since} if times > 1 else {**event}
