"""Owns reading one TOML table: each key by its path, each value checked, every mistake collected and told.

A message says where, what was found and what is expected. What may be a secret is never shown.
"""

import re
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, Final, TypeVar

T = TypeVar("T")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_SHOWN: Final = 60
"""Characters of a wrong value that a message shows."""


class Wrong(Exception):  # noqa: N818 - a mistake in the file, collected and told by `Table`
    """A value that cannot be used; the message says what was found and what is expected."""


class Table:
    """A TOML table under `path`; mistakes go to `errors`, in the order of the file."""

    def __init__(self, values: Any, path: str, errors: list[str], keys: Iterable[str]) -> None:
        self.path = path
        self.errors = errors
        self._is_table = isinstance(values, dict)
        self._values: dict[str, Any] = values if self._is_table else {}
        if not self._is_table:
            self.mistake("", f"found {described(values)}, expected a table")
        known = list(keys)
        for key in self._values:
            if key not in known:
                near = get_close_matches(key, known, n=1)
                hint = f"; did you mean `{near[0]}`?" if near else f", expected one of {', '.join(sorted(known))}"
                self.mistake(key, f"unknown key{hint}")

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The value of `key` as `read` makes it; the default where it is absent or wrong."""
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except Wrong as wrong:
            self.mistake(key, str(wrong))
            return default

    def need(self, key: str, read: Callable[[Any], T], instead: T, expected: str) -> T:
        """As `get`, but an absent key is a mistake."""
        if self._is_table and key not in self._values:
            self.mistake(key, f"missing, expected {expected}")
        return self.get(key, read, instead)

    def mistake(self, key: str, found: str) -> None:
        """There is one about `key`: what was found, and what is expected."""
        where = ".".join(part for part in (self.path, shown_key(key)) if part)
        self.errors.append(f"{where}: {found}")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Wrong(f"found {shown(value)}, expected a string, printable and not empty")
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong(f"found {described(value)}, expected a list of strings")
    return tuple(text(each) for each in value)


def name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise Wrong(f"found {shown(value)}, expected up to 64 letters, digits, `_`, `.` or `-`")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"found {shown(value)}, expected true or false")
    return value


def number(least: float, most: float, example: str) -> Callable[[Any], float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise Wrong(f"found {shown(value)}, expected a number from {least} to {most}, such as {example}")
        return float(value)

    return read


def whole(least: int, most: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise Wrong(f"found {shown(value)}, expected a whole number from {least} to {most}")
        return value

    return read


def duration(least: str, most: str) -> Callable[[Any], float]:
    """Read a duration such as "15s", "5m", "1h30m" or "7d", from `least` to `most`, as seconds."""

    def read(value: Any) -> float:
        if not isinstance(value, str) or not re.fullmatch(rf"(?:{_PART.pattern})+", value):
            raise Wrong(f'found {shown(value)}, expected a duration such as "500ms", "15s", "5m", "2h" or "7d"')
        if not _seconds(least) <= _seconds(value) <= _seconds(most):
            raise Wrong(f'found {shown(value)}, expected a duration from "{least}" to "{most}"')
        return _seconds(value)

    return read


def choice(*options: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in options:
            raise Wrong(f"found {shown(value)}, expected {' or '.join(map(repr, options))}")
        return value

    return read


def tables(values: dict[str, Any], key: str, errors: list[str]) -> list[tuple[str, Any]]:
    """The tables of the list `key`, each with its path."""
    found = values.get(key, [])
    if not isinstance(found, list):
        errors.append(f"{key}: found {described(found)}, expected [[{key}]]")
        return []
    return [(f"{key}[{index}]", each) for index, each in enumerate(found)]


def refuse_duplicates(key: str, names: list[str], errors: list[str]) -> None:
    """Add an error for each name in the list of tables `key` that is there already."""
    errors.extend(
        f"{key}[{index}].name: found {name!r} twice, expected a name of its own"
        for index, name in enumerate(names)
        if name and name in names[:index]
    )


def shown(value: Any) -> str:
    """A wrong value as a message shows it: on one line, printable, and not for ever."""
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}…"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:  # Python refuses to write some thousand digits
        return "a huge number"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return "a table" if isinstance(value, dict) else str(value)


def described(value: Any) -> str:
    """What a wrong value is, where its kind says enough: a string that stands for a whole table may well be a secret."""
    return "a string" if isinstance(value, str) else shown(value)


def shown_key(key: str) -> str:
    """A key as a message shows it in a path."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]{0,64}", key) else shown(key)


def _seconds(duration: str) -> float:
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
