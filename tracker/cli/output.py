"""Owns what goes to standard output as data: JSON, an object a line, in whatever encoding the output has."""

import json
import sys
from typing import Any

import click


def echo_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=not takes_unicode()))


def echo_as_it_is(line: str) -> None:
    """A line of JSON, byte for byte where the output takes it."""
    click.echo(line if takes_unicode() else json.dumps(json.loads(line)))


def takes_unicode() -> bool:
    """Whether standard output can show every character."""
    return (sys.stdout.encoding or "").lower().replace("-", "").startswith("utf")
