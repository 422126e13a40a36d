"""Owns the line of each key and table of a TOML document, by the path that messages show.

`tomllib` gives values without their positions, and no maintained parser for Python gives both (tomlkit's issue 55). This finds
the keys of a document that `tomllib` has parsed already, so it reports no errors.
"""

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tracker.config.toml.toml_table import display_key

_DEPTH: Final = 8
"""The most names of a path that is kept, more than any message has."""
_TOO_DEEP: Final = 100
_TOO_MANY_DIGITS: Final = re.compile(r"[0-9_]{4000,}")

_TOKEN: Final = re.compile(
    r"""(?P<string>\"{3}(?:\\.|[^\\])*?\"{3,5}|'{3}.*?'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<space>[ \t\r]+|\#[^\n]*)|(?P<newline>\n)|(?P<mark>[\[\]{},=.])|(?P<bare>[^\s\[\]{},=.\#"']+)""",
    re.VERBOSE | re.DOTALL,
)

_Path = tuple[str | int, ...]


def with_lines(source: str, text: str, mistakes: Iterable[str]) -> list[str]:
    """Each mistake, which begins with the path of its key, with `source` and the line before it.

    A missing key has the line of its table, a missing table line 1; a mistake in the environment (`$NO_PROXY`) has none.
    """
    lines = lines_of(text)
    return [each if each.startswith("$") else f"{source}:{_line(each, lines)}: {each}" for each in mistakes]


def with_lines_of(source: str | None, mistakes: Iterable[str]) -> list[str]:
    """As `with_lines`, by the file `source` as it is now; without a line if it cannot be read twice, like a pipe."""
    try:
        text = Path(source).read_text("utf-8-sig") if source and Path(source).is_file() else ""
    except (OSError, ValueError):
        text = ""
    return (
        with_lines(source, text, mistakes)
        if source and text
        else [f"{source}: {each}" if source else each for each in mistakes]
    )


def lines_of(text: str) -> dict[str, int]:
    """The line of each key and each table of a valid document, by its path, such as `accounts[0].name`."""
    reading = _Reading()
    for found in _TOKEN.finditer(text.replace("\r\n", "\n")):
        reading.read_token(str(found.lastgroup), found[0])
    reading.read_token("newline", "\n")
    return reading.lines


def syntax_error(message: str, text: str) -> tuple[str, str]:
    """The message of `tomllib` without its position, and the position as LINE:COLUMN."""
    if found := re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL):
        return found[1], f"{found[2]}:{found[3]}"
    what = message.replace("at end of document", "the file ends here")
    return what, f"{text.count(chr(10)) + 1}:{len(text) - text.rfind(chr(10))}"


def line_of_excess(text: str) -> int:
    """The line of what `tomllib` rejects without a position: too deep nesting, or a number of too many digits."""
    if digits := _TOO_MANY_DIGITS.search(text):
        return text.count("\n", 0, digits.start()) + 1
    depth = 0
    for found in _TOKEN.finditer(text):
        depth += (found[0] in ("[", "{")) - (found[0] in ("]", "}"))
        if depth > _TOO_DEEP:
            return text.count("\n", 0, found.start()) + 1
    return 1


def _line(mistake: str, lines: dict[str, int]) -> int:
    ends = [found.start() for found in re.finditer(r"[:.\[]", mistake)]
    return next((lines[mistake[:end]] for end in reversed(ends) if mistake[:end] in lines), 1)


class _Frame:
    """A table or an array that is being read; the top level of the document is a table too."""

    def __init__(self, path: _Path, *, is_array: bool) -> None:
        self.path = path
        self.is_array = is_array
        self.index = 0
        self.key: list[str] = []
        self.in_value = is_array

    def current(self) -> _Path:
        """The path of the value at this position."""
        return (*self.path, *([self.index] if self.is_array else self.key[:_DEPTH]))[:_DEPTH]

    def next(self) -> None:
        self.index += 1
        self.key = []
        self.in_value = self.is_array


class _Reading:
    def __init__(self) -> None:
        self.lines: dict[str, int] = {}
        self._line = 1
        self._stack = [_Frame((), is_array=False)]
        self._brackets = 0  # of a header: 1 for a table, 2 for one of an array of tables
        self._last: dict[_Path, int] = {}  # the index of the last table of each array

    def read_token(self, kind: str, symbol: str) -> None:
        frame = self._stack[-1]
        if kind == "newline":
            self._end_line()
        elif kind != "space" and frame.in_value:
            self._read_value_token(frame, symbol)
        elif kind != "space":
            self._read_key_token(frame, kind, symbol)
        self._line += symbol.count("\n")

    def _end_line(self) -> None:
        frame = self._stack[-1]
        if len(self._stack) > 1:
            return
        if self._brackets:
            frame.path = self._open_table(frame.key[:_DEPTH])
        self._brackets = 0
        frame.next()

    def _read_key_token(self, frame: _Frame, kind: str, symbol: str) -> None:
        if kind == "bare":
            frame.key.append(symbol)
        elif kind == "string":
            frame.key += tomllib.loads(f"{symbol} = 0")
        elif symbol == "=":
            self._record(frame.current())
            frame.in_value = True
        elif symbol == "[":
            self._brackets += 1
        elif symbol == "}":
            self._stack.pop()

    def _read_value_token(self, frame: _Frame, symbol: str) -> None:
        if symbol in ("]", "}"):
            self._stack.pop()
        elif symbol == ",":
            frame.next()
        else:
            self.lines.setdefault(_display_path(frame.current()), self._line)
            if symbol in ("[", "{"):
                self._stack.append(_Frame(frame.current(), is_array=symbol == "["))

    def _open_table(self, key: list[str]) -> _Path:
        """The path of the table whose header this is."""
        path: _Path = ()
        for at, part in enumerate(key):
            path = (*path, part)
            if self._brackets > 1 and at == len(key) - 1:
                self.lines.setdefault(_display_path(path), self._line)
                self._last[path] = self._last.get(path, -1) + 1
            if path in self._last:
                path = (*path, self._last[path])
        self._record(path)
        return path

    def _record(self, path: _Path) -> None:
        for end in range(1, len(path)):
            self.lines.setdefault(_display_path(path[:end]), self._line)
        self.lines[_display_path(path)] = self._line


def _display_path(path: _Path) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{display_key(part)}" for part in path)
    return "".join(parts).removeprefix(".")
