"""Owns the secrets of one account or receiver while they are in use: those in files are read again after a refusal.

If a token is rotated, its file has the new one, and the old one is refused. This needs no restart and no SIGHUP: a client that
is refused calls `renewed`, and tries again if that is true.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import anyio
import anyio.to_thread
import structlog

from tracker.config.secrets.secret import Header, Secret, secret_parts
from tracker.config.toml.toml_table import InvalidValue

REREAD_EVERY: Final = 5.0
"""Seconds between two reads of the files, at least: an invalid key causes no more."""

READ_WITHIN: Final = 5.0
"""Seconds that a read may take: a file may be on a network mount that does not answer."""

Learned = Callable[[Iterable[str]], None]
"""Called with new secrets, which the log redacts from then on."""


class Credentials:
    """The secrets of `owner`, such as {"account": "default"}, by their keys in the configuration."""

    def __init__(
        self,
        secrets: Mapping[str, Secret],
        headers: Sequence[Header] = (),
        *,
        owner: Mapping[str, str] | None = None,
        learned: Learned = lambda _secrets: None,
        parts: Callable[[str], list[str]] = secret_parts,
    ) -> None:
        """`parts` gives the parts of the URL that are secret by themselves."""
        self._headers = headers
        self._secrets = {**secrets, **{_key(header): header.value for header in headers if header.secret}}
        self._learned = learned
        self._parts_of = parts
        self._log = structlog.get_logger().bind(**(owner or {}))
        self._known: set[str] = set()  # with those that were replaced: an answer may still quote one
        self._unreadable: set[str] = set()
        self._next_read = -math.inf
        self._reading = anyio.Lock()
        self.generation = 0  # how often any of them was replaced
        self._known.update(self._parts())

    def __getitem__(self, key: str) -> str:
        return self._secrets[key].reveal()

    def headers(self) -> Mapping[str, str]:
        """The headers that the configuration adds to each request, as they are now."""
        return {each.name: self._secrets.get(_key(each), each.value).reveal() for each in self._headers}

    def secrets(self) -> Iterable[str]:
        """All of them, with replaced ones, and the parts of a URL that a server may quote alone."""
        return self._known

    async def renewed(self, used: int) -> bool:
        """Whether any secret has changed since the generation `used`; reads the files if that is not known."""
        async with self._reading:
            if self.generation == used and anyio.current_time() >= self._next_read:
                self._next_read = anyio.current_time() + REREAD_EVERY
                await self._read_files()
        return self.generation != used

    async def _read_files(self) -> None:
        """Read the files. An unreadable secret stays as it was, which is logged once."""
        with anyio.move_on_after(READ_WITHIN):
            read = await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
            new = {key: found for key, found in read.items() if isinstance(found, Secret)}
            changed = sorted(key for key, found in new.items() if found != self._secrets[key])
            for key, found in read.items():
                if isinstance(found, InvalidValue) and key not in self._unreadable:
                    self._log.warning("credential.unreadable", key=key, error=str(found), in_use="the one of before")
            self._unreadable = set(read) - set(new)
            if changed:
                self._replace(new, changed)

    def _replace(self, new: Mapping[str, Secret], changed: Sequence[str]) -> None:
        self._secrets.update(new)
        self._known.update(self._parts())
        self._learned(self._parts())
        self.generation += 1
        self._log.info("credential.reloaded", keys=changed)

    def _read(self) -> dict[str, Secret | InvalidValue]:
        read: dict[str, Secret | InvalidValue] = {}
        for key, secret in self._secrets.items():
            if secret.reread:
                try:
                    read[key] = secret.reread()
                except InvalidValue as wrong:
                    read[key] = wrong
        return read

    def _parts(self) -> list[str]:
        values = [secret.reveal() for secret in self._secrets.values()]
        return values + (self._parts_of(self["url"]) if "url" in self._secrets else [])


def _key(header: Header) -> str:
    return f"headers.{header.name}"
