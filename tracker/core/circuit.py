"""Owns the circuit: how much a receiver that keeps failing is asked to take, until it takes something again.

Closed, deliveries flow. After `TRIP` failures in a row it is open: one delivery at a time probes the receiver, each time after
a longer wait, while the others keep their attempts. The first success closes it.
"""

from typing import Final

import msgspec

from tracker.core.delivery import Outcome, Result
from tracker.core.retry import backoff

TRIP: Final = 5
"""Failures in a row."""

LONGEST_PROBE_WAIT: Final = 300.0
"""Seconds between two probes at most."""


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver is. Times are Unix milliseconds.

    `since` is when the first of the `failures` in a row came; before `quiet_until` nothing is sent; `reason` and `detail` are
    of the last failure. `disabled` is for good, until somebody enables it: the receiver said that it is gone.
    """

    failures: int = 0
    since: int | None = None
    quiet_until: int = 0
    reason: str = ""
    detail: str = ""
    disabled: bool = False

    @property
    def is_open(self) -> bool:
        return self.disabled or self.failures >= TRIP

    def room(self, now: int, side_by_side: int) -> int:
        """How many deliveries may be under way now."""
        if self.disabled or now < self.quiet_until:
            return 0
        return 1 if self.is_open else side_by_side

    def after(self, outcome: Outcome, now: int, first_wait: float, jitter: float) -> "Circuit":
        """The circuit after an attempt; `first_wait` (seconds) is the first wait between probes, `jitter` from 0 to 1."""
        if outcome.delivered:
            return Circuit(disabled=self.disabled, quiet_until=0)
        failures = self.failures + 1
        asked = (outcome.retry_after or 0.0) if outcome.result is Result.RATE_LIMITED else 0.0
        wait = (
            backoff(first_wait, failures - TRIP + 1, max(first_wait, LONGEST_PROBE_WAIT), jitter) if failures >= TRIP else 0.0
        )
        return Circuit(
            failures=failures,
            since=now if self.since is None else self.since,
            quiet_until=max(self.quiet_until, now + round(max(asked, wait) * 1000)),
            reason=outcome.result.value,
            detail=outcome.detail,
            disabled=self.disabled or outcome.result is Result.GONE,
        )
