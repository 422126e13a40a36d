"""Owns the loop round the sweeps of one account: when the next one is due, and what is logged of the last."""

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from math import inf
from typing import Final

import anyio
import structlog

from tracker.core.deliveries.retry_schedule import backoff, jittered
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import BY_NAME
from tracker.core.events.job_diff import Change
from tracker.core.events.summary import failure_reason
from tracker.core.health.readiness import Health
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics import Metrics
from tracker.polling.hint_queue import HintQueue
from tracker.polling.poller import Poller
from tracker.runtime.heartbeat import Heartbeat

MAX_BACKOFF: Final = 60.0
"""Seconds between sweeps while the network, the server or the store fails: soon after it is well again we know."""

MAX_BACKOFF_REFUSED: Final = 300.0
"""Seconds between sweeps while the account is refused: an operator has to act first."""

HINTED_AT_ONCE: Final = 5
"""Hinted jobs that are polled before the loop looks again whether the next sweep is due."""

EARLIEST_SWEEP: Final = 5.0
"""Seconds from the start of one sweep to one that hints have begin early."""


class PollLoop:
    """Sweeps one account while its lease is held."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        poller: Poller,
        interval: float,
        health: Health,
        metrics: Metrics,
        jitter: Callable[[], float],
        heartbeat: Heartbeat | None = None,
        *,
        longest_storage_pause: float = MAX_BACKOFF,
        hints: HintQueue | None = None,
    ) -> None:
        """`interval` is seconds from the start of one sweep to the start of the next; `jitter` gives a number from 0 to 1.

        `longest_storage_pause` is seconds between sweeps while the store fails.
        """
        self._poller = poller
        self._interval = interval
        self._health = health
        self._metrics = metrics
        self._jitter = jitter
        self._heartbeat = heartbeat or Heartbeat()
        self._longest_storage_pause = longest_storage_pause
        self._hints = hints or HintQueue()
        self._api_fails = True  # until a sweep went well
        self._failures = 0
        self._storage_failures = 0
        self._unreadable: AbstractSet[str] = frozenset()
        self._is_limited = False  # what a list lacks is said once
        self._log = structlog.get_logger().bind(account=poller.account)

    async def run(self) -> None:
        """Sweep forever. Raises `LeaseLostError`."""
        with self._heartbeat.at_work():
            while True:
                began = anyio.current_time()
                self._hints.sweep_begins()
                delay = await self.sweep_once()
                await self._follow_up_until(began, began + delay)

    async def follow_up_once(self, hinted: Sequence[str] = ()) -> None:
        """Ask for hinted jobs, or again for what cannot be complete. A store that fails is tried again by the next sweep."""
        try:
            if hinted:
                not_ended = await self._poller.get_hinted(hinted)
                self._api_fails = not_ended is None
                self._hints.not_ended(not_ended or ())
            else:
                await self._poller.follow_up()
        except LeaseLostError:
            raise
        except StorageError as error:
            self._storage_failed(error)

    async def _follow_up_until(self, began: float, moment: float) -> None:
        """Ask for what is due before `moment`, when the next sweep begins, if hints do not have it begin early."""
        while True:
            added = self._hints.added()
            moment = self._next_sweep(began, moment)
            if anyio.current_time() >= moment:
                return
            if hinted := self._take_hinted():
                await self.follow_up_once(hinted)
            elif (due := self._next_follow_up()) <= anyio.current_time():
                await self.follow_up_once()
            else:
                await self._sleep_until(min(moment, due, self._next_hint()), added)

    def _next_sweep(self, began: float, moment: float) -> float:
        if self._follows_up_nothing():
            return moment
        return min(moment, max(self._hints.early_sweep_at(), began + min(EARLIEST_SWEEP, self._interval)))

    def _next_follow_up(self) -> float:
        seconds = None if self._storage_failures else self._poller.next_follow_up()
        return inf if seconds is None else anyio.current_time() + seconds

    def _next_hint(self) -> float:
        return inf if self._follows_up_nothing() else self._hints.next_due()

    def _take_hinted(self) -> list[str]:
        return [] if self._follows_up_nothing() else self._hints.take_due(HINTED_AT_ONCE)

    def _follows_up_nothing(self) -> bool:
        """Whether hints wait for the next sweep: after a failure the API is asked no more than without them."""
        return bool(self._api_fails or self._storage_failures)

    async def _sleep_until(self, moment: float, added: anyio.Event) -> None:
        seconds = moment - anyio.current_time()
        with self._heartbeat.waiting(seconds), anyio.move_on_after(seconds):
            await added.wait()

    async def sweep_once(self) -> float:
        """Sweep, log what came of it, and return the seconds from its start after which the next is due."""
        began_at = self._poller.now()
        delay = await self._sweep()
        self._health.due(self._poller.account, began_at + round(delay * 1000))
        return delay

    async def _sweep(self) -> float:
        began = anyio.current_time()
        try:
            report = await self._poller.poll_once()
        except LeaseLostError:
            raise
        except StorageError as error:
            return self._report_backoff(self._storage_failed(error))
        if self._storage_failures:
            self._log.info("storage.recovered")
        self._storage_failures = 0
        now = self._poller.now()
        self._health.storage_error = None
        self._health.swept(
            self._poller.account, report.failure, now, unreadable=report.unreadable, clock_ahead=report.clock_ahead
        )
        self._metrics.swept(self._poller.account, report, now, anyio.current_time() - began)
        self._log_report(report)
        self._failures = self._failures + 1 if report.failure else 0
        self._api_fails = report.failure is not None and report.failure.reason is not Reason.INCOMPLETE
        delay = self._delay(report.failure)
        self._report_backoff(delay if report.failure else 0.0)
        return delay

    def _report_backoff(self, seconds: float) -> float:
        self._metrics.accounts.backs_off(self._poller.account, seconds)
        return seconds

    def _storage_failed(self, error: StorageError) -> float:
        self._health.storage_error = str(error)
        self._storage_failures += 1
        self._log.error("storage.failed", error=str(error))
        return backoff(1.0, self._storage_failures, self._longest_storage_pause, self._jitter())

    def _delay(self, failure: Failure | None) -> float:
        if failure is None or failure.reason is Reason.INCOMPLETE:  # an API that answers is asked no less for what it lacks
            return jittered(self._interval, self._jitter())
        refused = failure.reason in (Reason.UNAUTHORISED, Reason.NOT_ENABLED, Reason.REJECTED, Reason.NOT_FOUND)
        cap = max(self._interval, MAX_BACKOFF_REFUSED if refused else MAX_BACKOFF)
        return max(backoff(self._interval, self._failures, cap, self._jitter()), failure.retry_after or 0.0)

    def _log_report(self, report: Report) -> None:
        if report.backfilled:
            self._log.info("account.backfilled", jobs=report.backfilled)
        for job in report.malformed:
            self._log.warning("job.malformed", job=job.id, reason=job.reason)
        self._log_unreadable(report)
        if report.limitation and not self._is_limited:
            self._log.warning("list.limited", detail=report.limitation)
        self._is_limited = self._is_limited or report.limitation is not None
        if report.failure:
            about = {"reason": report.failure.reason, "detail": report.failure.detail, "failed_sweeps": self._failures + 1}
            self._log.warning("sweep.failed", **about)
        elif report.failure is None and self._failures:
            self._log.info("sweep.recovered", failed_sweeps=self._failures)
        self._log.debug("sweep.completed", shown=report.shown, events=report.events, stale=report.stale)

    def _log_unreadable(self, report: Report) -> None:
        """What could not be read while the rest could; a malformed job has been said already."""
        unreadable = {each.what: each for each in report.unreadable}
        for what in self._unreadable - unreadable.keys():
            self._log.info("entry.recovered", what=what)
        malformed = {job.id for job in report.malformed}
        for each in report.unreadable:
            if each.job is None or each.job not in malformed:
                self._log.warning("entry.unreadable", what=each.what, reason=each.failure.reason, detail=each.failure.detail)
        self._unreadable = unreadable.keys()


def log_recorded(account: str, changes: Iterable[Change]) -> None:
    """What a sweep of the account has just recorded, a line for each event."""
    log = structlog.get_logger().bind(account=account)
    for change in changes:
        for event in change.events:
            log_line = log.debug if change.backfilled else getattr(log, _level_of(event))
            log_line(
                event.type,
                job=event.data["id"],
                status=event.data["status"],
                **_outcome_field(event.outcome),
                **_error_field(event),
            )


def _level_of(event: Event) -> str:
    """The log level: a batch of which every request failed is a warning, though its status is SUCCESS."""
    return "warning" if event.outcome == "all_failed" else BY_NAME[event.type].level


def _error_field(event: Event) -> dict[str, str]:
    """Why a job ended as it did, where the API says it."""
    reason = failure_reason(event.data)
    return {"error": reason} if reason else {}


def _outcome_field(outcome: object) -> dict[str, object]:
    return {"outcome": outcome} if isinstance(outcome, str) else {}
