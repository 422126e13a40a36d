"""Owns the partial updates of a live page: the elements that differ from the version that the browser has.

Pages are compared by their keyed elements (`data-key`): sections, and the rows in them. An element that the browser's version
has unchanged is sent empty, with `data-same`, and `dom_morph.js` leaves it as it is. Relative times do not count as changes:
scripts write them.
"""

import re
from collections import OrderedDict
from hashlib import blake2b
from typing import Final

HEADER: Final = "x-page-version"
"""The header with the version that the browser has; the response to it is only the changing part of the page."""

_MOST: Final = 64
"""Versions that are remembered; the least recently used one is forgotten first."""

_SECTION: Final = re.compile(r'<(section)\b[^>]*? data-key="([^"]*)"[^>]*>(.*?)</\1>', re.DOTALL)
_ROW: Final = re.compile(r'<(tr|li)\b[^>]*? data-key="([^"]*)"[^>]*>(.*?)</\1>', re.DOTALL)
_TIME_TEXTS: Final = re.compile(r'(<span class="(?:rel|abs)">)[^<]*')
_PARTS: Final = tuple(
    re.compile(part, re.DOTALL)
    for part in (r"<title>.*?</title>", r"<body[^>]*>", r'<span id="overall".*?</span></span>', r"<main\b.*</main>")
)
_UNMARKED: Final = 'data-version=""'


class Versions:
    """The versions of pages that browsers have, each as the fingerprints of its elements."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, frozenset[bytes]] = OrderedDict()

    def marked(self, page: str) -> tuple[str, str]:
        """The page with its version in it, and the version; pages that differ only in relative times have the same."""
        version = _fingerprint("".join(_changing_parts(page)[2:])).hex()
        elements = (match[0] for pattern in (_SECTION, _ROW) for match in pattern.finditer(page))
        self._known[version] = frozenset(map(_fingerprint, elements))
        self._known.move_to_end(version)
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return page.replace(_UNMARKED, f'data-version="{version}"', 1), version

    def changes(self, page: str, since: str) -> str:
        """The changing part of a page, without the elements of its version `since`; all of it if that is unknown."""
        known = self._known.get(since, frozenset())

        def shortened(match: re.Match[str]) -> str:
            tag, key, inside = match.groups()
            if f"<{tag}" in inside or _fingerprint(match[0]) not in known:
                return match[0]
            return f'<{tag} data-key="{key}" data-same></{tag}>'

        parts = "\n".join(_changing_parts(page))
        return "<!doctype html>" + _ROW.sub(shortened, _SECTION.sub(shortened, parts))


def _changing_parts(page: str) -> list[str]:
    return [match[0] for part in _PARTS if (match := part.search(page))]


def _fingerprint(element: str) -> bytes:
    return blake2b(_TIME_TEXTS.sub(r"\1", element).encode("utf-8", "surrogatepass"), digest_size=8).digest()
