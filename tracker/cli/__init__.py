"""Owns the command group: each command is a module, which is imported only when it is called.

Exit status 0: success. 1: failure. 2: usage or configuration. 124: `wait` timed out. 130: Ctrl-C.
"""

import gc
import sys
from importlib import import_module
from io import TextIOWrapper
from keyword import iskeyword
from typing import TYPE_CHECKING, Final

import click

from tracker import __version__
from tracker.cli.command_errors import run_to_exit

if TYPE_CHECKING:
    from types import ModuleType

    from click.shell_completion import CompletionItem

COMMANDS: Final = {
    "run": "watch the accounts and log every change of their jobs",
    "check": "check the configuration, with --online the accounts too",
    "demo": "see it work: a simulated API, the daemon and a live view",
    "simulate": "serve a stand-in for a vendor's batch API on loopback",
    "jobs": "list the jobs",
    "job": "show one job and its timeline",
    "results": "show why requests failed, usage, cost and result files",
    "download": "download the result files of a job, verified",
    "wait": "wait until jobs are over; the exit status says how they ended",
    "top": "watch jobs, events, receivers and accounts on the terminal",
    "events": "list the log, or follow it",
    "deliveries": "list the deliveries to the receivers, attempt by attempt",
    "replay": "deliver again: one event, all dead ones, or a range",
    "silence": "deliver nothing of what matches, until a time",
    "silences": "list the silences and maintenance windows",
    "replicas": "list the replicas that share a database, and who works on what",
    "send-test": "send a test event to a receiver and show the result",
    "verify": "rebuild every job from the log and compare",
    "backup": "copy the database while the daemon runs",
    "restore": "replace the database by a backup",
    "import": "copy an SQLite database into an empty PostgreSQL",
    "export": "copy a PostgreSQL database into a new SQLite file",
    "migrate": "create or update the tables in PostgreSQL",
    "completion": "print the script for completion with the tab key",
}


class _LazyGroup(click.Group):
    """Imports `tracker.cli.commands.NAME` for the command NAME (`-` becomes `_`, a keyword gets one) when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name.replace("-", "_")
        command: click.Command = _load(f"tracker.cli.commands.{module}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in COMMANDS and not name.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

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
  batch-tracker jobs --active        list the active jobs
  batch-tracker wait 541d1a81 && ./download.sh

\b
Exit status:
  0    success
  1    failure
  2    usage or configuration
  124  `wait` ended by its --timeout
  130  Ctrl-C

Data goes to standard output, messages to standard error. Colors appear only on a terminal, and not if NO_COLOR is set.
`batch-tracker COMMAND --help` has examples, `batch-tracker completion --help` explains completion with the tab key.
"""


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.version_option(__version__, prog_name="batch-tracker")
@click.option("--config", metavar="FILE", type=click.Path(), help="Read this configuration; see `batch-tracker run --help`.")
@click.pass_context
def group(ctx: click.Context, config: str | None) -> None:
    """Turn the batch jobs of LLM vendors into events."""
    ctx.obj = config


def main() -> None:
    """Run the command line, and exit."""
    _replace_unencodable_characters()
    try:
        run_to_exit(lambda: group.main(prog_name="batch-tracker", standalone_mode=False))
    finally:
        gc.freeze()  # else the exit looks twice for garbage in all that was loaded, which takes a sixth of a short command


def _load(module: str) -> "ModuleType":
    """Import it without a search for garbage: there is none, and each search goes through all that has been loaded."""
    gc.disable()
    try:
        return import_module(module)
    finally:
        gc.enable()


def _replace_unencodable_characters() -> None:
    """Replace characters that the output's encoding lacks, instead of a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
