"""Owns the loop round the sweeps of one account: when the next one is due, and what is said of the last."""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from typing import Final

import anyio
import structlog

from tracker.core.deliveries.retry_schedule import backoff, jittered
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.events.job_diff import Change
from tracker.core.events.summary import failure_reason
from tracker.core.events.types import BY_NAME
from tracker.core.reconciliation.account_health import Health
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics import Metrics
from tracker.polling.poller import Poller
from tracker.runtime.heartbeat import Heartbeat

LONGEST_BACKOFF: Final = 60.0
"""Seconds between sweeps while the network, the server or the store fails: soon after it is well again we know."""

LONGEST_BACKOFF_REFUSED: Final = 300.0
"""Seconds between sweeps while the account is refused: an operator has to act first."""


class Watcher:
    """Sweeps one account for ever."""

    def __init__(
        self,
        poller: Poller,
        interval: float,
        health: Health,
        metrics: Metrics,
        jitter: Callable[[], float],
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`interval` is seconds from the start of one sweep to the start of the next; `jitter` gives a number from 0 to 1."""
        self._poller = poller
        self._interval = interval
        self._health = health
        self._metrics = metrics
        self._jitter = jitter
        self._heartbeat = heartbeat or Heartbeat()
        self._failures = 0
        self._storage_failures = 0
        self._unreadable: AbstractSet[str] = frozenset()
        self._log = structlog.get_logger().bind(account=poller.account)

    async def run(self) -> None:
        with self._heartbeat.at_work():
            while True:
                began = anyio.current_time()
                delay = await self.sweep_once()
                await self._follow_up_until(began + delay)
                await self._heartbeat.sleep_until(began + delay)

    async def follow_up_once(self) -> None:
        """Ask again for what cannot be complete. A store that fails is tried again by the next sweep."""
        try:
            await self._poller.follow_up()
        except StorageError as error:
            self._storage_failed(error)

    async def _follow_up_until(self, moment: float) -> None:
        """Ask again for what cannot be complete whenever that is due before `moment`, when the next sweep begins."""
        while not self._storage_failures and (seconds := self._poller.next_follow_up()) is not None:
            due = anyio.current_time() + seconds
            if due >= moment:
                return
            await self._heartbeat.sleep_until(due)
            await self.follow_up_once()

    async def sweep_once(self) -> float:
        """Sweep, say what came of it, and return the seconds from its start after which the next is due."""
        began_at = self._poller.now()
        delay = await self._sweep()
        self._health.due(self._poller.account, began_at + round(delay * 1000))
        return delay

    async def _sweep(self) -> float:
        began = anyio.current_time()
        try:
            report = await self._poller.poll_once()
        except StorageError as error:
            return self._backs_off(self._storage_failed(error))
        if self._storage_failures:
            self._log.info("storage.recovered")
        self._storage_failures = 0
        now = self._poller.now()
        self._health.storage_error = None
        self._health.swept(
            self._poller.account, report.failure, now, unreadable=report.unreadable, clock_ahead=report.clock_ahead
        )
        self._metrics.swept(self._poller.account, report, now, anyio.current_time() - began)
        self._say(report)
        self._failures = self._failures + 1 if report.failure else 0
        delay = self._delay(report.failure)
        self._backs_off(delay if report.failure else 0.0)
        return delay

    def _backs_off(self, seconds: float) -> float:
        self._metrics.accounts.backs_off(self._poller.account, seconds)
        return seconds

    def _storage_failed(self, error: StorageError) -> float:
        self._health.storage_error = str(error)
        self._storage_failures += 1
        self._log.error("storage.failed", error=str(error))
        return backoff(1.0, self._storage_failures, LONGEST_BACKOFF, self._jitter())

    def _delay(self, failure: Failure | None) -> float:
        if failure is None or failure.reason is Reason.INCOMPLETE:  # an API that answers is asked no less for what it lacks
            return jittered(self._interval, self._jitter())
        refused = failure.reason in (Reason.UNAUTHORISED, Reason.NOT_ENABLED, Reason.REJECTED, Reason.NOT_FOUND)
        cap = max(self._interval, LONGEST_BACKOFF_REFUSED if refused else LONGEST_BACKOFF)
        return max(backoff(self._interval, self._failures, cap, self._jitter()), failure.retry_after or 0.0)

    def _say(self, report: Report) -> None:
        if report.backfilled:
            self._log.info("account.backfilled", jobs=report.backfilled)
        for job in report.malformed:
            self._log.warning("job.malformed", job=job.id, reason=job.reason)
        self._say_unreadable(report)
        if report.failure:
            about = {"reason": report.failure.reason, "detail": report.failure.detail, "failed_sweeps": self._failures + 1}
            self._log.warning("sweep.failed", **about)
        elif report.failure is None and self._failures:
            self._log.info("sweep.recovered", failed_sweeps=self._failures)
        self._log.debug("sweep.completed", shown=report.shown, events=report.events, stale=report.stale)

    def _say_unreadable(self, report: Report) -> None:
        """What could not be read while the rest could; a malformed job has been said already."""
        unreadable = {each.what: each for each in report.unreadable}
        for what in self._unreadable - unreadable.keys():
            self._log.info("entry.recovered", what=what)
        malformed = {job.id for job in report.malformed}
        for each in report.unreadable:
            if each.job is None or each.job not in malformed:
                self._log.warning("entry.unreadable", what=each.what, reason=each.failure.reason, detail=each.failure.detail)
        self._unreadable = unreadable.keys()


def say_recorded(account: str, changes: Iterable[Change]) -> None:
    """What a sweep of the account has just recorded, a line for each event."""
    log = structlog.get_logger().bind(account=account)
    for change in changes:
        for event in change.events:
            tell = log.debug if change.backfilled else getattr(log, _level(event))
            tell(event.type, job=event.data["id"], status=event.data["status"], **_worth(event.outcome), **_errors(event))


def _level(event: Event) -> str:
    """A batch that came to nothing is a warning, whatever its status calls it; what it goes through is for those who ask."""
    return "warning" if event.outcome == "all_failed" else BY_NAME[event.type].level


def _errors(event: Event) -> dict[str, str]:
    """Why a job ended as it did, where the API says it."""
    reason = failure_reason(event.data)
    return {"error": reason} if reason else {}


def _worth(outcome: object) -> dict[str, object]:
    return {"outcome": outcome} if isinstance(outcome, str) else {}
