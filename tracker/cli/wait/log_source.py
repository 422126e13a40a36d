"""Owns waiting by the log: the daemon watches, its commits wake us, and nothing is asked of the API."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

import anyio

from tracker.cli.arguments.job_lookup import AmbiguousJobError
from tracker.cli.formatting import text
from tracker.cli.formatting.job_histories import milliseconds, recalled
from tracker.cli.wait.state import Awaited, Waiting
from tracker.core.events.time_driven import UNREACHABLE
from tracker.core.events.types import ACCOUNT_TYPES
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pages import Span

STILL_THERE: Final = 2.0
"""Seconds between looks whether the daemon lives: its death is no commit."""

_ADDED: Final = ("account", "deleted", "first_seen_at", "observed_at", "seq", "outcome")


class Log:
    """The log as one reader sees it, and the place up to which it has been followed."""

    def __init__(self, reader: Reader, waiting: Waiting, account: str | None) -> None:
        """`account`: only its jobs count."""
        self._reader = reader
        self._waiting = waiting
        self._account = account
        self._after = 0

    async def look_up(self) -> None:
        """Find in the log what is waited for, and how fast it goes. Raises `AmbiguousJobError`."""
        self._after = await self._reader.last_seq()
        for awaited in self._waiting.outstanding:
            found = await self._reader.jobs_by_prefix(awaited.id, self._account or awaited.account)
            if len(found) > 1:
                raise AmbiguousJobError(awaited.given, [(job["account"], job["id"]) for job in found])
            if found:
                awaited.history = awaited.history or await recalled(self._reader, found[0])
                self._waiting.see(awaited, found[0], milliseconds(found[0]["observed_at"]))

    async def _tell_of_accounts(self, accounts: Iterable[str]) -> None:
        """Say which of them cannot be reached: nothing will happen before that has passed."""
        log = Span(before=self._after + 1, newest_first=True)
        for account in accounts:
            last = await self._reader.events_page(log, EventFilter(types=ACCOUNT_TYPES, account=account), 1)
            for event in (json.loads(body) for _, body in last.events):
                if event["type"] == UNREACHABLE:
                    self._note(event)

    async def follow(self, daemon_lives: Callable[[], Awaitable[bool]]) -> None:
        """Take what the log says, until all is over or the daemon is gone."""
        await self._tell_of_accounts({each.account for each in self._waiting.outstanding if each.account})
        while self._waiting.outstanding:
            await self._take_news()
            with anyio.move_on_after(STILL_THERE) as nothing_new:
                await self._reader.wait_for_change()
            if nothing_new.cancelled_caught and not await daemon_lives():
                return

    async def _take_news(self) -> None:
        while page := await self._reader.events(self._after, EventFilter()):
            for self._after, body in page:
                self._take(json.loads(body))

    def _take(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("account."):
            if self._account in (None, event["account"]):
                self._note(event)
        elif event["type"].startswith("batch.") and self._account in (None, event["account"]):
            for awaited in self._waiting.matching(event["data"]["id"], event["account"]):
                self._waiting.see(awaited, _job_of(event, awaited), milliseconds(event["observed_at"]))

    def _note(self, event: dict[str, Any]) -> None:
        self._waiting.view.note(f"account {text.plain(event['account'])}: {text.event_words(event)}")


def _job_of(event: dict[str, Any], awaited: Awaited) -> dict[str, Any]:
    """The job as the log has it once this event is in it; see `Reader.jobs`."""
    first_seen_at = (awaited.job or {}).get("first_seen_at", event["observed_at"])
    deleted = event["type"] == "batch.deleted"
    values = (event["account"], deleted, first_seen_at, event["observed_at"], event["seq"], event.get("outcome"))
    return {**event["data"], **dict(zip(_ADDED, values, strict=True))}
