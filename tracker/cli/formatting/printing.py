"""Owns lines of text on standard output and standard error, without characters that control a terminal."""

from collections.abc import Iterable
from typing import Final

import click

from tracker.core.text.escaping import plain_lines

WIDTH: Final = 80
"""Columns of text outside tables."""


def echo(text: str) -> None:
    """Print lines. Values in them have gone through `plain`, so that none of them has a line break."""
    click.echo(plain_lines(text))


def echo_error(text: str) -> None:
    """As `echo`, to standard error."""
    click.echo(plain_lines(text), err=True)


def wrapped(lines: Iterable[str], indent: str = "  ") -> list[str]:
    """The lines, indented and wrapped at `WIDTH`; continuation lines are indented further.

    A line that begins with `::` is a command for some CIs, also behind blanks: where a value would, it has a `|` before it.
    """
    from textwrap import wrap  # noqa: PLC0415 - few commands need it

    further = indent + "  "
    return [
        part.replace(" ::", "|::", 1) if part.lstrip().startswith("::") else part
        for line in lines
        for part in wrap(line, WIDTH, initial_indent=indent, subsequent_indent=further, break_on_hyphens=False)
    ]
