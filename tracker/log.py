"""Owns what is logged and how: one event a line, readable on a terminal, JSON otherwise, never a secret.

What is logged may come from anywhere. So a value can neither begin a line of its own nor send a terminal a command, and
a log that cannot be written never ends what it tells about.
"""

import json
import logging
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from contextlib import suppress
from typing import Any, Final, TextIO

import structlog

REDACTED: Final = "[redacted]"
_OURS: Final = ("timestamp", "level")  # made here, hence never a secret
_KEYS: Final = (*_OURS, "event", "exception")
_BACKSLASH: Final = r"(?:\\|%(?:25)*5[Cc])"  # as it is, and in a URL
_PRIORITIES: Final = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}  # syslog's, as the journal reads them


def configure(
    secrets: Iterable[str], *, stream: TextIO | None = None, verbose: bool = False, journal: bool = False
) -> "Redaction":
    """Send structlog and the standard library's logging through one pipeline to `stream`, without `secrets`.

    `stream` is standard error where it is not given. `journal` puts each line's priority before it. What is returned takes
    further secrets.
    """
    stream = stream or sys.stderr
    lines: Any = _Lossy(stream)
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    redaction = Redaction(secrets)
    renderer = _Renderer(redaction, console=stream.isatty() and not journal, journal=journal)
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=lines),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_bare, renderer]))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # what cannot be formatted is lost; the standard library would print it raw
    return redaction


def is_journal(environ: Mapping[str, str], stream: TextIO | None = None) -> bool:
    """Whether standard error, or `stream`, is connected to systemd's journal: $JOURNAL_STREAM names its device and inode."""
    try:
        status = os.fstat((stream or sys.stderr).fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _Lossy:
    """A stream that loses what it cannot write: a full disk under the log must not end the daemon."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


class Redaction:
    """The secrets that are taken out of whatever is logged: more may come, and none is ever shown again."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets: set[str] = set()
        self._any: re.Pattern[str] | None = None
        self.add(secrets)

    def add(self, secrets: Iterable[str]) -> None:
        """Take these out too, from now on."""
        self._secrets.update(secret for secret in secrets if secret)
        forms = [_any_form(secret) for secret in sorted(self._secrets, key=lambda secret: (-len(secret), secret))]
        self._any = re.compile("|".join(forms)) if forms else None

    def __call__(self, text: str) -> str:
        return self._any.sub(REDACTED, text) if self._any else text


class _Renderer:
    """Takes every secret out of what is logged, and makes the line."""

    def __init__(self, redact: Redaction, *, console: bool, journal: bool) -> None:
        self._redact = redact
        self._journal = journal
        self._pretty = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback) if console else None
        self._exceptions = structlog.processors.format_exc_info

    def __call__(self, logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        level = str(event.get("level", "info"))
        told = self._exceptions(logger, method, event)
        clean = {
            key if key in _KEYS else self._redact(str(key)): value if key in _OURS else self._clean(value)
            for key, value in told.items()
        }
        line = str(self._pretty(logger, method, _harmless(clean))) if self._pretty else json.dumps(clean)
        return f"<{_PRIORITIES.get(level, 6)}>{line}" if self._journal else line

    def _clean(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {self._redact(str(key)): self._clean(each) for key, each in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(each) for each in value]
        text = str(value)
        redacted = self._redact(text)
        return value if redacted == text and _is_json(value) else redacted


def _is_json(value: Any) -> bool:
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _any_form(secret: str) -> str:
    """Match `secret` as it is and as it looks in a URL, in JSON, in a Python literal, and in one of them inside another.

    Backslashes are counted within bounds, so that a long row of them costs no more than any other text.
    """
    return "".join(_escaped(run) for run in re.findall(r"\\+|[^\\]", secret))


def _escaped(character: str) -> str:
    if character.isalnum() and character.isascii():
        return character
    if character.startswith("\\"):
        return f"{_BACKSLASH}{{1,64}}"
    percent = "".join(f"%(?:25)*{byte:02x}" for byte in character.encode("utf-8", "surrogatepass"))
    blank = "|[+]" if character == " " else ""
    code = f"u{ord(character):04x}|x{ord(character):02x}"
    bare = f"{re.escape(character)}|(?i:{percent}){blank}"
    return f"(?:{_BACKSLASH}{{0,8}}(?:{bare})|{_BACKSLASH}{{1,8}}(?i:{code}))"


class _Literal:
    """A string that a terminal is shown as Python writes it, escapes and all."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def _harmless(event: dict[str, Any]) -> dict[str, Any]:
    """Leave no control character to a terminal; the lines of a traceback are indented, so that none looks like an event."""
    shown = {_printable(key): _literal(value) for key, value in event.items()}
    shown["event"] = _printable(str(event.get("event")))
    for key in ("exception", "stack"):
        if key in event:
            shown[key] = "\n".join("  " + _printable(line) for line in str(event[key]).split("\n"))
    return shown


def _literal(value: Any) -> Any:
    return _Literal(value) if isinstance(value, str) and not value.isprintable() else value


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def _bare(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return structlog.stdlib.ProcessorFormatter.remove_processors_meta(None, "", event)
