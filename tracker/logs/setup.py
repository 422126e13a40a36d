"""Owns the setup of the log: one event per line, readable on a terminal, JSON elsewhere, without secrets.

Logged values may come from anywhere, so no value can begin a new line or control a terminal. A log that cannot be written
stops nothing. Times are UTC in JSON, and local on a terminal.
"""

import json
import logging
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, NamedTuple, TextIO

import structlog

from tracker.core.text.escaping import escape_json, literal
from tracker.core.text.redaction import Redaction
from tracker.logs.throttling import TEMPLATE, LogThrottle

_OURS: Final = ("timestamp", "level")  # made here, so never a secret
_UTC: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", re.ASCII)
_KEYS: Final = (*_OURS, "event", "exception")
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog's, as the journal reads them


class Log(NamedTuple):
    """The parts of the configured log that are used later: to redact further secrets, and to flush throttled lines."""

    redaction: Redaction
    throttle: LogThrottle


def configure(
    secrets: Iterable[str],
    *,
    stream: TextIO | None = None,
    verbose: bool = False,
    journal: bool = False,
    now: Callable[[], float] = time.monotonic,
) -> Log:
    """Send structlog and the standard library's logging through one pipeline to `stream`, without `secrets`.

    `stream` is standard error by default. `journal` puts each line's priority before it. `now` gives seconds, for throttling.
    """
    stream = stream or sys.stderr
    lines: Any = _LossyStream(stream)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    redaction = Redaction(secrets)
    renderer = _Renderer(redaction, console=stream.isatty() and not journal, journal=journal)
    throttle = LogThrottle(now, lambda event: lines.write(renderer(None, "", event) + "\n"))
    structlog.configure(
        processors=[*shared, throttle, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=lines),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_library_event, throttle, renderer])
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # what cannot be formatted is lost; the standard library would print it raw
    return Log(redaction, throttle)


def is_journal(environ: Mapping[str, str], stream: TextIO | None = None) -> bool:
    """Whether standard error, or `stream`, is connected to systemd's journal: $JOURNAL_STREAM names its device and inode."""
    try:
        status = os.fstat((stream or sys.stderr).fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _LossyStream:
    """A stream that drops what it cannot write: a full disk under the log must not end the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class _Handler(logging.StreamHandler[Any]):
    """Writes the records that the throttle does not drop."""

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(structlog.DropEvent):
            super().emit(record)


class _Renderer:
    """Redacts secrets, and renders the line."""

    def __init__(self, redact: Redaction, *, console: bool, journal: bool) -> None:
        self._redact = redact
        self._journal = journal
        self._pretty = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if console else None

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.get("level", "info"))
        clean = {
            key if key in _KEYS else self._redact(str(key)): value if key in _OURS else self._redacted(value)
            for key, value in event.items()
        }
        line = str(self._pretty(logger, method, _without_controls(clean))) if self._pretty else escape_json(json.dumps(clean))
        return f"<{_PRIORITIES.get(level, 6)}>{line}" if self._journal else line

    def _redacted(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._redact(str(key)): self._redacted(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._redacted(each) for each in value]
        text = str(value)
        redacted = self._redact(text)
        return value if redacted == text and _is_json(value) else redacted


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


class _Literal:
    """A string that is shown as a Python literal, with escapes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _without_controls(event: dict[str, Any]) -> dict[str, Any]:
    """The event without control characters; lines of a traceback are indented, so that none looks like an event."""
    shown = {literal(key): _for_terminal(value) for key, value in event.items()}
    shown["event"] = literal(str(event.get("event")))
    for key in ("exception", "stack"):
        if key in event:
            shown[key] = "\n".join("  " + literal(line) for line in str(event[key]).split("\n"))
    return shown


def _for_terminal(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if _UTC.fullmatch(value):
        with suppress(ValueError, OverflowError):
            return _local_time(value)
    return value if value.isprintable() else _Literal(value)


def _local_time(time: str) -> str:
    """A UTC time as local time: 2025-06-25 16:20:10."""
    return datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _library_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """An event of the standard library's logging, with the name of its logger."""
    record: logging.LogRecord = event["_record"]
    bare = structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
    template = str(bare["event"] if record.msg == "%s" else record.msg).partition("\n")[0]
    return {**bare, "logger": record.name, TEMPLATE: template}
