"""Owns the circuit: how much a receiver that keeps failing is asked to take, until it takes something again.

Closed, deliveries flow. After `TRIP` failures in a row it is open: one delivery at a time probes the receiver, each time after
a longer wait, while the others keep their attempts. The first success closes it.
"""

from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.core.deliveries.retry_schedule import backoff

TRIP: Final = 5
"""Failures in a row."""

LONGEST_PROBE_WAIT: Final = 300.0
"""Seconds between two probes at most."""

SHORTEST_PROBE_WAIT: Final = 0.1
"""Seconds; what is doubled where a schedule begins with no wait at all."""


class Circuit(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver is. Times are Unix milliseconds.

    `since` is when the first of the `failures` in a row came; before `quiet_until` nothing is sent, and up to `asked_until`
    that is the receiver's own wish; `reason` and `detail` are of the last failure. `disabled` is for good, until somebody
    enables it: the receiver said that it is gone.
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
        return self.disabled or self.failures >= TRIP

    def room(self, now: int, side_by_side: int) -> int:
        """How many deliveries may be under way now."""
        if self.disabled or now < self.quiet_until:
            return 0
        return 1 if self.is_open else side_by_side

    def probed_again(self) -> "Circuit":
        """The circuit once somebody says that the receiver is well: one delivery may prove it now, before the others follow."""
        if not self.is_open:
            return self
        return msgspec.structs.replace(self, failures=max(self.failures, TRIP), quiet_until=0, asked_until=0, disabled=False)

    def after(self, outcome: Outcome, now: int, first_wait: float, jitter: float) -> "Circuit":
        """The circuit after an attempt; `first_wait` (seconds) is the first wait between probes, `jitter` from 0 to 1.

        What fails while an open circuit is quiet was under way before: it is the same outage, and counts no further. What
        succeeds then closes it, but a wish to be left in peace outlasts that.
        """
        if outcome.delivered:
            return Circuit(disabled=self.disabled, quiet_until=self.asked_until, asked_until=self.asked_until)
        late = self.is_open and now < self.quiet_until
        failures = self.failures + (not late)
        asked_until = max(self.asked_until, now + round(outcome.peace * 1000)) if outcome.peace else self.asked_until
        wait = 0.0 if late or failures < TRIP else _probe_wait(first_wait, failures - TRIP + 1, jitter)
        return Circuit(
            failures=failures,
            since=now if self.since is None else self.since,
            quiet_until=max(self.quiet_until, now + round(wait * 1000), asked_until),
            asked_until=asked_until,
            reason=outcome.result.value,
            detail=outcome.detail,
            disabled=self.disabled or outcome.result is Result.GONE,
        )


def _probe_wait(first_wait: float, probe: int, jitter: float) -> float:
    """Seconds before the `probe`th probe (from 1) of an open circuit."""
    return backoff(max(first_wait, SHORTEST_PROBE_WAIT), probe, max(first_wait, LONGEST_PROBE_WAIT), jitter)
