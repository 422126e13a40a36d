"""Owns what a live page is sent: of the page as it is now, what differs from the one that the reader has.

A page is compared by its keyed elements (`data-key`): sections, and the rows in them. One that the reader's page has just so is
sent as an empty element with `data-same`, which `morph.js` leaves as it is. Words for times count for nothing: scripts write
them.
"""

import re
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

HEADER: Final = "x-page-version"
"""Which version of the page the reader has; what is sent with it is the changing part of a page alone."""

_MOST: Final = 64
"""Versions that are known; the one that was not asked for for longest goes first."""

_SECTION: Final = re.compile(r'<(section)\b[^>]*? data-key="([^"]*)"[^>]*>(.*?)</\1>', re.DOTALL)
_ROW: Final = re.compile(r'<(tr|li)\b[^>]*? data-key="([^"]*)"[^>]*>(.*?)</\1>', re.DOTALL)
_WORDS_FOR_TIMES: Final = re.compile(r'(<span class="(?:rel|abs)">)[^<]*')
_PARTS: Final = tuple(
    re.compile(part, re.DOTALL)
    for part in (r"<title>.*?</title>", r"<body[^>]*>", r'<span id="overall".*?</span></span>', r"<main\b.*</main>")
)
_UNMARKED: Final = 'data-version=""'


class Versions:
    """The versions of pages that readers have, each as the fingerprints of its elements."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, frozenset[bytes]] = OrderedDict()

    def marked(self, page: str) -> tuple[str, str]:
        """The page with its version in it, and the version: the same for pages that differ in words for times alone."""
        version = _fingerprint("".join(_found(page)[2:])).hex()
        elements = (match[0] for pattern in (_SECTION, _ROW) for match in pattern.finditer(page))
        self._known[version] = frozenset(map(_fingerprint, elements))
        self._known.move_to_end(version)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return page.replace(_UNMARKED, f'data-version="{version}"', 1), version

    def changes(self, page: str, since: str) -> str:
        """The changing part of a page, without what is in the version `since` of it; all of it where that is not known."""
        known = self._known.get(since, frozenset())

        def shortened(match: re.Match[str]) -> str:
            tag, key, inside = match.groups()
            if f"<{tag}" in inside or _fingerprint(match[0]) not in known:
                return match[0]
            return f'<{tag} data-key="{key}" data-same></{tag}>'

        parts = "\n".join(_found(page))
        return "<!doctype html>" + _ROW.sub(shortened, _SECTION.sub(shortened, parts))


def _found(page: str) -> list[str]:
    return [match[0] for part in _PARTS if (match := part.search(page))]


def _fingerprint(element: str) -> bytes:
    return blake2b(_WORDS_FOR_TIMES.sub(r"\1", element).encode("utf-8", "surrogatepass"), digest_size=8).digest()
