"""Owns the interface of the daemon that the web uses; `daemon/daemon_interface_implementation.py` implements it."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from tracker.config import Config
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.forecast.deadline_and_rate import Outlook
from tracker.core.health.readiness import Health
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphaned_deliveries import Dropped, Moved
from tracker.core.silences.silence import AddedSilence, SilenceRequest
from tracker.metrics.text_format import TextFormat
from tracker.web.stream.broadcast import Broadcast


class VendorFacts(NamedTuple):
    """What the surfaces show of a vendor. Without `has_progress` the counters of a job are known only at its end."""

    title: str
    has_progress: bool


class Hints(Protocol):
    """What vendors' webhooks say of accounts. It never waits and never raises."""

    def received(self, account: str, message_id: str, body: bytes) -> None:
        """The vendor of a configured account has signed this message."""

    def refused(self, account: str, reason: str) -> None:
        """A message to a configured account is not signed as it should be."""


class Daemon(Protocol):
    """The daemon as the API and the pages use it. A method that reads or writes the database may raise `StorageError`."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    @property
    def vendors(self) -> Mapping[str, VendorFacts]:
        """Every vendor that an account can have, by its name."""

    @property
    def health(self) -> Health: ...

    @property
    def broadcast(self) -> Broadcast: ...

    @property
    def hints(self) -> Hints: ...

    def now(self) -> int:
        """Unix milliseconds, by the clock of what the database has."""

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A reader for one request."""

    def archived_content(self, location: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The content of an archived result file, as the API gave it, in parts. Opening and reading raise `ArchiveError`."""

    def outlook(self, job: Mapping[str, Any]) -> Outlook:
        """The forecast for a job (its JSON), by what this process has seen of it."""

    async def probe(self) -> str | None:
        """Probe the store; returns the error, or None."""

    def metrics(self, format_: TextFormat) -> bytes:
        """The metrics in this text format; called in a thread."""

    async def replay(self, which: Replay) -> ReplayResult:
        """Make deliveries of a configured receiver pending again."""

    async def move(self, old: str, new: str) -> Moved:
        """Move the open deliveries of a receiver that is no longer configured to one that is."""

    async def drop(self, receiver: str, *, dead: bool) -> Dropped:
        """Drop the open deliveries of a receiver that is no longer configured, or the `dead` ones of any receiver."""

    async def silence(self, request: SilenceRequest, way: str) -> AddedSilence | None:
        """Make a silence; None if too many are open. `way` is how it is asked for. Raises as `requested_silence`."""

    async def lift(self, silence_id: str) -> bool:
        """End a silence; returns whether it was open."""

    async def enable(self, receiver: str) -> bool:
        """Retry a configured receiver at once; returns whether it was disabled."""
