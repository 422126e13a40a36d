"""Owns needles: by what an engine passes over rows whose JSON need not be decoded, since they cannot match a filter.

A needle is in the JSON of each row that matches and has no character beyond ASCII, ignoring case. What JSON escapes is in no
needle, nor is what a character beyond ASCII may be folded to: rows with one are decoded all the same.
"""

import re
from collections.abc import Iterable
from typing import Final

_AS_IT_IS: Final = re.compile(r"[ !#-\[\]-~]+")
"""What JSON does not escape: ASCII that can be printed, but for quotation mark and backslash."""

_WILDCARD: Final = re.compile(r"[*?]|\[!?\]?[^\]]*\]")


def needle(texts: Iterable[str | None], globs: Iterable[str | None] = ()) -> str | None:
    """In lower case, the longest that these texts and globs give, all of which must be in the row; None if they give none."""
    parts = [*(each for each in texts if each), *(part for glob in globs if glob for part in _WILDCARD.split(glob))]
    found = [run for part in parts for run in _AS_IT_IS.findall(part)]
    return max(found, key=len).lower() if found else None
