"""Owns the Secret, which no representation shows, the Header that may hold one, and the parts of a URL that are secret."""

from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import msgspec


class Secret:
    """A value that no representation shows.

    A secret from a file may have been replaced since: `file` describes the file, `path` is its path, and `reread` reads it
    again, or raises `InvalidValue`.
    """

    __slots__ = ("_value", "file", "path", "reread")

    def __init__(
        self, value: str, file: str | None = None, reread: "Callable[[], Secret] | None" = None, path: Path | None = None
    ) -> None:
        self._value = value
        self.file = file
        self.reread = reread
        self.path = path

    def with_reread(self, reread: "Callable[[], Secret]") -> "Secret":
        """The same secret, which `reread` reads again if it is from a file."""
        return Secret(self._value, self.file, reread if self.file else None, self.path)

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and (self._value, self.file) == (other._value, other.file)

    def __hash__(self) -> int:
        return hash((Secret, self._value))


class Header(msgspec.Struct, frozen=True):
    """A header of each request, its name in lower case. The value of a `secret` one is not logged."""

    name: str
    value: Secret
    secret: bool


def secret_parts(url: str) -> list[str]:
    """The parts of a URL that a server may quote alone: its user, also in base64, and path and query, with and without host."""
    parts = urlsplit(url)
    credentials, _, host = parts.netloc.rpartition("@")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    sent = b64encode(unquote(credentials).encode()).decode()
    return [part for part in (credentials, sent, target) if len(part) > 4] + ([host + target] if len(target) > 4 else [])
