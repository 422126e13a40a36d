"""Owns reading the times of APIs that write them as RFC 3339 has it, such as "2026-11-29T12:00:00.123456789Z"."""

from datetime import UTC, datetime
from typing import Any


def unix_seconds(text: Any) -> int | None:
    """The whole second that had begun, in Unix seconds; None for what is not a time. Without an offset it is UTC."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() // 1)
