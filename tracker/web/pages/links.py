"""Owns the links between pages: the present query with something changed, and places in a list as text."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from contextlib import suppress
from typing import TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams

Place = TypeVar("Place")


def link(path: str, query: QueryParams, **changed: object) -> str:
    """`path` with `query`, in which each of `changed` has that value, those values, or is left out (None)."""
    kept = [(name, value) for name, value in query.multi_items() if value and name not in changed]
    for name, value in changed.items():
        values = value if isinstance(value, tuple | list) else () if value is None else (value,)
        kept += [(name, str(each)) for each in values]
    return f"{path}?{urlencode(kept)}" if kept else path


def encoded(place: object) -> str:
    return urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decoded(text: str | None, type_: type[Place]) -> Place | None:
    """The place that `encoded` wrote; None for what it did not write, which is the beginning."""
    with suppress(ValueError, msgspec.MsgspecError):
        return msgspec.json.decode(urlsafe_b64decode(f"{text or ''}==".encode()), type=type_)
    return None


def encoded_query(**values: str | Sequence[str] | None) -> str:
    """A query of those that have a value, or several."""
    return urlencode({name: value for name, value in values.items() if value}, doseq=True)
