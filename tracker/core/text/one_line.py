"""Owns making one printable line of a text from elsewhere, and cutting a text."""

import json
from typing import Final

import msgspec

_encode: Final = msgspec.json.Encoder().encode


def one_line(text: str, max_length: int) -> str:
    """`text` as one line of at most `max_length` characters: spaces are single, unprintable characters are left out."""
    words = " ".join(text[: 10 * max_length].split())  # ten times: spaces and unprintable characters are left out
    if not words.isprintable():
        words = " ".join("".join(filter(str.isprintable, words)).split())
    return truncate(words, max_length)


def to_text(value: object) -> str:
    """A text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def truncate(text: str, max_length: int) -> str:
    """`text` of at most `max_length` characters, the last one an ellipsis if some are missing."""
    return text if len(text) <= max_length else text[: max_length - 1].rstrip() + "…"


def truncate_json(text: str, max_bytes: int) -> str:
    """`text` cut so that it has at most `max_bytes` bytes of JSON."""
    while text and (size := len(_encode(text))) > max_bytes:
        text = truncate(text, min(len(text) - 1, max(1, len(text) * max_bytes // size)))
    return text
