"""Owns the archive task: a job whose result files are to be archived, and when a failed attempt is repeated."""

from typing import Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.results.result_file import ArchivedFile, ResultFile, files_of

GIVE_UP_AFTER: Final = 2 * 86400.0
"""Seconds after a task was made; the attempt that fails then was the last one, if there were enough (`FEWEST_ATTEMPTS`)."""

RETRY_WAITS: Final = (2.0, 10.0, 30.0, 60.0, 300.0, 900.0, 1800.0)
"""Seconds before the further attempts. The first are short, as files may be deleted soon; the last one repeats."""

FEWEST_ATTEMPTS: Final = len(RETRY_WAITS) + 1
"""Two days may have passed without attempts, as while the daemon was stopped, or because the clock was set ahead."""


class ArchiveTask(msgspec.Struct, frozen=True, kw_only=True):
    """The result files of `job`, as it is known now. Times are Unix milliseconds; `attempts` are those that failed.

    `archived` are files of the same job that were archived before this task was made.
    """

    account: str
    job: Job
    created_at: int
    due_at: int
    attempts: int = 0
    archived: tuple[ArchivedFile, ...] = ()

    @property
    def files(self) -> tuple[ResultFile, ...]:
        """Every file that the job names, the output file first."""
        return files_of(self.job)


class ArchiveBacklog(msgspec.Struct, frozen=True):
    """How many tasks an account has, and when the oldest was made (Unix milliseconds; None if there is none)."""

    tasks: int = 0
    oldest: int | None = None


def archive_retry(attempts: int, jitter: float, retry_after: float | None = None) -> float:
    """Seconds to wait after `attempts` failed attempts, varied by up to a tenth by `jitter` (0 to 1).

    It is never less than `retry_after`, the wait that the API requested (seconds).
    """
    wait = RETRY_WAITS[min(max(attempts, 1), len(RETRY_WAITS)) - 1] * (0.9 + 0.2 * jitter)
    return max(wait, retry_after or 0.0)


def is_given_up(task: ArchiveTask, now: int) -> bool:
    """Whether an attempt of `task` that fails at `now` (Unix milliseconds) was the last one."""
    return now - task.created_at >= GIVE_UP_AFTER * 1000 and task.attempts + 1 >= FEWEST_ATTEMPTS
