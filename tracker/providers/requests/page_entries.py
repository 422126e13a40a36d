"""Owns where the entries of a page stand in its bytes, and which of them come again as they were in the page before.

Only bytes are compared. What lies between entries that come again is decoded as a list, which proves that it consists of whole
entries: so no part of another value is ever taken for an entry.
"""

import re
from typing import Final, NamedTuple

import msgspec

MOST_CHANGED: Final = 8
"""Entries of the page before that may have changed or left: beyond, it costs less to read the whole page."""

NEW: Final = -1

_LOOKAHEAD: Final = 8 * 1024
"""Bytes behind a changed entry in which the next unchanged one is looked for."""

_MEMBER: Final = rb'\s*"[^"\\]*"\s*:\s*(?:"[^"\\]*"|[-+.0-9A-Za-z]+)\s*'
_head: Final = re.compile(rb"\s*\{(?:" + _MEMBER + rb',)*\s*"data"\s*:\s*\[\s*').match
_tail: Final = re.compile(rb'\](?:\s*,(?!\s*"data")' + _MEMBER + rb")*\s*\}\s*").fullmatch
_separator: Final = re.compile(rb"\s*,\s*").match
_decode_entries: Final = msgspec.json.Decoder(tuple[msgspec.Raw, ...]).decode


class Entries(NamedTuple):
    """Where each entry begins, and where the list ends: at its bracket."""

    starts: list[int]
    end: int


class Comparison(NamedTuple):
    """A page beside the one before: each entry's index there or `NEW`, its entries, and a page of the new ones alone."""

    order: list[int]
    entries: Entries
    new: bytes


class _NotComparableError(Exception):
    """The page has to be read whole."""


def entries_of(body: bytes) -> Entries | None:
    """Where the entries of the list `data` stand; None unless each other member of the object is a plain text or number."""
    try:
        start, end = _limits(body)
        return Entries(_starts(body[start:end], start), end)
    except _NotComparableError:
        return None


def compare(before: bytes, known: Entries, body: bytes) -> Comparison | None:
    """`body` compared with the page `before`, whose entries are `known`; None where few are the same, or it is no such page."""
    try:
        return _compare(before, known, body)
    except _NotComparableError:
        return None


def _compare(before: bytes, known: Entries, body: bytes) -> Comparison:
    found = _Found(body)
    units = [*known.starts, known.end]  # an entry is compared together with the separator behind it
    last, changed, may_end_alike = len(known.starts) - 1, 0, True
    for index in range(last + 1):
        if (may_end_alike or index == last) and found.ends_with(before[units[index] : known.end]):
            return found.ended(range(index, last + 1), known.starts)
        unit = before[units[index] : units[index + 1]]
        place = found.place_of(unit) if index < last else None
        may_end_alike = place is not None and place > found.at
        if place is None:
            changed += 1
        else:
            found.keep(index, place, len(unit))
        if changed > MOST_CHANGED:
            raise _NotComparableError
    return found.ended((), ())


class _Found:
    """The entries of `body` as far as they were found; the next one begins `at`."""

    def __init__(self, body: bytes) -> None:
        self._start, self._end = _limits(body)
        self.at = self._start
        self._body = body
        self._order: list[int] = []
        self._starts: list[int] = []
        self._new: list[bytes] = []

    def place_of(self, unit: bytes) -> int | None:
        """Where this entry comes again, here or soon."""
        if self._body.startswith(unit, self.at):
            return self.at
        place = self._body.find(unit, self.at, min(self.at + _LOOKAHEAD, self._end))
        return None if place < 0 else place

    def ends_with(self, rest: bytes) -> bool:
        """Whether the list goes on and ends with these bytes."""
        return self._end - self.at == len(rest) and self._body.startswith(rest, self.at)

    def keep(self, index: int, place: int, size: int) -> None:
        """The entry `index` comes again at `place`, behind new ones if it is not the next one."""
        if place > self.at:
            between = self._body[self.at : place].rstrip()
            if not between.endswith(b","):
                raise _NotComparableError
            self._add(between[:-1])
        self._order.append(index)
        self._starts.append(place)
        self.at = place + size

    def ended(self, rest: range | tuple[()], starts: list[int] | tuple[()]) -> Comparison:
        """The whole comparison: the list ends with the entries `rest` of the page before or, without any, with new ones."""
        if rest:
            moved = self.at - starts[rest.start]
            self._order += rest
            self._starts += [place + moved for place in starts[rest.start :]]
        elif self._order or self.at < self._end:
            self._add(self._body[self.at : self._end])
        new = self._body[: self._start] + b",".join(self._new) + self._body[self._end :]
        return Comparison(self._order, Entries(self._starts, self._end), new)

    def _add(self, content: bytes) -> None:
        starts = _starts(content, self.at)
        if not starts:
            raise _NotComparableError
        self._order += [NEW] * len(starts)
        self._starts += starts
        self._new.append(content)


def _limits(body: bytes) -> tuple[int, int]:
    """Where the first entry begins, and the bracket that ends the list."""
    head, end = _head(body), body.rfind(b"]")
    if not head or end < head.end() or not _tail(body, end):
        raise _NotComparableError
    return head.end(), end


def _starts(content: bytes, offset: int) -> list[int]:
    """Where in a page each entry begins, whose `content` stands at `offset`."""
    try:
        entries = _decode_entries(b"[" + content + b"]")
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _NotComparableError from None
    starts, at = [], len(content) - len(content.lstrip())
    for entry in entries:
        starts.append(offset + at)
        at += len(memoryview(entry))
        separator = _separator(content, at)
        at = separator.end() if separator else at
    return starts
