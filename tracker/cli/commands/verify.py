"""Owns `batch-tracker verify`: a comparison of the table of jobs with the log."""

import sys

import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting.printing import echo
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database, configured_segments
from tracker.store.address import describe
from tracker.store.database_file_commands import verify


@click.command(epilog=examples("verify && echo sound"))
@config_option
def command(config: str | None) -> None:
    """Rebuild every job from the log and compare it with the table; the exit status is 1 if they differ."""
    database = configured_database(config)
    verdict = verify(database, configured_segments(config))
    for difference in verdict.differences:
        echo(plain(difference))
    agree = f"{len(verdict.differences)} differences" if verdict.differences else "the log and the jobs agree"
    echo(f"{plain(describe(database))}: {verdict.events} events, {verdict.jobs} jobs: {agree}")
    sys.exit(bool(verdict.differences))
