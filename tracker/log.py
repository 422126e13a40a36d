"""Owns what is logged and how: one event a line, readable on a terminal, JSON otherwise, never a secret."""

import json
import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, TextIO
from urllib.parse import quote

import structlog

REDACTED: Final = "[redacted]"
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog's, as the journal reads them


def configure(secrets: Iterable[str], *, stream: TextIO = sys.stderr, verbose: bool = False, journal: bool = False) -> None:
    """Send structlog and the standard library's logging through one pipeline to `stream`, without `secrets`."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer = _Renderer(secrets, console=stream.isatty(), journal=journal)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_bare, renderer]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)


def is_journal(environ: Mapping[str, str]) -> bool:
    """Whether standard error is connected to systemd's journal."""
    return "JOURNAL_STREAM" in environ and not sys.stderr.isatty()


class _Renderer:
    """Makes the line and, as the last step, takes every secret out of it."""

    def __init__(self, secrets: Iterable[str], *, console: bool, journal: bool) -> None:
        forms = {form for secret in secrets if secret for form in (secret, quote(secret, safe=""), json.dumps(secret)[1:-1])}
        self._forms = sorted(forms, key=len, reverse=True)
        self._journal = journal
        self._pretty = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if console else None
        self._exceptions = structlog.processors.format_exc_info
        self._json = structlog.processors.JSONRenderer(default=str)

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.get("level", "info"))
        if self._pretty:
            line = str(self._pretty(logger, method, event))
        else:
            line = str(self._json(logger, method, self._exceptions(logger, method, event)))
        for form in self._forms:
            line = line.replace(form, REDACTED)
        return f"<{_PRIORITIES.get(level, 6)}>{line}" if self._journal else line


def _bare(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
