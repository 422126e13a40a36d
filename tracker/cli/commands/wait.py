"""Owns `batch-tracker wait`: waiting until jobs are over, and an exit status that says whether all of them succeeded."""

import sys
from typing import Final

import anyio
import click

from tracker.cli.arguments.completion_values import accounts, active_job_ids
from tracker.cli.arguments.options import config_option, duration
from tracker.cli.formatting import terminal
from tracker.cli.formatting.output import echo_error
from tracker.cli.process.interrupt import until_signal
from tracker.cli.wait.exit_status import exit_status
from tracker.cli.wait.result import summary
from tracker.cli.wait.state import TIMED_OUT, Waiting
from tracker.cli.wait.view import Bars, Lines
from tracker.cli.wait.waiter import Waiter
from tracker.config import account_names
from tracker.core.errors.config_error import ConfigError
from tracker.http.client import http_client, tls_context
from tracker.runtime.task_groups import task_group

TICK: Final = 0.25
"""Seconds between two pictures on a terminal."""

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
@click.option("--allow-partial", is_flag=True, help="Count a job as a success also where only some of its requests succeeded.")
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

    The beginning of an ID is enough where no other job's ID starts with it. While a daemon runs, the command follows its log
    and asks nothing of the API. Without a daemon it asks the API itself, as often as a daemon does, and follows the log again
    once a daemon runs.
    """
    if not all(ids):
        raise click.UsageError("an ID is empty, expected a job's ID or its beginning")
    _check_account(config, account)
    view = _view(as_json=as_json, quiet=quiet)
    waiting = Waiting(ids, view)
    with view:
        status = anyio.run(_wait, config, account, waiting, timeout)
    good = {"success", "partial"} if allow_partial else {"success"}
    if not quiet:
        for line in summary(waiting.all, good, timeout):
            echo_error(f"batch-tracker: {line}")
    sys.exit(status or exit_status(waiting.all, good))


def _check_account(config: str | None, account: str | None) -> None:
    known = account_names(config)
    if account is not None and account not in known:
        raise ConfigError(f"no account {account!r} in the configuration; there are: {', '.join(known)}")


def _view(*, as_json: bool, quiet: bool) -> Lines:
    console = terminal.console(stderr=not sys.stdout.isatty())
    if quiet or not terminal.is_watched(console):
        return Lines(as_json=as_json, quiet=quiet)
    return Bars(console, as_json=as_json)


async def _wait(config: str | None, account: str | None, waiting: Waiting, timeout: float | None) -> int:  # noqa: ASYNC109 - the user's
    """Wait; the status of a signal that ended it, else 0."""

    async def work() -> None:
        async with http_client(tls_context()) as http, task_group() as group:
            group.start_soon(_tick, waiting)
            with anyio.move_on_after(timeout) as scope:
                await Waiter(config, account, waiting, http).run()
            if scope.cancelled_caught:
                for awaited in waiting.outstanding:
                    waiting.end(awaited, TIMED_OUT)
            group.cancel_scope.cancel()

    return await until_signal(work)


async def _tick(waiting: Waiting) -> None:
    while True:
        waiting.view.tick(waiting)
        await anyio.sleep(TICK)
