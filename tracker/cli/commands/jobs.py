"""Owns `batch-tracker jobs`: the list of jobs."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count
from typing import Any, Final

import click
import msgspec

from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import accounts, job_ids
from tracker.cli.arguments.daemon_notice import warn_without_daemon
from tracker.cli.arguments.filter_options import provider_option, status_option
from tracker.cli.arguments.options import config_option, examples, json_option, moment
from tracker.cli.formatting import job_description
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo_error
from tracker.core.events.summary import format_duration
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import JobFilter, in_display_order
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.runtime.clock import now
from tracker.store.opening import read_once

SHOWN: Final = 100
"""The default number of jobs in a table."""

_PAGE: Final = 500
_ANY: Final = 2**63 - 1
_ABOUT: Final = 24
"""Columns of a terminal for why a job failed and what it is called, before its time of creation is left out for them."""


@click.command(
    epilog=examples(
        "jobs --active",
        "jobs --status failed --status timeout_exceeded --since 7d",
        "jobs --model 'mistral-small-*' --json | jq -r .id",
    )
)
@config_option
@json_option
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Show only the jobs of this account.")
@provider_option("jobs")
@status_option("jobs")
@click.option("--active/--over", default=None, help="Show only jobs that are active, or only jobs that are over.")
@click.option("--model", metavar="GLOB", help="Show only jobs of these models, such as 'mistral-small-*'.")
@click.option("--endpoint", metavar="GLOB", help="Show only jobs for these endpoints, such as '*/embeddings'.")
@click.option("--job", metavar="ID", default="", shell_complete=job_ids, help="Show only jobs whose ID starts with this.")
@click.option(
    "--since", metavar="TIME", callback=moment, help="Show only jobs created since: ISO 8601, or an age such as 2h or 7d."
)
@click.option("--until", metavar="TIME", callback=moment, help="Show only jobs created before this time.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help=f"Show at most N.  [default: {SHOWN}; with --json, all]")
def command(config: str | None, as_json: bool, limit: int | None, **filters: Any) -> None:
    """List the jobs: running jobs, queued jobs, then ended jobs, the last to end first.

    A job is shown with its title from the metadata, and a failed job with the reason. Where the jobs are of several vendors,
    each is shown with its own.
    """
    which = _filter(**filters)
    if as_json:
        _each(config, which, limit or _ANY, echo_json)
        return
    found: list[dict[str, Any]] = []
    shown = limit or SHOWN
    _each(config, which, shown + 1, found.append)
    if not found:
        echo_error("no job matches" if which != JobFilter() else "the log has no job yet")
        return
    _show(found[:shown])
    if len(found) > shown and limit is None:
        echo_error(f"These are the first {shown:,}; --limit N shows more of them, --json all.")


def _filter(*, statuses: tuple[str, ...], job: str, since: int | None, until: int | None, **filters: Any) -> JobFilter:
    return JobFilter(
        statuses=statuses,
        prefix=job,
        created_after=None if since is None else -(-since // 1000) - 1,
        created_before=None if until is None else -(-until // 1000),
        **filters,
    )


def _each(config: str | None, which: JobFilter, limit: int, take: Callable[[dict[str, Any]], object]) -> None:
    database = configured_database(config)

    async def read(reader: Reader) -> None:
        await warn_without_daemon(database, reader)
        await name_checks.check_account(reader, config, which.account)
        wanted = msgspec.structs.replace(which, statuses=await name_checks.statuses(reader, which.statuses))
        numbers = count(1)
        async for job in _in_display_order(reader, wanted, min(limit, _PAGE)):
            take(job)
            if next(numbers) == limit:
                return

    read_once(database, read)


async def _in_display_order(reader: Reader, which: JobFilter, at_once: int) -> AsyncIterator[dict[str, Any]]:
    known = {status for counts in (await reader.job_counts()).values() for status in counts}
    for part in in_display_order(which, known):
        after = None
        while True:
            page = await reader.jobs_page(after, part, at_once)
            for job in page.jobs:
                yield job
            if page.next is None:
                break
            after = page.next


def _show(jobs: list[dict[str, Any]]) -> None:
    from tracker.cli.formatting import table_layout, terminal  # noqa: PLC0415 - rich takes longer to load than the jobs

    console = terminal.console()
    vendors = (table_layout.Column("vendor", rank=4),) if len({job["provider"] for job in jobs}) > 1 else ()
    columns = (
        table_layout.Column("status", most=22),
        table_layout.Column("job"),
        table_layout.Column("account", rank=3, most=20),
        *vendors,
        table_layout.Column("created", rank=2),
        table_layout.Column("progress"),
        table_layout.Column("about", rank=1, most=80, shrinks=True, keeps=_ABOUT),
    )
    rows = _rows(jobs, whole=console.width >= table_layout.WHOLE_IDS, with_vendor=bool(vendors))
    console.print(table_layout.table(columns, rows, console.width))


def _rows(jobs: list[dict[str, Any]], *, whole: bool, with_vendor: bool) -> Iterator[tuple[Any, ...]]:
    from tracker.cli.formatting import colored_text  # noqa: PLC0415 - as above

    at = now() / 1000
    for job in jobs:
        yield (
            colored_text.status(job),
            plain(job["id"]) if whole else job_description.short_id(job),
            plain(job["account"]),
            *((plain(job["provider"]),) if with_vendor else ()),
            f"{format_duration(at - job['created_at'])} ago",
            job_description.progress(job),
            job_description.about(job),
        )
