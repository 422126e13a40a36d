"""Owns what goes to standard output and standard error: JSON, an object a line, and lines of text that steer no terminal."""

import json
import sys
from collections.abc import Iterable
from typing import Any, Final

import click

from tracker.core.text.escaping import escape_json, plain_lines

WIDTH: Final = 80
"""Columns of text that is no table."""


def echo(text: str) -> None:
    """Print text for people; its values went through `text.plain`, so that none of them begins a line of its own."""
    click.echo(plain_lines(text))


def echo_error(text: str) -> None:
    """As `echo`, to standard error."""
    click.echo(plain_lines(text), err=True)


def wrapped(lines: Iterable[str], indent: str = "  ") -> list[str]:
    """The lines, each indented and broken where it is longer than `WIDTH`; what follows is indented further."""
    from textwrap import wrap  # noqa: PLC0415 - few commands need it

    further = indent + "  "
    return [
        part
        for line in lines
        for part in wrap(line, WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
    ]


def json_line(value: Any) -> str:
    """The value as one line of JSON that the output can show."""
    return escape_json(json.dumps(value, ensure_ascii=not _takes_unicode()))


def echo_json(value: Any) -> None:
    click.echo(json_line(value))


def echo_stored_json(line: str) -> None:
    """Print JSON as it is stored, escaped also where an earlier version stored it unescaped."""
    click.echo(escape_json(line) if _takes_unicode() else json.dumps(json.loads(line)))


def _takes_unicode() -> bool:
    """Whether standard output can show every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
