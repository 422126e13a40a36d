"""Owns the way of a hint: from a verified webhook to the poll loop of its account, here or on another replica.

A hint may be lost at any point: the next sweep shows what it would have shown.
"""

import re
from collections.abc import Callable, Collection
from typing import Any, Final

import anyio
import msgspec
import structlog

from tracker.config import Config
from tracker.core.deliveries.signature_verification import TOLERANCE
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import Store
from tracker.metrics.vendor_webhooks import VendorWebhookMetrics
from tracker.polling.hint_queue import HintQueue
from tracker.providers.vendor_registry import VENDORS

MOST_FORWARDED: Final = 10
"""Hints that are sent together: a notification has room for them."""

MOST_WAITING: Final = 100
"""Hints that wait to be sent."""

FORWARD_GAP: Final = 0.5
"""Seconds between two notifications: a flood of hints shall not be one of notifications."""

MOST_MESSAGES: Final = 1000
"""Messages whose repetition is recognized."""

_JOB_ID: Final = re.compile(r"(?!\.)[A-Za-z0-9_.:=~-]{1,200}(?:/(?!\.)[A-Za-z0-9_.:=~-]{1,200})?")
"""An id goes into the path of a request: it has no dot segments, and one slash at most, as Gemini's names have."""


class Message(msgspec.Struct, frozen=True):
    """The part of a vendor's message that is read."""

    type: str
    data: dict[str, Any]


class HintDispatcher:
    """The `Hints` of web.daemon_interface."""

    def __init__(
        self,
        store: Store,
        queue_of: Callable[[str], HintQueue | None],
        config: Callable[[], Config],
        metrics: VendorWebhookMetrics,
    ) -> None:
        """`queue_of` gives the hints of an account's poll loop, None where it runs in another process or not at all."""
        self._store = store
        self._queue_of = queue_of
        self._config = config
        self._metrics = metrics
        self._messages: dict[tuple[str, str], float] = {}  # the latest, with when they were received, the oldest first
        self._waiting: dict[tuple[str, str], None] = {}  # to be forwarded
        self._added = anyio.Event()
        self._log = structlog.get_logger()
        store.watch_hints(self.hinted)

    def received(self, account: str, message_id: str, body: bytes) -> None:
        job_id = self._job_in(account, body)
        if job_id is None:
            result = "ignored"
        elif self._is_repeated(account, message_id):
            result = "repeated"
        else:
            result = self._pass_on(account, job_id)
        self._metrics.count(account, result)
        self._log.debug("hint.received", account=account, job=job_id, result=result)

    def refused(self, account: str, reason: str) -> None:
        self._metrics.count(account, "refused")
        self._log.warning("hint.refused", account=account, reason=reason)

    def hinted(self, hints: Collection[tuple[str, str]]) -> None:
        """Another replica has received these hints; those of accounts that are not polled here are for others."""
        for account, job_id in hints:
            if (queue := self._queue_of(account)) is not None:
                queue.add(job_id)

    async def run(self) -> None:
        """Forward hints until it is cancelled."""
        while True:
            await self._added.wait()
            self._added = anyio.Event()
            await self._forward()

    async def _forward(self) -> None:
        while hints := [*self._waiting][:MOST_FORWARDED]:
            for hint in hints:
                del self._waiting[hint]
            try:
                await self._store.send_hints(hints)
            except StorageError as error:
                self._log.debug("hint.lost", hints=len(hints), error=str(error))
            await anyio.sleep(FORWARD_GAP)

    def _job_in(self, account: str, body: bytes) -> str | None:
        """The id of the job that the message is about; None if it is about none, or cannot be read."""
        vendor = next(VENDORS[each.provider] for each in self._config().accounts if each.name == account)
        try:
            message = msgspec.json.decode(body, type=Message)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return None
        found = vendor.webhook_job_id(message.data) if message.type.startswith("batch.") else None
        return found if found is not None and _JOB_ID.fullmatch(found) else None

    def _is_repeated(self, account: str, message_id: str) -> bool:
        """Whether the message came before: a vendor sends again what was not answered, and so does who replays it."""
        now, key = anyio.current_time(), (account, message_id[:256])
        if key in self._messages and now - self._messages[key] < 2 * TOLERANCE:
            return True
        self._messages.pop(key, None)
        self._messages[key] = now
        if len(self._messages) > MOST_MESSAGES:
            del self._messages[next(iter(self._messages))]
        return False

    def _pass_on(self, account: str, job_id: str) -> str:
        if (queue := self._queue_of(account)) is not None:
            return queue.add(job_id)
        if (account, job_id) in self._waiting:
            return "repeated"
        if len(self._waiting) >= MOST_WAITING:
            return "overflow"
        self._waiting[account, job_id] = None
        self._added.set()
        return "forwarded"
