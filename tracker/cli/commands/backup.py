"""Owns `batch-tracker backup`: a copy of the database, made while the daemon runs."""

from pathlib import Path

import click
from rich import filesize

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo
from tracker.cli.postgres_backup import BackupByPostgresError, pg_dump
from tracker.core.errors.storage_error import UnfitTargetError
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database, configured_segments
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import back_up
from tracker.store.database_file_reports import Contents


@click.command(epilog=examples("backup /var/backups/tracker-$(date +%F).db"))
@config_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
def command(config: str | None, file: Path, force: bool) -> None:
    """Copy the database to FILE, as it is at one moment, whether or not a daemon runs.

    The copy is checked as `verify` checks the database, and gets the name FILE only then, so FILE is never half a copy. An
    interrupted backup leaves FILE as it was, and may leave FILE.partial, which the next backup replaces.
    """
    if str(file) == "-":
        raise click.UsageError("found '-' for FILE, expected a file: a copy is proved where it lies, not in a pipe")
    database = configured_database(config)
    if isinstance(database, PostgresAddress):
        raise BackupByPostgresError("backup", pg_dump(database, file))
    try:
        contents = back_up(database, file, overwrite=force, segments=configured_segments(config))
    except UnfitTargetError as error:
        raise click.UsageError(plain(error)) from None
    echo(f"{plain(file)}: {describe_contents(contents)}; the log and the jobs agree")


def describe_contents(contents: Contents) -> str:
    """The contents of a copy as text."""
    last = f" up to seq {contents.events}" if contents.events else ""
    return f"{contents.events} events{last}, {contents.jobs} jobs, {filesize.decimal(contents.size)}"
