"""Owns the escape of text for PostgreSQL, which stores no NUL and no lone surrogate.

U+0001 is the escape character: of text without it, NUL and lone surrogates the stored form is the text itself. Stored texts
have the order and the prefixes of the texts (lone surrogates apart, which nothing that is read here contains), so pages and
searches work on what is stored. JSON needs no escape: it has its own for these.
"""

import re
from collections.abc import Sequence
from typing import Final

_NEEDS_ESCAPE: Final = re.compile("[\0\x01\ud800-\udfff]")
ESCAPE: Final = "\x01"
"""Texts without it are stored as they are, and come back so."""

_ESCAPED: Final = re.compile("\x01([\x01\x02]|\x03[0-9a-f]{4})")


def encode_text(text: str) -> str:
    """`text` as it is stored."""
    return _NEEDS_ESCAPE.sub(_escape, text) if _NEEDS_ESCAPE.search(text) else text


def encode_texts(texts: Sequence[str]) -> Sequence[str]:
    """Each as it is stored; where none needs an escape, which is one search, they are returned as they are."""
    return [encode_text(text) for text in texts] if _NEEDS_ESCAPE.search("".join(texts)) else texts


def encode_optional_texts(texts: Sequence[str | None]) -> Sequence[str | None]:
    """As `encode_texts`; None stays None."""
    needed = _NEEDS_ESCAPE.search("".join([text for text in texts if text]))
    return [encode_text(text) if text else text for text in texts] if needed else texts


def decode_text(stored: str) -> str:
    """The text of what `encode_text` returned."""
    return _ESCAPED.sub(_unescape, stored) if ESCAPE in stored else stored


def _escape(match: re.Match[str]) -> str:
    found = match.group()
    return {"\0": "\x01\x01", "\x01": "\x01\x02"}.get(found) or f"\x01\x03{ord(found):04x}"


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    return {"\x01": "\0", "\x02": "\x01"}.get(code) or chr(int(code[1:], 16))
