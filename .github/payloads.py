"""Gives the payload that a document shows for an event type, and lays it out as JSON of bounded width."""

import json
from collections.abc import Iterable
from functools import cache
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
        *_packed((_member(name, event[name]) for name in names[place + 1 : -1]), " "),
        *_object("data", event["data"]),
    ]
    text = "\n".join(line if line.endswith((",", "{")) else f"{line}," for line in lines)
    return "{" + text.removeprefix(" ").removesuffix(",") + "}"


def _object(name: str, members: dict[str, Any]) -> list[str]:
    """A member that is an object: on one line where it fits, else its members on lines of their own."""
    line = f" {_member(name, members)}"
    if len(line) < WIDTH:
        return [line]
    lines = _packed((_member(each, value) for each, value in members.items()), "  ")
    return [f" {json.dumps(name)}: {{", *lines[:-1], lines[-1] + "}"]


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
