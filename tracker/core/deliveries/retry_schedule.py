"""Owns the waits before another attempt: the default schedule, what a Retry-After asks for, backoff and jitter."""

import math
from collections.abc import Mapping
from datetime import UTC
from functools import lru_cache
from typing import Final

DEFAULT_RETRY_WAITS: Final = (5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0, 72000.0, 86400.0)
"""Seconds before each further attempt of a delivery, where the configuration has no `retry`."""

MAX_RETRY_AFTER: Final = 3600.0
"""Seconds; a larger Retry-After counts as this."""


def requested_wait(headers: Mapping[str, str], now: int) -> float | None:
    """Seconds that an answer asks to wait; None if it does not ask. Names of `headers` are in lower case.

    `retry-after-ms` (milliseconds, as the official clients read it) is more precise and wins; if it is invalid, `retry-after`
    counts. Both have the same bounds.
    """
    text = headers.get("retry-after-ms")
    milliseconds = None if text is None else _as_seconds(text.strip())
    if milliseconds is None or math.isnan(milliseconds):
        return retry_after(headers.get("retry-after"), now)
    return _bounded(milliseconds / 1000)


def retry_after(header: str | None, now: int) -> float | None:
    """Seconds that a Retry-After asks for, as seconds or as an HTTP date; None if it is absent or invalid.

    `now` is Unix milliseconds. A date in the past asks for no wait; more than an hour counts as an hour (RFC 9110 10.2.3).
    """
    if header is None:
        return None
    seconds = _as_seconds(header.strip())
    if seconds is None:
        seconds = _as_date(header, now)
    if seconds is None or math.isnan(seconds):
        return None
    return _bounded(seconds)


def server_time(headers: Mapping[str, str]) -> int | None:
    """The server's clock when it answered (Unix milliseconds), by the headers `date` and, if a cache answered, `age`.

    None if the answer does not say. Names of `headers` are in lower case; the date has whole seconds.
    """
    date = _as_date(headers.get("date", ""), 0)
    age = _as_seconds(headers.get("age", "0").strip())
    return None if date is None or age is None or not 0 <= age < math.inf else round((date + age) * 1000)


def backoff(base: float, failures: int, cap: float, jitter: float) -> float:
    """Seconds to wait after the `failures`th failure in a row: doubled each time up to `cap`, varied by `jitter` (0 to 1).

    Half of the wait is fixed and half random, so that clients that failed together do not return together.
    """
    wait = min(cap, base * 2.0 ** min(failures - 1, 30))
    return wait * (0.5 + 0.5 * jitter)


def jittered(interval: float, jitter: float) -> float:
    """`interval` varied by up to a tenth, by `jitter` (0 to 1)."""
    return interval * (0.9 + 0.2 * jitter)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _as_seconds(text: str) -> float | None:
    if not text.isascii() or text.startswith("-"):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _as_date(text: str, now: int) -> float | None:
    moment = _timestamp(text)
    return None if moment is None else moment - now / 1000


@lru_cache(16)
def _timestamp(text: str) -> float | None:
    """Unix seconds of an HTTP date. All pages of a sweep are likely to name the same one or two."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and long to load

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
