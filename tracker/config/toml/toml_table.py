"""Owns reading one TOML table: each key by its path, each value checked, every mistake collected.

A message says where the mistake is, what was found and what is expected. A value that may be a secret is never shown.
"""

import math
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final, TypeVar

T = TypeVar("T")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)(|[KMGT]i?)B")
_PREFIXES: Final = {"": 1} | {
    f"{letter}{i}": base**power for i, base in (("", 1000), ("i", 1024)) for power, letter in enumerate("KMGT", 1)
}
_SHOWN: Final = 60
"""Characters of an invalid value that a message shows."""
_RATE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)/(s|m|min|h)")
_PERIODS: Final = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


class InvalidValue(Exception):  # noqa: N818 - a mistake in the file, collected by `Table`
    """A value that is not valid; the message says what was found and what is expected."""


class Table:
    """A TOML table at `path`; mistakes go to `errors`, in the order of the calls."""

    def __init__(self, values: Any, path: str, errors: list[str], keys: Iterable[str]) -> None:
        self.path = path
        self.errors = errors
        self._is_table = isinstance(values, dict)
        self._values: dict[str, Any] = values if self._is_table else {}
        if not self._is_table:
            self.add_mistake("", f"found {display_type(values)}, expected a table")
        known = list(keys)
        for key in self._values:
            if key not in known:
                from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else f", expected one of {', '.join(sorted(known))}"
                self.add_mistake(key, f"unknown key{hint}")

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The value of `key`, converted by `read`; the default if it is missing or invalid."""
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except InvalidValue as wrong:
            self.add_mistake(key, str(wrong))
            return default

    def require(self, key: str, read: Callable[[Any], T], default: T, expected: str) -> T:
        """As `get`, but a missing key is a mistake."""
        if self._is_table and key not in self._values:
            self.add_mistake(key, f"missing, expected {expected}")
        return self.get(key, read, default)

    def add_mistake(self, key: str, found: str) -> None:
        """Add a mistake about `key`: what was found, and what is expected."""
        where = ".".join(part for part in (self.path, display_key(key)) if part)
        self.errors.append(f"{where}: {found}")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise InvalidValue(f"found {display(value)}, expected a string, printable and not empty")
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidValue(f"found {display_type(value)}, expected a list of strings")
    return tuple(text(each) for each in value)


def name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise InvalidValue(f"found {display(value)}, expected up to 64 letters, digits, `_`, `.` or `-`")
    return value


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidValue(f"found {display(value)}, expected true or false")
    return value


def number(minimum: float, maximum: float, example: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise InvalidValue(f"found {display(value)}, expected a number from {minimum} to {maximum}, such as {example}")
        return float(value)

    return read


def share_or_off(value: Any) -> float | None:
    """Read a share, a number above 0 and up to 1; "off" is None."""
    if value == "off":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 1:
        raise InvalidValue(f'found {display(value)}, expected a number above 0 and up to 1, such as 0.5, or "off"')
    return float(value)


def integer(minimum: int, maximum: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise InvalidValue(f"found {display(value)}, expected a whole number from {minimum} to {maximum}")
        return value

    return read


def duration(minimum: str, maximum: str) -> Callable[[Any], float]:
    """Read a duration such as "15s", "5m", "1h30m" or "7d", from `minimum` to `maximum`, as seconds."""

    def read(value: Any) -> float:
        if not isinstance(value, str) or not re.fullmatch(rf"(?:{_PART.pattern})+", value):
            raise InvalidValue(f'found {display(value)}, expected a duration such as "500ms", "15s", "5m", "2h" or "7d"')
        if not _seconds(minimum) <= _seconds(value) <= _seconds(maximum):
            raise InvalidValue(f'found {display(value)}, expected a duration from "{minimum}" to "{maximum}"')
        return _seconds(value)

    return read


def duration_or_forever(minimum: str, maximum: str) -> Callable[[Any], float]:
    """As `duration`; "forever" is infinity."""
    read = duration(minimum, maximum)
    return lambda value: math.inf if value == "forever" else read(value)


def size(minimum: str, maximum: str) -> Callable[[Any], int]:
    """Read a size such as "500MB", "20GB" or "1GiB", from `minimum` to `maximum`, as bytes."""

    def read(value: Any) -> int:
        if not isinstance(value, str) or not _SIZE.fullmatch(value):
            raise InvalidValue(f'found {display(value)}, expected a size such as "500MB", "20GB" or "1GiB"')
        if not _bytes(minimum) <= _bytes(value) <= _bytes(maximum):
            raise InvalidValue(f'found {display(value)}, expected a size from "{minimum}" to "{maximum}"')
        return _bytes(value)

    return read


def rate(minimum: str, maximum: str) -> Callable[[Any], float]:
    """Read a rate such as "10/s", "600/min", "1/m" or "100/h", from `minimum` to `maximum`, as how many a second."""

    def read(value: Any) -> float:
        if not isinstance(value, str) or not _RATE.fullmatch(value):
            raise InvalidValue(f'found {display(value)}, expected a rate such as "10/s", "30/min" or "100/h"')
        if not _per_second(minimum) <= _per_second(value) <= _per_second(maximum):
            raise InvalidValue(f'found {display(value)}, expected a rate from "{minimum}" to "{maximum}"')
        return _per_second(value)

    return read


def choice(*options: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in options:
            raise InvalidValue(f"found {display(value)}, expected {' or '.join(map(repr, options))}")
        return value

    return read


def tables(values: dict[str, Any], key: str, errors: list[str]) -> list[tuple[str, Any]]:
    """The tables of the list `key`, each with its path."""
    found = values.get(key, [])
    if not isinstance(found, list):
        errors.append(f"{key}: found {display_type(found)}, expected [[{key}]]")
        return []
    return [(f"{key}[{index}]", each) for index, each in enumerate(found)]


def refuse_duplicates(key: str, names: list[str], errors: list[str]) -> None:
    """Add an error for each name in the list of tables `key` that is there already."""
    errors.extend(
        f"{key}[{index}].name: found {name!r} twice, expected a name of its own"
        for index, name in enumerate(names)
        if name and name in names[:index]
    )


def display(value: Any) -> str:
    """An invalid value as a message shows it: on one line, printable, of bounded length."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}…"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:  # Python refuses to write some thousand digits
        return "a huge number"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a table" if isinstance(value, dict) else str(value)


def display_type(value: Any) -> str:
    """What an invalid value is, without a string's text: a string in the place of a table may be a secret."""
    return "a string" if isinstance(value, str) else display(value)


def display_key(key: str) -> str:
    """A key as a message shows it in a path."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{0,64}", key) else display(key)


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))


def _per_second(rate: str) -> float:
    found = _RATE.fullmatch(rate)
    return float(found[1]) / _PERIODS[found[2]] if found else 0.0


def _bytes(size: str) -> int:
    found = _SIZE.fullmatch(size)
    return round(Decimal(found[1]) * _PREFIXES[found[2]]) if found else 0
