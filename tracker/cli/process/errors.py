"""Owns how a command that cannot go on says so, and its exit status; no word of it can steer a terminal or a CI's log."""

import errno
import os
import sys
from collections.abc import Callable
from io import StringIO
from traceback import format_exception
from typing import NoReturn

import click

from tracker.cli.formatting.output import echo_error
from tracker.core.errors.config_error import ConfigError
from tracker.core.errors.listen_error import ListenError
from tracker.core.text.escaping import plain


class CommandError(Exception):
    """Raised where a command cannot do what it was asked for: the message says why, `status` is the exit status."""

    status = 1


def run_to_exit(command: Callable[[], int | None]) -> NoReturn:
    """Run `command`, which raises what it cannot work with and returns an exit status, or None for 0; then exit."""
    try:
        sys.exit(command())
    except click.ClickException as error:
        echo_error(_said_of(error))
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except ConfigError as error:
        _exit(error, 2)
    except CommandError as error:
        _exit(error, error.status)
    except Exception as error:  # noqa: BLE001 - the process ends: its traceback is shown
        if _is_closed_pipe(error):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left in the buffer goes nowhere
            sys.exit(1)
        if _is_expected(error):
            _exit(error, 1)
        echo_error("batch-tracker: this is a bug of batch-tracker's; please report it with these lines:")
        echo_error(_quoted("".join(format_exception(error))))
        sys.exit(1)


def _exit(error: Exception, status: int) -> NoReturn:
    echo_error(f"batch-tracker: {error}")
    sys.exit(status)


def _is_closed_pipe(error: Exception) -> bool:
    return isinstance(error, OSError) and error.errno == errno.EPIPE


def _is_expected(error: Exception) -> bool:
    from tracker.core.errors.storage_error import StorageError  # noqa: PLC0415 - only a command that failed needs it

    return isinstance(error, StorageError | ListenError)


def _said_of(error: click.ClickException) -> str:
    """Usage, hint and message, in which what was given on the command line stays in its line."""
    buffer = StringIO()
    error.show(buffer)
    said = buffer.getvalue()
    for given in map(click.unstyle, sys.argv[1:]):  # as click shows it
        said = said.replace(given, plain(given))
    return said.rstrip("\n")


def _quoted(traceback: str) -> str:
    """Lines that no CI takes for a command of its own, as GitHub takes one that begins with `::`, also behind blanks."""
    return "\n".join(f"| {line}" for line in traceback.rstrip("\n").split("\n"))
