"""Owns escaping: text from elsewhere is made harmless for a terminal, for a log and for programs that read JSON by lines.

A terminal obeys control characters and bidirectional marks. Python's `str.splitlines` and httpx's `iter_lines` also split at
U+0085, U+2028 and U+2029, which JSON allows in a string as they are.
"""

import re
from typing import Final

_INVISIBLE: Final = re.compile(
    "[\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0000-\U000e0fff]"
)
"""Unicode's controls, formats and separators of lines and paragraphs: they are invisible, but they have an effect."""


def plain(value: object) -> str:
    """`value` as one line of text; each character that is not printable becomes U+FFFD, which takes one column."""
    text = str(value)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def plain_lines(text: str) -> str:
    """As `plain`, but line feeds stay: for text whose lines are our own, and whose values went through `plain`."""
    return "\n".join(map(plain, text.split("\n")))


def literal(text: str) -> str:
    r"""`text` as one line in which each character that is not printable is written as Python writes it: `\x1b`."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def escape_json(text: str) -> str:
    r"""JSON with the same value, in which invisible characters are escaped: `\u2028`.

    Outside of strings JSON has no such characters, so the text needs no parsing.
    """
    if ("\x7f" not in text) if text.isascii() else text.isprintable():
        return text
    return _INVISIBLE.sub(_escaped, text)


def escape_json_bytes(content: bytes) -> bytes:
    """`escape_json` of UTF-8."""
    if content.isascii() and b"\x7f" not in content:
        return content
    return escape_json(content.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    """As JSON has it: beyond U+FFFF a pair of surrogates."""
    units = found[0].encode("utf-16-be").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
