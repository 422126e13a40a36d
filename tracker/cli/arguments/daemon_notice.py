"""Owns the notice that no daemon runs, so that the output of a command is as old as the last sweep."""

from tracker.cli.formatting import quantities
from tracker.cli.formatting.printing import echo_error
from tracker.core.events.event import iso
from tracker.core.events.summary import format_duration
from tracker.core.ports.reader import Reader
from tracker.runtime.clock import now
from tracker.store.address import DatabaseAddress, PostgresAddress
from tracker.store.database_file_commands import is_in_use


async def has_daemon(database: DatabaseAddress, reader: Reader) -> bool:
    """Whether a daemon has the database, or a replica that uses it lives."""
    if isinstance(database, PostgresAddress):
        return any(replica["live"] for replica in await reader.replicas())
    return is_in_use(database)


async def warn_without_daemon(database: DatabaseAddress, reader: Reader) -> bool:
    """Print the notice to standard error if no daemon runs; returns whether one does."""
    if await has_daemon(database, reader):
        return True
    echo_error(f"no daemon is running; {await last_sweep(reader)}")
    return False


async def last_sweep(reader: Reader) -> str:
    """When an account was last swept: the last sweep was 3h 2m ago, at 2025-06-25 16:20:10."""
    swept_at = await reader.last_sweep()
    if swept_at is None:
        return "no sweep is recorded"
    return f"the last sweep was {format_duration((now() - swept_at) / 1000)} ago, at {quantities.moment(iso(swept_at))}"
