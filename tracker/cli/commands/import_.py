"""Owns `batch-tracker import`: an SQLite database becomes one of PostgreSQL."""

from pathlib import Path

import anyio
import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo
from tracker.cli.formatting.transfer_progress import describe_transferred, shown_progress
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import import_file


@click.command(epilog=examples("import tracker.db", "import /var/backups/tracker-2025-06-25.db"))
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def command(config: str | None, file: Path) -> None:
    """Copy the SQLite database FILE into the empty PostgreSQL database of the configuration; stop the daemon first.

    Everything is kept: every seq and ID, deliveries that are pending, attempts, receivers that are disabled, Slack messages,
    results. All of it arrives, compared row by row, or nothing. FILE may be a backup, of any older version; it is not changed.
    Archived files stay where they are: every replica needs the same directory or object store.
    """
    address = configured_database(config)
    if not isinstance(address, PostgresAddress):
        raise click.UsageError(f"found storage.path {plain(address)}, expected storage.url: FILE is imported into PostgreSQL")
    with shown_progress() as progress:
        transferred = anyio.run(import_file, file, address, progress)
    echo(f"{address}: {describe_transferred(transferred)}")
