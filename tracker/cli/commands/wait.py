"""Owns `batch-tracker wait`: it waits until jobs have ended; its exit status is 0 if all succeeded."""

import sys
from functools import partial

import anyio
import click

from tracker.cli.arguments.completion_values import accounts, active_job_ids
from tracker.cli.arguments.options import config_option, duration
from tracker.cli.formatting import terminal
from tracker.cli.formatting.printing import echo_error
from tracker.cli.stop_signals import until_signal
from tracker.cli.wait.exit_status import exit_status
from tracker.cli.wait.result import summary
from tracker.cli.wait.state import Waiting
from tracker.cli.wait.view import BarView, LineView
from tracker.cli.wait.wait_loop import check_configured, wait_until_over

_EPILOG = """
\b
Examples:
  batch-tracker wait 541d1a81-4815-442c-8f7c-6d7a4d5f4a3e
  batch-tracker wait 541d1a81 77b04d2c --timeout 2h --allow-partial
  batch-tracker wait --json 541d1a81 | jq -r .output_file

\b
Exit status:
  0    every request of every job succeeded
  1    a job failed, expired, was cancelled or deleted, succeeded only
       in part, or had no request
  2    usage or configuration, such as a refused key, or an unknown job
  124  --timeout passed, and no job has ended otherwise
  130  Ctrl-C
"""


@click.command(epilog=_EPILOG)
@click.argument("ids", metavar="ID...", nargs=-1, required=True, shell_complete=active_job_ids)
@config_option
@click.option(
    "--account",
    metavar="NAME",
    shell_complete=accounts,
    help="Wait only for jobs of this account; without it, each account is tried in turn.",
)
@click.option("--timeout", metavar="TIME", callback=duration("0s", "365d"), help='Wait at most this long, such as "2h30m".')
@click.option("--allow-partial", is_flag=True, help="Count a job as a success also if only some of its requests succeeded.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line as each job ends; `result` says how.")
@click.option("--quiet", "-q", is_flag=True, help="Print nothing; the exit status says how it went.")
def command(
    ids: tuple[str, ...],
    config: str | None,
    account: str | None,
    timeout: float | None,
    allow_partial: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Wait until jobs are over, and show how each ended and which files to download.

    The beginning of an ID is enough if no other job's ID starts with it. While a daemon runs, the command follows its log
    and asks nothing of the API. Without a daemon it asks the API itself, as often as a daemon does, and follows the log again
    once a daemon runs.
    """
    if not all(ids):
        raise click.UsageError("an ID is empty, expected a job's ID or its beginning")
    check_configured(config, account)
    view = _view(as_json=as_json, quiet=quiet)
    waiting = Waiting(ids, view)
    with view:
        status = anyio.run(until_signal, partial(wait_until_over, config, account, waiting, timeout))
    good = {"success", "partial"} if allow_partial else {"success"}
    if not quiet:
        for line in summary(waiting.all, good, timeout):
            echo_error(f"batch-tracker: {line}")
    sys.exit(status or exit_status(waiting.all, good))


def _view(*, as_json: bool, quiet: bool) -> LineView:
    console = terminal.console(stderr=not sys.stdout.isatty())
    if quiet or not terminal.is_interactive(console):
        return LineView(as_json=as_json, quiet=quiet)
    return BarView(console, as_json=as_json)
