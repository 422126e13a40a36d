"""Owns the formatting of rates, sizes, money and times on a terminal."""

from collections.abc import Mapping
from datetime import datetime

from tracker.core.text.byte_sizes import format_size as size
from tracker.core.text.escaping import plain

__all__ = ["moment", "money", "rate", "size"]


def rate(per_second: float) -> str:
    """Requests in the unit that makes a readable number: 12.3/s, 40/min."""
    if per_second >= 1:
        return f"{per_second:,.1f}/s" if per_second < 100 else f"{per_second:,.0f}/s"
    return f"{per_second * 60:.1f}/min"


def money(amounts: Mapping[str, str]) -> str:
    """Amounts by currency as one line: 12.5 EUR + 3 USD."""
    return " + ".join(plain(f"{amount} {currency}") for currency, amount in amounts.items())


def moment(iso: str) -> str:
    """An ISO 8601 time as local time: 2025-06-25 16:20:10."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")
