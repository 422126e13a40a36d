"""Owns the command line's frame: one command a module, loaded only when it is called; what every command shares.

Exit status 0: it went well. 1: it did not. 2: usage or configuration.
"""

import sys
from importlib import import_module
from typing import Final

import click

from tracker import __version__
from tracker.core.config_error import ConfigError
from tracker.core.listen_error import ListenError
from tracker.core.ports import StorageError

COMMANDS: Final = {
    "run": "watch the accounts and log every change of their jobs",
    "check": "check the configuration, with --online the accounts too",
    "demo": "see it work: a simulated API, the daemon, and a live view",
    "simulate": "serve a stand-in for Mistral's batch API on loopback",
    "jobs": "list the jobs that the log knows",
    "job": "show one job and what happened to it",
    "wait": "wait until jobs are over; exit status 0 if all of them succeeded",
    "events": "list the log, or follow it",
    "deliveries": "list what was told to whom, attempt by attempt",
    "replay": "deliver again what was delivered, or what is dead",
    "send-test": "send a test event to a receiver and tell what happened",
    "verify": "rebuild every job from the log and compare",
    "backup": "copy the database while the daemon runs",
    "restore": "put a backup in the place of the database",
}


class _LazyGroup(click.Group):
    """Imports `tracker.cli.NAME` for the command NAME, `_` for `-`, when it is called; its `command` is the command."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tracker.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="batch-tracker")
@click.option("--config", metavar="FILE", help="The configuration; see `batch-tracker run --help`.")
@click.pass_context
def group(ctx: click.Context, config: str | None) -> None:
    """Turn Mistral's batch jobs into events."""
    ctx.obj = config


def main() -> None:
    """Run the command line; what it cannot work with is told in one paragraph."""
    try:
        group(prog_name="batch-tracker")
    except ConfigError as error:
        _end(error, 2)
    except (StorageError, ListenError) as error:
        _end(error, 1)


def _end(error: Exception, status: int) -> None:
    click.echo(f"batch-tracker: {error}", err=True)
    sys.exit(status)
