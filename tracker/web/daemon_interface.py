"""Owns what the surfaces ask of the daemon."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from tracker.config import Config
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.forecast.job_forecast import Outlook
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphans import Dropped, Moved
from tracker.core.reconciliation.account_health import Health
from tracker.web.stream.broadcast import Broadcast


class Tracker(Protocol):
    """The daemon as the surfaces see it. What reads or writes the database raises `StorageError` where it cannot."""

    @property
    def config(self) -> Config:
        """The configuration in force."""

    @property
    def health(self) -> Health: ...

    @property
    def broadcast(self) -> Broadcast: ...

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A reader for one request."""

    def outlook(self, job: Mapping[str, Any]) -> Outlook:
        """What can be said of the future of a job (its JSON)."""

    async def probe(self) -> str | None:
        """Try the store: what is wrong with it, or None."""

    def metrics(self) -> bytes:
        """The metrics in Prometheus's text format; called in a thread."""

    async def replay(self, which: Replay) -> ReplayResult:
        """Make deliveries of a receiver that there is pending again."""

    async def move(self, old: str, new: str) -> Moved:
        """Give the open deliveries of a receiver that there is no more to one that there is."""

    async def drop(self, receiver: str, *, dead: bool) -> Dropped:
        """Forget the open deliveries of a receiver that there is no more, or the `dead` ones of any."""

    async def enable(self, receiver: str) -> bool:
        """Have a receiver that there is tried again at once; whether it was disabled."""
