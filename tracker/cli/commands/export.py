"""Owns `batch-tracker export`: a database of PostgreSQL becomes one of SQLite."""

from pathlib import Path

import anyio
import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo
from tracker.cli.formatting.transfer_progress import describe_transferred, shown_progress
from tracker.core.errors.storage_error import UnfitTargetError
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import export_file


@click.command(epilog=examples("export tracker.db", "export /var/lib/batch-tracker/tracker.db"))
@config_option
@click.argument("file", type=click.Path(path_type=Path))
def command(config: str | None, file: Path) -> None:
    """Copy the PostgreSQL database of the configuration to the new SQLite database FILE, as it is at one moment.

    Everything is kept, as with `import`, and compared row by row; FILE gets its name only then. Replicas may run meanwhile.
    To go on with FILE, stop them first: a daemon with FILE delivers what is pending in it.
    """
    if str(file) == "-":
        raise click.UsageError("found '-' for FILE, expected a file: a copy is proved where it lies, not in a pipe")
    address = configured_database(config)
    if not isinstance(address, PostgresAddress):
        raise click.UsageError(f"found storage.path {plain(address)}, expected storage.url: `backup` copies an SQLite database")
    try:
        with shown_progress() as progress:
            transferred = anyio.run(export_file, address, file, progress)
    except UnfitTargetError as error:
        raise click.UsageError(plain(error)) from None
    echo(f"{plain(file)}: {describe_transferred(transferred)}")
