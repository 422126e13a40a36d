"""Owns what `check` says of the log's growth: by the jobs that are active now, and what is kept for how long."""

from collections.abc import Iterator, Mapping
from math import isinf

from tracker.config import Config
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.summary import format_duration
from tracker.core.forecast.log_growth import bytes_per_day
from tracker.core.jobs.status import is_terminal
from tracker.core.text.byte_sizes import format_size
from tracker.store.address import DatabaseAddress
from tracker.store.opening import open_reader


async def expected_growth(config: Config, database: DatabaseAddress) -> list[str]:
    """How many bytes a day the jobs of each account may add to the log; nothing where the database cannot be read."""
    try:
        async with open_reader(database) as reader:
            counts = await reader.job_counts()
    except StorageError:
        return []
    return [*_sentences(config, {name: _active(statuses) for name, statuses in counts.items()})]


def _active(counts: Mapping[str, int]) -> int:
    return sum(jobs for status, jobs in counts.items() if status != "deleted" and not is_terminal(status))


def _sentences(config: Config, active: Mapping[str, int]) -> Iterator[str]:
    for account in config.accounts:
        if jobs := active.get(account.name, 0):
            every = config.storage.progress_every if account.progress_every is None else account.progress_every
            interval = max(every, account.poll_interval)
            size, apart = format_size(bytes_per_day(jobs, interval)), format_duration(interval)
            yield f"up to {size} a day of account {account.name}: {jobs} active, each may log progress every {apart}"
    keep = config.storage.keep_events
    yield (
        "all events are kept in the database"
        if isinf(keep)
        else f"events older than {format_duration(keep)} move into segments"
    )
