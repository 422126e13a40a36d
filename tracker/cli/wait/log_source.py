"""Owns the log as the source of `wait`, while a daemon runs: its commits wake the command, without requests to the API."""

import json
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import anyio

from tracker.cli.arguments.job_lookup import AmbiguousJobError
from tracker.cli.formatting import event_text
from tracker.cli.formatting.progress_history import load_history, milliseconds
from tracker.cli.wait.state import SUCCEEDED, Awaited, Waiting, result_of
from tracker.core.events.event_type_table import ACCOUNT_TYPES
from tracker.core.events.time_limits import UNREACHABLE
from tracker.core.jobs.native import provider_of
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import Span
from tracker.core.text.escaping import plain

DAEMON_CHECK_SECONDS: Final = 2.0
"""Seconds between checks that the daemon runs: its end makes no commit that would wake us."""

DIGEST_GRACE_SECONDS: Final = 5.0
"""Seconds that the result of a job waits for its digest, while the daemon archives its files for the first time."""

_LOG_FIELDS: Final = ("account", "provider", "deleted", "first_seen_at", "observed_at", "seq", "outcome")


class LogSource:
    """Follows the log with one reader."""

    def __init__(self, reader: Reader, waiting: Waiting, account: str | None) -> None:
        """`account`: only its jobs count."""
        self._reader = reader
        self._waiting = waiting
        self._account = account
        self._after = 0
        self._is_following = False
        self._digests_until = math.inf  # by the clock of the event loop

    async def look_up(self) -> None:
        """Look up the awaited jobs and their progress in the log. Raises `AmbiguousJobError`."""
        self._after = await self._reader.last_seq()
        for awaited in self._waiting.outstanding:
            found = await self._reader.jobs_by_prefix(awaited.id, self._account or awaited.account)
            if len(found) > 1:
                raise AmbiguousJobError(awaited.given, [(job["account"], job["id"]) for job in found])
            if found:
                awaited.history = awaited.history or await load_history(self._reader, found[0])
                await self._record_job(awaited, found[0], found[0]["observed_at"])

    async def _record_job(self, awaited: Awaited, job: dict[str, Any], observed_at: str) -> None:
        """Record the job; one that did not go well with its digest, if its results are archived."""
        if result_of(job) not in (None, SUCCEEDED) and self._waiting.view.shows_errors:
            with anyio.CancelScope(deadline=self._digests_until):
                awaited.digest = await self._read_digest(job)
        self._waiting.record_job(awaited, job, milliseconds(observed_at))

    async def _read_digest(self, job: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The digest of the job's result files, once no first attempt to archive them is under way."""
        while results := await self._reader.results(job["account"], job["id"]):
            if not (results["state"] == "pending" and self._is_following and results["task"]["attempts"] == 0):
                digest: Mapping[str, Any] | None = results["digest"]
                return digest
            await self._reader.wait_for_change()
        return None

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
        self._is_following = True
        while self._waiting.outstanding:
            await self._process_events()
            with anyio.move_on_after(DAEMON_CHECK_SECONDS) as nothing_new:
                await self._reader.wait_for_change()
            if nothing_new.cancelled_caught and not await is_daemon_running():
                return

    async def _process_events(self) -> None:
        while page := await self._reader.events(self._after, EventFilter()):
            self._digests_until = anyio.current_time() + DIGEST_GRACE_SECONDS
            for self._after, body in page:
                await self._process_event(json.loads(body))

    async def _process_event(self, event: dict[str, Any]) -> None:
        if event["type"].startswith("account."):
            if self._account in (None, event["account"]):
                self._show_account_event(event)
        elif event["type"].startswith("batch.") and self._account in (None, event["account"]):
            for awaited in self._waiting.matching(event["data"]["id"], event["account"]):
                await self._record_job(awaited, _job_of(event, awaited), event["observed_at"])

    def _show_account_event(self, event: dict[str, Any]) -> None:
        self._waiting.view.show_notice(f"account {plain(event['account'])}: {event_text.event_words(event)}")


def _job_of(event: dict[str, Any], awaited: Awaited) -> dict[str, Any]:
    """The job as the log has it once this event is in it; see `Reader.jobs`."""
    first_seen_at = (awaited.job or {}).get("first_seen_at", event["observed_at"])
    deleted = event["type"] == "batch.deleted"
    seen = (deleted, first_seen_at, event["observed_at"], event["seq"], event.get("outcome"))
    values = (event["account"], provider_of(event["data"]), *seen)
    return {**event["data"], **dict(zip(_LOG_FIELDS, values, strict=True))}
