"""Owns the secrets of one account or receiver while they are in use: those from files are read again where they are refused.

A token that a service rotates is replaced in its file, and the old one is refused from then on. No restart, and no SIGHUP, is
needed for it: whoever is refused asks `renewed`, and where that is so tries again.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import anyio
import anyio.to_thread
import structlog

from tracker.config.model import Header, Secret, telling_parts
from tracker.config.toml_table import Wrong

REREAD_EVERY: Final = 5.0
"""Seconds between two looks at the files; a key that is simply wrong costs no more."""

READ_WITHIN: Final = 5.0
"""Seconds that a look may take: a file may lie where no one answers."""

Learned = Callable[[Iterable[str]], None]
"""Is given the secrets that have come to be known, for the log to leave out."""


class Credentials:
    """The secrets of `owner`, such as {"account": "default"}, by the key of the configuration that they belong to."""

    def __init__(
        self,
        secrets: Mapping[str, Secret],
        headers: Sequence[Header] = (),
        *,
        owner: Mapping[str, str] | None = None,
        learned: Learned = lambda _secrets: None,
    ) -> None:
        self._headers = headers
        self._secrets = {**secrets, **{_key(header): header.value for header in headers if header.secret}}
        self._learned = learned
        self._log = structlog.get_logger().bind(**(owner or {}))
        self._shown: set[str] = set()  # all that ever were, for an answer may quote one that has just been replaced
        self._unreadable: set[str] = set()
        self._next_look = -math.inf
        self._looking = anyio.Lock()
        self.generation = 0  # counts the times that any of them was replaced
        self._shown.update(self._parts())

    def __getitem__(self, key: str) -> str:
        return self._secrets[key].reveal()

    def headers(self) -> Mapping[str, str]:
        """The headers that the configuration adds to each request, as they are now."""
        return {each.name: self._secrets.get(_key(each), each.value).reveal() for each in self._headers}

    def secrets(self) -> Iterable[str]:
        """All of them, and the parts of a URL that a server may quote alone."""
        return self._shown

    async def renewed(self, used: int) -> bool:
        """Whether any secret is another one than in the generation `used`; the files are looked at if that is not known."""
        async with self._looking:
            if self.generation == used and anyio.current_time() >= self._next_look:
                self._next_look = anyio.current_time() + REREAD_EVERY
                await self._look()
        return self.generation != used

    async def _look(self) -> None:
        """Take what the files hold now; what cannot be read stays as it was, which is said once."""
        with anyio.move_on_after(READ_WITHIN):
            read = await anyio.to_thread.run_sync(self._read, abandon_on_cancel=True)
            new = {key: found for key, found in read.items() if isinstance(found, Secret)}
            changed = sorted(key for key, found in new.items() if found != self._secrets[key])
            for key, found in read.items():
                if isinstance(found, Wrong) and key not in self._unreadable:
                    self._log.warning("credential.unreadable", key=key, error=str(found), in_use="the one of before")
            self._unreadable = set(read) - set(new)
            if changed:
                self._replace(new, changed)

    def _replace(self, new: Mapping[str, Secret], changed: Sequence[str]) -> None:
        self._secrets.update(new)
        self._shown.update(self._parts())
        self._learned(self._parts())
        self.generation += 1
        self._log.info("credential.reloaded", keys=changed)

    def _read(self) -> dict[str, Secret | Wrong]:
        read: dict[str, Secret | Wrong] = {}
        for key, secret in self._secrets.items():
            if secret.again:
                try:
                    read[key] = secret.again()
                except Wrong as wrong:
                    read[key] = wrong
        return read

    def _parts(self) -> list[str]:
        values = [secret.reveal() for secret in self._secrets.values()]
        return values + (telling_parts(self["url"]) if "url" in self._secrets else [])


def _key(header: Header) -> str:
    return f"headers.{header.name}"
