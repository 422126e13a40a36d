"""Owns the circuit breaker: a receiver that keeps failing gets one delivery at a time until one succeeds.

While the circuit is closed, deliveries flow. `FAILURES_TO_OPEN` failures in a row open it: then one delivery at a time probes
the receiver, each after a longer wait, and the others use up no attempts. The first success closes it.
"""

from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.deliveries.retry_schedule import backoff

FAILURES_TO_OPEN: Final = 5
"""Failures in a row."""

MAX_PROBE_WAIT: Final = 300.0
"""Seconds between two probes, at most."""

MIN_PROBE_WAIT: Final = 0.1
"""Seconds; the base of the backoff if a schedule begins with a shorter wait."""


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a receiver. Times are Unix milliseconds.

    `since` is when the first of the `failures` in a row happened. Nothing is sent before `quiet_until`; up to `asked_until` the
    receiver asked for that itself. `reason` and `detail` are of the last failure. A receiver that says that it is gone, or
    wishes to be disabled, is `disabled` until a replay enables it.
    """

    failures: int = 0
    since: int | None = None
    quiet_until: int = 0
    asked_until: int = 0
    reason: str = ""
    detail: str = ""
    disabled: bool = False

    @property
    def is_open(self) -> bool:
        return self.disabled or self.failures >= FAILURES_TO_OPEN

    def limit(self, now: int, closed_limit: int) -> int:
        """How many deliveries may be under way now: `closed_limit` while the circuit is closed."""
        if self.disabled or now < self.quiet_until:
            return 0
        return 1 if self.is_open else closed_limit

    def probed_now(self) -> "Circuit":
        """The circuit after a replay, which says that the receiver works: one delivery probes it at once."""
        if not self.is_open:
            return self
        return msgspec.structs.replace(
            self, failures=max(self.failures, FAILURES_TO_OPEN), quiet_until=0, asked_until=0, disabled=False
        )

    def opened(self) -> "Circuit":
        """The circuit of a receiver that has failed for too long, however seldom it was tried: it is open."""
        return self if self.is_open else msgspec.structs.replace(self, failures=FAILURES_TO_OPEN)

    def after(self, outcome: Outcome, now: int, first_wait: float, jitter: float) -> "Circuit":
        """The circuit after an attempt; `first_wait` (seconds) is the first wait between probes, `jitter` from 0 to 1.

        An attempt that fails while an open circuit is quiet was under way before: it belongs to the same outage and does not
        count. A success closes the circuit, but a pause that the receiver asked for stays. A receiver that aborts a message
        works, and refuses only that one.
        """
        if self.disabled and outcome.delivered:
            return self
        if outcome.delivered:
            closed = Circuit(quiet_until=self.asked_until, asked_until=self.asked_until)
            return closed._disabled(outcome.detail, now) if outcome.disables else closed
        asked_until = (
            max(self.asked_until, now + round(outcome.pause_seconds * 1000)) if outcome.pause_seconds else self.asked_until
        )
        if outcome.aborts and not outcome.wants_no_more:
            return msgspec.structs.replace(self, quiet_until=max(self.quiet_until, asked_until), asked_until=asked_until)
        late = self.is_open and now < self.quiet_until
        failures = self.failures + (not late)
        wait = 0.0 if late or failures < FAILURES_TO_OPEN else _probe_wait(first_wait, failures - FAILURES_TO_OPEN + 1, jitter)
        return Circuit(
            failures=failures,
            since=now if self.since is None else self.since,
            quiet_until=max(self.quiet_until, now + round(wait * 1000), asked_until),
            asked_until=asked_until,
            reason=outcome.result.value,
            detail=outcome.detail,
            disabled=self.disabled or outcome.wants_no_more,
        )

    def _disabled(self, detail: str, now: int) -> "Circuit":
        return msgspec.structs.replace(self, since=now, reason=Result.GONE.value, detail=detail, disabled=True)


def _probe_wait(first_wait: float, probe: int, jitter: float) -> float:
    """Seconds before the `probe`th probe (from 1) of an open circuit."""
    return backoff(max(first_wait, MIN_PROBE_WAIT), probe, max(first_wait, MAX_PROBE_WAIT), jitter)
