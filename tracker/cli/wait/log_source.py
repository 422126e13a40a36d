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

DAEMON_CHECK_SECONDS: Final = 2.0
"""Seconds between checks that the daemon runs: its end makes no commit that would wake us."""

_LOG_FIELDS: Final = ("account", "deleted", "first_seen_at", "observed_at", "seq", "outcome")


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
                self._waiting.record_job(awaited, found[0], milliseconds(found[0]["observed_at"]))

    async def _show_unreachable_accounts(self, accounts: Iterable[str]) -> None:
        """Show which of these accounts are unreachable: their jobs make no visible progress until they recover."""
        log = Span(before=self._after + 1, newest_first=True)
        for account in accounts:
            last = await self._reader.events_page(log, EventFilter(types=ACCOUNT_TYPES, account=account), 1)
            for event in (json.loads(body) for _, body in last.events):
                if event["type"] == UNREACHABLE:
                    self._show_account_event(event)

    async def follow(self, is_daemon_running: Callable[[], Awaitable[bool]]) -> None:
        """Process the events of the log until every job is over or the daemon has stopped."""
        await self._show_unreachable_accounts({each.account for each in self._waiting.outstanding if each.account})
        while self._waiting.outstanding:
            await self._process_events()
            with anyio.move_on_after(DAEMON_CHECK_SECONDS) as nothing_new:
                await self._reader.wait_for_change()
            if nothing_new.cancelled_caught and not await is_daemon_running():
                return

    async def _process_events(self) -> None:
        while page := await self._reader.events(self._after, EventFilter()):
            for self._after, body in page:
                self._process_event(json.loads(body))

    def _process_event(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("account."):
            if self._account in (None, event["account"]):
                self._show_account_event(event)
        elif event["type"].startswith("batch.") and self._account in (None, event["account"]):
            for awaited in self._waiting.matching(event["data"]["id"], event["account"]):
                self._waiting.record_job(awaited, _job_of(event, awaited), milliseconds(event["observed_at"]))

    def _show_account_event(self, event: dict[str, Any]) -> None:
        self._waiting.view.show_notice(f"account {text.plain(event['account'])}: {text.event_words(event)}")


def _job_of(event: dict[str, Any], awaited: Awaited) -> dict[str, Any]:
    """The job as the log has it once this event is in it; see `Reader.jobs`."""
    first_seen_at = (awaited.job or {}).get("first_seen_at", event["observed_at"])
    deleted = event["type"] == "batch.deleted"
    values = (event["account"], deleted, first_seen_at, event["observed_at"], event["seq"], event.get("outcome"))
    return {**event["data"], **dict(zip(_LOG_FIELDS, values, strict=True))}
