"""What the tests of the log share: a terminal in memory, and the process's one log put back as it was."""

import io
import logging
import warnings
from contextlib import contextmanager

import structlog


class Terminal(io.StringIO):
    """A stream in memory that says it is a terminal."""

    def isatty(self):
        return True


@contextmanager
def log_put_back():
    """Leave structlog, the standard library's logging and its hold on warnings as they were."""
    root = logging.getLogger()
    handlers, level, show, complains = root.handlers[:], root.level, warnings.showwarning, logging.raiseExceptions
    root.handlers[:] = []  # those of pytest would be closed
    try:
        yield
    finally:
        logging.captureWarnings(capture=False)
        warnings.showwarning, logging.raiseExceptions = show, complains
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()
