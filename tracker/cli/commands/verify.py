"""Owns `batch-tracker verify`: whether the jobs are what the log says."""

import sys

import click

from tracker.cli.arguments.options import config_option, examples
from tracker.cli.formatting import text
from tracker.cli.formatting.output import echo
from tracker.config import database_path
from tracker.store.file_commands import verify


@click.command(epilog=examples("verify && echo sound"))
@config_option
def command(config: str | None) -> None:
    """Rebuild every job from the log and compare it with the table; the exit status is 1 where they differ."""
    path = database_path(config)
    verdict = verify(path)
    for difference in verdict.differences:
        echo(text.plain(difference))
    agree = f"{len(verdict.differences)} differences" if verdict.differences else "the log and the jobs agree"
    echo(f"{path}: {verdict.events} events, {verdict.jobs} jobs: {agree}")
    sys.exit(bool(verdict.differences))
