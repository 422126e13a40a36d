"""Owns `batch-tracker restore`: a backup put in the place of the database."""

from datetime import UTC, datetime
from pathlib import Path

import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.commands.backup import holds
from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo
from tracker.config import database_path
from tracker.core.errors.storage_error import UnfitTargetError
from tracker.runtime.clock import now
from tracker.store.file_commands import restore


@click.command(epilog=examples("restore /var/backups/tracker-2025-06-25.db"))
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def command(config: str | None, file: Path) -> None:
    """Put the backup FILE in the place of the database; stop the daemon first.

    FILE is copied and checked first, and stays as it is. The old database is kept under another name. The daemon observes again
    what happened since the backup, as far as the API still shows it: as new events with new IDs. The log goes on after the
    backup's last seq, so a consumer that keeps a later seq has to go back to that one.
    """
    database = database_path(config)
    moment = datetime.fromtimestamp(now() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    try:
        restored = restore(file, database, moment)
    except UnfitTargetError as error:
        raise click.UsageError(text.plain(error)) from None
    last = restored.contents.events
    echo(f"{database}: {holds(restored.contents)}; the log and the jobs agree")
    if restored.displaced:
        echo(f"the old database is kept: {restored.displaced}")
    echo(f"the log goes on with seq {last + 1}: a consumer that keeps a later one goes back to {last}")
