"""Owns `batch-tracker job`: one job and its timeline."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import click

from tracker.cli.arguments import name_checks
from tracker.cli.arguments.completion_values import accounts, job_ids
from tracker.cli.arguments.daemon_notice import warn_without_daemon
from tracker.cli.arguments.job_lookup import find_job
from tracker.cli.arguments.options import config_option, examples, json_option
from tracker.cli.formatting import job_description, quantities
from tracker.cli.formatting.json_output import echo_json
from tracker.cli.formatting.printing import echo
from tracker.core.events.event import iso
from tracker.core.events.summary import format_duration
from tracker.core.events.timeline import Step, is_cut, steps
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.request_errors import error_sentences
from tracker.core.jobs.title import job_title
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.text.escaping import plain
from tracker.daemon.database_address import configured_database
from tracker.store.opening import read_once

_ERRORS_SHOWN: Final = 5
_WITH_YEARS: Final = 100
"""Columns from which on the years of times are shown."""

_SHOWN_ABOVE = (
    *("id", "status", "total_requests", "completed_requests", "succeeded_requests", "failed_requests"),
    *("errors", "errors_omitted"),
)
_TIMES = ("created_at", "started_at", "completed_at", "expires_at")
_SEEN = ("first_seen_at", "observed_at")


@click.command(epilog=examples("job 541d1a81", "job 541d1a81 --json | jq .failed_requests"))
@click.argument("job_id", metavar="ID", shell_complete=job_ids)
@config_option
@json_option
@click.option("--account", metavar="NAME", shell_complete=accounts, help="Show only a job of this account.")
def command(job_id: str, config: str | None, as_json: bool, account: str | None) -> None:
    """Show one job, its failure reason if there is one, and its timeline.

    The beginning of its ID is enough if no other job's ID starts with it.
    """
    job, events, first_seq = _read(config, job_id, account)
    if as_json:
        echo_json(job)
    else:
        _show(job, events)
        if is_cut(events, first_seq):
            echo(f"Earlier events were moved into segments: batch-tracker events --archive --job {plain(job['id'])}")


def _read(config: str | None, job_id: str, account: str | None) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
    database = configured_database(config)

    async def read(reader: Reader) -> tuple[dict[str, Any], list[dict[str, Any]], int]:
        await name_checks.check_account(reader, config, account)
        await warn_without_daemon(database, reader)
        job = await find_job(reader, job_id, account)
        which = EventFilter(job=job["id"], account=job["account"])
        events, after = [], 0
        while page := await reader.events(after, which):
            events += [json.loads(body) for _, body in page]
            after = page[-1][0]
        return job, events, await reader.first_seq()

    return read_once(database, read)


def _show(job: Mapping[str, Any], events: Sequence[dict[str, Any]]) -> None:
    from rich.text import Text  # noqa: PLC0415 - rich takes longer to load than the job

    from tracker.cli.formatting import colored_text, table_layout, terminal  # noqa: PLC0415 - as above

    console = terminal.console()
    console.print(
        Text.assemble((plain(job["id"]), "bold"), "  ", colored_text.status(job), "  ", job_description.progress(job))
    )
    for line in error_sentences(job, _ERRORS_SHOWN):
        console.print(Text(f"  {line}", style="red"))
    if title := job_title(job):
        console.print(Text(title))
    properties = (table_layout.Column(""), table_layout.Column("", most=terminal.PIPED_WIDTH, shrinks=True))
    console.print(table_layout.table(properties, _properties(job), console.width))
    console.print()
    cut = 0 if console.width >= _WITH_YEARS else len("2025-")
    columns = (
        table_layout.Column("seq", right=True, rank=2),
        table_layout.Column("observed"),
        table_layout.Column("after", rank=1, right=True),
        table_layout.Column("event", most=terminal.PIPED_WIDTH, shrinks=True),
    )
    rows = (
        (str(step.last["seq"]), quantities.moment(step.last["observed_at"])[cut:], _gap(step), colored_text.step_words(step))
        for step in steps(events)
    )
    console.print(table_layout.table(columns, rows, console.width))


def _gap(step: Step) -> str:
    return f"+{format_duration(step.gap)}" if step.gap else ""


def _properties(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in job.items():
        if name in _SHOWN_ABOVE or value in (None, [], {}, False):
            continue
        shown = json.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
        if name in _TIMES and time_of(job, name) is not None:
            shown = quantities.moment(iso(value * 1000))
        if name in _SEEN:
            shown = quantities.moment(value)
        yield plain(name), plain(shown)
