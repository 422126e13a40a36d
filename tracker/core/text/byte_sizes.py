"""Owns sizes in bytes as text, in the units of the configuration."""

from typing import Final

_UNITS: Final = ("KB", "MB", "GB", "TB")


def format_size(count: int) -> str:
    """Bytes in the unit that makes a readable number: "12.3 MB"."""
    if count < 1000:
        return f"{count} B"
    number, units = float(count), iter(_UNITS)
    unit = "B"
    while number >= 999.95 and (larger := next(units, None)):
        number, unit = number / 1000, larger
    return f"{number:,.1f} {unit}"
