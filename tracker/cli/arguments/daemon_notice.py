"""Owns the notice that no daemon runs: what a command shows then is as old as the last sweep."""

from pathlib import Path

from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo_error
from tracker.core.events.event import iso
from tracker.core.events.summary import format_duration
from tracker.core.ports.reader import Reader
from tracker.runtime.clock import now
from tracker.store.file_commands import is_in_use


async def warn_without_daemon(database: Path, reader: Reader) -> bool:
    """Say on standard error that no daemon runs, if none does; whether one does."""
    if is_in_use(database):
        return True
    echo_error(f"no daemon is running; {await last_sweep(reader)}")
    return False


async def last_sweep(reader: Reader) -> str:
    """When an account was last swept: the last sweep was 3h 2m ago, at 2025-06-25 16:20:10."""
    swept_at = await reader.last_sweep()
    if swept_at is None:
        return "no sweep is recorded"
    return f"the last sweep was {format_duration((now() - swept_at) / 1000)} ago, at {text.moment(iso(swept_at))}"
