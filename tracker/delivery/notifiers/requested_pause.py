"""Owns the pause in messages that a service asks for, with a number of seconds or by a refusal alone."""

from typing import Final

from tracker.core.deliveries.delivery import Outcome, Result
from tracker.http.rate_limiter import RateLimiter

DEFAULT_PAUSE: Final = 1.0
"""Seconds without a message after a 429 that does not say how long."""


def pause_as_asked(rate_limiter: RateLimiter, outcome: Outcome) -> Outcome:
    """Pause `rate_limiter` for as long as the receiver asks for, and return `outcome`."""
    is_unspecified = outcome.result is Result.RATE_LIMITED and outcome.retry_after is None
    rate_limiter.pause(DEFAULT_PAUSE if is_unspecified else outcome.pause_seconds)
    return outcome
