"""Owns `batch-tracker restore`: it replaces the database by a backup."""

from datetime import UTC, datetime
from pathlib import Path

import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.commands.backup import describe_contents
from tracker.cli.formatting.printing import echo
from tracker.cli.postgres_backup import BackupByPostgresError, pg_restore
from tracker.core.errors.storage_error import UnfitTargetError
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database, configured_segments
from tracker.runtime.clock import now
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import restore


@click.command(epilog=examples("restore /var/backups/tracker-2025-06-25.db"))
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def command(config: str | None, file: Path) -> None:
    """Replace the database by the backup FILE; stop the daemon first.

    FILE is copied and checked first, and stays as it is. The old database is kept under another name. The daemon observes again
    what happened since the backup, as far as the API still shows it: as new events with new IDs. The log goes on after the
    backup's last seq, so a consumer that keeps a later seq has to go back to that one.
    """
    database = configured_database(config)
    if isinstance(database, PostgresAddress):
        raise BackupByPostgresError("restore", pg_restore(database, file))
    moment = datetime.fromtimestamp(now() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        restored = restore(file, database, moment, configured_segments(config))
    except UnfitTargetError as error:
        raise click.UsageError(plain(error)) from None
    last = restored.contents.events
    echo(f"{database}: {describe_contents(restored.contents)}; the log and the jobs agree")
    if restored.displaced:
        echo(f"the old database is kept: {restored.displaced}")
    echo(f"the log goes on with seq {last + 1}: a consumer that keeps a later one goes back to {last}")
