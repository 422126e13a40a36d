"""Owns the loop that archives the jobs of one account: it claims due tasks, archives them, and records or postpones them."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import anyio
import structlog
from anyio.abc import TaskGroup

from tracker.core.deliveries.retry_schedule import backoff
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.results import ArchiveStore
from tracker.core.ports.wakeups import Signal, Wakeups
from tracker.core.results.archive_outcome import Results
from tracker.core.results.archive_task import ArchiveTask, archive_retry
from tracker.core.results.result_file import ArchivedFile
from tracker.results.failed_attempt import FailedAttempt
from tracker.results.job_archiver import JobArchiver
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.task_groups import task_group

JOBS_AT_ONCE: Final = 4
"""Jobs of one account that are archived at once, so that a slow or failing job delays no other."""

LOOK_AGAIN: Final = 60.0
"""Seconds after which the due tasks are read from the store in any case."""

LONGEST_PAUSE: Final = 60.0
"""Seconds that the archiver waits while each file of the account, or the database, would fail."""


class Observer(Protocol):
    """Gets the outcome of each task, for the metrics."""

    def archived(self, results: Results, earlier: Sequence[ArchivedFile]) -> None:
        """The results were recorded; `earlier` are files of the same job that had been recorded before."""

    def postponed(self, account: str, reason: str) -> None:
        """An attempt failed, and another one follows."""


class Unobserved:
    """The `Observer` that does nothing."""

    def archived(self, results: Results, earlier: Sequence[ArchivedFile]) -> None:
        pass

    def postponed(self, account: str, reason: str) -> None:
        pass


class Archiver:
    """Archives the jobs of one account until it is cancelled, which is safe at any moment."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        account: str,
        jobs: JobArchiver,
        store: ArchiveStore,
        wakeups: Wakeups,
        *,
        slots: anyio.Semaphore,
        now: Callable[[], int],
        jitter: Callable[[], float],
        heartbeat: Heartbeat,
        observer: Observer | None = None,
        longest_storage_pause: float = LONGEST_PAUSE,
    ) -> None:
        """`slots` bounds the jobs of all accounts; `now` gives Unix milliseconds, `jitter` a number from 0 to 1.

        `longest_storage_pause` is seconds between two attempts to use a store that fails.
        """
        self._account = account
        self._jobs = jobs
        self._store = store
        self._wakeups = wakeups
        self._slots = slots
        self._now = now
        self._jitter = jitter
        self._observer = observer or Unobserved()
        self._heartbeat = heartbeat
        self._longest_storage_pause = longest_storage_pause
        self._under_way: set[str] = set()
        self._ended = anyio.Event()
        self._odd = False
        self._paused_until = 0.0
        self._failures = 0  # in a row, of what concerns every job
        self._suspects: set[str] = set()  # jobs that failed since then of what may concern every job
        self._log = structlog.get_logger().bind(account=account)

    async def run(self) -> None:
        """Archive what is due, forever. Raises `LeaseLostError`."""
        with self._heartbeat.at_work():
            async with task_group() as group:
                while True:
                    ended, changed = self._ended, self._wakeups.archive_changed()
                    seconds = await self.start_due(group)
                    await self._wait(seconds, ended, changed)

    async def start_due(self, group: TaskGroup) -> float:
        """Start due tasks up to the limit of concurrent jobs; returns the seconds after which more may be due."""
        free, pause = JOBS_AT_ONCE - len(self._under_way), self._paused_until - anyio.current_time()
        if not free or pause > 0:
            return max(pause, 0.0) if free else LOOK_AGAIN
        try:
            for task in await self._claim(free):
                self._under_way.add(task.job.id)
                group.start_soon(self._archive, task)
            due = await self._store.next_due(self._account, self._now())
        except LeaseLostError:
            raise
        except StorageError as error:
            self._storage_failed(error)
            return 0.0
        return LOOK_AGAIN if due is None else min(LOOK_AGAIN, max(0.0, (due - self._now()) / 1000))

    async def _claim(self, limit: int) -> list[ArchiveTask]:
        """Up to `limit` due tasks: half of them are the newest, since their files may be deleted soon.

        The other half are the oldest, so that a backlog, as after the first contact with an account, is worked off too.
        """
        tasks: list[ArchiveTask] = []
        self._odd = not self._odd
        for last_due_first, most in ((True, (limit + self._odd) // 2), (False, limit)):
            if len(tasks) < most:
                under_way = self._under_way | {task.job.id for task in tasks}
                tasks += await self._store.claim(
                    self._account, self._now(), most - len(tasks), under_way, last_due_first=last_due_first
                )
        return tasks

    async def archive_once(self, task: ArchiveTask) -> None:
        """Archive the job, and record the outcome."""
        outcome = await self._jobs.archive(task)
        try:
            if isinstance(outcome, Results):
                await self._record(task, outcome)
            else:
                await self._postpone(task, outcome)
        except LeaseLostError:
            raise
        except StorageError as error:
            self._storage_failed(error)

    async def _archive(self, task: ArchiveTask) -> None:
        try:
            async with self._slots:
                await self.archive_once(task)
        finally:
            self._under_way.discard(task.job.id)
            self._ended.set()
            self._ended = anyio.Event()

    async def _record(self, task: ArchiveTask, results: Results) -> None:
        await self._store.record(results)
        self._failures = 0
        self._suspects.clear()
        self._observer.archived(results, task.archived)
        log = self._log.bind(job=results.job_id)
        if results.files:
            log.info("results.archived", files=len(results.files), bytes=sum(each.bytes for each in results.files))
        for each in results.missing:
            log.warning("results.missing", kind=each.kind, file=each.file_id, reason=each.reason, detail=each.detail)

    async def _postpone(self, task: ArchiveTask, failed: FailedAttempt) -> None:
        wait = archive_retry(task.attempts + 1, self._jitter(), failed.retry_after)
        if failed.others_fail == "yes" or (failed.others_fail == "perhaps" and self._is_further_suspect(task.job.id)):
            self._pause()
        due = self._now() + round(wait * 1000)
        await self._store.fail(self._account, task.job.id, due, failed.reason, failed.detail)
        self._observer.postponed(self._account, failed.reason)
        about = {"reason": failed.reason, "detail": failed.detail, "failed_attempts": task.attempts + 1}
        self._log.warning("archive.postponed", job=task.job.id, **about)

    def _is_further_suspect(self, job_id: str) -> bool:
        """Whether other jobs have failed already since the last one was archived, and this one had not.

        One job that fails again and again delays no other.
        """
        before = len(self._suspects)
        self._suspects.add(job_id)
        return 0 < before < len(self._suspects)

    def _storage_failed(self, error: StorageError) -> None:
        self._log.error("storage.failed", error=str(error))
        self._pause(self._longest_storage_pause)

    def _pause(self, longest: float = LONGEST_PAUSE) -> None:
        """Start no job for a while, longer with each failure in a row: the cause would make every job fail."""
        self._failures += 1
        seconds = backoff(1.0, self._failures, longest, self._jitter())
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)

    async def _wait(self, seconds: float, *events: Signal) -> None:
        """Wait for one of `events`, for `seconds` at most."""
        with self._heartbeat.waiting(seconds), anyio.move_on_after(seconds):
            async with anyio.create_task_group() as group:
                for event in events:
                    group.start_soon(_wait_for, event, group)


async def _wait_for(event: Signal, group: TaskGroup) -> None:
    await event.wait()
    group.cancel_scope.cancel()
