"""Owns needles: by what an engine passes over rows whose JSON need not be decoded, since they cannot match a filter.

A needle is in the JSON of each row that matches. It has nothing that JSON escapes, and nothing beyond ASCII.
"""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

_AS_IT_IS: Final = re.compile(r"[ !#-\[\]-~]+")
"""What JSON does not escape: ASCII that can be printed, but for quotation mark and backslash."""

_WILDCARD: Final = re.compile(r"[*?]|\[!?\]?[^\]]*\]")


class Needle(NamedTuple):
    """A text. If `folds`, it is in lower case, and in the row in any case, or as characters beyond ASCII that fold to it.

    Such as a row with a Kelvin sign, which matches "k": rows with a character beyond ASCII are decoded then.
    """

    text: str
    folds: bool = False


def needle(values: Iterable[str | None], globs: Iterable[str | None], text: str = "") -> Needle | None:
    """The longest that these values and globs give, else that of a text in any case; None if there is none."""
    parts = [*(each for each in values if each), *(part for glob in globs if glob for part in _WILDCARD.split(glob))]
    if exact := _longest(parts):
        return Needle(exact)
    return Needle(folded.lower(), folds=True) if (folded := _longest([text])) else None


def _longest(parts: Iterable[str]) -> str:
    return max((run for part in parts for run in _AS_IT_IS.findall(part)), key=len, default="")
