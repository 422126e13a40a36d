"""Owns `batch-tracker results`: the results of a job, or usage and cost of all jobs."""

import sys
from collections.abc import Mapping
from typing import Any, Final

import click

from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import accounts, job_ids
from tracker.cli.arguments.daemon_notice import warn_without_daemon
from tracker.cli.arguments.job_lookup import find_job
from tracker.cli.arguments.options import config_option, json_option, moment
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo_error
from tracker.cli.results.absent_results import absent_results
from tracker.config import ResultsAccess
from tracker.config.loading import results_access
from tracker.core.ports.reader import Reader
from tracker.core.queries.pagination import ResultsKey
from tracker.core.results.usage_report import GroupBy, UsageReport
from tracker.daemon.database_address import configured_database
from tracker.store.opening import read_once

_PAGE: Final = 500

_EPILOG: Final = """
\b
Examples:
  batch-tracker results 541d1a81
  batch-tracker results 541d1a81 --json | jq .digest.groups
  batch-tracker results --since 7d --by account

\b
Exit status:
  0  there are results to show
  1  nothing of the job is archived; it is shown why
"""


@click.command(epilog=_EPILOG)
@click.argument("job_id", metavar="[ID]", required=False, shell_complete=job_ids)
@config_option
@json_option
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Show only results of this account.")
@click.option(
    "--since", metavar="TIME", callback=moment, help="Count only what was archived since: ISO 8601, or an age such as 7d."
)
@click.option(
    "--by", type=click.Choice(["model", "account", "provider"]), help="Show a row for each of these.  [default: model]"
)
def command(
    job_id: str | None, config: str | None, as_json: bool, account: str | None, since: int | None, by: GroupBy | None
) -> None:
    """Show why requests of a job failed, its usage, its cost and its files; without an ID, usage and cost of all jobs.

    All of it is from the log of a daemon that archives results. The beginning of an ID is enough where no other job's ID
    starts with it. Costs are what they were by [[prices]] when the results were archived, or else by those of today. With
    --by provider the vendor of an account is the one that the configuration says.
    """
    if job_id is None:
        _show_usage(config, account, since or 0, by or "model", as_json)
        return
    if since is not None or by is not None:
        raise click.UsageError("--since and --by are for the usage of all jobs, and go without an ID")
    access = results_access(config)
    job, results = _read(config, job_id, account, access)
    if as_json:
        echo_json(results)
    else:
        _show(job, results, access)
    sys.exit(0 if results["files"] else 1)


def _read(
    config: str | None, job_id: str, account: str | None, access: ResultsAccess
) -> tuple[dict[str, Any], Mapping[str, Any]]:
    database = configured_database(config)

    async def read(reader: Reader) -> tuple[dict[str, Any], Mapping[str, Any]]:
        await name_checks.check_account(reader, config, account)
        await warn_without_daemon(database, reader)
        job = await find_job(reader, job_id, account)
        results = await reader.results(job["account"], job["id"])
        return job, results or absent_results(job, access)

    return read_once(database, read)


def _show(job: Mapping[str, Any], results: Mapping[str, Any], access: ResultsAccess) -> None:
    from tracker.cli.formatting import terminal  # noqa: PLC0415 - rich takes longer to load than the results
    from tracker.cli.results.job_results import print_results  # noqa: PLC0415 - as above

    print_results(terminal.console(), job, results, access.prices)


def _show_usage(config: str | None, account: str | None, since: int, by: GroupBy, as_json: bool) -> None:
    from tracker.cli.formatting import terminal  # noqa: PLC0415 - as above
    from tracker.cli.results.usage_table import usage_json, usage_table  # noqa: PLC0415 - as above

    access = results_access(config)
    report = UsageReport(by, access.prices, access.providers)
    database = configured_database(config)

    async def read(reader: Reader) -> None:
        await name_checks.check_account(reader, config, account)
        await warn_without_daemon(database, reader)
        await _add_all(reader, report, account, since)

    read_once(database, read)
    if as_json:
        for name, row in report.rows():
            echo_json(usage_json(name, row, by))
        echo_json(usage_json(None, report.total, "total"))
    elif report.total.jobs:
        console = terminal.console()
        console.print(usage_table(report, console.width, by, jobs=True))
    if report.without_usage or not report.total.jobs:
        echo_error(_remark(report))


async def _add_all(reader: Reader, report: UsageReport, account: str | None, since: int) -> None:
    after: ResultsKey | None = None
    while True:
        page = await reader.results_page(after, account, since, _PAGE)
        for results in page.results:
            report.add(results)
        if page.next is None:
            return
        after = page.next


def _remark(report: UsageReport) -> str:
    without = report.without_usage
    if not without:
        return "no results are archived"
    return f"{'1 job is' if without == 1 else f'{without:,} jobs are'} not counted, as no result file is archived"
