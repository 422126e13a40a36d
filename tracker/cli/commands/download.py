"""Owns `batch-tracker download`: the result files of a job, from the archive or else from the API, verified."""

import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import anyio
import click
import msgspec

from tracker.cli.arguments.completion_values import accounts, job_ids
from tracker.cli.arguments.options import config_option, duration
from tracker.cli.download.api_access import ApiAccess
from tracker.cli.download.errors import DownloadError
from tracker.cli.download.file_download import Downloaded, FileDownload
from tracker.cli.download.job_source import JobData, job_to_download, settled
from tracker.cli.download.view import DownloadView, download_view
from tracker.cli.download.waiting_view import waiting_view
from tracker.cli.download.wanted_files import wanted_files
from tracker.cli.formatting import quantities
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo, echo_error
from tracker.cli.stop_signals import until_signal
from tracker.cli.wait.exit_status import exit_status
from tracker.cli.wait.result import summary
from tracker.cli.wait.state import TIMED_OUT, UNKNOWN, Waiting
from tracker.cli.wait.wait_loop import TICK, check_configured, wait_until_over
from tracker.config.loading import results_access
from tracker.core.results.result_file import KINDS, FileKind
from tracker.core.text.escaping import plain
from tracker.results.locations.location import Location, LocationError
from tracker.results.locations.location_factory import open_location
from tracker.runtime.task_groups import task_group

_EPILOG: Final = """
\b
Examples:
  batch-tracker download 541d1a81
  batch-tracker download 541d1a81 --output results --kind error
  batch-tracker download 541d1a81 --wait --timeout 24h && ./evaluate.py

\b
Exit status:
  0    each file is there; with --wait every request succeeded, too
  1    a file could not be downloaded, the job is not over or names no
       such file; with --wait as `wait`
  2    usage or configuration, such as a refused key
  124  --timeout passed, and the job is not over
  130  Ctrl-C
"""


class _Request(NamedTuple):
    """The request of the command line; `kinds` are the kinds of files, `must`: each of them has to exist."""

    config: str | None
    account: str | None
    folder: Path
    kinds: Sequence[FileKind]
    must: bool
    quiet: bool


@click.command(epilog=_EPILOG)
@click.argument("job_id", metavar="ID", shell_complete=job_ids)
@config_option
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Look only for a job of this account.")
@click.option(
    "--output",
    metavar="DIR",
    default=".",
    show_default="the current directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Store the files in this directory, which is created if it is missing.",
)
@click.option("--kind", type=click.Choice(KINDS), help="Store only this file; without it, each file that the job names.")
@click.option("--wait", is_flag=True, help="Wait until the job is over, as `batch-tracker wait` does.")
@click.option("--timeout", metavar="TIME", callback=duration("0s", "365d"), help="Wait at most this long for the job.")
@click.option("--allow-partial", is_flag=True, help="Count a job as a success also where only some of its requests succeeded.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each file, with its size and SHA-256.")
@click.option("--quiet", "-q", is_flag=True, help="Print the paths alone, and errors.")
def command(
    job_id: str,
    config: str | None,
    account: str | None,
    output: Path,
    kind: FileKind | None,
    wait: bool,
    timeout: float | None,
    allow_partial: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Download the result files of a job as DIR/ID-output.jsonl and DIR/ID-error.jsonl, and print their paths.

    A file comes from the archive if it is there, else from the API. Its SHA-256 is verified where it is known, else its size,
    its lines and its end. A file appears when it is whole, only its owner can read it, and another file is not overwritten.
    """
    if not job_id:
        raise click.UsageError("an ID is empty, expected a job's ID or its beginning")
    if not wait and (timeout is not None or allow_partial):
        raise click.UsageError("--timeout and --allow-partial need --wait")
    check_configured(config, account)
    request = _Request(config, account, output, (kind,) if kind else KINDS, kind is not None, quiet)
    job, status = None, 0
    if wait:
        good = {"success", "partial"} if allow_partial else {"success"}
        job, status = _wait_for(request, job_id, timeout, good)
    failed = _download(request, job_id, job, as_json=as_json)
    sys.exit(failed or status)


def _wait_for(request: _Request, job_id: str, timeout: float | None, good: set[str]) -> tuple[JobData | None, int]:
    """The job once it is over, and the exit status that `wait` would have. Exits where it is not over."""
    view = waiting_view(quiet=request.quiet)
    waiting = Waiting([job_id], view)
    with view:
        signal = anyio.run(until_signal, partial(wait_until_over, request.config, request.account, waiting, timeout))
    (awaited,) = waiting.all
    if not request.quiet:
        for line in summary(waiting.all, good, timeout):
            echo_error(f"batch-tracker: {line}")
    status = signal or exit_status(waiting.all, good)
    if awaited.job is None or awaited.result in (None, TIMED_OUT, UNKNOWN):
        sys.exit(status)
    return awaited.job, status


def _download(request: _Request, job_id: str, job: JobData | None, *, as_json: bool) -> int:
    """Download the files; the exit status. The paths of those that are there are printed in any case."""
    done: list[Downloaded] = []
    errors: list[DownloadError] = []
    view = download_view(quiet=request.quiet)
    try:
        with view:
            signal = anyio.run(until_signal, partial(_download_all, request, job_id, job, view, done, errors))
    finally:
        for each in done:
            if as_json:
                echo_json(msgspec.to_builtins(each))
            else:
                echo(plain(each.path))
    for error in errors:
        echo_error(f"batch-tracker: {error}")
    return signal or max((error.status for error in errors), default=0)


async def _download_all(
    request: _Request,
    job_id: str,
    job: JobData | None,
    view: DownloadView,
    done: list[Downloaded],
    errors: list[DownloadError],
) -> None:
    """Download each file; its outcome is added to `done` or `errors`."""
    async with AsyncExitStack() as stack, task_group() as group:
        group.start_soon(_tick, view)
        apis = ApiAccess(request.config, stack)
        job = await settled(job or await job_to_download(request.config, job_id, request.account, apis), apis)
        downloads = FileDownload(apis, partial(_open_archive, request.config), view)
        for wanted in await wanted_files(request.config, job, request.kinds, request.folder, must=request.must):
            try:
                done.append(await downloads.download(wanted))
            except DownloadError as error:
                errors.append(error)
            else:
                view.show_notice(_describe(done[-1]))
        group.cancel_scope.cancel()


def _open_archive(config: str | None) -> Location:
    """The configured archive. Raises `LocationError` if there is none."""
    access = results_access(config)
    if access.results.archive is None:
        raise LocationError("`results.archive` is not set")
    return open_location(access.results.archive, access.spool)


def _describe(done: Downloaded) -> str:
    lines = "1 line" if done.lines == 1 else f"{done.lines:,} lines"
    source = {"archive": "from the archive", "api": "from the API", "unchanged": "already there"}[done.source]
    return f"{done.kind} file: {quantities.size(done.bytes)}, {lines}, sha256 {done.sha256}, {source}"


async def _tick(view: DownloadView) -> None:
    while True:
        view.tick()
        await anyio.sleep(TICK)
