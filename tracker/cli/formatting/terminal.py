"""Owns the console: whether the output is a terminal, and how wide it is."""

import errno
import os
import sys
from typing import Final

from rich.console import Console

PIPED_WIDTH: Final = 10_000
"""Columns of an output that is not a terminal: nothing is shortened there."""


class _Console(Console):
    """A console whose closed pipe is an error like any other.

    rich ends the process from wherever it prints, past everything that has to be closed: a demo with `| head` never ended.
    """

    def on_broken_pipe(self) -> None:
        """Replace what rich does; called while it handles the error."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(*, stderr: bool = False) -> Console:
    """The console of standard output or standard error; if that is not a terminal, it is wide and has no colors."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return _Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPED_WIDTH if piped else None)


def is_interactive(console: Console) -> bool:
    """Whether the output is a terminal that can be redrawn; CI and dumb terminals get lines instead."""
    in_ci = "CI" in os.environ  # noqa: TID251 - it describes the process and is no configuration
    return console.is_terminal and not console.is_dumb_terminal and not in_ci
