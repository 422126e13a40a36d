"""Owns reading one TOML table: each key by its path, each value checked, every mistake collected and told.

A message says where, what was found and what is expected. What may be a secret is never shown.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, TypeVar

from tracker.config.model import Secret

T = TypeVar("T")

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")


class Wrong(Exception):  # noqa: N818 - a mistake in the file, collected and told by `Table`
    """A value that cannot be used; the message says what was found and what is expected."""


class Table:
    """A TOML table under `path`; mistakes go to `errors`."""

    def __init__(self, values: Any, path: str, errors: list[str], keys: Iterable[str]) -> None:
        self.path = path
        self.errors = errors
        self._values: dict[str, Any] = values if isinstance(values, dict) else {}
        if not isinstance(values, dict):
            self._wrong("", Wrong(f"found {shown(values)}, expected a table"))
        for key in self._values.keys() - set(keys):
            near = get_close_matches(key, list(keys), n=1)
            hint = f"; did you mean `{near[0]}`?" if near else f", expected one of {', '.join(sorted(keys))}"
            self._wrong(key, Wrong(f"unknown key{hint}"))

    def get(self, key: str, read: Callable[[Any], T], default: T) -> T:
        """The value of `key` as `read` makes it; the default where it is absent or wrong."""
        if key not in self._values:
            return default
        try:
            return read(self._values[key])
        except Wrong as wrong:
            self._wrong(key, wrong)
            return default

    def need(self, key: str, read: Callable[[Any], T], instead: T, expected: str) -> T:
        """As `get`, but an absent key is a mistake."""
        if key not in self._values:
            self._wrong(key, Wrong(f"missing, expected {expected}"))
        return self.get(key, read, instead)

    def _wrong(self, key: str, wrong: Wrong) -> None:
        where = ".".join(part for part in (self.path, key) if part)
        self.errors.append(f"{where}: {wrong}")


def text(value: Any) -> str:
    if not isinstance(value, str) or not value or not value.isprintable():
        raise Wrong(f"found {shown(value)}, expected a string")
    return value


def texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise Wrong(f"found {shown(value)}, expected a list of strings")
    return tuple(text(each) for each in value)


def name(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9_.-]{1,64}", value):
        raise Wrong(f"found {shown(value)}, expected up to 64 letters, digits, `_`, `.` or `-`")
    return value


def flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Wrong(f"found {shown(value)}, expected true or false")
    return value


def rate(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0.001 <= value <= 1000:
        raise Wrong(f"found {shown(value)}, expected a number from 0.001 to 1000, such as 1.0")
    return float(value)


def duration(least: float, most: float) -> Callable[[Any], float]:
    """Read a duration such as "15s", "5m", "1h30m" or "7d", from `least` to `most` seconds."""

    def read(value: Any) -> float:
        if not isinstance(value, str) or not _DURATION.fullmatch(value):
            raise Wrong(f'found {shown(value)}, expected a duration such as "500ms", "15s", "5m", "2h" or "7d"')
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", value)
        seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
        if not least <= seconds <= most:
            raise Wrong(f"found {shown(value)}, expected from {least:g} to {most:g} seconds")
        return seconds

    return read


def choice(*options: str) -> Callable[[Any], Any]:
    def read(value: Any) -> Any:
        if value not in options:
            raise Wrong(f"found {shown(value)}, expected {' or '.join(map(repr, options))}")
        return value

    return read


def secret(environ: Mapping[str, str]) -> Callable[[Any], Secret]:
    """Read a reference to a secret: { env = … }, { file = … } or { credential = … }; never the secret itself."""

    def read(value: Any) -> Secret:
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"env", "file", "credential"}:
            what = "a string (not shown)" if isinstance(value, str) else "something else"
            raise Wrong(f'found {what}, expected {{ env = "NAME" }}, {{ file = "PATH" }} or {{ credential = "NAME" }}')
        ((kind, where),) = value.items()
        if not isinstance(where, str) or not where:
            raise Wrong(f"found {shown(where)} for `{kind}`, expected a string")
        found = _from_environment(where, environ) if kind == "env" else _from_file(_secret_path(kind, where, environ))
        if not found or not found.isascii() or not found.isprintable():
            raise Wrong(
                f"{kind} {where}: expected one line of printable ASCII, found {'none' if not found else 'something else'}"
            )
        return Secret(found)

    return read


def shown(value: Any) -> str:
    kinds = {dict: "a table", list: "a list", bool: str(value).lower()}
    return kinds.get(type(value)) or (f"{value!r:.60}")


def _from_environment(variable: str, environ: Mapping[str, str]) -> str:
    if variable not in environ:
        raise Wrong(f"the environment variable {variable} is not set")
    return environ[variable].strip()


def _secret_path(kind: str, where: str, environ: Mapping[str, str]) -> Path:
    if kind == "file":
        return Path(where)
    if "CREDENTIALS_DIRECTORY" not in environ:
        raise Wrong(f"credential {where}: $CREDENTIALS_DIRECTORY is not set; is this a systemd service with LoadCredential=?")
    return Path(environ["CREDENTIALS_DIRECTORY"]) / where


def _from_file(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Wrong(f"file {path}: {reason}") from None
