"""Owns patience: what a Retry-After asks for, and how long to wait after a failure."""

import math
from collections.abc import Mapping
from datetime import UTC
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds; no Retry-After holds us longer, however large."""


def wait_asked(headers: Mapping[str, str], now: int) -> float | None:
    """Seconds that an answer asks for; None where it asks for none. Names of `headers` are in lower case.

    `retry-after-ms` (milliseconds, as the official clients read it) is the more precise one and wins; where it is nonsense
    `retry-after` holds. Both have the same bounds.
    """
    text = headers.get("retry-after-ms")
    milliseconds = None if text is None else _as_seconds(text.strip())
    if milliseconds is None or math.isnan(milliseconds):
        return retry_after(headers.get("retry-after"), now)
    return _bounded(milliseconds / 1000)


def retry_after(header: str | None, now: int) -> float | None:
    """Seconds that a Retry-After asks for, as seconds or as an HTTP date; None where it is absent or nonsense.

    `now` is Unix milliseconds. A date that is past asks for no wait; more than an hour is taken as an hour (RFC 9110 10.2.3).
    """
    if header is None:
        return None
    seconds = _as_seconds(header.strip())
    if seconds is None:
        seconds = _as_date(header, now)
    if seconds is None or math.isnan(seconds):
        return None
    return _bounded(seconds)


def time_told(headers: Mapping[str, str]) -> int | None:
    """The server's clock when it answered, by `date` (Unix milliseconds), and `age` where a cache has kept the answer since.

    None where the answer does not say. Names of `headers` are in lower case; the date is of whole seconds.
    """
    date = _as_date(headers.get("date", ""), 0)
    age = _as_seconds(headers.get("age", "0").strip())
    return None if date is None or age is None or not 0 <= age < math.inf else round((date + age) * 1000)


def backoff(base: float, failures: int, cap: float, jitter: float) -> float:
    """Seconds to wait after the `failures`th failure in a row: doubled each time up to `cap`, spread by `jitter` (0 to 1).

    Half of the wait is fixed and half random, so that many who failed together do not come back together.
    """
    wait = min(cap, base * 2.0 ** min(failures - 1, 30))
    return wait * (0.5 + 0.5 * jitter)


def spread(interval: float, jitter: float) -> float:
    """`interval` give or take a tenth, by `jitter` (0 to 1)."""
    return interval * (0.9 + 0.2 * jitter)


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST_WAIT)


def _as_seconds(text: str) -> float | None:
    if not text.isascii() or text.startswith("-"):
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _as_date(text: str, now: int) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and long to load

    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now / 1000
