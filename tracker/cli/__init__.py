"""Owns the command line's frame: one command a module, loaded only when it is called; what every command shares.

Exit status 0: it went well. 1: it did not. 2: usage or configuration. 124: `wait` timed out. 130: Ctrl-C.
"""

import sys
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from typing import TYPE_CHECKING, Final

import click

from tracker import __version__
from tracker.cli.process.errors import run_to_exit

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

COMMANDS: Final = {
    "run": "watch the accounts and log every change of their jobs",
    "check": "check the configuration, with --online the accounts too",
    "demo": "see it work: a simulated API, the daemon and a live view",
    "simulate": "serve a stand-in for Mistral's batch API on loopback",
    "jobs": "list the jobs that the log knows",
    "job": "show one job and what happened to it",
    "wait": "wait until jobs are over; the exit status says how they ended",
    "top": "watch jobs, events, receivers and accounts on the terminal",
    "events": "list the log, or follow it",
    "deliveries": "list the deliveries to the receivers, attempt by attempt",
    "replay": "deliver again: one event, what is dead, or a range",
    "send-test": "send a test event to a receiver and show the result",
    "verify": "rebuild every job from the log and compare",
    "backup": "copy the database while the daemon runs",
    "restore": "put a backup in the place of the database",
    "completion": "print the script for completion with the tab key",
}


class _LazyGroup(click.Group):
    """Imports `tracker.cli.commands.NAME` for the command NAME (`-` becomes `_`) when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"tracker.cli.commands.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, COMMANDS, n=1)
            meant = f"did you mean {near[0]!r}?" if near else "`batch-tracker --help` lists those that there are"
            ctx.fail(f"there is no command {name!r}; {meant}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """The commands, without loading each of them, and the options."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only who completes needs it

        commands = [CompletionItem(name, help=what) for name, what in COMMANDS.items() if name.startswith(incomplete)]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]


_EPILOG: Final = """
\b
Examples:
  batch-tracker demo                 see it work, without a key
  batch-tracker run                  watch the workspace of $MISTRAL_API_KEY
  batch-tracker jobs --active        list the jobs that are not over
  batch-tracker wait 541d1a81 && ./download.sh

\b
Exit status:
  0    it went well
  1    it did not
  2    usage or configuration
  124  `wait` ended by its --timeout
  130  Ctrl-C

Data goes to standard output, messages to standard error. Colours appear only on a terminal, and not where NO_COLOR is set.
`batch-tracker COMMAND --help` has examples, `batch-tracker completion --help` explains completion with the tab key.
"""


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(__version__, prog_name="batch-tracker")
@click.option("--config", metavar="FILE", type=click.Path(), help="Read this configuration; see `batch-tracker run --help`.")
@click.pass_context
def group(ctx: click.Context, config: str | None) -> None:
    """Turn Mistral's batch jobs into events."""
    ctx.obj = config


def main() -> None:
    """Run the command line, and exit."""
    _replace_unencodable_characters()
    run_to_exit(lambda: group.main(prog_name="batch-tracker", standalone_mode=False))


def _replace_unencodable_characters() -> None:
    """Let an output that knows few characters show a mark for the others; a traceback says less."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
