"""Owns the error messages of commands and their exit status; no message can control a terminal or a CI's log."""

import errno
import os
import sys
from collections.abc import Callable
from io import StringIO
from typing import NoReturn

import click

from tracker.cli.formatting.printing import echo_error
from tracker.core.errors.config_error import ConfigError
from tracker.core.errors.listen_error import ListenError
from tracker.core.text.escaping import plain


class CommandError(Exception):
    """Raised if a command fails; the message is the reason, `status` the exit status."""

    status = 1


def run_to_exit(command: Callable[[], int | None]) -> NoReturn:
    """Run `command` and exit with the status that it returns (None for 0), or that of the error that it raises."""
    try:
        sys.exit(command())
    except click.ClickException as error:
        echo_error(_click_message(error))
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
        from traceback import format_exception  # noqa: PLC0415 - only a bug needs it

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


def _click_message(error: click.ClickException) -> str:
    """Usage, hint and message of click, in which arguments of the command line have no line breaks."""
    buffer = StringIO()
    error.show(buffer)
    message = buffer.getvalue()
    for given in map(click.unstyle, sys.argv[1:]):  # as click shows it
        message = message.replace(given, plain(given))
    return message.rstrip("\n")


def _quoted(traceback: str) -> str:
    """The lines with a prefix, so that no CI takes one for a command, as GitHub does with lines that begin with `::`."""
    return "\n".join(f"| {line}" for line in traceback.rstrip("\n").split("\n"))
