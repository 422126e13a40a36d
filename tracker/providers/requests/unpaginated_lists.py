"""Owns lists that come in one answer with more entries than a page has: they are read in parts, each a page of its own.

Some gateways know no pages. What bounds such a list is the size of an answer. Its parts are small enough to be read and
recorded without delaying everything else, and a sweep that has seen enough reads no further.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Final

import msgspec

from tracker.core.jobs.job_reading import MOST_JOBS
from tracker.http.client import Answer

_Unreadable: Final = (msgspec.MsgspecError, ValueError, RecursionError)
_decode_list: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class UnpaginatedLists:
    """The parts of one list that have not been read yet, each by the token that the part before it gives."""

    def __init__(self) -> None:
        self._parts: dict[str, Answer] = {}

    def take(self, token: str | None) -> Answer | None:
        """The part that `token` leads to; None where it leads to another answer. The head of a list drops all parts."""
        if token is None:
            self.clear()
            return None
        return self._parts.pop(token, None)

    def clear(self) -> None:
        """Forget the parts: none of them is going to be read."""
        self._parts.clear()

    def first_part(self, answer: Answer) -> Answer:
        """The `answer` itself or, where its list is long, the first part; the list is bare, or an object's `data`."""
        with suppress(*_Unreadable):
            is_bare = answer.body.lstrip()[:1] == b"["
            listed = {} if is_bare else _decode_object(answer.body)
            entries = _decode_list(answer.body if is_bare else listed.get("data", b"[]"))
            if len(entries) > MOST_JOBS:
                first, *others = _parts(entries, listed)
                self._parts = {token: msgspec.structs.replace(answer, body=body) for token, body in others}
                return msgspec.structs.replace(answer, body=first[1])
        return answer


def _parts(entries: list[msgspec.Raw], listed: Mapping[str, msgspec.Raw]) -> Iterator[tuple[str, bytes]]:
    """Each part's token and content. The last one ends as the whole list does; without `has_more` that is all there is."""
    parts = [entries[start : start + MOST_JOBS] for start in range(0, len(entries), MOST_JOBS)]
    tokens = [f"part {number} of {len(parts)}" for number in range(1, len(parts) + 1)]
    for part, token, following in zip(parts, tokens, tokens[1:], strict=False):
        yield token, msgspec.json.encode({"data": part, "has_more": True, "last_id": following})
    has_more = bytes(listed.get("has_more", b"")).strip() == b"true"
    end = {"data": parts[-1], "has_more": has_more, "last_id": listed.get("last_id", msgspec.Raw(b"null"))}
    yield tokens[-1], msgspec.json.encode(end)
