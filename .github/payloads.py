"""Gives the payload that a document shows for an event type, and lays it out as JSON of bounded width."""

import json
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import groupby
from typing import Any, Final

import msgspec
from picture import simulated

from tracker.core.events.sample import sample_event

WIDTH: Final = 124

AT: Final = 1_750_861_214_312
"""When the sample events were observed, in Unix milliseconds."""

SECONDS: Final = 240
"""Of the simulated workspace: long enough for every event type that is about a change of a job, but for three."""


def payload_of(type_: str) -> dict[str, Any]:
    """An event of a simulated workspace; where that has none of the type, the one that `batch-tracker send-test` sends."""
    return observed().get(type_) or json.loads(msgspec.json.encode(sample_event(type_, "default", AT, "5e8e2a1c")))


@cache
def observed() -> dict[str, dict[str, Any]]:
    """The first event of each type in a simulated workspace that shows a change; of `batch.completed` a partial success."""
    found: dict[str, dict[str, Any]] = {}
    for event in map(json.loads, simulated(SECONDS).events):
        before, _ = event["changes"].get("status", ("", ""))
        if before is not None and event.get("outcome", "partial") == "partial":
            found.setdefault(event["type"], event)
    return found


def payload(event: dict[str, Any]) -> str:
    """The JSON of an event in its order, as many members on a line as fit; `changes` and `data` have lines of their own."""
    names = list(event)
    place = names.index("changes")
    lines = [
        *_packed((_member(name, event[name]) for name in names[:place]), " "),
        *_object("changes", event["changes"]),
        *_further((name, event[name]) for name in names[place + 1 : -1]),
        *_object("data", event["data"]),
    ]
    text = "\n".join(line if line.endswith((",", "{")) else f"{line}," for line in lines)
    return "{" + text.removeprefix(" ").removesuffix(",") + "}"


def _further(members: Iterable[tuple[str, Any]]) -> Iterator[str]:
    """What is between `changes` and `data`: what is short packed, what is not with lines of its own."""
    for is_long, together in groupby(members, key=lambda member: len(f" {_member(*member)}") >= WIDTH):
        if is_long:
            yield from (f" {json.dumps(name)}: {_indented(value)}," for name, value in together)
        else:
            yield from _packed((_member(*member) for member in together), " ")


def _indented(value: Any, indent: str = "  ") -> str:
    """JSON whose objects and lists are on lines of their own as far as they do not fit on one."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) < WIDTH or not isinstance(value, dict | list):
        return line
    if isinstance(value, list):
        return "[" + f",\n{indent}".join(_indented(each, indent + " ") for each in value) + "]"
    members = (f"{json.dumps(name)}: {_indented(each, indent + ' ')}" for name, each in value.items())
    return "{\n" + "\n".join(_packed(members, indent)) + "}"


def _object(name: str, members: dict[str, Any]) -> list[str]:
    """A member that is an object: on one line where it fits, else its members on lines of their own."""
    line = f" {_member(name, members)}"
    if len(line) < WIDTH:
        return [line]
    return [f" {json.dumps(name)}: {_indented(members)}"]


def _member(name: str, value: Any) -> str:
    return f"{json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}"


def _packed(members: Iterable[str], indent: str) -> list[str]:
    """Members of an object on lines of bounded width, each but the last with its comma."""
    lines: list[str] = []
    for member in members:
        if lines and len(lines[-1]) + len(member) + 3 <= WIDTH:
            lines[-1] += f", {member}"
        else:
            if lines:
                lines[-1] += ","
            lines.append(f"{indent}{member}")
    return lines
