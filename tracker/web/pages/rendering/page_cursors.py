"""Owns the cursors of pages in URLs: the key after which the next page begins, as text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from contextlib import suppress
from typing import TypeVar

import msgspec

Key = TypeVar("Key")


def encode_cursor(key: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(key)).decode().rstrip("=")


def decode_cursor(text: str | None, type_: type[Key]) -> Key | None:
    """The key that `encode_cursor` wrote; None, which is the first page, for any other text."""
    with suppress(ValueError, msgspec.MsgspecError):
        return msgspec.json.decode(urlsafe_b64decode(f"{text or ''}==".encode()), type=type_)
    return None
