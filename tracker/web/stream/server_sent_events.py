"""Owns the server-sent events of the stream: how events, the greeting and resets are written."""

from typing import Final, NamedTuple

import msgspec

from tracker.core.queries.filters import EventFacts, read_facts
from tracker.core.text.escaping import escape_json

HEADERS: Final = {"content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no"}

GREETING: Final = b"retry: 2000\n: hello\n\n"
"""The milliseconds until a browser reconnects; sent at once, so that the browser knows that it is connected."""


class EventMessage(NamedTuple):
    """An event of the log as it is sent; `facts` are what filters compare."""

    seq: int
    facts: EventFacts
    content: bytes


def event_message(seq: int, body: str) -> EventMessage:
    """The event as a server-sent event on one line, also where an earlier version logged it unescaped."""
    facts = read_facts(body)
    return EventMessage(seq, facts, f"id: {seq}\nevent: {facts.type}\ndata: {escape_json(body)}\n\n".encode())


def reset_message(after: int, last_seq: int) -> bytes:
    """The message for a cursor beyond the log's end: the log was replaced by an older one, such as a backup."""
    data = msgspec.json.encode({"object": "reset", "after": after, "last_seq": last_seq})
    return b"id: %d\nevent: reset\ndata: %s\n\n" % (last_seq, data)


def gone_message(after: int, first_seq: int) -> bytes:
    """The message for a cursor before the kept log: the events between are in segments."""
    data = msgspec.json.encode({"object": "gone", "after": after, "first_seq": first_seq})
    return b"id: %d\nevent: gone\ndata: %s\n\n" % (first_seq - 1, data)
