"""Owns JSON on standard output: one object per line."""

import json
import sys
from typing import Any

import click

from tracker.core.text.escaping import escape_json


def json_line(value: Any) -> str:
    """The value as one line of JSON, escaped as the encoding of standard output needs it."""
    return escape_json(json.dumps(value, ensure_ascii=not _supports_unicode()))


def echo_json(value: Any) -> None:
    click.echo(json_line(value))


def echo_stored_json(line: str) -> None:
    """Print stored JSON; what an earlier version stored unescaped is escaped."""
    click.echo(escape_json(line) if _supports_unicode() else json.dumps(json.loads(line)))


def _supports_unicode() -> bool:
    """Whether standard output can show every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
